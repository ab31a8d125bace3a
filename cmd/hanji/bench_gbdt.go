package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/internal/par"
)

// benchGBDT measures gradient boosting as lightgbm_train.py does: binning, training and prediction of the same rows, in
// seconds, and the AUC of that prediction. Reading the file is not counted.
func benchGBDT(o benchOptions) error {
	if o.data == "" {
		return usagef("bench gbdt needs --data, a file of rows: n and columns as int64, then float32, the label first (lightgbm_train.py --write)")
	}
	if o.trees < 1 {
		return usagef("--trees is %d, want 1 or more", o.trees)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(loadGCPercent)) // as hanji boost does
	x, width, err := readRowMatrix(o.data)
	if err != nil {
		return err
	}
	d := rowMatrixData(x, width)
	opts := gbdt.Options{Objective: "binary", NumLeaves: 255, LearningRate: 0.1, MaxBin: 255, MinDataInLeaf: 20, NumIterations: o.trees, Metric: []string{"auc"}}
	start := time.Now()
	ds, err := gbdt.NewDataset(d, opts)
	if err != nil {
		return fmt.Errorf("%s: %w", o.data, err)
	}
	bin := time.Since(start)
	d = gbdt.Data{} // its labels are in the data set now
	debug.SetGCPercent(trainGCPercent())
	start = time.Now()
	m, err := gbdt.Train(context.Background(), ds, opts)
	if err != nil {
		return err
	}
	train := time.Since(start)
	start = time.Now()
	p, err := predictRowMatrix(m, x, width)
	if err != nil {
		return err
	}
	predict := time.Since(start)
	for _, c := range []struct {
		name  string
		value float64
		unit  string
	}{{"gbdt-bin", bin.Seconds(), "s"}, {"gbdt-train", train.Seconds(), "s"}, {"gbdt-predict", predict.Seconds(), "s"}, {"gbdt-auc", rankAUC(p, func(i int32) bool { return x[int(i)*width] > 0 }), "AUC"}} {
		if err := o.report(c.name, math.Round(1e5*c.value)/1e5, c.unit); err != nil {
			return err
		}
	}
	return nil
}

// readRowMatrix reads rows of float32 behind their number and width, two little-endian int64.
func readRowMatrix(path string) (x []float32, width int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	r := bufio.NewReaderSize(f, 1<<20)
	var head [2]int64
	if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
		return nil, 0, fmt.Errorf("%s: no header of two int64: %w", path, err)
	}
	n, columns := head[0], head[1]
	if n < 1 || columns < 2 || n > math.MaxInt32 || columns > 1<<20 || info.Size() != 16+4*n*columns {
		return nil, 0, fmt.Errorf("%s: %d bytes are no %d rows of %d float32 behind a header of two int64", path, info.Size(), n, columns)
	}
	x = make([]float32, n*columns)
	buf := make([]byte, 4*columns)
	for i := range n {
		if _, err := io.ReadFull(r, buf); err != nil {
			return nil, 0, fmt.Errorf("%s: row %d: %w", path, i, err)
		}
		row := x[i*columns : (i+1)*columns]
		for j := range row {
			row[j] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*j:]))
		}
	}
	return x, int(columns), nil
}

// rowMatrixData makes columns of rows, the first of which is the label.
func rowMatrixData(x []float32, width int) gbdt.Data {
	n := len(x) / width
	d := gbdt.Data{Label: make([]float64, n), Columns: make([]gbdt.Column, width-1)}
	for j := range d.Columns {
		d.Columns[j] = gbdt.Column{Float32: x[1+j:], Stride: width}
	}
	for i := range n {
		d.Label[i] = float64(x[i*width])
	}
	return d
}

// predictRowMatrix predicts rows of float32. Making them float64 counts, as it does inside LightGBM's predict; it goes
// by pieces that stay in the cache.
func predictRowMatrix(m *gbdt.Model, x []float32, width int) ([]float64, error) {
	const piece = 1 << 12
	n, features := len(x)/width, width-1
	p, wide := make([]float64, n), make([]float64, min(n, piece)*features)
	for lo := 0; lo < n; lo += piece {
		rows := min(piece, n-lo)
		par.For(rows, 1<<10, func(from, to int) {
			for i := from; i < to; i++ {
				for j, v := range x[(lo+i)*width+1 : (lo+i+1)*width] {
					wide[i*features+j] = float64(v)
				}
			}
		})
		if err := m.Predict(p[lo:lo+rows], wide[:rows*features], gbdt.PredictOptions{}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// rankAUC is the area under the ROC curve: the chance that a positive row has the larger prediction, half of it for
// equal ones.
func rankAUC(p []float64, positive func(row int32) bool) float64 {
	order := make([]int32, len(p))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	area, below, positives := 0.0, 0.0, 0.0
	for i := 0; i < len(order); {
		pos, neg := 0.0, 0.0
		for first := p[order[i]]; i < len(order) && p[order[i]] == first; i++ {
			if positive(order[i]) {
				pos++
			} else {
				neg++
			}
		}
		area += pos * (below + neg/2)
		below, positives = below+neg, positives+pos
	}
	return area / (below * positives)
}
