package kernel

import (
	"testing"

	"github.com/hanji-ml/hanji/internal/cpu"
)

// attnPaths runs f under each path that this machine has.
func attnPaths[TB interface {
	*testing.T | *testing.B
	testing.TB
	Run(string, func(TB)) bool
}](t TB, f func(TB)) {
	for _, path := range cpu.Paths() {
		t.Run(path, func(t TB) {
			restore, err := cpu.Force(path)
			if err != nil {
				t.Fatal(err)
			}
			defer restore()
			f(t)
		})
	}
}
