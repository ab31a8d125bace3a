//go:build !race

package quant

const raceDetector = false
