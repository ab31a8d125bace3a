package forecast

import (
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/tensor"
)

// Matrix is a multivariate series in memory: T steps of C channels, row-major, NaN where missing.
type Matrix struct {
	Names []string // of the channels
	T, C  int
	X     []float64 // [T, C]
}

// Standardise gives each channel of m mean 0 and deviation 1 over the rows of r (population deviation, float64, then
// rounded to float32: sklearn's StandardScaler as the reference's loaders use it). The result is [T, C].
func (m *Matrix) Standardise(r series.Range) []float32 {
	x := make([]float32, len(m.X))
	column := make([]float64, r.Len())
	for c := range m.C {
		for t := range column {
			column[t] = m.X[(r.From+t)*m.C+c]
		}
		scaler := series.FitStandard(column)
		for t := range m.T {
			x[t*m.C+c] = float32((m.X[t*m.C+c] - scaler.Loc) / scaler.Scale)
		}
	}
	return x
}

// Windows cuts a part of a standardised matrix into look-backs of Context steps, each followed by Horizon targets.
type Windows struct {
	X                []float32 // [T, C]
	C                int
	Context, Horizon int
	Part             series.Range // rows: the first window looks back to its first
}

// Len is the number of windows.
func (w *Windows) Len() int { return max(0, w.Part.Len()-w.Context-w.Horizon+1) }

// Batch copies windows i (0 ≤ i < Len) into the Ctx: past [B, Context, C] and target [B, Horizon, C].
func (w *Windows) Batch(ctx *tensor.Ctx, index []int) (past, target *tensor.Tensor) {
	p := make([]float32, 0, len(index)*w.Context*w.C)
	y := make([]float32, 0, len(index)*w.Horizon*w.C)
	for _, i := range index {
		at := w.Part.From + w.Context + i
		p = append(p, w.X[(at-w.Context)*w.C:at*w.C]...)
		y = append(y, w.X[at*w.C:(at+w.Horizon)*w.C]...)
	}
	return ctx.F32s(p, len(index), w.Context, w.C), ctx.F32s(y, len(index), w.Horizon, w.C)
}
