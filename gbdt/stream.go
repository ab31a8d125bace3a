package gbdt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync"

	"github.com/hanji-ml/hanji/internal/par"
)

// A text file is binned without ever being in memory as a whole: it is read once to count rows, once for the sample
// that bins are found from, the very rows that NewDataset takes, and once to bin it, some pieces at a time.

// textFile is a file of rows that can be read again and again.
type textFile interface {
	open() (pieceReader, error)
	roles() *roles
	setFeatures(n int) error // told once the pieces are counted
}

// roles says what the columns of a file are.
type roles struct {
	columns              []Column // features, without values
	place                []int    // of each in the file
	text                 []bool   // may be text, whose values are zero: to be ignored
	label, weight, group int      // places in the file, −1: none
}

// pieceReader gives pieces of whole rows, io.EOF behind the last.
type pieceReader interface {
	next() (piece, error)
	close()
}

// piece is text of some rows. Pieces may be parsed at the same time.
type piece interface {
	count() (rows, features int, err error) // features: how many these rows are known to have
	parse() (pieceRows, error)
}

// pieceRows is the content of a piece.
type pieceRows interface {
	labels() (label, weight, group []float64)   // weight and group may be nil
	sample(columns []sampledColumn, rows []int) // gives what some rows have, by feature
	bin(ds *Dataset, first int, p *sparsePiece) // bins the rows as rows first, first+1, … of the data set
	keep(columns []Column, first int)           // puts their values into columns of float32
	len() int
	eachRow(x []float64, lo, hi int, do func(i int) error) error // calls do with each of these rows in x
}

// errNoText is wrapped where a file cannot be read in pieces but perhaps as a whole.
var errNoText = errors.New("two_round reads CSV, TSV and LibSVM from a file, nothing else")

// openTextFile looks at what is in a file.
func openTextFile(path string, o *Options) (textFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gbdt: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("gbdt: %s: %w", path, errNoText)
	}
	if looksLibSVM(bufio.NewReaderSize(f, 1<<16)) {
		return &libSVMFile{path: path, o: o, r: roles{label: 0, weight: -1, group: -1}}, nil
	}
	return newTableFile(path, o)
}

// eachBatch calls do with pieces of the file, as many as there are threads, and the number of the first.
func eachBatch(file textFile, do func(k int, pieces []piece) error) error {
	r, err := file.open()
	if err != nil {
		return err
	}
	defer r.close()
	for k := 0; ; {
		var pieces []piece
		for len(pieces) < par.Threads() {
			p, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			pieces = append(pieces, p)
		}
		if len(pieces) == 0 {
			return nil
		}
		if err := do(k, pieces); err != nil {
			return err
		}
		k += len(pieces)
	}
}

