package gbdt

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
)

// Limits of LibSVM text: the columns are dense, so an index costs memory in every row.
const (
	maxLibSVMFeatures = 1 << 20
	maxLibSVMCells    = 1 << 31
	maxLibSVMLine     = 1 << 26
)

// ReadLibSVM reads lines "label index:value index:value …", indices from 0; what is not named is zero. "qid:n" after
// the label groups rows into queries.
func ReadLibSVM(r io.Reader) (Data, error) {
	rows, err := parseLibSVM(r, 1, 0)
	if err != nil {
		return Data{}, err
	}
	d := Data{sparse: true, Label: rows.label}
	if err := checkCells(len(d.Label), rows.features); err != nil {
		return Data{}, err
	}
	if rows.query != nil {
		d.Group = runs(rows.query)
	}
	for range rows.features {
		d.Columns = append(d.Columns, Column{Values: make([]float64, len(d.Label))})
	}
	for _, x := range rows.cells {
		d.Columns[x.column].Values[x.row] = x.value
	}
	return d, nil
}

// checkCells refuses what dense columns would be too large for.
func checkCells(rows, features int) error {
	if int64(rows)*int64(features) > maxLibSVMCells {
		return fmt.Errorf("gbdt: %d rows of %d features are too many for dense columns", rows, features)
	}
	return nil
}

// libSVMRows is the content of LibSVM text.
type libSVMRows struct {
	label, query []float64 // query is nil without qid
	cells        []libSVMCell
	features     int // one more than the largest index
}

type libSVMCell struct {
	row, column int32
	value       float64
}

// parseLibSVM reads lines from that number on, which have about so many cells.
func parseLibSVM(r io.Reader, line, cells int) (*libSVMRows, error) {
	p := &libSVMRows{cells: make([]libSVMCell, 0, cells)}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxLibSVMLine)
	for ; sc.Scan(); line++ {
		text, _, _ := bytes.Cut(sc.Bytes(), []byte{'#'})
		if err := p.add(text, line); err != nil {
			return nil, err
		}
		if p.query != nil && len(p.query) != len(p.label) {
			return nil, fmt.Errorf("gbdt: line %d: %d of %d lines have a qid", line, len(p.query), len(p.label))
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("gbdt: line %d: %w", line, err)
	}
	return p, nil
}

// add takes in a line.
func (p *libSVMRows) add(text []byte, line int) error {
	fail := func(word []byte) error {
		return fmt.Errorf("gbdt: line %d: %q is neither a label nor index:value", line, clip(string(word)))
	}
	word, rest := cutWord(text)
	if len(word) == 0 {
		return nil
	}
	label, err := parseNumberBytes(word)
	if err != nil {
		return fail(word)
	}
	row := int32(len(p.label))
	p.label = append(p.label, label)
	for {
		if word, rest = cutWord(rest); len(word) == 0 {
			return nil
		}
		key, text, _ := bytes.Cut(word, []byte{':'})
		value, err := parseNumberBytes(text)
		if err != nil {
			return fail(word)
		}
		if string(key) == "qid" {
			p.query = append(p.query, value)
			continue
		}
		index, ok := parseDigits(key)
		if !ok {
			return fail(word)
		}
		if index >= maxLibSVMFeatures {
			return fmt.Errorf("gbdt: line %d: index %d, at most %d is read", line, index, maxLibSVMFeatures-1)
		}
		p.features = max(p.features, index+1)
		p.cells = append(p.cells, libSVMCell{row, int32(index), value})
	}
}

// cutWord gives the first word of a text, which is empty if there is none, and what follows it.
func cutWord(text []byte) (word, rest []byte) {
	from := 0
	for from < len(text) && (text[from] == ' ' || text[from]-'\t' < 5) { // tab, newline and the like
		from++
	}
	to := from
	for to < len(text) && text[to] != ' ' && text[to]-'\t' >= 5 {
		to++
	}
	return text[from:to], text[to:]
}

// parseDigits reads up to 15 digits and nothing else.
func parseDigits(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// parseNumberBytes is parseF64, faster for the small integers that most values of sparse data are.
func parseNumberBytes(b []byte) (float64, error) {
	if n, ok := parseDigits(b); ok {
		return float64(n), nil
	}
	return parseF64(string(b))
}

// fit makes LibSVM data as wide as other data is: features that do not occur are zero, those that nobody knows are
// left out. Other data stays as it is.
func (d *Data) fit(features int) {
	if !d.sparse || features == len(d.Columns) {
		return
	}
	d.Columns = slices.Clone(d.Columns[:min(features, len(d.Columns))])
	for len(d.Columns) < features {
		d.Columns = append(d.Columns, Column{Values: make([]float64, len(d.Label))})
	}
}
