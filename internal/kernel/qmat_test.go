package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hanji-ml/hanji/internal/par"
)

// qBlocks makes rows of random blocks; every byte but the scales is random, so all bit patterns of weights occur.
func qBlocks(r *rand.Rand, format QFormat, rows, k int) []byte {
	l := qLayouts[format]
	b := make([]byte, rows*(k/l.columns)*l.block)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	half := func(at []byte) {
		h := f32ToF16Bits(float32(r.NormFloat64()) / 64)
		at[0], at[1] = byte(h), byte(h>>8)
	}
	for at := 0; at < len(b); at += l.block {
		switch format {
		case Q6_K:
			half(b[at+208:])
		case Q4_K:
			half(b[at+2:])
			fallthrough
		default:
			half(b[at:])
		}
	}
	return b
}

// qWeights is the value of every weight in float64, straight from ggml's block layouts.
func qWeights(format QFormat, rows, k int, b []byte) []float64 {
	l := qLayouts[format]
	w := make([]float64, rows*k)
	for i := range w {
		row, c := i/k, i%k
		block := b[(row*(k/l.columns)+c/l.columns)*l.block:][:l.block]
		j := c % l.columns
		d := float64(leFloat16(block))
		switch format {
		case Q8_0:
			w[i] = d * float64(int8(block[2+j]))
		case Q4_0:
			w[i] = d * float64(int(block[2+j%16]>>(j/16*4)&15)-8)
		case Q4_K:
			s, m := scaleK4(block[4:16], j/32)
			q := block[16+j/64*32+j%32] >> (j / 32 % 2 * 4) & 15
			w[i] = d*float64(s)*float64(q) - float64(leFloat16(block[2:]))*float64(m)
		case Q6_K:
			h, p := j/128, j%128
			lo := block[h*64+p%64] >> (p / 64 * 4) & 15
			two := block[128+h*32+p%32] >> (p / 32 * 2) & 3
			w[i] = float64(leFloat16(block[208:])) * float64(int8(block[192+j/16])) * float64(int(lo|two<<4)-32)
		}
	}
	return w
}

// qRounded is what activations are worth after rounding, column by column.
func qRounded(a *QActs) []float64 {
	l := qLayouts[a.format]
	x := make([]float64, a.tokens*a.k)
	for _, t := range a.tiles {
		for j := range t.tokens {
			for c := range a.k {
				u := t.data[c/qUnit*t.tokens*(qUnit+4+4*l.slots):]
				x[(t.first+j)*a.k+c] = float64(leFloat32(u[t.tokens*qUnit+4*j:])) * float64(int8(u[j*qUnit+c%qUnit]))
			}
		}
	}
	return x
}

var qFormatNames = []string{"Q8_0", "Q4_0", "Q4_K", "Q6_K"}

// The product of rounded activations with quantised weights is exact but for the float32 sum over blocks.
func TestQMat(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(31, 32))
		for f, name := range qFormatNames {
			format := QFormat(f)
			for _, s := range []struct{ rows, k, tokens int }{{16, 256, 1}, {1, 256, 1}, {40, 512, 2}, {33, 768, 3}, {100, 1024, 15}, {17, 256, 23}, {16, 2560, 8}, {5, 0, 2}, {0, 256, 1}, {3, 256, 0}} {
				src := qBlocks(r, format, s.rows, s.k)
				m, err := NewQMat(format, s.rows, s.k, src)
				if err != nil {
					t.Fatal(err)
				}
				x := make([]float32, max(1, s.tokens)*(s.k+3))
				for i := range x {
					x[i] = float32(r.NormFloat64())
				}
				if s.tokens > 1 && s.k > 0 {
					clear(x[s.k+3:][:s.k]) // a token of zeros
				}
				a := QuantizeActs(x, s.tokens, s.k, s.k+3, format)
				ldd := s.rows + 5
				y := newGuarded(s.tokens*ldd, 1)
				m.Mul(y.x, ldd, a)
				w, rounded := qWeights(format, s.rows, s.k, src), qRounded(a)
				for i := range s.tokens {
					for j := range s.rows {
						want, size := 0.0, 0.0
						for c := range s.k {
							p := rounded[i*s.k+c] * w[j*s.k+c]
							want += p
							size += math.Abs(p)
						}
						// Each block's sum is rounded when it is scaled and added: a few units of 2⁻²⁴ of the whole.
						if got := float64(y.x[i*ldd+j]); !(math.Abs(got-want) <= 4e-7*size) {
							t.Fatalf("%s %+v: token %d, row %d: %v, want %v (off by %.2g of %.3g)", name, s, i, j, got, want, got-want, size)
						}
					}
					for j := s.rows; j < ldd; j++ {
						if y.x[i*ldd+j] != sentinel {
							t.Fatalf("%s %+v: wrote beside token %d", name, s, i)
						}
					}
				}
				y.check(t, name)
				a.Free()
			}
		}
	})
}

