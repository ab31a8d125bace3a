// Package cpu says what this processor can do, and lets a test pretend that it can do less.
//
// Kernels choose their path by reading package variables directly:
//
//	if cpu.X86.AVX512 {
//		dotAVX512(a, b)
//	} else if cpu.X86.AVX2 {
//		dotAVX2(a, b)
//	} else {
//		dotGeneric(a, b)
//	}
//
// so every path that the machine has can be run in one process: [Force] lowers the path and gives
// back a function that restores it. The environment variable HANJI_CPU (avx512, avx2, neon,
// portable) lowers it for a whole run. The package knows nothing about kernels.
package cpu

import (
	"fmt"
	"os"
	"slices"
)

// X86 holds the extensions of an amd64 processor that kernels may use. All false elsewhere.
// Written only before main and by Force.
var X86 x86

type x86 struct {
	AVX2       bool // with FMA: AVX2 is never reported without it
	FMA        bool
	F16C       bool
	AVX512     bool // F, BW, DQ and VL together
	AVX512VNNI bool
	AVX512BF16 bool
}

// ARM64 holds the extensions of an arm64 processor that kernels may use. All false elsewhere.
var ARM64 arm64

type arm64 struct {
	ASIMD   bool // NEON
	ASIMDHP bool // half-precision arithmetic
	ASIMDDP bool // SDOT, UDOT
}

// Cache sizes in bytes of the core that asked, data side. L3 is the share that one process may
// see, which can be the whole socket's. Where the processor does not tell, a modest guess.
var (
	L1d = 32 << 10
	L2  = 512 << 10
	L3  = 8 << 20
)

var foundX86, foundARM64 = X86, ARM64

// The paths, best first. portable stands for no assembly at all.
const (
	avx512   = "avx512"
	avx2     = "avx2"
	neon     = "neon"
	portable = "portable"
)

// setUp runs once before any kernel: it is reached from each platform's detection.
func setUp() {
	foundX86, foundARM64 = X86, ARM64
	if want := os.Getenv("HANJI_CPU"); want != "" {
		if _, err := Force(want); err != nil {
			fmt.Fprintln(os.Stderr, "hanji: HANJI_CPU:", err)
		}
	}
}

// Path names the path that kernels take now: "avx512", "avx2", "neon" or "portable".
func Path() string {
	switch {
	case X86.AVX512:
		return avx512
	case X86.AVX2:
		return avx2
	case ARM64.ASIMD:
		return neon
	}
	return portable
}

// Paths lists the paths this machine can take, best first; the last is always "portable".
func Paths() []string {
	var p []string
	if foundX86.AVX512 {
		p = append(p, avx512)
	}
	if foundX86.AVX2 {
		p = append(p, avx2)
	}
	if foundARM64.ASIMD {
		p = append(p, neon)
	}
	return append(p, portable)
}

// Force makes kernels take the named path until restore is called. The error says that this
// machine lacks the path; nothing has changed then. It is for tests and start-up: kernels that
// run meanwhile may see either path.
func Force(path string) (restore func(), err error) {
	if !slices.Contains(Paths(), path) {
		return func() {}, fmt.Errorf("cpu: no path %q on this machine, want one of %v", path, Paths())
	}
	x, a := X86, ARM64
	X86, ARM64 = foundX86, foundARM64
	switch path {
	case avx2:
		X86.AVX512, X86.AVX512VNNI, X86.AVX512BF16 = false, false, false
	case portable:
		X86, ARM64 = x86{}, arm64{}
	}
	return func() { X86, ARM64 = x, a }, nil
}
