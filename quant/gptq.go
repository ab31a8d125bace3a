package quant

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// GPTQ (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative
// Pre-trained Transformers", ICLR 2023; IST-DASLab/gptq, gptq.py): columns are
// quantised one after another, and what rounding a column costs is made up for,
// as far as the inputs' second moments allow, by those that are still to come.

// Hessian is 2/N·Σ x·xᵀ over calibration inputs x of a linear layer, the second
// derivative of its squared output error in a row of its weight.
type Hessian struct {
	cols, samples int
	h             []float32 // [cols, cols]
}

// NewHessian is for a layer with that many input columns.
func NewHessian(cols int) *Hessian { return &Hessian{cols: cols, h: make([]float32, cols*cols)} }

// Add takes a batch of inputs [tokens, cols] as one sample, however many tokens it has. (The
// reference does so with a 2-d input; the factor between samples and tokens changes no result.)
func (s *Hessian) Add(x []float32) error {
	if len(x) == 0 || len(x)%s.cols != 0 {
		return fmt.Errorf("quant: gptq: %d inputs are no rows of %d", len(x), s.cols)
	}
	n := float32(s.samples)
	for i := range s.h {
		s.h[i] *= n / (n + 1)
	}
	s.samples++
	a := kernel.RowMajor(x, s.cols)
	kernel.Gemm(s.cols, s.cols, len(x)/s.cols, a.T(), a, s.h, s.cols, kernel.Epilogue[float32]{Accumulate: true, Alpha: 2 / (n + 1)})
	return nil
}

// Values is the matrix [cols, cols]; a copy.
func (s *Hessian) Values() []float32 { return slices.Clone(s.h) }

// Energy is Σ w·H·wᵀ over the rows of w: for a weight its squared output over the inputs, for the change of a weight the squared
// error, both times the same factor.
func (s *Hessian) Energy(w []float32) float64 {
	rows := len(w) / s.cols
	product := make([]float32, len(w))
	kernel.Gemm(rows, s.cols, s.cols, kernel.RowMajor(w, s.cols), kernel.RowMajor(s.h, s.cols), product, s.cols, kernel.Epilogue[float32]{})
	sum := 0.0
	for i, v := range product {
		sum += float64(v) * float64(w[i])
	}
	return max(sum, 0)
}

// GPTQOptions say how GPTQ works. The zero value is four bits, a group a row.
type GPTQOptions struct {
	Grid
	// ActOrder quantises the columns with the largest inputs first.
	ActOrder bool
	// StaticGroups fits all groups beforehand, to the original weights in the order of the
	// columns; otherwise a group is fitted when its first column is reached, to the weights as they
	// stood at the last block boundary.
	StaticGroups bool
	// Block is how many columns are worked on before the others are updated; 0: 128. It changes
	// the result, because of when groups are fitted.
	Block int
	// Damp is the share of the mean diagonal that is added to the diagonal; 0: 0.01.
	Damp float64
}

// GPTQ quantises w, rows of as many columns as h has, so that the layer's outputs
// for the inputs of h change little. An input that was always 0 gets weight 0. It
// is an error if the damped Hessian has no Cholesky factor.
func GPTQ(w []float32, h *Hessian, o GPTQOptions) (*Grouped, error) {
	g, err := newGrouped(w, h.cols, &o.Grid)
	if err != nil {
		return nil, fmt.Errorf("quant: gptq: %w", err)
	}
	if h.samples == 0 {
		return nil, errors.New("quant: gptq: the Hessian has no inputs; add calibration data")
	}
	if o.Block <= 0 {
		o.Block = 128
	}
	if o.Damp <= 0 {
		o.Damp = 0.01
	}
	s := &gptqState{GPTQOptions: o, g: g, w: slices.Clone(w), order: make([]int, h.cols)}
	s.prepare(h)
	if s.inverse, err = inverseFactor(s.h, h.cols); err != nil {
		return nil, fmt.Errorf("quant: gptq: %w; raise Damp above %g or add calibration data", err, o.Damp)
	}
	for lo := 0; lo < h.cols; lo += o.Block {
		s.block(lo, min(lo+o.Block, h.cols))
	}
	return g, nil
}

// gptqState is one weight under way; columns of w, h and inverse are in the order they are
// quantised in.
type gptqState struct {
	GPTQOptions
	g       *Grouped
	w       []float32
	h       []float64
	inverse []float32 // upper Cholesky factor of the inverse of h
	order   []int     // position → column
}

