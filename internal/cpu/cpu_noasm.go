//go:build purego || (!amd64 && !arm64)

package cpu

// See cpu_amd64.go.
var _ = detect()

func detect() bool {
	setUp()
	return true
}
