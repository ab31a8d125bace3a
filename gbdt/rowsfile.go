package gbdt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/table"
)

// RowReader gives rows to predict, some at a time, in memory that does not grow with their number.
type RowReader struct {
	name     string
	features int
	missing  []string
	pieces   pieceReader // nil once there are no more
	parsed   []pieceRows // read ahead, at the same time
	at       int         // rows of the first that were given
	any      bool        // there was a row
}

// maxRowCells bounds how many values Next gives together: a model can have many more features than a line has numbers.
const maxRowCells = 1 << 21

// ReadRows reads rows to predict as the lightgbm command does (Predictor::Predict), in the formats of [OpenData]; name stands
// in errors. CSV, TSV and LibSVM are read piece by piece, what else there is as a whole. With Options.Header columns are found
// by the model's feature names, wherever they are; those missing are zero, see [RowReader.Missing]. Without a header a table as
// wide as the model holds features alone, one a column wider has the label's too (Options.LabelColumn, else where the training
// data had it); any other width is an error unless Options.PredictDisableShapeCheck.
//
//	for x, err := rows.Next(); err == nil; x, err = rows.Next() {
//		err := m.Predict(dst[:len(x)/m.NumFeatures()*m.NumClasses()], x, gbdt.PredictOptions{})
//	}
func (m *Model) ReadRows(r io.Reader, name string, o Options) (*RowReader, error) {
	out := &RowReader{name: name, features: m.NumFeatures()}
	head := &recorder{r: bufio.NewReaderSize(r, 1<<16)}
	if looksLibSVM(head.r) {
		out.pieces = &libSVMPieces{l: &libSVMFile{path: name, o: &o}, r: head.r, line: 1}
		return out, nil
	}
	opts := table.Options{Header: tableHeader(&o), MaxBytes: maxRowText}
	head.on = true
	b, err := table.NewBlockReader(head, name, opts)
	head.on = false
	if errors.Is(err, table.ErrNoBlocks) {
		opts.MaxBytes = 0
		t, err := table.Read(io.MultiReader(&head.kept, head.r), name, opts)
		if err != nil {
			return nil, err
		}
		names := make([]string, len(t.Columns))
		for i := range t.Columns {
			names[i] = t.Columns[i].Name
		}
		file, err := out.roles(m, names, &o)
		if err != nil {
			return nil, err
		}
		for place, at := range file.at { // all are there
			if at >= 0 {
				file.at[place] = place
			}
		}
		rows, err := file.rows(t)
		out.parsed = []pieceRows{rows}
		return out, err
	}
	if err != nil {
		return nil, err
	}
	head.kept = bytes.Buffer{}
	file, err := out.roles(m, b.Names(), &o)
	if err == nil {
		err = b.Pick(file.pick)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	out.pieces = &tablePieces{t: file, r: b}
	return out, nil
}

// recorder keeps what is read while it is on.
type recorder struct {
	r    *bufio.Reader
	on   bool
	kept bytes.Buffer
}

func (c *recorder) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.on {
		c.kept.Write(p[:n])
	}
	return n, err
}

// roles finds the model's features among the columns of a table.
func (r *RowReader) roles(m *Model, names []string, o *Options) (*tableFile, error) {
	t := &tableFile{path: r.name, o: o, r: roles{label: -1, weight: -1, group: -1, columns: make([]Column, r.features), text: make([]bool, r.features)}}
	for range r.features {
		t.r.place = append(t.r.place, -1)
	}
	set := func(feature, place int) {
		if feature < len(m.featureInfos) && m.featureInfos[feature] == "none" { // no tree asks for it: it may be text
			return
		}
		t.r.place[feature] = place
	}
	if o.Header {
		for i, name := range m.featureNames {
			if c := slices.Index(names, name); c >= 0 {
				set(i, c)
			} else {
				r.missing = append(r.missing, name)
			}
		}
		if len(r.missing) == r.features {
			return nil, fmt.Errorf("gbdt: %s: no column has the name of a feature of the model; is the first line a header?", r.name)
		}
		t.choose(names)
		return t, nil
	}
	label, err := m.labelColumn(names, r.name, o)
	if err != nil {
		return nil, err
	}
	feature := 0
	for i := range names {
		if i != label && feature < r.features {
			set(feature, i)
			feature++
		}
	}
	n := len(names)
	if label >= 0 {
		n--
	}
	if n != r.features && !o.PredictDisableShapeCheck {
		return nil, fmt.Errorf("gbdt: %s: the data has %d features, the model %d; predict_disable_shape_check=true predicts all the same", r.name, n, r.features)
	}
	t.choose(names)
	return t, nil
}

// labelColumn is the place of the label in a table without a header, −1 where it has none.
func (m *Model) labelColumn(names []string, path string, o *Options) (int, error) {
	if len(names) == m.NumFeatures() {
		return -1, nil
	}
	label := newSelector(o.LabelColumn)
	if !label.named { // names may be those of the training data
		if err := label.check("label_column", path, names, len(names), false); err != nil {
			return 0, err
		}
	}
	for i, name := range names {
		if label.has(name, i) {
			return i, nil
		}
	}
	if m.labelIndex >= len(names) && !o.PredictDisableShapeCheck {
		return 0, fmt.Errorf("gbdt: %s has %d columns, the model was trained with the label in column %d; give label_column", path, len(names), m.labelIndex)
	}
	return max(m.labelIndex, 0), nil
}

// Missing names the features that a table with a header has no column for.
func (r *RowReader) Missing() []string { return r.missing }

// Next gives the next rows, one after another, as many values each as the model has features; io.EOF behind the last. That
// there is none at all is an error.
func (r *RowReader) Next() ([]float64, error) {
	for len(r.parsed) == 0 || r.at == r.parsed[0].len() {
		if len(r.parsed) > 0 {
			r.parsed, r.at = r.parsed[1:], 0
			continue
		}
		if err := r.parse(); err != nil {
			return nil, err
		}
		if len(r.parsed) == 0 && !r.any {
			return nil, fmt.Errorf("gbdt: %s has no rows", r.name)
		}
		if len(r.parsed) == 0 {
			return nil, io.EOF
		}
	}
	r.any = true
	p, first := r.parsed[0], r.at
	n := min(p.len()-first, max(1, maxRowCells/r.features))
	r.at += n
	x := make([]float64, n*r.features)
	par.For(n, 1<<10, func(lo, hi int) {
		row := make([]float64, r.features)
		p.eachRow(row, first+lo, first+hi, func(i int) error {
			copy(x[(i-first)*r.features:], row)
			return nil
		})
	})
	return x, nil
}

// parse reads as many pieces as there are threads, and parses them together.
func (r *RowReader) parse() error {
	var batch []piece
	for r.pieces != nil && len(batch) < par.Threads() {
		p, err := r.pieces.next()
		if err == io.EOF {
			r.Close()
			break
		}
		if err != nil {
			return err
		}
		batch = append(batch, p)
	}
	r.parsed = make([]pieceRows, len(batch))
	return together(len(batch), func(i int) (err error) {
		r.parsed[i], err = batch[i].parse()
		return err
	})
}

// Close frees what reading needs. It does not close the reader.
func (r *RowReader) Close() {
	if r.pieces != nil {
		r.pieces.close()
		r.pieces = nil
	}
}
