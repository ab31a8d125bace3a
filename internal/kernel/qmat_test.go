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
		half(b[at+l.d:])
		if l.m > 0 {
			half(b[at+l.m:])
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
		d, m := float64(leFloat16(block[l.d:])), float64(leFloat16(block[l.m:]))
		nibble := func(b []byte) float64 { return float64(b[j%16] >> (j % 32 / 16 * 4) & 15) }
		bit := func(b []byte, i int) float64 { return float64(b[i/8] >> (i % 8) & 1) }
		h, p := j/128, j%128
		two := func(b []byte) byte { return b[h*32+p%32] >> (p / 32 * 2) & 3 }
		switch format {
		case Q8_0:
			w[i] = d * float64(int8(block[2+j]))
		case Q4_0:
			w[i] = d * (nibble(block[2:]) - 8)
		case Q4_1:
			w[i] = d*nibble(block[4:]) + m
		case Q5_0:
			w[i] = d * (nibble(block[6:]) + 16*bit(block[2:], j) - 16)
		case Q5_1:
			w[i] = d*(nibble(block[8:])+16*bit(block[4:], j)) + m
		case IQ4_NL:
			w[i] = d * float64(values4[int(nibble(block[2:]))])
		case Q2_K:
			w[i] = d*float64(block[j/16]&15)*float64(two(block[16:])) - m*float64(block[j/16]>>4)
		case Q3_K:
			k := j / 16
			s := block[96+k%8]>>(k/8*4)&15 | block[104+k%4]>>(k/4*2)&3<<4
			w[i] = d * (float64(s) - 32) * (float64(two(block[32:])) + 4*float64(block[j%32]>>(j/32)&1) - 4)
		case Q4_K:
			s, least := scaleK4(block[4:16], j/32)
			q := block[16+j/64*32+j%32] >> (j / 32 % 2 * 4) & 15
			w[i] = d*float64(s)*float64(q) - m*float64(least)
		case Q5_K:
			s, least := scaleK4(block[4:16], j/32)
			q := block[48+j/64*32+j%32]>>(j/32%2*4)&15 + block[16+j%32]>>(j/32)&1*16
			w[i] = d*float64(s)*float64(q) - m*float64(least)
		case Q6_K:
			lo := block[h*64+p%64] >> (p / 64 * 4) & 15
			w[i] = d * float64(int8(block[192+j/16])) * float64(int(lo|two(block[128:])<<4)-32)
		case IQ4_XS:
			k := j / 32
			s := int(block[4+k/2]>>(k%2*4)&15|block[2+k/4]>>(k%4*2)&3<<4) - 32
			w[i] = d * float64(s) * float64(values4[int(nibble(block[8+16*k:]))])
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
				u := t.data[c/qUnit*t.tokens*(qUnit+4+4*l.slots()):]
				x[(t.first+j)*a.k+c] = float64(leFloat32(u[t.tokens*qUnit+4*j:])) * float64(int8(u[j*qUnit+c%qUnit]))
			}
		}
	}
	return x
}

// qSlot is the float that unit u of token i keeps for minima.
func qSlot(a *QActs, i, u int) float64 {
	for _, t := range a.tiles {
		if j := i - t.first; j < t.tokens {
			return float64(leFloat32(t.data[u*t.tokens*(qUnit+8)+t.tokens*(qUnit+4)+4*j:]))
		}
	}
	panic("no such token")
}

var qFormatNames = []string{"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"}

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
						for b := 0; qLayouts[f].m > 0 && qLayouts[f].columns == qUnit && b < s.k/qUnit; b++ {
							// Q8_1 rounds what m is multiplied by: d·Σq in place of Σx.
							m := float64(leFloat16(src[(j*s.k/qUnit+b)*qLayouts[f].block+qLayouts[f].m:]))
							for c := range qUnit {
								want -= m * rounded[i*s.k+b*qUnit+c]
							}
							sum := m * qSlot(a, i, b)
							want, size = want+sum, size+math.Abs(sum)
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
					x[i] = float32(r.NormFloat64() * math.Exp(3*r.NormFloat64())) // below 8e6, which float16 scales end at
				}
				clear(x[:k/2])
				a := QuantizeActs(x, tokens, k, k, QFormat(f))
				span := 32
				if qLayouts[f].columns == 256 {
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
			for i := range tokens {
				for u := 0; qLayouts[f].m > 0 && qLayouts[f].parts == 1 && u < k/qUnit; u++ {
					got = append(got, qSlot(a, i, u))
				}
			}
			a.Free()
			if want[name] == nil {
				want[name] = got
			}
			for i, v := range got {
				if v != want[name][i] {
					t.Fatalf("%s: element %d becomes %v, on another path %v", name, i, v, want[name][i])
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

// BenchmarkNewQMat is the interleaving when a model is loaded.
func BenchmarkNewQMat(b *testing.B) {
	for f, name := range qFormatNames {
		b.Run(name, func(b *testing.B) {
			par.SetThreads(1)
			defer par.SetThreads(0)
			const rows, k = 512, 2048
			src := qBlocks(rand.New(rand.NewPCG(1, 1)), QFormat(f), rows, k)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if _, err := NewQMat(QFormat(f), rows, k, src); err != nil {
					b.Fatal(err)
				}
			}
		})
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
