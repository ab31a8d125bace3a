package quant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

// drawGrouped makes a weight of whatever GPTQ and AWQ can store: zeros anywhere (or all in the middle), and groups of columns in a
// row or, as after act-order, anywhere.
func drawGrouped(r *rand.Rand, rows, cols, group, bits int, middle, ordered bool) *Grouped {
	groups := (cols + group - 1) / group
	g := &Grouped{Rows: rows, Cols: cols, Groups: groups, Bits: bits, Q: make([]uint8, rows*cols), Scale: make([]float32, rows*groups),
		Zero: make([]float32, rows*groups), GroupOf: make([]int32, cols)}
	for i := range g.Q {
		g.Q[i] = uint8(r.IntN(1 << bits))
	}
	for i := range g.Scale {
		g.Scale[i] = half(toHalf(float32(r.ExpFloat64()) + 0.01))
		if g.Zero[i] = float32(int(1) << (bits - 1)); !middle {
			g.Zero[i] = float32(r.IntN(1<<bits + 1)) // the first version's layout has 1 to 2^bits
		}
	}
	for c := range g.GroupOf {
		g.GroupOf[c] = int32(c / group)
	}
	if !ordered {
		r.Shuffle(cols, func(i, j int) { g.GroupOf[i], g.GroupOf[j] = g.GroupOf[j], g.GroupOf[i] })
	}
	return g
}

// part is rows lo to hi.
func (g *Grouped) part(lo, hi int) (*Grouped, error) { return g.Slice(lo, hi), nil }

// rounded is x as products see it: in 8 bits, 32 columns of the order to a scale.
func rounded(t *testing.T, x []float32, order []int32) []float32 {
	t.Helper()
	in := make([]float32, len(order))
	for i, c := range order {
		if c >= 0 {
			in[i] = x[c]
		}
	}
	b := make([]byte, len(in)/32*34)
	if err := Quantize(b, in, Q8_0, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := Dequantize(in, b, Q8_0); err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(x))
	for i, c := range order {
		if c >= 0 {
			out[c] = in[i]
		}
	}
	return out
}

// TestGroupedMatrix: rows are the weight's to the last bit; products are those of the formula in float64, on every path, for few tokens
// and many, for groups in and out of order, and for groups that are no whole blocks.
func TestGroupedMatrix(t *testing.T) {
	golden.Paths(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, bits := range []int{2, 3, 4, 8} {
			for _, c := range []struct {
				rows, cols, group int
				middle, ordered   bool
			}{{32, 128, 64, true, true}, {160, 256, 128, false, true}, {96, 256, 64, false, false}, {32, 96, 96, true, false}, {64, 80, 20, false, false}, {37, 45, 45, false, true}} {
				g := drawGrouped(r, c.rows, c.cols, c.group, bits, c.middle, c.ordered)
				m, err := NewGroupedMatrix(c.rows, c.cols, g.part)
				if err != nil {
					t.Fatal(err)
				}
				if n, k := m.Shape(); n != c.rows || k != c.cols || m.Bytes() < c.rows*c.cols/2 {
					t.Errorf("[%d %d] in %d bytes", n, k, m.Bytes())
				}
				order := m.order
				if order == nil {
					for i := range m.width {
						order = append(order, int32(i))
					}
				}
				name := fmt.Sprintf("%d bits, %+v", bits, c)
				w, row := g.Values(), make([]float32, c.cols)
				for i := range c.rows {
					if m.Row(row, i); !slices.Equal(row, w[i*c.cols:(i+1)*c.cols]) {
						t.Fatalf("%s: row %d is another", name, i)
					}
				}
				for _, tokens := range []int{1, 3, 19} {
					testGroupedMul(t, name, m, g, order, tokens, r)
				}
			}
		}
	})
}

func testGroupedMul(t *testing.T, name string, m *GroupedMatrix, g *Grouped, order []int32, tokens int, r *rand.Rand) {
	t.Helper()
	ldx, ldd := g.Cols+3, g.Rows+5
	x, y := make([]float32, tokens*ldx), make([]float32, tokens*ldd)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	m.Mul(y, ldd, x, tokens, ldx)
	middle := float64(int(1) << (g.Bits - 1))
	for j := range tokens {
		in := x[j*ldx:][:g.Cols]
		low := rounded(t, in, order)
		for i := range g.Rows {
			want, size := 0.0, 0.0
			for c, group := range g.GroupOf {
				s, z := float64(g.Scale[i*g.Groups+int(group)]), float64(g.Zero[i*g.Groups+int(group)])
				a, b := s*(float64(g.Q[i*g.Cols+c])-middle)*float64(low[c]), s*(middle-z)*float64(in[c])
				want += a + b
				size += a*a + b*b
			}
			// Float32 sums of k products: far below 1e-6 of their norm times √k.
			if got := float64(y[j*ldd+i]); !(math.Abs(got-want) <= 2e-6*math.Sqrt(size*float64(g.Cols))) {
				t.Fatalf("%s: token %d of %d, row %d is %v, want %v", name, j, tokens, i, got, want)
			}
		}
	}
}

