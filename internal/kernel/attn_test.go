package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// attnOpts names the options of one examined head.
type attnOpts struct {
	t, s, d              int
	causal               bool
	bias, prev, key      bool
	masked               bool // some bias and key entries are −Inf
	scores               bool // wanted, and their gradient given
	drop                 float64
	size                 float64 // of q: scores are about size·√D
	pad                  int     // strides beyond the row
	scale                float64
	addQ, addKV, allRows bool
}

func (o attnOpts) String() string {
	s := fmt.Sprintf("%dx%dx%d", o.t, o.s, o.d)
	for _, f := range []struct {
		on   bool
		name string
	}{{o.causal, "causal"}, {o.bias, "bias"}, {o.prev, "prev"}, {o.key, "key"}, {o.masked, "masked"}, {o.scores, "scores"},
		{o.drop > 0, "drop"}, {o.size > 100, "huge"}, {o.pad > 0, "strided"}, {o.scale != 0, "scaled"}, {o.addQ, "addq"}, {o.addKV, "addkv"}} {
		if f.on {
			s += "-" + f.name
		}
	}
	return s
}

const attnGuard = 12345

// attnRun is a head with its gradients in any float type, outputs guarded.
type attnRun[F Float] struct {
	h AttentionHead[F]
	g AttentionGrads[F]
	w AttentionScratch[F]
}

// attnMat is a strided matrix one element into its slice, so never aligned,
// full of guards outside of the rows.
func attnMat[F Float](rows, cols, pad int, fill func() float64) (x []F, stride int) {
	stride = cols + pad
	if stride == 0 {
		stride = 1
	}
	all := make([]F, rows*stride+3)
	for i := range all {
		all[i] = attnGuard
	}
	x = all[1 : 1+rows*stride]
	for i := range rows {
		for j := range cols {
			x[i*stride+j] = F(float32(fill()))
		}
	}
	return x, stride
}

// attnMake builds the same head for every float type: the values are exact in
// float32.
func attnMake[F Float](o attnOpts, seed uint64) *attnRun[F] {
	r := rand.New(rand.NewPCG(seed, 7))
	normal := r.NormFloat64
	some := func() float64 { return attnGuard / 2 }
	a := new(attnRun[F])
	h, g := &a.h, &a.g
	size := o.size
	if size == 0 {
		size = 1
	}
	h.T, h.S, h.D, h.Causal, h.Scale = o.t, o.s, o.d, o.causal, F(o.scale)
	h.Q, h.StrideQ = attnMat[F](o.t, o.d, o.pad, func() float64 { return size * normal() })
	h.K, h.StrideK = attnMat[F](o.s, o.d, 2*o.pad, normal)
	h.V, h.StrideV = attnMat[F](o.s, o.d, o.pad, normal)
	h.O, h.StrideO = attnMat[F](o.t, o.d, 3*o.pad, some)
	h.LogSum = make([]F, o.t)
	mask := func() float64 {
		if o.masked && r.IntN(4) == 0 {
			return math.Inf(-1)
		}
		return normal()
	}
	if o.bias {
		h.Bias, h.StrideBias = attnMat[F](o.t, o.s, o.pad, mask)
		if o.masked {
			for i := range o.t { // every row keeps a key that causality allows, unless all are to go
				h.Bias[i*h.StrideBias] = 0
				if o.allRows && i%3 == 1 {
					for j := range o.s {
						h.Bias[i*h.StrideBias+j] = F(math.Inf(-1))
					}
				}
			}
		}
	}
	if o.prev {
		h.Prev, h.StridePrev = attnMat[F](o.t, o.s, o.pad, normal)
	}
	if o.key {
		h.KeyBias = make([]F, o.s)
		for j := range h.KeyBias {
			h.KeyBias[j] = F(float32(mask()))
		}
		if o.s > 0 {
			h.KeyBias[0] = 0
		}
	}
	if o.scores {
		h.Scores, h.StrideScores = attnMat[F](o.t, o.s, o.pad, some)
		g.DScores, g.StrideDScores = attnMat[F](o.t, o.s, 2*o.pad, normal)
	}
	h.Drop, h.DropKey, h.DropOffset = o.drop, 99, 1003
	g.AddQ, g.AddKV = o.addQ, o.addKV
	g.DO, g.StrideDO = attnMat[F](o.t, o.d, o.pad, normal)
	g.DQ, g.StrideDQ = attnMat[F](o.t, o.d, o.pad, normal)
	g.DK, g.StrideDK = attnMat[F](o.s, o.d, o.pad, normal)
	g.DV, g.StrideDV = attnMat[F](o.s, o.d, 2*o.pad, normal)
	return a
}

