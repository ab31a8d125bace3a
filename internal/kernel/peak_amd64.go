//go:build !purego

package kernel

import (
	"runtime"

	"github.com/hanji-ml/hanji/internal/cpu"
)

// peakFMAShape is how many floats one multiply-add of the path takes.
func peakFMAShape() int {
	if cpu.X86.AVX512 {
		return 16
	} else if cpu.X86.AVX2 {
		return 8
	}
	return 1
}

func peakFMARun(n int, x, y float32) {
	if cpu.X86.AVX512 {
		peakFMAAVX512(n, x, y)
	} else if cpu.X86.AVX2 {
		peakFMAAVX2(n, x, y)
	} else {
		runtime.KeepAlive(peakFMAGeneric(n, x, y))
	}
}

func peakReadRun(x []float32) float32 {
	if cpu.X86.AVX512 {
		return peakReadAVX512(x)
	} else if cpu.X86.AVX2 {
		return peakReadAVX2(x)
	}
	return peakReadGeneric(x)
}
