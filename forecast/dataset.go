package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/hanji-ml/hanji/tensor"
)

// Matrix is a multivariate series in memory: T steps of C channels, row-major, NaN where missing.
type Matrix struct {
	Names []string // of the channels
	T, C  int
	X     []float64 // [T, C]
}

// Split says which rows a protocol trains, validates and tests on. A part's windows start so that their first target
// row is its Lo or later; their look-back may reach into the part before.
type Split struct {
	Train, Val, Test Range
}

// Range is rows Lo ≤ i < Hi of targets.
type Range struct{ Lo, Hi int }

// Protocols are the split rules of the long-term forecasting literature (PatchTST_supervised/data_provider/data_loader.py).
const (
	ETTHour   = "ett-hour"   // 12 + 4 + 4 months of 30 days of hours; rows beyond are not used
	ETTMinute = "ett-minute" // the same in quarter hours
	LTSF      = "ltsf"       // 70 % train, 20 % test, the rest between them for validation
)

// SplitRows applies a protocol to a series of rows steps.
func SplitRows(protocol string, rows int) (Split, error) {
	month := 30 * 24
	switch protocol {
	case ETTMinute:
		month *= 4
		fallthrough
	case ETTHour:
		if rows < 20*month {
			return Split{}, fmt.Errorf("forecast: protocol %s wants %d rows, there are %d", protocol, 20*month, rows)
		}
		return Split{Range{0, 12 * month}, Range{12 * month, 16 * month}, Range{16 * month, 20 * month}}, nil
	case LTSF:
		train, test := int(float64(rows)*0.7), int(float64(rows)*0.2)
		return Split{Range{0, train}, Range{train, rows - test}, Range{rows - test, rows}}, nil
	}
	return Split{}, fmt.Errorf("forecast: no protocol %q; there are %s, %s and %s", protocol, ETTHour, ETTMinute, LTSF)
}

// Standardise gives each channel of m mean 0 and deviation 1 over the rows of r (population deviation, float64, then
// rounded to float32: sklearn's StandardScaler as the reference's loaders use it). The result is [T, C].
func (m *Matrix) Standardise(r Range) (x []float32, mean, std []float64) {
	mean, std = make([]float64, m.C), make([]float64, m.C)
	n := float64(r.Hi - r.Lo)
	for c := range m.C {
		for t := r.Lo; t < r.Hi; t++ {
			mean[c] += m.X[t*m.C+c] / n
		}
		for t := r.Lo; t < r.Hi; t++ {
			d := m.X[t*m.C+c] - mean[c]
			std[c] += d * d / n
		}
		if std[c] = math.Sqrt(std[c]); std[c] == 0 {
			std[c] = 1 // as sklearn does
		}
	}
	x = make([]float32, len(m.X))
	for i, v := range m.X {
		x[i] = float32((v - mean[i%m.C]) / std[i%m.C])
	}
	return x, mean, std
}

// Windows cuts a part of a standardised matrix into look-backs of Context steps, each followed by Horizon targets.
type Windows struct {
	X                []float32 // [T, C]
	C                int
	Context, Horizon int
	Part             Range
}

// Len is the number of windows.
func (w *Windows) Len() int { return max(0, w.Part.Hi-w.Horizon-w.first()+1) }

// first is the first target row: no window looks back beyond row 0.
func (w *Windows) first() int { return max(w.Part.Lo, w.Context) }

// Batch copies windows i (0 ≤ i < Len) into the Ctx: past [B, Context, C] and target [B, Horizon, C].
func (w *Windows) Batch(ctx *tensor.Ctx, index []int) (past, target *tensor.Tensor) {
	p := make([]float32, 0, len(index)*w.Context*w.C)
	y := make([]float32, 0, len(index)*w.Horizon*w.C)
	for _, i := range index {
		at := w.first() + i
		p = append(p, w.X[(at-w.Context)*w.C:at*w.C]...)
		y = append(y, w.X[at*w.C:(at+w.Horizon)*w.C]...)
	}
	return ctx.F32s(p, len(index), w.Context, w.C), ctx.F32s(y, len(index), w.Horizon, w.C)
}

// shuffled is a permutation of n that only seed and epoch decide.
func shuffled(seed uint64, epoch, n int) []int {
	return rand.New(rand.NewPCG(seed, uint64(epoch))).Perm(n)
}
