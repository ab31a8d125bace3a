package gbdt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hanji-ml/hanji/table"
)

// tableFile is separated text.
type tableFile struct {
	path string
	o    *Options
	r    roles
	pick []string // columns that are read, once roles are known
	at   []int    // of each column of the file, its place among those read; −1
}

func newTableFile(path string, o *Options) (*tableFile, error) {
	t := &tableFile{path: path, o: o}
	p, err := t.open()
	if err != nil {
		return nil, err
	}
	defer p.close()
	names := p.(*tablePieces).r.Names()
	if t.r, err = columnRoles(names, path, o); err != nil {
		return nil, err
	}
	t.choose(names)
	return t, nil
}

// choose notes which columns are read: those that have a role.
func (t *tableFile) choose(names []string) {
	t.at = make([]int, len(names))
	for i := range t.at {
		t.at[i] = -1
	}
	take := func(place int) {
		if place >= 0 && t.at[place] < 0 {
			t.at[place] = len(t.pick)
			t.pick = append(t.pick, names[place])
		}
	}
	for _, place := range []int{t.r.label, t.r.weight, t.r.group} {
		take(place)
	}
	for k, place := range t.r.place {
		if !t.r.text[k] || t.o.InitModel != nil { // that model may look at it
			take(place)
		}
	}
}

func (t *tableFile) roles() *roles         { return &t.r }
func (t *tableFile) setFeatures(int) error { return nil }

func tableHeader(o *Options) table.Presence {
	if o.Header {
		return table.Yes
	}
	return table.No
}

// maxRowText bounds the text of a row.
const maxRowText = 1 << 28

func (t *tableFile) open() (pieceReader, error) {
	f, err := os.Open(t.path)
	if err != nil {
		return nil, fmt.Errorf("gbdt: %w", err)
	}
	r, err := table.NewBlockReader(f, t.path, table.Options{Header: tableHeader(t.o), Columns: t.pick, MaxBytes: maxRowText})
	if err != nil {
		f.Close()
		if errors.Is(err, table.ErrNoBlocks) {
			err = fmt.Errorf("gbdt: %s: %w", t.path, errNoText)
		}
		return nil, err
	}
	return &tablePieces{t, f, r}, nil
}

type tablePieces struct {
	t *tableFile
	f io.Closer
	r *table.BlockReader
}

func (p *tablePieces) close() {
	p.r.Close()
	if p.f != nil {
		p.f.Close()
	}
}

func (p *tablePieces) next() (piece, error) {
	b, err := p.r.Next()
	if err != nil {
		return nil, err
	}
	return &tablePiece{p.t, b}, nil
}

type tablePiece struct {
	t *tableFile
	b *table.Block
}

func (p *tablePiece) count() (rows, features int, err error) {
	rows, err = p.b.Rows()
	return rows, len(p.t.r.columns), err
}

func (p *tablePiece) parse() (pieceRows, error) {
	b, err := p.b.Table()
	if err != nil {
		return nil, textHint(err, p.t.o)
	}
	return p.t.rows(b)
}

// rows takes the columns that were chosen from a table.
func (t *tableFile) rows(b *table.Table) (*tableRows, error) {
	var err error
	out := &tableRows{r: &t.r, rows: b.Rows()}
	values := make([][]float64, len(b.Columns))
	for i := range b.Columns {
		place := slices.Index(t.at, i)
		if place < 0 {
			continue
		}
		if values[i], err = b.Columns[i].AsFloats(); err != nil {
			if k := slices.Index(t.r.place, place); k < 0 || !t.r.text[k] {
				return nil, textError(b, &b.Columns[i], err, t.o)
			}
			values[i] = make([]float64, b.Rows())
		}
	}
	of := func(place int) []float64 {
		if place < 0 || t.at[place] < 0 {
			return nil
		}
		return values[t.at[place]]
	}
	out.label, out.weight, out.group = of(t.r.label), of(t.r.weight), of(t.r.group)
	for _, place := range t.r.place {
		out.columns = append(out.columns, of(place))
	}
	return out, nil
}

// tableRows is a piece by columns; those that nobody needs are nil.
type tableRows struct {
	r                    *roles
	rows                 int
	label, weight, group []float64
	columns              [][]float64
}

func (p *tableRows) len() int { return p.rows }

func (p *tableRows) labels() (label, weight, group []float64) { return p.label, p.weight, p.group }

func (p *tableRows) sample(columns []sampledColumn, rows []int) {
	for j, c := range p.columns {
		if c == nil || p.r.columns[j].Ignore {
			continue
		}
		for k, i := range rows {
			if v := c[i]; !isZero(v) {
				columns[j].add(k, v)
			}
		}
	}
}

func (p *tableRows) bin(ds *Dataset, first int, piece *sparsePiece) {
	values := func(j int32) []float64 {
		if c := p.columns[ds.used[j]]; c != nil {
			return c
		}
		return make([]float64, p.rows)
	}
	for j := range int32(len(ds.used)) {
		if ds.places[j].alone {
			fill(ds, j, first, values(j))
		} else {
			putValues(ds, j, first, values(j), 1, otherValues, piece)
		}
	}
	for _, j := range ds.zerosLast() {
		putValues(ds, j, first, values(j), 1, zeroValues, piece)
	}
}

func (p *tableRows) keep(columns []Column, first int) {
	for j, c := range p.columns {
		for i, v := range c {
			columns[j].Float32[first+i] = float32(v)
		}
	}
}

func (p *tableRows) eachRow(x []float64, lo, hi int, do func(i int) error) error {
	for i := lo; i < hi; i++ {
		for j, c := range p.columns {
			if c != nil {
				x[j] = c[i]
			}
		}
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}
