package gbdt

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hanji-ml/hanji/table"
)

// OpenRows reads rows to predict from a file, as the lightgbm command does (Predictor::Predict): NumFeatures values each,
// one row after another, in the formats of [OpenData]. With Options.Header columns are found by the model's feature
// names, wherever they are; those missing are zero, and named in the second result. Without a header a file as wide as
// the model holds features alone, a file one wider has the label's column too (Options.LabelColumn, else where the
// training data had it); any other width is an error unless Options.PredictDisableShapeCheck.
func (m *Model) OpenRows(path string, o Options) (x []float64, missing []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("gbdt: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	if looksLibSVM(r) {
		d, err := ReadLibSVM(r)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		d.fit(m.NumFeatures())
		columns := make([][]float64, len(d.Columns))
		for i := range columns {
			columns[i] = d.Columns[i].Values
		}
		x, err = interleave(columns, len(d.Label))
		return x, nil, err
	}
	return m.readTableRows(r, path, o)
}

func (m *Model) readTableRows(r io.Reader, path string, o Options) (x []float64, missing []string, err error) {
	header := table.No
	if o.Header {
		header = table.Yes
	}
	t, err := table.Read(r, path, table.Options{Header: header})
	if err != nil {
		return nil, nil, err
	}
	features := m.NumFeatures()
	columns := make([][]float64, features)
	set := func(feature int, c *table.Column) error {
		if feature < len(m.featureInfos) && m.featureInfos[feature] == "none" { // no tree asks for it: it may be text
			return nil
		}
		columns[feature], err = c.AsFloats()
		if err != nil {
			return textError(t, c, err)
		}
		return nil
	}
	if o.Header {
		for i, name := range m.featureNames {
			c := slices.IndexFunc(t.Columns, func(c table.Column) bool { return c.Name == name })
			if c < 0 {
				missing = append(missing, name)
			} else if err := set(i, &t.Columns[c]); err != nil {
				return nil, nil, err
			}
		}
		if len(missing) == features {
			return nil, nil, fmt.Errorf("gbdt: %s: no column has the name of a feature of the model; is the first line a header?", path)
		}
	} else {
		label := m.labelColumn(t, o)
		feature := 0
		for i := range t.Columns {
			if i == label || feature >= features {
				continue
			}
			if err := set(feature, &t.Columns[i]); err != nil {
				return nil, nil, err
			}
			feature++
		}
		n := len(t.Columns)
		if label >= 0 {
			n--
		}
		if n != features && !o.PredictDisableShapeCheck {
			return nil, nil, fmt.Errorf("gbdt: %s: the data has %d features, the model %d; predict_disable_shape_check=true predicts all the same", path, n, features)
		}
	}
	x, err = interleave(columns, t.Rows())
	return x, missing, err
}

// labelColumn is the place of the label in a file without a header, −1 where it has none.
func (m *Model) labelColumn(t *table.Table, o Options) int {
	if len(t.Columns) == m.NumFeatures() {
		return -1
	}
	label := newSelector(o.LabelColumn)
	for i := range t.Columns {
		if label.has(t.Columns[i].Name, i) {
			return i
		}
	}
	return max(m.labelIndex, 0)
}

// maxRowCells bounds what rows of a file may cost: a model can have many more features than its file has columns.
const maxRowCells = 1 << 31

// interleave makes rows of columns; a column that is nil is zero.
func interleave(columns [][]float64, rows int) ([]float64, error) {
	if rows == 0 || int64(rows)*int64(len(columns)) > maxRowCells {
		return nil, fmt.Errorf("gbdt: %d rows of %d features, want 1 to %d values together", rows, len(columns), maxRowCells)
	}
	x := make([]float64, rows*len(columns))
	for j, c := range columns {
		for i, v := range c {
			x[i*len(columns)+j] = v
		}
	}
	return x, nil
}
