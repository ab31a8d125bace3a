package golden

import (
	"path"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/cpu"
)

func TestPaths(t *testing.T) {
	before := cpu.Path()
	var ran []string
	Paths(t, func(t *testing.T) {
		if cpu.Path() != path.Base(t.Name()) {
			t.Errorf("%s runs on %s", t.Name(), cpu.Path())
		}
		ran = append(ran, cpu.Path())
	})
	if !slices.Equal(ran, cpu.Paths()) {
		t.Errorf("ran %v, the machine has %v", ran, cpu.Paths())
	}
	if cpu.Path() != before {
		t.Errorf("path %s is left behind, it was %s", cpu.Path(), before)
	}
}
