package quant

import (
	"errors"
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/par"
)

// Grouped is a weight [Rows, Cols] as GPTQ and AWQ store it: integers of a few
// bits, and for each row and group of columns a scale and a zero.
//
//	w[r, c] = (Q[r, c] − Zero[r, g])·Scale[r, g],  g = GroupOf[c]
type Grouped struct {
	Rows, Cols, Groups int
	Bits               int       // 2, 3, 4 or 8
	Q                  []uint8   // [Rows, Cols], 0 to 2^Bits−1
	Scale, Zero        []float32 // [Rows, Groups]; zeros are whole numbers
	GroupOf            []int32   // [Cols]; c/size but where columns were quantised in another order
}

// Values returns the weight [Rows, Cols].
func (g *Grouped) Values() []float32 {
	out := make([]float32, len(g.Q))
	par.For(g.Rows, max(1, 1<<14/max(1, g.Cols)), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			scale, zero := g.Scale[r*g.Groups:(r+1)*g.Groups], g.Zero[r*g.Groups:(r+1)*g.Groups]
			for c, group := range g.GroupOf {
				i := r*g.Cols + c
				out[i] = (float32(g.Q[i]) - zero[group]) * scale[group]
			}
		}
	})
	return out
}

// Slice is rows lo to hi of the weight; they share its memory.
func (g *Grouped) Slice(lo, hi int) *Grouped {
	part := *g
	part.Rows, part.Q = hi-lo, g.Q[lo*g.Cols:hi*g.Cols]
	part.Scale, part.Zero = g.Scale[lo*g.Groups:hi*g.Groups], g.Zero[lo*g.Groups:hi*g.Groups]
	return &part
}

// Grid says which values a group of weights may take.
type Grid struct {
	Bits      int  // 2, 3, 4 (default) or 8
	Group     int  // columns that share scale and zero; 0: all of a row
	Symmetric bool // the zero is 2^(Bits−1), the range as far below 0 as above
	// MSE shrinks the range, by a hundredth at a time down to a fifth, to what has the least Σ|error|^2.4.
	MSE bool
}

func (g *Grid) defaults(cols int) error {
	if g.Bits == 0 {
		g.Bits = 4
	}
	if g.Group == 0 {
		g.Group = cols
	}
	switch g.Bits {
	case 2, 3, 4, 8:
	default:
		return fmt.Errorf("%d bits, want 2, 3, 4 or 8", g.Bits)
	}
	if g.Group < 0 || cols%g.Group != 0 {
		return fmt.Errorf("%d columns are no whole groups of %d", cols, g.Group)
	}
	return nil
}

// levels is the largest integer.
func (g *Grid) levels() float32 { return float32(int(1)<<g.Bits - 1) }

// fit finds scale and zero for a group. The range always includes 0 (quant.py, Quantizer).
func (g *Grid) fit(x []float32) (scale, zero float32) {
	lo, hi := extremes(x)
	lo, hi = min(lo, 0), max(hi, 0)
	if g.Symmetric {
		hi = max(abs(lo), hi)
		if lo < 0 {
			lo = -hi
		}
	}
	if lo == 0 && hi == 0 {
		lo, hi = -1, 1
	}
	scale, zero = g.over(lo, hi)
	if !g.MSE {
		return scale, zero
	}
	best := math.Inf(1)
	for i := range 80 {
		p := 1 - float32(i)/100
		s, z := g.over(float32(p*lo), float32(p*hi))
		sum := 0.0
		for _, v := range x {
			sum += math.Pow(math.Abs(float64(float32(s*(g.round(v, s, z)-z))-v)), 2.4)
		}
		if sum < best {
			best, scale, zero = sum, s, z
		}
	}
	return scale, zero
}

// over divides a range.
func (g *Grid) over(lo, hi float32) (scale, zero float32) {
	scale = (hi - lo) / g.levels()
	if g.Symmetric {
		return scale, (g.levels() + 1) / 2
	}
	return scale, roundEven(-lo / scale)
}

// round is the integer for v, as a float.
func (g *Grid) round(v, scale, zero float32) float32 {
	return max(0, min(roundEven(v/scale)+zero, g.levels()))
}

func roundEven(v float32) float32 { return float32(math.RoundToEven(float64(v))) }

// RoundToNearest quantises w, rows of cols, without looking at anything but the group itself: what
// GPTQ and AWQ are compared with.
func RoundToNearest(w []float32, cols int, grid Grid) (*Grouped, error) {
	g, err := newGrouped(w, cols, &grid)
	if err != nil {
		return nil, fmt.Errorf("quant: %w", err)
	}
	par.For(g.Rows, max(1, 1<<12/cols), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			for c := range cols {
				i, group := r*cols+c, r*g.Groups+c/grid.Group
				if c%grid.Group == 0 {
					g.Scale[group], g.Zero[group] = grid.fit(w[i : i+grid.Group])
				}
				g.Q[i] = uint8(grid.round(w[i], g.Scale[group], g.Zero[group]))
			}
		}
	})
	return g, nil
}

// newGrouped checks a weight and makes room for its integers, groups in the order of the columns.
func newGrouped(w []float32, cols int, grid *Grid) (*Grouped, error) {
	if cols <= 0 || len(w)%cols != 0 {
		return nil, fmt.Errorf("%d weights are no rows of %d", len(w), cols)
	}
	if err := grid.defaults(cols); err != nil {
		return nil, err
	}
	for i, v := range w {
		if v-v != 0 {
			return nil, fmt.Errorf("weight [%d %d] is %v; was the model saved after it diverged?", i/cols, i%cols, v)
		}
	}
	rows, groups := len(w)/cols, cols/grid.Group
	g := &Grouped{
		Rows: rows, Cols: cols, Groups: groups, Bits: grid.Bits, Q: make([]uint8, len(w)),
		Scale: make([]float32, rows*groups), Zero: make([]float32, rows*groups), GroupOf: make([]int32, cols),
	}
	for c := range g.GroupOf {
		g.GroupOf[c] = int32(c / grid.Group)
	}
	return g, nil
}

// check holds the fields against each other; a Grouped may come from a file.
func (g *Grouped) check() error {
	switch {
	case g.Rows < 0 || g.Cols <= 0 || g.Groups <= 0 || len(g.GroupOf) != g.Cols:
		return errors.New("sizes of a weight do not fit each other")
	case len(g.Q) != g.Rows*g.Cols || len(g.Scale) != g.Rows*g.Groups || len(g.Zero) != g.Rows*g.Groups:
		return fmt.Errorf("a weight [%d %d] in %d groups has %d integers, %d scales and %d zeros", g.Rows, g.Cols, g.Groups, len(g.Q), len(g.Scale), len(g.Zero))
	}
	for c, group := range g.GroupOf {
		if group < 0 || int(group) >= g.Groups {
			return fmt.Errorf("column %d is of group %d, there are %d", c, group, g.Groups)
		}
	}
	return nil
}
