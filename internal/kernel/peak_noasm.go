//go:build purego || !amd64

package kernel

func peakFMAShape() int { return 1 }

func peakFMARun(n int, x, y float32) { peakFMAGeneric(n, x, y) }

func peakReadRun(x []float32) float32 { return peakReadGeneric(x) }
