package quant

import (
	"errors"
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// AWQ (Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and
// Acceleration", MLSys 2024; casper-hansen/AutoAWQ, quantizer.py): the columns of a
// weight that meet large inputs are scaled up before rounding, and the inputs
// down, by factors that a search finds.

// AWQOptions say how AWQ works. The zero value is AutoAWQ's default but for Group.
type AWQOptions struct {
	Bits  int // 2, 3, 4 (default) or 8
	Group int // columns that share scale and zero; 0: all of a row (AutoAWQ's default is 128)
	// Plain scales by the inputs alone, as in the paper: s = mean|x|^r. Otherwise the weights count
	// too, s = mean|x|^r / (mean|w|^(1−r) + 1e-4), AutoAWQ's duo_scaling.
	Plain bool
	// Loss judges a try, given the weights that stand in for those of the layers; what they feed
	// (an attention, an MLP) is best judged as a whole. nil: the mean squared error of the layers'
	// own outputs.
	Loss func(weights [][]float32) (float64, error)
}

func (o AWQOptions) grid() Grid { return Grid{Bits: o.Bits, Group: o.Group} }

// AWQScale searches the scale s of each input column for layers that share an
// input: weights [rows, cols] each, x [tokens, cols]. Then W·s is to be quantised,
// and the input divided by s, usually in the layer before. losses are those of the
// 20 exponents 0, 0.05 ... 0.95 that were tried; the first of the least won.
func AWQScale(x []float32, weights [][]float32, cols int, o AWQOptions) (scale []float32, losses []float64, err error) {
	scale, losses, err = awqScale(x, weights, cols, o)
	if err != nil {
		return nil, nil, fmt.Errorf("quant: awq: %w", err)
	}
	return scale, losses, nil
}

func awqScale(x []float32, weights [][]float32, cols int, o AWQOptions) (scale []float32, losses []float64, err error) {
	if err := checkInputs(x, cols); err != nil {
		return nil, nil, err
	}
	if len(weights) == 0 {
		return nil, nil, errors.New("no layer is given")
	}
	grid := o.grid()
	for _, w := range weights {
		if _, err := newGrouped(w, cols, &grid); err != nil {
			return nil, nil, err
		}
	}
	if o.Loss == nil {
		o.Loss = outputLoss(x, weights, cols)
	}
	inputs, sizes := meanAbs(x, cols), groupMeans(weights, cols, grid.Group)
	best := math.Inf(1)
	for i := range 20 {
		s := awqFactors(inputs, sizes, float64(i)/20, o.Plain)
		tried := make([][]float32, len(weights))
		for l, w := range weights {
			g, err := AWQRound(ScaleColumns(w, s), cols, o)
			if err != nil {
				return nil, nil, err
			}
			tried[l] = g.Values()
			for j := range tried[l] {
				tried[l][j] /= s[j%cols]
			}
		}
		loss, err := o.Loss(tried)
		if err != nil {
			return nil, nil, err
		}
		losses = append(losses, loss)
		if loss < best {
			best, scale = loss, s
		}
	}
	if scale == nil {
		return nil, nil, fmt.Errorf("no try has a finite loss (the first is %v)", losses[0])
	}
	return scale, losses, nil
}

func checkInputs(x []float32, cols int) error {
	if cols <= 0 || len(x) == 0 || len(x)%cols != 0 {
		return fmt.Errorf("%d inputs are no rows of %d", len(x), cols)
	}
	return nil
}

// ScaleColumns returns w, rows of len(s), with each column multiplied by its factor.
func ScaleColumns(w, s []float32) []float32 {
	out := make([]float32, len(w))
	for i, v := range w {
		out[i] = v * s[i%len(s)]
	}
	return out
}

// outputLoss is the mean squared difference of x·Wᵀ over all outputs of all layers.
func outputLoss(x []float32, weights [][]float32, cols int) func([][]float32) (float64, error) {
	product := func(w []float32) []float32 {
		tokens, rows := len(x)/cols, len(w)/cols
		out := make([]float32, tokens*rows)
		kernel.Gemm(tokens, rows, cols, kernel.RowMajor(x, cols), kernel.RowMajor(w, cols).T(), out, rows, kernel.Epilogue[float32]{})
		return out
	}
	want := make([][]float32, len(weights))
	for l, w := range weights {
		want[l] = product(w)
	}
	return func(tried [][]float32) (float64, error) {
		sum, n := 0.0, 0
		for l, w := range tried {
			for i, v := range product(w) {
				d := float64(v - want[l][i])
				sum += d * d
			}
			n += len(want[l])
		}
		return sum / float64(n), nil
	}
}

// meanAbs is the mean of |x| over tokens.
func meanAbs(x []float32, cols int) []float32 {
	sums := make([]float64, cols)
	for i, v := range x {
		sums[i%cols] += math.Abs(float64(v))
	}
	out := make([]float32, cols)
	for c, s := range sums {
		out[c] = float32(s / float64(len(x)/cols))
	}
	return out
}

// groupMeans is the mean over rows of |w| as a share of the largest in its group.
func groupMeans(weights [][]float32, cols, group int) []float32 {
	sums, rows := make([]float64, cols), 0
	for _, w := range weights {
		rows += len(w) / cols
		for i := 0; i < len(w); i += group {
			part := w[i : i+group]
			peak := abs(furthest(part)) + 1e-6
			for j, v := range part {
				sums[(i+j)%cols] += float64(abs(v) / peak)
			}
		}
	}
	out := make([]float32, cols)
	for c, s := range sums {
		out[c] = float32(s / float64(rows))
	}
	return out
}

// awqFactors are the scales for one exponent, made even by the root of largest times smallest.
func awqFactors(inputs, sizes []float32, ratio float64, plain bool) []float32 {
	s := make([]float32, len(inputs))
	for c, v := range inputs {
		f := float32(math.Pow(float64(v), ratio))
		if !plain {
			f /= float32(math.Pow(float64(sizes[c]), 1-ratio)) + 1e-4
		}
		s[c] = max(f, 1e-4)
	}
	lo, hi := extremes(s)
	middle := sqrt(hi * lo)
	for c := range s {
		if s[c] /= middle; s[c]-s[c] != 0 {
			s[c] = 1
		}
	}
	return s
}

// AWQClip searches the largest |w| to keep in each row and group of a weight, [rows,
// groups]: ten ranges, from all down to 0.55 of it, judged by the group's share of
// the output for at most 512 evenly spaced tokens of x. AutoAWQ leaves out query and
// key projections, whose errors meet in a product.
func AWQClip(x, w []float32, cols int, o AWQOptions) ([]float32, error) {
	grid := o.grid()
	g, err := newGrouped(w, cols, &grid)
	if err == nil {
		err = checkInputs(x, cols)
	}
	if err != nil {
		return nil, fmt.Errorf("quant: awq: %w", err)
	}
	step := max(1, len(x)/cols/512)
	moments := make([][]float64, g.Groups) // Σ x·xᵀ over tokens: all that the error asks of x
	par.For(g.Groups, 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			moments[i] = groupMoments(x, cols, i*grid.Group, grid.Group, step)
		}
	})
	out := make([]float32, g.Rows*g.Groups)
	par.For(len(out), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			out[i] = clipGroup(w[i*grid.Group:(i+1)*grid.Group], moments[i%g.Groups], grid)
		}
	})
	return out, nil
}

