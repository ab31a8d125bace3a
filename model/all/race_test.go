//go:build race

package all_test

// raceDetector: sync.Pool drops what it is given now and then, so allocations say nothing.
const raceDetector = true