// attnWant is the naive twin: whole matrices, float64.
type attnWant struct {
	o, sums, scores, dq, dk, dv, ds []float64
	// size bounds the absolute sum behind each result, for tolerances.
	sizeO, maxScore float64
}

func attnTwin(a *attnRun[float64], o attnOpts) attnWant {
	h, g := &a.h, &a.g
	T, S, D := o.t, o.s, o.d
	scale := o.scale
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(D))
	}
	w := attnWant{o: make([]float64, T*D), sums: make([]float64, T), scores: make([]float64, T*S),
		dq: make([]float64, T*D), dk: make([]float64, S*D), dv: make([]float64, S*D), ds: make([]float64, T*S)}
	p, keep := make([]float64, T*S), make([]float64, T*S)
	for i := range keep {
		keep[i] = 1
	}
	if o.drop > 0 {
		Dropout(keep, keep, o.drop, h.DropKey, h.DropOffset)
	}
	for i := range T {
		top, sum := math.Inf(-1), 0.0
		for j := range S {
			s := 0.0
			for d := range D {
				s += h.Q[i*h.StrideQ+d] * h.K[j*h.StrideK+d]
			}
			s *= scale
			if o.prev {
				s += h.Prev[i*h.StridePrev+j]
			}
			if o.bias {
				s += h.Bias[i*h.StrideBias+j]
			}
			if o.key {
				s += h.KeyBias[j]
			}
			if o.causal && j > i+S-T {
				s = math.Inf(-1)
			}
			if !math.IsInf(s, 0) {
				w.maxScore = max(w.maxScore, math.Abs(s))
			}
			w.scores[i*S+j] = s
			top = max(top, s)
		}
		for j := range S {
			p[i*S+j] = math.Exp(w.scores[i*S+j] - top)
			sum += p[i*S+j]
		}
		w.sums[i] = top + math.Log(sum)
		if math.IsInf(top, -1) {
			w.sums[i] = top
		}
		for j := range S {
			p[i*S+j] /= sum
			for d := range D {
				w.o[i*D+d] += p[i*S+j] * keep[i*S+j] * h.V[j*h.StrideV+d]
				w.sizeO = max(w.sizeO, math.Abs(h.V[j*h.StrideV+d]))
			}
		}
	}
	for i := range T {
		delta := 0.0
		for d := range D {
			delta += w.o[i*D+d] * g.DO[i*g.StrideDO+d]
		}
		for j := range S {
			dp := 0.0
			for d := range D {
				dp += g.DO[i*g.StrideDO+d] * h.V[j*h.StrideV+d]
				w.dv[j*D+d] += p[i*S+j] * keep[i*S+j] * g.DO[i*g.StrideDO+d]
			}
			ds := p[i*S+j] * (dp*keep[i*S+j] - delta)
			if last := i + S - T; o.causal && j > last && last >= 0 {
				ds = 0
			} else if g.DScores != nil {
				ds += g.DScores[i*g.StrideDScores+j]
			}
			w.ds[i*S+j] = ds
			for d := range D {
				w.dq[i*D+d] += scale * ds * h.K[j*h.StrideK+d]
				w.dk[j*D+d] += scale * ds * h.Q[i*h.StrideQ+d]
			}
		}
	}
	attnAddTo(w.dq, g.DQ, g.StrideDQ, D, g.AddQ)
	attnAddTo(w.dk, g.DK, g.StrideDK, D, g.AddKV)
	attnAddTo(w.dv, g.DV, g.StrideDV, D, g.AddKV)
	return w
}

func attnAddTo(x, add []float64, stride, cols int, on bool) {
	for i := range x {
		if on {
			x[i] += add[i/cols*stride+i%cols]
		}
	}
}

// attnCompare holds the rows of got against want and the guards beside them
// against themselves.
func attnCompare[F Float](t *testing.T, name string, got []F, stride int, want []float64, cols int, tol float64) {
	t.Helper()
	if cols == 0 {
		return
	}
	rows := len(want) / cols
	var all []F
	if cap(got) > len(got) {
		all = got[:len(got)+1]
		if all[len(got)] != attnGuard {
			t.Fatalf("%s: wrote past the end", name)
		}
	}
	for i := range rows {
		for j := range stride {
			x := float64(got[i*stride+j])
			if j >= cols {
				if x != attnGuard {
					t.Fatalf("%s: wrote between the rows: [%d, %d] = %g", name, i, j, x)
				}
				continue
			}
			y := want[i*cols+j]
			if math.IsNaN(y) && math.IsNaN(x) || x == y {
				continue
			}
			if !(math.Abs(x-y) <= tol*(1+math.Abs(y))) {
				t.Fatalf("%s[%d, %d] = %.9g, want %.9g (tolerance %.2g)", name, i, j, x, y, tol)
			}
		}
	}
}

