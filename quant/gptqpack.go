package quant

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/par"
)

// PackedGPTQ is a weight in the layout of GPTQ checkpoints (AutoGPTQ,
// qlinear_cuda.py), In and Out being the layer's inputs and outputs. Integers lie
// along a bit stream in words of 32 bits, low bits first; those of 3 bits cross
// from one word to the next.
type PackedGPTQ struct {
	Bits, In, Out int
	QWeight       []int32  // [In·Bits/32, Out]: a stream down each column
	QZeros        []int32  // [groups, Out·Bits/32]: a stream along each row
	Scales        []uint16 // [groups, Out], f16
	GroupOf       []int32  // [In] "g_idx"; nil: In/groups columns after another
	// V2 is checkpoint_format "gptq_v2", whose zeros are stored as they are; otherwise less one. Some
	// files say the wrong one: symmetric 4-bit zeros are all 7 in the one, 8 in the other.
	V2 bool
}

// PackGPTQ brings a weight into the layout of GPTQ checkpoints. Scales are rounded
// to f16. In the first version's layout a zero of 0 has no place, which is an
// error; take v2.
func PackGPTQ(g *Grouped, v2 bool) (*PackedGPTQ, error) {
	p, err := packGPTQ(g, v2)
	if err != nil {
		return nil, fmt.Errorf("quant: pack gptq: %w", err)
	}
	return p, nil
}

func packGPTQ(g *Grouped, v2 bool) (*PackedGPTQ, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	if err := checkBits(g.Bits, g.Cols, g.Rows); err != nil {
		return nil, err
	}
	p := &PackedGPTQ{
		Bits: g.Bits, In: g.Cols, Out: g.Rows, V2: v2, GroupOf: append([]int32(nil), g.GroupOf...),
		QWeight: make([]int32, g.Cols*g.Bits/32*g.Rows), QZeros: make([]int32, g.Groups*(g.Rows*g.Bits/32)), Scales: make([]uint16, g.Groups*g.Rows),
	}
	less := float32(1)
	if v2 {
		less = 0
	}
	most := 1<<g.Bits - 1
	for r := range g.Rows {
		for c := range g.Cols {
			v := g.Q[r*g.Cols+c]
			if int(v) > most {
				return nil, fmt.Errorf("the integer of row %d, column %d is %d, more than %d bits", r, c, v, g.Bits)
			}
			putBits(p.QWeight, r, g.Rows, c*g.Bits, g.Bits, uint64(v))
		}
		for group := range g.Groups {
			zero := g.Zero[r*g.Groups+group] - less
			if !(zero >= 0 && zero <= float32(most)) || zero != roundEven(zero) {
				return nil, fmt.Errorf("the zero of row %d, group %d is %v, which the layout cannot hold; v2 holds 0 to %d", r, group, zero+less, most)
			}
			putBits(p.QZeros[group*(g.Rows*g.Bits/32):], 0, 1, r*g.Bits, g.Bits, uint64(zero))
			p.Scales[group*g.Rows+r] = toHalf(g.Scale[r*g.Groups+group])
		}
	}
	return p, nil
}

func checkBits(bits, in, out int) error {
	switch bits {
	case 2, 3, 4, 8:
	default:
		return fmt.Errorf("%d bits, want 2, 3, 4 or 8", bits)
	}
	if in <= 0 || out <= 0 || in%32 != 0 || out%32 != 0 || in > math.MaxInt32 || out > math.MaxInt32 {
		return fmt.Errorf("%d inputs and %d outputs are no multiples of 32", in, out)
	}
	return nil
}

// Unpack takes the layout apart. Its fields may come from a file: sizes that do
// not fit are an error.
func (p *PackedGPTQ) Unpack() (*Grouped, error) {
	g, err := p.unpack()
	if err != nil {
		return nil, fmt.Errorf("quant: unpack gptq: %w", err)
	}
	return g, nil
}

func (p *PackedGPTQ) unpack() (*Grouped, error) {
	if err := checkBits(p.Bits, p.In, p.Out); err != nil {
		return nil, err
	}
	groups := len(p.Scales) / p.Out
	switch {
	case len(p.QWeight)%p.Out != 0 || len(p.QWeight)/p.Out != p.In*p.Bits/32:
		return nil, fmt.Errorf("qweight has %d words, want [%d %d]", len(p.QWeight), p.In*p.Bits/32, p.Out)
	case groups == 0 || len(p.Scales) != groups*p.Out || len(p.QZeros)/groups != p.Out*p.Bits/32 || len(p.QZeros)%groups != 0:
		return nil, fmt.Errorf("qzeros has %d words and scales %d numbers, want [groups %d] and [groups %d]", len(p.QZeros), len(p.Scales), p.Out*p.Bits/32, p.Out)
	case p.GroupOf == nil && p.In%groups != 0:
		return nil, fmt.Errorf("%d columns are no %d groups of one size, and there is no g_idx", p.In, groups)
	}
	g := &Grouped{
		Rows: p.Out, Cols: p.In, Groups: groups, Bits: p.Bits, Q: make([]uint8, p.In*p.Out),
		Scale: make([]float32, groups*p.Out), Zero: make([]float32, groups*p.Out), GroupOf: append([]int32(nil), p.GroupOf...),
	}
	if p.GroupOf == nil {
		g.GroupOf = make([]int32, p.In)
		for c := range g.GroupOf {
			g.GroupOf[c] = int32(c / (p.In / groups))
		}
	}
	more := float32(1)
	if p.V2 {
		more = 0
	}
	par.For(p.Out/32, 1, func(lo, hi int) {
		p.integers(g.Q, 32*lo, 32*hi)
		for r := 32 * lo; r < 32*hi; r++ {
			for group := range groups {
				g.Zero[r*groups+group] = float32(getBits(p.QZeros[group*(p.Out*p.Bits/32):], 0, 1, r*p.Bits, p.Bits)) + more
				g.Scale[r*groups+group] = half(p.Scales[group*p.Out+r])
			}
		}
	})
	return g, g.check()
}

// integers takes rows lo to hi of the weight out of the words, word by word where none is crossed.
func (p *PackedGPTQ) integers(q []uint8, lo, hi int) {
	if p.Bits == 3 {
		for r := lo; r < hi; r++ {
			for c := range p.In {
				q[r*p.In+c] = uint8(getBits(p.QWeight, r, p.Out, c*p.Bits, p.Bits))
			}
		}
		return
	}
	each := 32 / p.Bits
	for i := range p.In / each {
		for r, w := range p.QWeight[i*p.Out+lo : i*p.Out+hi] {
			for j := range q[(lo+r)*p.In+i*each:][:each] {
				q[(lo+r)*p.In+i*each+j] = uint8(uint32(w) >> (j * p.Bits) & (1<<p.Bits - 1))
			}
		}
	}
}

// putBits stores v from bit at of a stream of words that lie stride apart from first on.
func putBits(words []int32, first, stride, at, bits int, v uint64) {
	i := first + at/32*stride
	v <<= at % 32
	words[i] |= int32(uint32(v))
	if at%32+bits > 32 {
		words[i+stride] |= int32(uint32(v >> 32))
	}
}

func getBits(words []int32, first, stride, at, bits int) uint64 {
	i := first + at/32*stride
	v := uint64(uint32(words[i]))
	if at%32+bits > 32 {
		v |= uint64(uint32(words[i+stride])) << 32
	}
	return v >> (at % 32) & (1<<bits - 1)
}
