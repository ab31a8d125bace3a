package quant

import (
	"math"
	"testing"
)

// TestClosest: as by looking at all sixteen, at every value, every tie and the numbers beside them.
func TestClosest(t *testing.T) {
	var points []float32
	for i := range values4 {
		points = append(points, float32(values4[i]))
		if i > 0 {
			points = append(points, (float32(values4[i-1])+float32(values4[i]))/2)
		}
	}
	for _, p := range points {
		for _, x := range []float32{p, math.Nextafter32(p, 1000), math.Nextafter32(p, -1000), p + 0.25, p - 0.25} {
			want := 0
			for i, v := range values4 {
				if abs(float32(v)-x) <= abs(float32(values4[want])-x) {
					want = i
				}
			}
			if got := closest(x); int(got) != want {
				t.Errorf("%v: %d, want %d", x, got, want)
			}
		}
	}
	for x, want := range map[float32]uint8{float32(math.Inf(1)): 15, float32(math.Inf(-1)): 0, 1e30: 15, -1e30: 0} {
		if got := closest(x); got != want {
			t.Errorf("%v: %d", x, got)
		}
	}
}
