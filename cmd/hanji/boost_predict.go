package main

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// predictRows is how many rows are predicted and written together: enough for all threads, little memory.
const predictRows = 1 << 14

// boostPredict is task=predict (Application::Predict): a line for each row, tabs between the numbers of a line.
func boostPredict(ctx context.Context, o gbdt.Options, log *boostLog) error {
	m, err := gbdt.OpenText(o.InputModel)
	if err != nil {
		return err
	}
	x, missing, err := m.OpenRows(o.Data, o)
	if err != nil {
		return err
	}
	for _, name := range missing {
		log.warn("Feature (%s) is missed in data file. If it is weight/query/group/ignore_column, you can ignore this warning.", name)
	}
	begun := time.Now()
	features := m.NumFeatures()
	log.begin("predict", "rows", len(x)/features)
	defer log.end()
	err = atomicfile.Write(o.OutputResult, func(w io.Writer) error {
		for lo := 0; lo < len(x); lo += predictRows * features {
			if err := ctx.Err(); err != nil {
				return err
			}
			hi := min(lo+predictRows*features, len(x))
			values, err := predictBlock(m, x[lo:hi], o)
			if err != nil {
				return err
			}
			if err := writeLines(w, values, (hi-lo)/features); err != nil {
				return err
			}
			if log.bar != nil {
				log.bar.Set(hi / features)
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	log.end()
	log.info("Finished prediction in %s seconds", since(begun))
	return nil
}

// predictBlock gives what the options ask for of some rows.
func predictBlock(m *gbdt.Model, x []float64, o gbdt.Options) ([]float64, error) {
	rows := len(x) / m.NumFeatures()
	po := gbdt.PredictOptions{Raw: o.PredictRawScore, StartIteration: o.StartIterationPredict, NumIteration: o.NumIterationPredict,
		EarlyStop: o.PredEarlyStop, EarlyStopFreq: o.PredEarlyStopFreq, EarlyStopMargin: o.PredEarlyStopMargin}
	switch {
	case o.PredictLeafIndex:
		n := m.NumIterations()
		from := min(max(po.StartIteration, 0), n)
		if n -= from; po.NumIteration > 0 {
			n = min(n, po.NumIteration)
		}
		leafs := make([]int, rows*n*m.NumTrees()/max(1, m.NumIterations()))
		values := make([]float64, len(leafs))
		err := m.LeafIndex(leafs, x, po)
		for i, v := range leafs {
			values[i] = float64(v)
		}
		return values, err
	case o.PredictContrib:
		values := make([]float64, rows*m.NumClasses()*(m.NumFeatures()+1))
		return values, m.Contrib(values, x, po)
	}
	values := make([]float64, rows*m.NumClasses())
	return values, m.Predict(values, x, po)
}

// writeLines writes numbers with 17 digits, as LightGBM's Common::Join does.
func writeLines(w io.Writer, values []float64, rows int) error {
	width := len(values) / rows
	var b []byte
	for i := range rows {
		for j, v := range values[i*width : (i+1)*width] {
			if j > 0 {
				b = append(b, '\t')
			}
			b = strconv.AppendFloat(b, v, 'g', 17, 64)
		}
		b = append(b, '\n')
	}
	_, err := w.Write(b)
	return err
}

// boostRefit is task=refit (Application::Train with a model whose splits stay).
func boostRefit(ctx context.Context, o gbdt.Options, log *boostLog) error {
	m, err := gbdt.OpenText(o.InputModel)
	if err != nil {
		return err
	}
	d, err := gbdt.OpenData(o.Data, o)
	if err != nil {
		return err
	}
	log.info("Number of data points in the refit data: %d", len(d.Label))
	refitted, err := m.Refit(d, o)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := refitted.SaveText(o.OutputModel); err != nil {
		return err
	}
	log.info("Finished RefitTree")
	return nil
}
