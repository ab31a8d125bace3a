package quant

import (
	"math"
	"testing"
)

// TestRoundTo127: as math.Round does, at ties and just beside them.
func TestRoundTo127(t *testing.T) {
	var x []float32
	for i := float32(-126.5); i <= 126.5; i += 0.5 {
		x = append(x, i, math.Nextafter32(i, 1000), math.Nextafter32(i, -1000))
	}
	dst := make([]byte, len(x))
	sum, want := roundTo127(dst, x, 1), 0
	for i, v := range x {
		n := int(math.Round(float64(v)))
		if want += n; int(int8(dst[i])) != n {
			t.Errorf("%v became %d, want %d", v, int8(dst[i]), n)
		}
	}
	if sum != want {
		t.Errorf("sum %d, want %d", sum, want)
	}
	if roundTo127(dst, x, float32(math.Inf(1))) != 0 || dst[0] != 0 {
		t.Errorf("without a scale %d", dst[0])
	}
}
