package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Blocks of Q8_0 and back: the bound on the error, every path with the same bits, and nothing beside them.
func TestQ8Rows(t *testing.T) {
	want := map[int][]float32{}
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(51, 52))
		for _, n := range []int{0, 32, 64, 96, 128, 1024} {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(r.NormFloat64() * math.Exp(2*r.NormFloat64()))
			}
			if n == 96 {
				clear(x[32:64])
			}
			b := make([]byte, Q8Bytes(n)+1)
			b[Q8Bytes(n)] = 77
			F32ToQ8(b, x)
			y := newGuarded(n, 1)
			Q8ToF32(y.x, b)
			y.check(t, "Q8ToF32")
			if b[Q8Bytes(n)] != 77 {
				t.Fatal("wrote beside the blocks")
			}
			for i, v := range y.x {
				most := largest(x[i/32*32:][:32])
				// Half a step of max/127, and the step's own rounding to float16: 2⁻¹¹ of the element.
				if !(math.Abs(float64(v-x[i])) <= float64(most)/254*1.001+math.Abs(float64(x[i]))/2048+1e-7) {
					t.Fatalf("%d numbers: %v became %v where the largest is %v", n, x[i], v, most)
				}
			}
			if want[n] == nil {
				want[n] = append([]float32{}, y.x...)
			}
			for i, v := range y.x {
				if v != want[n][i] {
					t.Fatalf("%d numbers: element %d is %v, on another path %v", n, i, v, want[n][i])
				}
			}
		}
	})
}
