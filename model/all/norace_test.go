//go:build !race

package all_test

const raceDetector = false