func groupMoments(x []float32, cols, first, n, step int) []float64 {
	m := make([]float64, n*n)
	for t := 0; t < len(x); t += step * cols {
		part := x[t+first : t+first+n]
		for i, a := range part {
			for j, b := range part {
				m[i*n+j] += float64(a) * float64(b)
			}
		}
	}
	return m
}

func clipGroup(w []float32, moments []float64, grid Grid) float32 {
	peak := abs(furthest(w))
	kept, least := peak, math.Inf(1)
	n := len(w)
	now, d := make([]float32, n), make([]float64, n)
	for i := range 10 {
		limit := peak * float32(1-float64(i)/20)
		for j, v := range w {
			now[j] = max(-limit, min(v, limit))
		}
		scale, zero := awqFit(now, grid)
		for j, v := range now {
			d[j] = float64((grid.round(v, scale, zero)-zero)*scale) - float64(w[j])
		}
		sum := 0.0
		for j, a := range d {
			s := 0.0
			for k, b := range d {
				s += moments[j*n+k] * b
			}
			sum += a * s
		}
		if sum < least {
			least, kept = sum, limit
		}
	}
	return kept
}

// ClipGroups returns w with each group of a row held within ±limit[row, group].
func ClipGroups(w []float32, group int, limit []float32) []float32 {
	out := make([]float32, len(w))
	for i, v := range w {
		l := limit[i/group]
		out[i] = max(-l, min(v, l))
	}
	return out
}

// AWQRound quantises w, rows of cols, to the grid that AWQ uses: the range is that of the group,
// with or without 0 in it, and its zero is held within the integers.
func AWQRound(w []float32, cols int, o AWQOptions) (*Grouped, error) {
	grid := o.grid()
	g, err := newGrouped(w, cols, &grid)
	if err != nil {
		return nil, fmt.Errorf("quant: awq: %w", err)
	}
	par.For(g.Rows*g.Groups, max(1, 1<<12/grid.Group), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			part := w[i*grid.Group : (i+1)*grid.Group]
			g.Scale[i], g.Zero[i] = awqFit(part, grid)
			for j, v := range part {
				g.Q[i*grid.Group+j] = uint8(grid.round(v, g.Scale[i], g.Zero[i]))
			}
		}
	})
	return g, nil
}

func awqFit(x []float32, grid Grid) (scale, zero float32) {
	lo, hi := extremes(x)
	scale = max(hi-lo, 1e-5) / grid.levels()
	return scale, max(0, min(-roundEven(lo/scale), grid.levels()))
}