func attnExamine[F Float](t *testing.T, o attnOpts, eps float64) {
	t.Helper()
	seed := uint64(o.t*10007 + o.s*101 + o.d)
	want := attnTwin(attnMake[float64](o, seed), o)
	a := attnMake[F](o, seed)
	inputs := attnMake[F](o, seed)
	Attention(&a.h, &a.w)

	// A score is a sum of D products, so its error is a few eps of the sum of
	// their sizes; exp turns that absolute error into a relative one of the
	// probability. Everything after is a convex sum (o) or a sum over the other
	// side of products of that size (gradients).
	D := float64(o.d)
	score := eps * (8 + 4*math.Sqrt(D)) * (1 + want.maxScore)
	big := 1.0
	for _, x := range [][]float64{want.dq, want.dk, want.dv} {
		for _, y := range x {
			if !math.IsNaN(y) {
				big = max(big, math.Abs(y))
			}
		}
	}
	// Rounding a score of 3e4 alone moves it by 2e-3, and D ≤ 24 products by a
	// few times that. Where one key wins, as nearly always then, less is seen.
	if want.maxScore > 500 {
		score = min(score, 0.02)
	}
	attnCompare(t, "o", a.h.O, a.h.StrideO, want.o, o.d, 4*score)
	attnCompare(t, "log sum", a.h.LogSum, 1, want.sums, 1, score)
	if o.scores {
		attnCompare(t, "scores", a.h.Scores, a.h.StrideScores, want.scores, o.s, score)
	}
	AttentionGrad(&a.h, &a.g, &a.w)
	tol := 8 * score * big
	attnCompare(t, "dq", a.g.DQ, a.g.StrideDQ, want.dq, o.d, tol)
	attnCompare(t, "dk", a.g.DK, a.g.StrideDK, want.dk, o.d, tol)
	attnCompare(t, "dv", a.g.DV, a.g.StrideDV, want.dv, o.d, tol)
	if o.scores {
		attnCompare(t, "dscores", a.g.DScores, a.g.StrideDScores, want.ds, o.s, 8*score*D)
	}
	for name, pair := range map[string][2][]F{"q": {a.h.Q, inputs.h.Q}, "k": {a.h.K, inputs.h.K}, "v": {a.h.V, inputs.h.V},
		"bias": {a.h.Bias, inputs.h.Bias}, "prev": {a.h.Prev, inputs.h.Prev}, "do": {a.g.DO, inputs.g.DO}} {
		for i, x := range pair[0] {
			if x != pair[1][i] {
				t.Fatalf("%s was written to", name)
			}
		}
	}
}

// attnSizes are odd on purpose: below, at and beyond every block of queries
// (8, 16) and keys (8, 128).
var attnSizes = []int{1, 3, 7, 8, 9, 16, 17, 33, 41, 42, 64, 100, 129, 260}

