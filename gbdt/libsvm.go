package gbdt

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Limits of LibSVM text: the columns are dense, so an index costs memory in every row.
const (
	maxLibSVMFeatures = 1 << 20
	maxLibSVMCells    = 1 << 31
)

// ReadLibSVM reads lines "label index:value index:value …", indices from 0; what is not named is zero. "qid:n" after
// the label groups rows into queries.
func ReadLibSVM(r io.Reader) (Data, error) {
	type cell struct {
		row   int32
		value float64
	}
	d := Data{sparse: true}
	var columns [][]cell
	var queries []float64
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<26)
	for line := 1; sc.Scan(); line++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		fail := func(word string) error {
			return fmt.Errorf("gbdt: line %d: %q is neither a label nor index:value", line, clip(word))
		}
		label, err := parseF64(words[0])
		if err != nil {
			return Data{}, fail(words[0])
		}
		row := int32(len(d.Label))
		d.Label = append(d.Label, label)
		for _, w := range words[1:] {
			key, text, _ := strings.Cut(w, ":")
			value, err := parseF64(text)
			if err != nil {
				return Data{}, fail(w)
			}
			if key == "qid" {
				queries = append(queries, value)
				continue
			}
			index, err := strconv.Atoi(key)
			if err != nil || index < 0 {
				return Data{}, fail(w)
			}
			if index >= maxLibSVMFeatures {
				return Data{}, fmt.Errorf("gbdt: line %d: index %d, at most %d is read", line, index, maxLibSVMFeatures-1)
			}
			for len(columns) <= index {
				columns = append(columns, nil)
			}
			columns[index] = append(columns[index], cell{row, value})
		}
	}
	if err := sc.Err(); err != nil {
		return Data{}, fmt.Errorf("gbdt: %w", err)
	}
	if int64(len(columns))*int64(len(d.Label)) > maxLibSVMCells {
		return Data{}, fmt.Errorf("gbdt: %d rows of %d features are too many for dense columns", len(d.Label), len(columns))
	}
	if queries != nil {
		if len(queries) != len(d.Label) {
			return Data{}, fmt.Errorf("gbdt: %d of %d lines have a qid", len(queries), len(d.Label))
		}
		d.Group = runs(queries)
	}
	for _, cells := range columns {
		c := Column{Values: make([]float64, len(d.Label))}
		for _, x := range cells {
			c.Values[x.row] = x.value
		}
		d.Columns = append(d.Columns, c)
	}
	return d, nil
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
