package quant

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hanji-ml/hanji/internal/par"
)

// Roundings for training whose scales follow the numbers: FakeQuant (fakequant.go) has fixed ones. Each takes rows of a
// weight or of a layer's inputs, and gives the gradients as its reference does.

// Blocks rounds rows to what blocks of a type hold: what Quantize writes and Dequantize reads, so that a model is trained as the
// file that will be made of it. The gradient goes through whole.
type Blocks struct{ Type Type }

// Forward implements tensor.Rounding. Numbers that are not finite stay as they are, for the loss to show.
func (b Blocks) Forward(dst, x []float32, cols int) {
	sameLength("Blocks.Forward", len(dst), len(x))
	if cols == 0 {
		return
	}
	size, bytes := b.Type.Block(), b.Type.BlockBytes()
	if cols%size != 0 {
		panic(fmt.Sprintf("quant: rows of %d are no blocks of %s", cols, b.Type))
	}
	par.For(len(x)/cols, max(1, 1<<12/cols), func(lo, hi int) {
		buf := make([]byte, cols/size*bytes)
		for i := lo * cols; i < hi*cols; i += cols {
			err := Quantize(buf, x[i:i+cols], b.Type, Options{})
			if err == nil {
				err = Dequantize(dst[i:i+cols], buf, b.Type)
			}
			if err != nil {
				copy(dst[i:i+cols], x[i:i+cols])
			}
		}
	})
}

// Backward implements tensor.Rounding.
func (Blocks) Backward(dx, dy, _ []float32, _ int) { copy(dx, dy) }

// Forward rounds to the grid's values as RoundToNearest does, scale and zero being those of the group at hand; it
// implements tensor.Rounding. Rows must be whole groups.
func (g Grid) Forward(dst, x []float32, cols int) {
	g.each(dst, x, cols, func(dst, x []float32, scale, zero float32) {
		for i, v := range x {
			dst[i] = (g.round(v, scale, zero) - zero) * scale
		}
	})
}

// Backward gives the gradient for x: dy where x lies within the integers' range, 0 elsewhere, as torch's fake_quantize_*. It
// implements tensor.Rounding.
func (g Grid) Backward(dx, dy, x []float32, cols int) {
	sameLength("Grid.Backward", len(dy), len(x))
	copy(dx, dy)
	g.each(dx, x, cols, func(dx, x []float32, scale, zero float32) {
		for i, v := range x {
			if q := roundEven(v/scale) + zero; q < 0 || q > g.levels() {
				dx[i] = 0
			}
		}
	})
}

// each runs f over all groups of x, rows of cols, with what lies beside them in y.
func (g *Grid) each(y, x []float32, cols int, f func(y, x []float32, scale, zero float32)) {
	sameLength("Grid", len(y), len(x))
	if cols == 0 {
		return
	}
	if err := g.defaults(cols); err != nil {
		panic("quant: " + err.Error())
	}
	par.For(len(x)/g.Group, max(1, 1<<12/g.Group), func(lo, hi int) {
		for i := lo * g.Group; i < hi*g.Group; i += g.Group {
			group := x[i : i+g.Group]
			scale, zero := g.fit(group)
			f(y[i:i+g.Group], group, scale, zero)
		}
	})
}

// Absmax rounds to integers as far below 0 as above, the largest |x| of a row being the last one (LLM-QAT, Liu et al.,
// arXiv 2305.17888, §3.1; SymQuantizer of utils_quant.py). The gradient goes through but where |x| ≥ 2.
type Absmax struct {
	Bits  int  // 3 to 16
	Whole bool // one scale for all rows
}

// Forward implements tensor.Rounding.
func (a Absmax) Forward(dst, x []float32, cols int) {
	sameLength("Absmax.Forward", len(dst), len(x))
	const epsilon = 1e-6 // of the reference, in both places
	if cols == 0 {
		return
	}
	top := float32(int(1)<<(a.Bits-1) - 1)
	if a.Whole {
		cols = len(x)
	}
	par.For(len(x)/cols, max(1, 1<<12/cols), func(lo, hi int) {
		for i := lo * cols; i < hi*cols; i += cols {
			scale := top / (absMax(x[i:i+cols]) + epsilon)
			for j, v := range x[i : i+cols] {
				dst[i+j] = roundEven(v*scale) / (scale + epsilon)
			}
		}
	})
}

// Backward implements tensor.Rounding.
func (a Absmax) Backward(dx, dy, x []float32, _ int) {
	sameLength("Absmax.Backward", len(dy), len(x))
	const clip = 2 // utils_quant.py, weight_clip_val and act_clip_val
	for i, v := range x {
		dx[i] = 0
		if v > -clip && v < clip {
			dx[i] = dy[i]
		}
	}
}

// Rounding is one of Blocks, Grid and Absmax.
type Rounding interface {
	Forward(dst, x []float32, cols int)
	Backward(dx, dy, x []float32, cols int)
}

// ParseRounding reads the name of a rounding: a type that Quantize writes ("q4_0", "q4_k"), "int4" (a Grid; 2, 3, 4 or 8 bits)
// or "absmax8" (3 to 16 bits), in upper or lower case. group is Grid's, as is symmetric.
func ParseRounding(name string, group int, symmetric bool) (Rounding, error) {
	lower := strings.ToLower(name)
	if digits, ok := strings.CutPrefix(lower, "absmax"); ok {
		if n, err := strconv.Atoi(digits); err == nil && n >= 3 && n <= 16 {
			return Absmax{Bits: n}, nil
		}
		return nil, fmt.Errorf("quant: rounding %.40q: want absmax3 to absmax16", name)
	}
	if digits, ok := strings.CutPrefix(lower, "int"); ok {
		g := Grid{Group: group, Symmetric: symmetric}
		var err error
		if g.Bits, err = strconv.Atoi(digits); err != nil || g.Bits == 0 {
			return nil, fmt.Errorf("quant: rounding %.40q: want int2, int3, int4 or int8", name)
		}
		if err := g.defaults(max(group, 1)); err != nil {
			return nil, fmt.Errorf("quant: rounding %.40q: %w", name, err)
		}
		g.Group = group
		return g, nil
	}
	for t := Type(0); t < 256; t++ {
		if CanQuantize(t) && strings.EqualFold(t.String(), name) {
			return Blocks{t}, nil
		}
	}
	return nil, fmt.Errorf("quant: rounding %.40q is not known; q4_0, q8_0, q4_k, int4, int8 and absmax8 are some", name)
}