func attnCases() (cases []attnOpts) {
	for _, d := range []int{1, 3, 4, 5, 7, 8, 12, 16, 17, 23, 32, 64} {
		for i, t := range attnSizes[:12] {
			cases = append(cases, attnOpts{t: t, s: t, d: d}, attnOpts{t: t, s: attnSizes[(i*5+d)%len(attnSizes)], d: d, pad: i % 3})
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	coin := func() bool { return r.IntN(2) == 0 }
	for range 400 {
		o := attnOpts{t: attnSizes[r.IntN(len(attnSizes))], s: attnSizes[r.IntN(len(attnSizes))], d: []int{1, 3, 4, 8, 16, 20, 33}[r.IntN(7)],
			causal: coin(), bias: coin(), prev: coin(), key: coin(), masked: coin(), scores: coin(), pad: r.IntN(4), addQ: coin(), addKV: coin()}
		if coin() {
			o.drop = 0.3
		}
		if coin() {
			o.scale = 0.37
		}
		cases = append(cases, o)
	}
	for _, d := range []int{1, 4, 8, 24} {
		cases = append(cases,
			attnOpts{t: 41, s: 41, d: d, size: 1e4},
			attnOpts{t: 33, s: 17, d: d, size: 1e4, causal: true, prev: true},
			attnOpts{t: 17, s: 5, d: d, causal: true}, // the first 12 queries see no key
			attnOpts{t: 300, s: 140, d: d, causal: true, scores: true, pad: 1},
			attnOpts{t: 41, s: 41, d: d, bias: true, masked: true, allRows: true},
			attnOpts{t: 3, s: 200, d: d, bias: true, masked: true, allRows: true, key: true},
			attnOpts{t: 0, s: 5, d: d}, attnOpts{t: 5, s: 0, d: d}, attnOpts{t: 0, s: 0, d: d})
	}
	return cases
}

func TestAttentionAgainstTwin(t *testing.T) {
	for _, o := range attnCases() {
		t.Run("f64/"+o.String(), func(t *testing.T) {
			o := o
			attnExamine[float64](t, o, 0x1p-52)
		})
	}
	attnPaths(t, func(t *testing.T) {
		for _, o := range attnCases() {
			t.Run(o.String(), func(t *testing.T) { attnExamine[float32](t, o, 0x1p-23) })
		}
	})
}

// The gradient of a random functional of the outputs by central differences.
func TestAttentionFiniteDifferences(t *testing.T) {
	for _, o := range []attnOpts{
		{t: 3, s: 4, d: 2}, {t: 4, s: 4, d: 3, causal: true}, {t: 3, s: 5, d: 4, causal: true, prev: true, scores: true},
		{t: 5, s: 3, d: 2, bias: true, key: true, drop: 0.3}, {t: 2, s: 3, d: 1, prev: true, bias: true, scores: true, drop: 0.5, scale: 0.7},
	} {
		t.Run(o.String(), func(t *testing.T) {
			a := attnMake[float64](o, 5)
			f := func() (sum float64) {
				Attention(&a.h, &a.w)
				for i := range o.t {
					for d := range o.d {
						sum += a.h.O[i*a.h.StrideO+d] * a.g.DO[i*a.g.StrideDO+d]
					}
					for j := range o.s {
						if o.scores && !math.IsInf(a.h.Scores[i*a.h.StrideScores+j], 0) {
							sum += a.h.Scores[i*a.h.StrideScores+j] * a.g.DScores[i*a.g.StrideDScores+j]
						}
					}
				}
				return sum
			}
			first := attnMake[float64](o, 5) // DScores is overwritten by the gradient
			f()
			AttentionGrad(&a.h, &a.g, &a.w)
			ds := append([]float64(nil), a.g.DScores...)
			copy(a.g.DScores, first.g.DScores)
			for _, c := range []struct {
				name    string
				x, grad []float64
			}{{"q", a.h.Q, a.g.DQ}, {"k", a.h.K, a.g.DK}, {"v", a.h.V, a.g.DV}, {"prev", a.h.Prev, ds}, {"bias", a.h.Bias, ds}} {
				if c.x == nil || c.grad == nil {
					continue
				}
				for i, x := range c.x {
					const step = 1e-5
					c.x[i] = x + step
					up := f()
					c.x[i] = x - step
					down := f()
					c.x[i] = x
					// Central differences err by step²·f‴ and eps·f/step, about 1e-10 each here.
					if got := (up - down) / (2 * step); math.Abs(got-c.grad[i]) > 1e-7*(1+math.Abs(got)) {
						t.Fatalf("d%s[%d] = %g, differences say %g", c.name, i, c.grad[i], got)
					}
				}
			}
		})
	}
}

func TestAttentionAllocates(t *testing.T) {
	attnPaths(t, func(t *testing.T) {
		for _, o := range []attnOpts{{t: 41, s: 41, d: 4}, {t: 42, s: 150, d: 7, causal: true, prev: true, bias: true, key: true, scores: true, drop: 0.2, pad: 1}} {
			a := attnMake[float32](o, 1)
			if n := testing.AllocsPerRun(5, func() {
				Attention(&a.h, &a.w)
				AttentionGrad(&a.h, &a.g, &a.w)
			}); n != 0 {
				t.Errorf("%v: %v allocations", o, n)
			}
		}
	})
}

func TestAttentionChecks(t *testing.T) {
	bad := map[string]func(a *attnRun[float32]){
		"short k":       func(a *attnRun[float32]) { a.h.K = a.h.K[:len(a.h.K)-1] },
		"narrow stride": func(a *attnRun[float32]) { a.h.StrideV = 2 },
		"no width":      func(a *attnRun[float32]) { a.h.D = 0 },
		"short key":     func(a *attnRun[float32]) { a.h.KeyBias = a.h.KeyBias[1:] },
		"short sums":    func(a *attnRun[float32]) { a.h.LogSum = a.h.LogSum[1:] },
		"short do":      func(a *attnRun[float32]) { a.g.DO = a.g.DO[1:] },
		"no sums":       func(a *attnRun[float32]) { a.h.LogSum = nil },
	}
	for name, spoil := range bad {
		a := attnMake[float32](attnOpts{t: 5, s: 6, d: 3, key: true}, 1)
		Attention(&a.h, &a.w)
		spoil(a)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			AttentionGrad(&a.h, &a.g, &a.w)
		}()
	}
}
