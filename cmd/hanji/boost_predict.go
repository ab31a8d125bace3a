package main

import (
	"context"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/internal/progress"
)

// predictRows and predictNumbers bound how much is predicted and written together: enough for all threads, little memory.
const (
	predictRows    = 1 << 14
	predictNumbers = 1 << 20
)

// boostPredict is task=predict (Application::Predict): a line for each row, tabs between the numbers of a line. Rows are read,
// predicted and written piece by piece.
func boostPredict(cmd *cobra.Command, o gbdt.Options, log *boostLog) error {
	m, err := gbdt.OpenText(o.InputModel)
	if err != nil {
		return err
	}
	in, name, size := cmd.InOrStdin(), "standard input", 0
	if o.Data != "-" {
		f, err := os.Open(o.Data)
		if err != nil {
			return err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = int(info.Size() >> 20)
		}
		in, name = f, o.Data
	}
	counted := &countingReader{r: in}
	rows, err := m.ReadRows(counted, name, o)
	if err != nil {
		return err
	}
	defer rows.Close()
	for _, name := range rows.Missing() {
		log.warn("Feature (%s) is missed in data file. If it is weight/query/group/ignore_column, you can ignore this warning.", name)
	}
	begun, done := time.Now(), 0
	log.begin("predict", "MB", size)
	defer log.end()
	write := func(w io.Writer) error {
		for {
			x, err := rows.Next()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = predictTo(cmd.Context(), w, m, x, o)
			}
			if err != nil {
				return err
			}
			done += len(x) / m.NumFeatures()
			if log.bar != nil {
				log.bar.Set(int(counted.n>>20), progress.Field{Name: "rows", Value: strconv.Itoa(done)})
			}
		}
	}
	if o.OutputResult == "-" {
		err = write(cmd.OutOrStdout())
	} else {
		err = atomicfile.Write(o.OutputResult, write)
	}
	if err != nil {
		return err
	}
	log.end()
	log.info("Finished prediction in %s seconds", since(begun))
	return nil
}

// countingReader counts bytes.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// predictTo predicts rows and writes the lines.
func predictTo(ctx context.Context, w io.Writer, m *gbdt.Model, x []float64, o gbdt.Options) error {
	features := m.NumFeatures()
	step := max(1, min(predictRows, predictNumbers/max(1, predictWidth(m, o)))) * features
	for lo := 0; lo < len(x); lo += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		hi := min(lo+step, len(x))
		values, err := predictBlock(m, x[lo:hi], o)
		if err != nil {
			return err
		}
		if err := writeLines(w, values, (hi-lo)/features); err != nil {
			return err
		}
	}
	return nil
}

// predictWidth is how many numbers a row gives.
func predictWidth(m *gbdt.Model, o gbdt.Options) int {
	switch {
	case o.PredictLeafIndex:
		n := m.NumIterations()
		if n -= min(max(o.StartIterationPredict, 0), n); o.NumIterationPredict > 0 {
			n = min(n, o.NumIterationPredict)
		}
		return n * m.NumTrees() / max(1, m.NumIterations())
	case o.PredictContrib:
		return m.NumClasses() * (m.NumFeatures() + 1)
	}
	return m.NumClasses()
}

// predictBlock gives what the options ask for of some rows.
func predictBlock(m *gbdt.Model, x []float64, o gbdt.Options) ([]float64, error) {
	po := gbdt.PredictOptions{Raw: o.PredictRawScore, StartIteration: o.StartIterationPredict, NumIteration: o.NumIterationPredict,
		EarlyStop: o.PredEarlyStop, EarlyStopFreq: o.PredEarlyStopFreq, EarlyStopMargin: o.PredEarlyStopMargin}
	values := make([]float64, len(x)/m.NumFeatures()*predictWidth(m, o))
	switch {
	case o.PredictLeafIndex:
		leafs := make([]int, len(values))
		err := m.LeafIndex(leafs, x, po)
		for i, v := range leafs {
			values[i] = float64(v)
		}
		return values, err
	case o.PredictContrib:
		return values, m.Contrib(values, x, po)
	}
	return values, m.Predict(values, x, po)
}

// writeLines writes numbers with 17 digits, as LightGBM's Common::Join does.
func writeLines(w io.Writer, values []float64, rows int) error {
	const chunk = 1 << 9
	width := len(values) / rows
	lines := make([][]byte, (rows+chunk-1)/chunk)
	par.For(rows, chunk, func(lo, hi int) {
		b := make([]byte, 0, (hi-lo)*(width*20+1))
		for i := lo; i < hi; i++ {
			for j, v := range values[i*width : (i+1)*width] {
				if j > 0 {
					b = append(b, '\t')
				}
				b = strconv.AppendFloat(b, v, 'g', 17, 64)
			}
			b = append(b, '\n')
		}
		lines[lo/chunk] = b
	})
	for _, b := range lines {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// boostRefit is task=refit (Application::Train with a model whose splits stay).
func boostRefit(ctx context.Context, o gbdt.Options, log *boostLog) error {
	m, err := gbdt.OpenText(o.InputModel)
	if err != nil {
		return err
	}
	refitted, err := m.RefitFile(o.Data, o)
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
