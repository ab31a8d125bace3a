//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

// sumBlock is how many float32 are added up in lanes before the sum goes on
// in float64: 64 additions per lane of 64 lanes.
const sumBlock = 4096

// useAsm tells whether any vector path is on.
func useAsm() bool { return cpu.X86.AVX512 || cpu.X86.AVX2 }

func sumF32(x []float32) (s float64, ok bool) {
	if !useAsm() {
		return 0, false
	}
	for len(x) > 0 {
		n := min(len(x), sumBlock)
		if cpu.X86.AVX512 {
			s += float64(sumAVX512(x[:n]))
		} else {
			s += float64(sumAVX2(x[:n]))
		}
		x = x[n:]
	}
	return s, true
}

func sumAbsF32(x []float32) (s float64, ok bool) {
	if !useAsm() {
		return 0, false
	}
	for len(x) > 0 {
		n := min(len(x), sumBlock)
		if cpu.X86.AVX512 {
			s += float64(sumAbsAVX512(x[:n]))
		} else {
			s += float64(sumAbsAVX2(x[:n]))
		}
		x = x[n:]
	}
	return s, true
}

func dotF32(a, b []float32) (s float64, ok bool) {
	if !useAsm() {
		return 0, false
	}
	for len(a) > 0 {
		n := min(len(a), sumBlock)
		if cpu.X86.AVX512 {
			s += float64(dotAVX512(a[:n], b))
		} else {
			s += float64(dotAVX2(a[:n], b))
		}
		a, b = a[n:], b[n:]
	}
	return s, true
}

func sumExpF32(x []float32, m float32) (s float64, ok bool) {
	if !useAsm() {
		return 0, false
	}
	for len(x) > 0 {
		n := min(len(x), sumBlock)
		if cpu.X86.AVX512 {
			s += float64(sumExpAVX512(x[:n], m))
		} else {
			s += float64(sumExpAVX2(x[:n], m))
		}
		x = x[n:]
	}
	return s, true
}

func maxOfF32(x []float32) (m float32, ok bool) {
	if len(x) == 0 || !useAsm() {
		return 0, false
	}
	for first := true; len(x) > 0; first = false {
		n := min(len(x), asmChunk)
		var b float32
		if cpu.X86.AVX512 {
			b = maxOfAVX512(x[:n])
		} else {
			b = maxOfAVX2(x[:n])
		}
		if first {
			m = b
		}
		m, x = maxOf(m, b), x[n:]
	}
	return m, true
}

func minOfF32(x []float32) (m float32, ok bool) {
	if len(x) == 0 || !useAsm() {
		return 0, false
	}
	for first := true; len(x) > 0; first = false {
		n := min(len(x), asmChunk)
		var b float32
		if cpu.X86.AVX512 {
			b = minOfAVX512(x[:n])
		} else {
			b = minOfAVX2(x[:n])
		}
		if first {
			m = b
		}
		m, x = minOf(m, b), x[n:]
	}
	return m, true
}

func geluBothF32(y, d, x []float32) bool {
	if !useAsm() {
		return false
	}
	for len(y) > 0 {
		n := min(len(y), asmChunk)
		if cpu.X86.AVX512 {
			geluBothAVX512(y[:n], d, x)
		} else {
			geluBothAVX2(y[:n], d, x)
		}
		y, d, x = y[n:], d[n:], x[n:]
	}
	return true
}