// together runs do for 0…n−1 and returns the first error.
func together(n int, do func(i int) error) error {
	errs := make([]error, n)
	par.For(n, 1, func(i, _ int) { errs[i] = do(i) })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// streamed is a text file whose rows are counted.
type streamed struct {
	path  string
	file  textFile
	first []int // row of each piece, and how many rows there are
}

func (s *streamed) rows() int { return s.first[len(s.first)-1] }

// openStreamed reads the file for the first time. features is 0 where it is the file that knows.
func openStreamed(path string, o *Options, features int) (*streamed, error) {
	file, err := openTextFile(path, o)
	if err != nil {
		return nil, err
	}
	s := &streamed{path, file, []int{0}}
	most := 0
	err = eachBatch(file, func(_ int, pieces []piece) error {
		rows, width := make([]int, len(pieces)), make([]int, len(pieces))
		err := together(len(pieces), func(i int) (err error) {
			rows[i], width[i], err = pieces[i].count()
			return err
		})
		for i := range rows {
			s.first = append(s.first, s.rows()+rows[i])
			most = max(most, width[i])
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case s.rows() == 0:
		return nil, fmt.Errorf("gbdt: %s has no rows", path)
	case s.rows() > math.MaxInt32:
		return nil, fmt.Errorf("gbdt: %s has %d rows, want 1 to %d", path, s.rows(), math.MaxInt32)
	}
	if features == 0 {
		features = most
	}
	return s, file.setFeatures(features)
}

// eachParsed parses batches of pieces and calls do with each piece, in any order and at the same time, and the row that
// it begins with.
func (s *streamed) eachParsed(do func(p pieceRows, first int) error) error {
	pieces := 0
	err := eachBatch(s.file, func(k int, batch []piece) error {
		pieces = k + len(batch)
		return together(len(batch), func(i int) error {
			if k+i >= len(s.first)-1 {
				return s.changed()
			}
			p, err := batch[i].parse()
			if err != nil {
				return err
			}
			if p.len() != s.first[k+i+1]-s.first[k+i] {
				return s.changed()
			}
			return do(p, s.first[k+i])
		})
	})
	if err == nil && pieces != len(s.first)-1 {
		err = s.changed()
	}
	return err
}

func (s *streamed) changed() error {
	return fmt.Errorf("gbdt: %s changed while it was read", s.path)
}

// sample reads some rows, ascending, of all features.
func (s *streamed) sample(rows []int) ([]sampledColumn, error) {
	all := make([]sampledColumn, len(s.file.roles().columns))
	type part struct {
		columns []sampledColumn
		end     int
	}
	parts := map[int]part{} // that wait for one before them, by place of their first row in the sample
	next := 0
	var mu sync.Mutex
	err := s.eachParsed(func(p pieceRows, first int) error {
		lo, _ := slices.BinarySearch(rows, first)
		hi, _ := slices.BinarySearch(rows, first+p.len())
		if lo == hi {
			return nil
		}
		local := make([]int, hi-lo)
		for i := range local {
			local[i] = rows[lo+i] - first
		}
		columns := make([]sampledColumn, len(all))
		p.sample(columns, local)
		mu.Lock()
		defer mu.Unlock()
		parts[lo] = part{columns, hi}
		for p, ok := parts[next]; ok; p, ok = parts[next] {
			for j, c := range p.columns {
				for i, v := range c.values {
					if c.gaps {
						i = int(c.rows[i])
					}
					all[j].add(next+i, v)
				}
			}
			delete(parts, next)
			next = p.end
		}
		return nil
	})
	return all, err
}

// streamDataset is NewDataset for a text file, which it reads in pieces.
func streamDataset(path string, o Options) (*Dataset, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	s, err := openStreamed(path, &o, 0)
	if err != nil {
		return nil, err
	}
	ds := &Dataset{options: o, rows: s.rows(), columns: s.file.roles().columns}
	ds.nameColumns()
	rng := newRandom(o.DataRandomSeed)
	sampled := rng.sample(ds.rows, min(ds.rows, o.BinConstructSampleCnt))
	columns, err := s.sample(sampled)
	if err != nil {
		return nil, err
	}
	err = ds.findMappers(len(sampled), func(feature int, s *sampledColumn) {
		*s, columns[feature] = columns[feature], sampledColumn{}
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ds, ds.stream(s)
}

// streamValid is NewValid for a text file.
func (ds *Dataset) streamValid(path string, o Options) (*Dataset, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	s, err := openStreamed(path, &o, len(ds.columns))
	if err != nil {
		return nil, err
	}
	v := &Dataset{options: ds.options, mappers: ds.mappers, used: ds.used, inner: ds.inner, names: ds.names, rows: s.rows(), columns: s.file.roles().columns}
	if len(v.columns) != len(ds.columns) {
		return nil, fmt.Errorf("gbdt: %s: validation data has %d columns, the training data %d", path, len(v.columns), len(ds.columns))
	}
	v.options.InitModel = o.InitModel
	v.arrangeAlone()
	return v, v.stream(s)
}

// stream is the last reading: it bins all rows, takes their labels, and what else will be asked of their values.
func (ds *Dataset) stream(s *streamed) error {
	o := &ds.options
	if err := checkCells(ds.rows, len(ds.columns)); err != nil && o.LinearTree {
		return err
	}
	for i := range ds.columns {
		if o.LinearTree {
			ds.columns[i].Float32 = make([]float32, ds.rows)
		}
	}
	if m := o.InitModel; m != nil {
		if m.NumFeatures() != len(ds.columns) {
			return fmt.Errorf("gbdt: the model to go on from has %d features, %s %d", m.NumFeatures(), s.path, len(ds.columns))
		}
		ds.scoredBy, ds.scores = m, make([]float64, ds.rows*m.treesPerIter)
	}
	var pieces []*sparsePiece
	var mu sync.Mutex
	err := ds.takeLabels(s, func(p pieceRows, first int) error {
		sparse := &sparsePiece{first: first, rows: p.len()}
		p.bin(ds, first, sparse)
		if ds.sparse != nil {
			sparse.sort()
			mu.Lock()
			pieces = append(pieces, sparse)
			mu.Unlock()
		}
		if o.LinearTree {
			p.keep(ds.columns, first)
		}
		return ds.scoreRows(p, first)
	})
	if err == nil && ds.sparse != nil {
		ds.sparse.join(ds.rows, pieces)
	}
	return err
}

// takeLabels reads all rows for their labels, weights and queries, and takes those of the side files; do looks at the pieces
// as it pleases.
func (ds *Dataset) takeLabels(s *streamed, do func(p pieceRows, first int) error) error {
	r := s.file.roles()
	d := Data{Label: make([]float64, ds.rows), labelIndex: max(r.label, 0)}
	var group []float64
	if r.weight >= 0 {
		d.Weight = make([]float64, ds.rows)
	}
	if r.group >= 0 {
		group = make([]float64, ds.rows)
	}
	err := s.eachParsed(func(p pieceRows, first int) error {
		label, weight, query := p.labels()
		copy(d.Label[first:], label)
		if d.Weight != nil {
			copy(d.Weight[first:], weight)
		}
		if group != nil {
			copy(group[first:], query)
		}
		return do(p, first)
	})
	if err != nil {
		return err
	}
	if group != nil {
		d.Group = runs(group)
	}
	ds.labelIndex = d.labelIndex
	if err := d.openSideFiles(s.path); err != nil {
		return err
	}
	if err := ds.setLabels(d); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

// scoreRows notes what the model that training goes on from predicts, for nobody can ask it later.
func (ds *Dataset) scoreRows(p pieceRows, first int) error {
	m := ds.scoredBy
	if m == nil {
		return nil
	}
	x, y := make([]float64, len(ds.columns)), make([]float64, m.treesPerIter)
	return p.eachRow(x, 0, p.len(), func(i int) error {
		if err := m.PredictRow(y, x, PredictOptions{Raw: true}); err != nil {
			return err
		}
		for c, v := range y {
			ds.scores[c*ds.rows+first+i] = v
		}
		return nil
	})
}
