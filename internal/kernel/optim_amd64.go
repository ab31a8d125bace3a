//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

func adamF32(p, g, m, v []float32, s *[8]float32) bool {
	if !useAsm() {
		return false
	}
	for len(p) > 0 {
		n := min(len(p), asmChunk)
		if cpu.X86.AVX512 {
			adamAVX512(p[:n], g, m, v, s)
		} else {
			adamAVX2(p[:n], g, m, v, s)
		}
		p, g, m, v = p[n:], g[n:], m[n:], v[n:]
	}
	return true
}