// prepare fits what is fitted beforehand, brings the columns in order and damps the Hessian.
func (s *gptqState) prepare(h *Hessian) {
	n := h.cols
	if s.Group == n { // the reference fits a whole row before it drops dead columns
		s.fitGroup(0, s.w, 0)
	}
	diagonal, sum := make([]float64, n), 0.0
	for c := range n {
		d := h.h[c*n+c]
		if d == 0 {
			d = 1
			for r := range s.g.Rows {
				s.w[r*n+c] = 0
			}
		}
		diagonal[c] = float64(d)
		sum += float64(d)
		s.order[c] = c
	}
	if s.StaticGroups && s.Group != n {
		for group := range s.g.Groups {
			s.fitGroup(group, s.w, group*s.Group)
		}
	}
	if s.ActOrder {
		slices.SortStableFunc(s.order, func(a, b int) int { return -cmp.Compare(diagonal[a], diagonal[b]) })
		moved := make([]float32, len(s.w))
		for i := range moved {
			moved[i] = s.w[i/n*n+s.order[i%n]]
		}
		s.w = moved
	}
	for pos, c := range s.order {
		if s.StaticGroups {
			s.g.GroupOf[c] = int32(c / s.Group)
		} else {
			s.g.GroupOf[c] = int32(pos / s.Group)
		}
	}
	s.h = make([]float64, n*n)
	for i, ci := range s.order {
		for j, cj := range s.order {
			s.h[i*n+j] = float64(h.h[ci*n+cj])
		}
		s.h[i*n+i] = diagonal[ci] + s.Damp*sum/float64(n)
	}
}

// fitGroup finds scale and zero of one group in every row, from columns of w that begin at lo.
func (s *gptqState) fitGroup(group int, w []float32, lo int) {
	g := s.g
	par.For(g.Rows, max(1, 1<<12/s.Group), func(first, last int) {
		for r := first; r < last; r++ {
			g.Scale[r*g.Groups+group], g.Zero[r*g.Groups+group] = s.fit(w[r*g.Cols+lo : r*g.Cols+lo+s.Group])
		}
	})
}

// block quantises columns lo to hi and then moves their error onto the columns after hi.
func (s *gptqState) block(lo, hi int) {
	g, n := s.g, s.g.Cols
	if !s.StaticGroups && s.Group != n {
		for c := lo; c < hi; c++ {
			if c%s.Group == 0 {
				s.fitGroup(c/s.Group, s.w, c)
			}
		}
	}
	width := hi - lo
	errs := make([]float32, g.Rows*width)
	par.For(g.Rows, max(1, 1<<12/(width*width)), func(first, last int) {
		now := make([]float32, width)
		for r := first; r < last; r++ {
			copy(now, s.w[r*n+lo:r*n+hi])
			for i, v := range now {
				row := s.inverse[(lo+i)*n+lo : (lo+i)*n+hi]
				c := s.order[lo+i]
				scale, zero := g.Scale[r*g.Groups+int(g.GroupOf[c])], g.Zero[r*g.Groups+int(g.GroupOf[c])]
				q := s.round(v, scale, zero)
				g.Q[r*n+c] = uint8(q)
				e := (v - float32(scale*(q-zero))) / row[i]
				for j := i + 1; j < width; j++ {
					now[j] -= float32(e * row[j])
				}
				errs[r*width+i] = e
			}
		}
	})
	if hi < n {
		kernel.Gemm(g.Rows, n-hi, width, kernel.RowMajor(errs, width), kernel.RowMajor(s.inverse[lo*n+hi:], n), s.w[hi:], n, kernel.Epilogue[float32]{Accumulate: true, Alpha: -1})
	}
}

// inverseFactor is U with Uᵀ·U = h⁻¹, row by row; h is overwritten. From the end to the beginning h is RᵀR, and U is the inverse of Rᵀ
// read so: half the work of factoring, inverting and factoring again.
func inverseFactor(h []float64, n int) ([]float32, error) {
	slices.Reverse(h)
	t, ok := lapack64.Potrf(blas64.Symmetric{Uplo: blas.Upper, N: n, Stride: n, Data: h})
	if !ok {
		return nil, errors.New("the Hessian is not positive definite")
	}
	if !lapack64.Trtri(t) {
		return nil, errors.New("the Hessian has no inverse")
	}
	out := make([]float32, n*n)
	for i := range n {
		for j := i; j < n; j++ {
			out[i*n+j] = float32(h[(n-1-j)*n+n-1-i])
		}
	}
	return out, nil
}
