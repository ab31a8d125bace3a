//go:build !race

package mixtral

const raceDetector = false