// PackedAWQ is a 4-bit weight in the GEMM layout of AWQ checkpoints (AutoAWQ,
// modules/linear/gemm.py): eight outputs to a word, in the order 0 2 4 6 1 3 5 7.
type PackedAWQ struct {
	In, Out int
	QWeight []int32  // [In, Out/8]
	QZeros  []int32  // [groups, Out/8]
	Scales  []uint16 // [groups, Out], f16
}

// awqOrder is the output that nibble i of a word holds.
var awqOrder = [8]int{0, 2, 4, 6, 1, 3, 5, 7}

// PackAWQ brings a weight into the layout of AWQ checkpoints: 4 bits, groups of
// consecutive columns. Scales are rounded to f16.
func PackAWQ(g *Grouped) (*PackedAWQ, error) {
	if err := checkAWQ(g); err != nil {
		return nil, fmt.Errorf("quant: pack awq: %w", err)
	}
	p := &PackedAWQ{In: g.Cols, Out: g.Rows, QWeight: make([]int32, g.Cols*g.Rows/8), QZeros: make([]int32, g.Groups*g.Rows/8), Scales: make([]uint16, g.Groups*g.Rows)}
	for word := range g.Rows / 8 {
		for nibble, o := range awqOrder {
			r := 8*word + o
			for c := range g.Cols {
				p.QWeight[c*(g.Rows/8)+word] |= int32(uint32(g.Q[r*g.Cols+c]) << (4 * nibble))
			}
			for group := range g.Groups {
				p.QZeros[group*(g.Rows/8)+word] |= int32(uint32(g.Zero[r*g.Groups+group]) << (4 * nibble))
				p.Scales[group*g.Rows+r] = toHalf(g.Scale[r*g.Groups+group])
			}
		}
	}
	return p, nil
}

func checkAWQ(g *Grouped) error {
	if err := g.check(); err != nil {
		return err
	}
	if g.Bits != 4 || g.Rows%8 != 0 || g.Cols%g.Groups != 0 {
		return fmt.Errorf("%d bits, %d outputs, %d columns in %d groups; want 4 bits, whole words of 8 outputs, groups of one size", g.Bits, g.Rows, g.Cols, g.Groups)
	}
	for c, group := range g.GroupOf {
		if int(group) != c/(g.Cols/g.Groups) {
			return fmt.Errorf("column %d is of group %d; the layout has no other order of columns", c, group)
		}
	}
	for i, z := range g.Zero {
		if !(z >= 0 && z <= 15) || z != roundEven(z) {
			return fmt.Errorf("zero %d is %v, want a whole number from 0 to 15", i, z)
		}
	}
	for i, q := range g.Q {
		if q > 15 {
			return fmt.Errorf("integer %d is %d, more than 4 bits", i, q)
		}
	}
	return nil
}

// Unpack takes the layout apart. Its fields may come from a file: sizes that do
// not fit are an error.
func (p *PackedAWQ) Unpack() (*Grouped, error) {
	words := p.Out / 8
	groups := 0
	if p.Out > 0 {
		groups = len(p.Scales) / p.Out
	}
	switch {
	case p.In <= 0 || words <= 0 || p.Out%8 != 0:
		return nil, fmt.Errorf("quant: unpack awq: %d inputs and %d outputs; want whole words of 8 outputs", p.In, p.Out)
	case len(p.QWeight)%words != 0 || len(p.QWeight)/words != p.In:
		return nil, fmt.Errorf("quant: unpack awq: qweight has %d words, want [%d %d]", len(p.QWeight), p.In, words)
	case groups == 0 || len(p.Scales) != groups*p.Out || len(p.QZeros) != groups*words || p.In%groups != 0:
		return nil, fmt.Errorf("quant: unpack awq: qzeros has %d words and scales %d numbers, want [groups %d] and [groups %d]", len(p.QZeros), len(p.Scales), words, p.Out)
	}
	g := &Grouped{
		Rows: p.Out, Cols: p.In, Groups: groups, Bits: 4, Q: make([]uint8, p.In*p.Out),
		Scale: make([]float32, groups*p.Out), Zero: make([]float32, groups*p.Out), GroupOf: make([]int32, p.In),
	}
	for c := range g.GroupOf {
		g.GroupOf[c] = int32(c / (p.In / groups))
	}
	par.For(words, 1, func(lo, hi int) {
		for word := lo; word < hi; word++ {
			for c := range p.In {
				for nibble, o := range awqOrder {
					g.Q[(8*word+o)*p.In+c] = uint8(uint32(p.QWeight[c*words+word]) >> (4 * nibble) & 15)
				}
			}
			for group := range groups {
				for nibble, o := range awqOrder {
					r := 8*word + o
					g.Zero[r*groups+group] = float32(uint32(p.QZeros[group*words+word]) >> (4 * nibble) & 15)
					g.Scale[r*groups+group] = half(p.Scales[group*p.Out+r])
				}
			}
		}
	})
	return g, nil
}
