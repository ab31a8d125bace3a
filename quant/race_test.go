//go:build race

package quant

// raceDetector: sync.Pool drops what it is given now and then, so allocations say nothing.
const raceDetector = true
