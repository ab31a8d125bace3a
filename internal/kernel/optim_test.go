package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestAdamStep(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for n := range 3*16 + 2 {
			for off := range 4 {
				p, g, m, v := newGuarded(n, off), newGuarded(n, 3-off), newGuarded(n, 0), newGuarded(n, 1)
				input(r, p.x, false)
				clear(m.x)
				clear(v.x)
				p64, m64, v64 := widen(p.x), widen(m.x), widen(v.x)
				for step := 1; step <= 5; step++ {
					input(r, g.x, false)
					keep := append([]float32(nil), g.x...)
					a := AdamArgs{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.05, L2: off%2 == 0,
						BC1: 1 - math.Pow(0.9, float64(step)), BC2: 1 - math.Pow(0.999, float64(step))}
					AdamStep(p.x, g.x, m.x, v.x, a)
					AdamStep(p64, widen(g.x), m64, v64, a)
					sameBits(t, "gradient", g.x, keep)
					// Each step rounds p, m and v once or twice. 1 - β₂ = 0.001
					// itself is rounded to float32, 1e-7 of v.
					close64(t, "p", p.x, p64, 1e-6, 1+maxAbs(p64))
					close64(t, "m", m.x, m64, 1e-6, 1+maxAbs(m64))
					close64(t, "v", v.x, v64, 1e-6, 1+maxAbs(v64))
				}
				for _, x := range []guarded{p, g, m, v} {
					x.check(t, "adam")
				}
			}
		}
	})
}

// Two steps worked out by hand from the formulas, in float64.
func TestOptimisersByHand(t *testing.T) {
	p, g, m, v := []float64{1}, []float64{0.5}, []float64{0}, []float64{0}
	a := AdamArgs{LR: 0.1, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.2, BC1: 0.1, BC2: 0.01}
	AdamStep(p, g, m, v, a)
	// 1·(1 - 0.02) - 0.1·(0.05/0.1)/√(0.0025/0.01) = 0.98 - 0.1
	if math.Abs(p[0]-0.88) > 1e-15 || math.Abs(m[0]-0.05) > 1e-16 || math.Abs(v[0]-0.0025) > 1e-16 {
		t.Errorf("AdamW: p %v m %v v %v", p[0], m[0], v[0])
	}
	p, m, v = []float64{1}, []float64{0}, []float64{0}
	a.L2 = true
	AdamStep(p, g, m, v, a)
	// g = 0.5 + 0.2·1 = 0.7: p = 1 - 0.1·0.7/0.7
	if math.Abs(p[0]-0.9) > 1e-15 || math.Abs(m[0]-0.07) > 1e-16 {
		t.Errorf("Adam: p %v m %v", p[0], m[0])
	}
	p = []float64{1}
	SGDStep(p, g, nil, SGDArgs{LR: 0.1, WeightDecay: 0.2})
	if math.Abs(p[0]-0.93) > 1e-15 {
		t.Errorf("SGD: p %v", p[0])
	}
	p = []float64{1}
	buf := []float64{math.NaN()}
	SGDStep(p, g, buf, SGDArgs{LR: 0.1, Momentum: 0.9, Dampening: 0.5, First: true})
	SGDStep(p, g, buf, SGDArgs{LR: 0.1, Momentum: 0.9, Dampening: 0.5})
	// buf 0.5, then 0.45 + 0.25 = 0.7: p = 1 - 0.05 - 0.07
	if math.Abs(p[0]-0.88) > 1e-15 {
		t.Errorf("SGD with momentum: p %v", p[0])
	}
	p = []float64{1}
	SGDStep(p, g, buf, SGDArgs{LR: 0.1, Momentum: 0.9, Nesterov: true, First: true})
	// d = 0.5 + 0.9·0.5 = 0.95
	if math.Abs(p[0]-0.905) > 1e-15 {
		t.Errorf("SGD with Nesterov: p %v", p[0])
	}
}

func BenchmarkAdam(b *testing.B) {
	const n = 16384
	r := rand.New(rand.NewPCG(1, 1))
	p, g, m, v := randomSlice(r, n, 0), randomSlice(r, n, 0), make([]float32, n), make([]float32, n)
	a := AdamArgs{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.05, BC1: 0.1, BC2: 0.001}
	eachPathBench(b, "AdamW", n, func() { AdamStep(p, g, m, v, a) })
}
