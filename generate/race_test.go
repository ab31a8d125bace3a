//go:build race

package generate

// raceDetector: it allocates, and makes sync.Pool drop what it is given now and then.
const raceDetector = true
