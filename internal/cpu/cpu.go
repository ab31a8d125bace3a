// Package cpu is a placeholder until kernel-gemm lands.
package cpu

import "golang.org/x/sys/cpu"

// X86 holds what the kernels ask for.
var X86 = struct{ AVX2, AVX512 bool }{
	cpu.X86.HasAVX2 && cpu.X86.HasFMA,
	cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL,
}
