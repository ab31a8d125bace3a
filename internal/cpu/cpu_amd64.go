//go:build !purego

package cpu

import "golang.org/x/sys/cpu"

// cpuid runs the CPUID instruction for leaf eax and sub-leaf ecx.
func cpuid(eax, ecx uint32) (a, b, c, d uint32)

// Package variables are set before any other package's code runs, so a kernel never sees a
// processor that has not been asked; this is detection, not registration.
var _ = detect()

func detect() bool {
	f := &cpu.X86
	X86.FMA = f.HasFMA
	X86.AVX2 = f.HasAVX2 && f.HasFMA
	X86.F16C = f.HasAVX2 && has(1, 29) // x/sys/cpu does not report it; every AVX2 processor has it
	X86.AVX512 = X86.AVX2 && f.HasAVX512F && f.HasAVX512BW && f.HasAVX512DQ && f.HasAVX512VL
	X86.AVX512VNNI = X86.AVX512 && f.HasAVX512VNNI
	X86.AVX512BF16 = X86.AVX512 && f.HasAVX512BF16
	caches()
	setUp()
	return true
}

// has reports bit n of ECX of the leaf.
func has(leaf uint32, n uint) bool {
	_, _, c, _ := cpuid(leaf, 0)
	return c>>n&1 == 1
}

// caches reads the deterministic cache parameters: leaf 4 (Intel), leaf 0x8000001D (AMD). Both
// have one layout: Intel SDM vol. 2A, CPUID; AMD APM vol. 3, E.4.15.
func caches() {
	leaf := uint32(4)
	if _, b, _, _ := cpuid(0, 0); b == 0x68747541 { // "Auth", of AuthenticAMD
		leaf = 0x8000001D
		if most, _, _, _ := cpuid(0x80000000, 0); most < leaf {
			return
		}
	} else if most, _, _, _ := cpuid(0, 0); most < leaf {
		return
	}
	for i := range uint32(8) {
		a, b, c, _ := cpuid(leaf, i)
		kind, level := a&31, a>>5&7
		if kind == 0 {
			return
		}
		if kind == 2 { // instructions
			continue
		}
		size := int(b>>22+1) * int(b>>12&1023+1) * int(b&4095+1) * int(c+1)
		if size < 4<<10 || size > 1<<30 { // a hypervisor that blanks the leaf
			continue
		}
		switch level {
		case 1:
			L1d = size
		case 2:
			L2 = size
		case 3:
			L3 = size
		}
	}
}