// TestGroupedMatrixBatches: a token's outputs are the same to the last bit whatever comes with it, and cost no memory.
func TestGroupedMatrixBatches(t *testing.T) {
	golden.Paths(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 9))
		const rows, cols, tokens = 512, 1024, 150 // enough for several threads
		m, err := NewGroupedMatrix(rows, cols, drawGrouped(r, rows, cols, 32, 4, false, false).part)
		if err != nil {
			t.Fatal(err)
		}
		x, y, one := make([]float32, tokens*cols), make([]float32, tokens*rows), make([]float32, rows)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		m.Mul(y, rows, x, tokens, cols)
		for _, i := range []int{0, 77, tokens - 1} {
			if m.Mul(one, rows, x[i*cols:(i+1)*cols], 1, cols); !slices.Equal(one, y[i*rows:(i+1)*rows]) {
				t.Errorf("token %d by itself is another", i)
			}
		}
		if n := testing.AllocsPerRun(20, func() { m.Mul(one, rows, x[:cols], 1, cols) }); n > 0.5 && !raceDetector {
			t.Errorf("%v allocations a token", n)
		}
	})
}

func TestGroupedMatrixErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	g := drawGrouped(r, 160, 64, 32, 4, false, true)
	for want, read := range map[string]func(lo, hi int) (*Grouped, error){
		"no float16": func(lo, hi int) (*Grouped, error) {
			p, err := g.part(lo, hi)
			p.Scale = slices.Repeat([]float32{1e9}, len(p.Scale))
			return p, err
		},
		"other groups": func(lo, hi int) (*Grouped, error) {
			if lo == 0 {
				return g.part(lo, hi)
			}
			return drawGrouped(r, hi-lo, 64, 64, 4, false, true), nil
		},
		"want [128 64]": func(lo, hi int) (*Grouped, error) { return g.part(lo, hi-1) },
		"of group 9": func(lo, hi int) (*Grouped, error) {
			p, err := g.part(lo, hi)
			p.GroupOf = slices.Repeat([]int32{9}, 64)
			return p, err
		},
		"file is gone": func(lo, hi int) (*Grouped, error) { return nil, fmt.Errorf("the file is gone") },
	} {
		if _, err := NewGroupedMatrix(160, 64, read); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestInt8Matrix: rows and products are those of integers times the row's scale, −128 included, on every path.
func TestInt8Matrix(t *testing.T) {
	golden.Paths(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, k := range []int{64, 45} {
			const rows, tokens = 37, 5
			src, scale := make([]byte, rows*k), make([]float32, rows)
			for i := range src {
				src[i] = byte(r.IntN(256))
			}
			for i := range scale {
				scale[i] = float32(r.ExpFloat64())
			}
			m, err := NewInt8Matrix(rows, k, src, scale)
			if err != nil {
				t.Fatal(err)
			}
			x, y, row := make([]float32, tokens*k), make([]float32, tokens*rows), make([]float32, k)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			m.Mul(y, rows, x, tokens, k)
			var order []int32
			for c := range m.width {
				order = append(order, int32(c))
				if c >= k {
					order[c] = -1
				}
			}
			for j := range tokens {
				low := rounded(t, x[j*k:(j+1)*k], order)
				for i := range rows {
					m.Row(row, i)
					want, size := 0.0, 0.0
					for c, v := range row {
						if v != float32(int8(src[i*k+c]))*scale[i] {
							t.Fatalf("row %d, column %d is %v", i, c, v)
						}
						p := float64(v) * float64(low[c])
						want, size = want+p, size+p*p
					}
					if got := float64(y[j*rows+i]); !(math.Abs(got-want) <= 2e-6*math.Sqrt(size*float64(k))) {
						t.Fatalf("token %d, row %d is %v, want %v", j, i, got, want)
					}
				}
			}
		}
	})
	if _, err := NewInt8Matrix(2, 3, make([]byte, 5), make([]float32, 2)); err == nil {
		t.Error("five bytes are [2 3]")
	}
	if _, _, err := Int8Rows([]float32{1, float32(math.NaN())}, 2, false); err == nil {
		t.Error("NaN is stored")
	}
	q, scale, err := Int8Rows([]float32{127, -63.5, 0, 0, 254, -254}, 2, true)
	if err != nil || !slices.Equal(q, []int8{64, -32, 0, 0, 127, -127}) || !slices.Equal(scale, []float32{2, 2, 2}) { // 63.5 and 31.75
		t.Errorf("%v, %v, %v", q, scale, err)
	}
}

// BenchmarkGroupedMatrix is a product of a [4096, 4096] weight of 4 bits in groups of 128, beside Q4_0's of the same size.
func BenchmarkGroupedMatrix(b *testing.B) {
	const n = 4096
	r := rand.New(rand.NewPCG(1, 2))
	q4, err := NewMatrix(Q4_0, n, n, make([]byte, n*n/32*18))
	if err != nil {
		b.Fatal(err)
	}
	type matrix interface {
		Mul(dst []float32, ldd int, x []float32, tokens, ldx int)
		Bytes() int
	}
	kinds := map[string]matrix{"q4_0": q4}
	for name, ordered := range map[string]bool{"gptq": true, "gptq act-order": false} {
		m, err := NewGroupedMatrix(n, n, drawGrouped(r, n, n, 128, 4, false, ordered).part)
		if err != nil {
			b.Fatal(err)
		}
		kinds[name] = m
	}
	for _, tokens := range []int{1, 128} {
		x, y := make([]float32, tokens*n), make([]float32, tokens*n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		for _, name := range []string{"q4_0", "gptq", "gptq act-order"} {
			b.Run(fmt.Sprintf("%s/%d", name, tokens), func(b *testing.B) {
				b.SetBytes(int64(kinds[name].Bytes()))
				b.ReportAllocs()
				for range b.N {
					kinds[name].Mul(y, n, x, tokens, n)
				}
			})
		}
	}
}
