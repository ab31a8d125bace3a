package golden

import (
	"testing"

	"github.com/hanji-ml/hanji/internal/cpu"
)

// Paths runs f as one subtest for each processor path that this machine has ("avx512", "avx2", "neon", "portable"), with
// the kernels forced onto it. Subtests of f must not be parallel: the path is the process's.
func Paths(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Logf("paths %v", cpu.Paths())
	for _, path := range cpu.Paths() {
		t.Run(path, func(t *testing.T) {
			restore, err := cpu.Force(path)
			if err != nil {
				t.Fatal(err)
			}
			defer restore()
			f(t)
		})
	}
}
