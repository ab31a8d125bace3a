package gbdt

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/par"
)

// PredictOptions says what a prediction uses and gives. The zero value predicts with all trees, transformed.
type PredictOptions struct {
	Raw            bool // scores before the objective's transformation (sum of trees, even of a random forest)
	StartIteration int  // first iteration; default 0
	NumIteration   int  // how many iterations; 0 or less means all from StartIteration on

	// EarlyStop ends the sum of a row once the margin is beyond EarlyStopMargin: twice the absolute score, or the distance
	// of the two best classes. Checked every EarlyStopFreq iterations; objectives that need the exact score ignore it.
	EarlyStop       bool
	EarlyStopFreq   int     // default 10
	EarlyStopMargin float64 // default 10
}

// stopper decides about early stop; freq 0 means never.
type stopper struct {
	freq   int
	margin float64
}

func (m *Model) stopper(o PredictOptions) stopper {
	if !o.EarlyStop || !m.transform.inexact || m.average {
		return stopper{}
	}
	s := stopper{freq: o.EarlyStopFreq, margin: o.EarlyStopMargin}
	if s.freq <= 0 {
		s.freq = 10
	}
	if s.margin == 0 {
		s.margin = 10
	}
	return s
}

func (s stopper) enough(p []float64) bool {
	if len(p) == 1 {
		return 2*math.Abs(p[0]) > s.margin
	}
	first, second := math.Inf(-1), math.Inf(-1)
	for _, v := range p {
		switch {
		case v > first:
			first, second = v, first
		case v > second:
			second = v
		}
	}
	return first-second > s.margin
}

// rowsOf checks that x is whole rows and dst has width numbers for each.
func (m *Model) rowsOf(what string, x []float64, dst, width int) (int, error) {
	features := m.NumFeatures()
	if len(x)%features != 0 {
		return 0, fmt.Errorf("gbdt: %s: %d values are no whole rows of %d features", what, len(x), features)
	}
	rows := len(x) / features
	if dst != rows*width {
		return 0, fmt.Errorf("gbdt: %s: the destination has %d numbers, want %d rows × %d", what, dst, rows, width)
	}
	return rows, nil
}

// Predict writes predictions of rows to dst. x holds rows one after another, NumFeatures values each, NaN for missing;
// dst has NumClasses numbers for each row. The result does not depend on the number of threads.
func (m *Model) Predict(dst, x []float64, o PredictOptions) error {
	rows, err := m.rowsOf("predict", x, len(dst), m.numClass)
	if err != nil {
		return err
	}
	m.flatten()
	from, to := m.iterations(o.StartIteration, o.NumIteration)
	features, k, stop := m.NumFeatures(), m.numClass, m.stopper(o)
	scratch := make([]rankScratch, par.Threads())
	par.ForWorker(rows, predictBlock, func(worker, lo, hi int) {
		p := dst[lo*k : hi*k]
		clear(p)
		if stop.freq > 0 || m.flat.slow {
			for i := lo; i < hi; i++ {
				m.sumRow(dst[i*k:(i+1)*k], x[i*features:(i+1)*features], from, to, stop)
			}
		} else {
			m.flat.addBlock(&scratch[worker], p, x[lo*features:hi*features], features, k, from*k, to*k)
		}
		if !o.Raw {
			for i := range hi - lo {
				m.convert(p[i*k:(i+1)*k], to-from)
			}
		}
	})
	return nil
}

// PredictRow is Predict for one row, for the least latency: it allocates nothing.
func (m *Model) PredictRow(dst, row []float64, o PredictOptions) error {
	if len(row) != m.NumFeatures() || len(dst) != m.numClass {
		return fmt.Errorf("gbdt: predict: a row of %d and a destination of %d, want %d features and %d classes",
			len(row), len(dst), m.NumFeatures(), m.numClass)
	}
	m.flatten()
	from, to := m.iterations(o.StartIteration, o.NumIteration)
	clear(dst)
	m.sumRow(dst, row, from, to, m.stopper(o))
	if !o.Raw {
		m.convert(dst, to-from)
	}
	return nil
}

// sumRow adds the trees of iterations from..to.
func (m *Model) sumRow(p, row []float64, from, to int, stop stopper) {
	k, round := len(p), 0
	if stop.freq == 0 && !m.flat.slow {
		m.flat.addRow(p, row, from*k, to*k)
		return
	}
	for i := from; i < to; i++ {
		for c := range p {
			n := i*k + c
			if m.flat.slow {
				t := m.trees[n]
				p[c] += t.output(t.leaf(row), row)
			} else {
				p[c] += m.flat.value(n, row)
			}
		}
		if round++; round == stop.freq {
			if stop.enough(p) {
				return
			}
			round = 0
		}
	}
}

// convert makes a prediction of a sum over some iterations.
func (m *Model) convert(p []float64, iterations int) {
	if m.average {
		for i := range p {
			p[i] /= float64(iterations)
		}
	}
	m.transform.apply(p)
}

// LeafIndex writes the leaf that each row falls into, for each tree: dst has (iterations used × trees per iteration)
// numbers for each row.
func (m *Model) LeafIndex(dst []int, x []float64, o PredictOptions) error {
	from, to := m.iterations(o.StartIteration, o.NumIteration)
	trees := m.trees[from*m.treesPerIter : to*m.treesPerIter]
	rows, err := m.rowsOf("leaf index", x, len(dst), len(trees))
	if err != nil {
		return err
	}
	features := m.NumFeatures()
	par.For(rows, predictBlock, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := x[i*features : (i+1)*features]
			for j, t := range trees {
				dst[i*len(trees)+j] = int(t.leaf(row))
			}
		}
	})
	return nil
}
