//go:build !purego

package cpu

import "golang.org/x/sys/cpu"

// See cpu_amd64.go.
var _ = detect()

func detect() bool {
	ARM64.ASIMD = cpu.ARM64.HasASIMD
	ARM64.ASIMDHP = cpu.ARM64.HasASIMDHP
	ARM64.ASIMDDP = cpu.ARM64.HasASIMDDP
	L1d, L2 = 64<<10, 1<<20 // Neoverse N1/V1, Apple M: at least this; user mode cannot ask
	setUp()
	return true
}
