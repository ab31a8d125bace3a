//go:build race

package tensor_test

// raceDetector: sync.Pool drops what it is given now and then, so allocations say nothing.
const raceDetector = true