// Rounding of activations: nearest, at most half a step off, extremes kept, zeros stay zeros.
func TestQuantizeActs(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(33, 34))
		for f, name := range qFormatNames {
			const k = 512
			for _, tokens := range []int{1, 2, 5, 13} {
				x := make([]float32, tokens*k)
				for i := range x {
					x[i] = float32(r.NormFloat64() * math.Exp(4*r.NormFloat64()))
				}
				clear(x[:k/2])
				a := QuantizeActs(x, tokens, k, k, QFormat(f))
				span := 32
				if qLayouts[f].k {
					span = 256
				}
				for i, v := range qRounded(a) {
					most := largest(x[i/span*span:][:span])
					// Half a step of max/127, and the scale's own rounding to float16 (2⁻¹¹) where it is one.
					if math.Abs(v-float64(x[i])) > float64(most)*(0.5/127*1.001+0.0005)+1e-7 {
						t.Fatalf("%s: %v became %v where the largest is %v", name, x[i], v, most)
					}
				}
				a.Free()
			}
		}
	})
}

// Every path rounds activations to the same bytes.
func TestQuantizeActsSameBits(t *testing.T) {
	want := map[string][]float64{}
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(35, 36))
		for f, name := range qFormatNames {
			const k, tokens = 1024, 11
			x := make([]float32, tokens*k)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			copy(x[k:], []float32{2, -2, 2, 1, 1.5, -1.5, 0.5}) // both signs reach as far; halves
			for i := 2 * k; i < 3*k; i++ {
				x[i] = float32(i%255-127) / 2 // every tie
			}
			a := QuantizeActs(x, tokens, k, k, QFormat(f))
			got := qRounded(a)
			a.Free()
			if want[name] == nil {
				want[name] = got
			}
			for i, v := range got {
				if v != want[name][i] {
					t.Fatalf("%s: element %d, %v, becomes %v, on another path %v", name, i, x[i], v, want[name][i])
				}
			}
		}
	})
}

func TestQMatRefuses(t *testing.T) {
	for _, c := range []struct{ format, rows, k, bytes int }{{0, 2, 31, 62}, {0, 2, 32, 67}, {2, 1, 128, 144}, {9, 1, 32, 34}, {0, -1, 32, 0}} {
		if _, err := NewQMat(QFormat(c.format), c.rows, c.k, make([]byte, c.bytes)); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func TestMatricesAllocateNothing(t *testing.T) {
	if testing.CoverMode() != "" || raceDetector { // both allocate themselves
		return
	}
	r := rand.New(rand.NewPCG(37, 38))
	const rows, k = 300, 512
	x, y := make([]float32, k), make([]float32, rows)
	input(r, x, false)
	for f, name := range qFormatNames {
		m, err := NewQMat(QFormat(f), rows, k, qBlocks(r, QFormat(f), rows, k))
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(20, func() {
			a := QuantizeActs(x, 1, k, k, QFormat(f))
			m.Mul(y, rows, a)
			a.Free()
		}); n >= 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	w, _ := halfWeights(r, rows*k, false)
	m, err := NewHalfMat(rows, k, w, false)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() { m.Mul(y, rows, x, 1, k) }); n >= 1 {
		t.Errorf("F16: %v allocations", n)
	}
}

func BenchmarkQMat(b *testing.B) {
	for f, name := range qFormatNames {
		for _, tokens := range []int{1, 8, 512} {
			for _, threads := range []int{1, 2} {
				const rows, k = 5632, 2048
				b.Run(fmt.Sprintf("%s/%dx%dx%d/threads=%d", name, tokens, k, rows, threads), func(b *testing.B) {
					par.SetThreads(threads)
					defer par.SetThreads(0)
					r := rand.New(rand.NewPCG(1, 1))
					var ms []*QMat
					for range 8 { // more than the caches hold
						m, err := NewQMat(QFormat(f), rows, k, qBlocks(r, QFormat(f), rows, k))
						if err != nil {
							b.Fatal(err)
						}
						ms = append(ms, m)
					}
					x, y := make([]float32, tokens*k), make([]float32, tokens*rows)
					input(r, x, false)
					i := 0
					b.SetBytes(int64(ms[0].Bytes()))
					for b.Loop() {
						a := QuantizeActs(x, tokens, k, k, QFormat(f))
						ms[i%len(ms)].Mul(y, rows, a)
						a.Free()
						i++
					}
					b.ReportMetric(2*float64(tokens)*rows*k*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GOP/s")
				})
			}
		}
	}
}
