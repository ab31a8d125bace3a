package gbdt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/hanji-ml/hanji/table"
)

// OpenData reads training data as the lightgbm command does: CSV, TSV (by package table, Parquet too) or LibSVM, with
// weights, initial scores and query sizes from the files path.weight, path.init and path.query where they exist. The
// options Header, LabelColumn, WeightColumn, GroupColumn, IgnoreColumn and CategoricalFeature say which column is what:
// an index, not counting the label's column except for itself, or "name:…".
func OpenData(path string, o Options) (Data, error) {
	f, err := os.Open(path)
	if err != nil {
		return Data{}, fmt.Errorf("gbdt: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	var d Data
	if looksLibSVM(r) {
		if d, err = ReadLibSVM(r); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	} else {
		d, err = readTableData(r, path, o) // errors of package table name the file
	}
	if err != nil {
		return Data{}, err
	}
	for i, name := range d.names() {
		if slices.Contains(splitList(strings.TrimPrefix(o.CategoricalFeature, "name:")), name) {
			d.Columns[i].Categorical = true
		}
	}
	return d, d.openSideFiles(path)
}

// names gives what columns are called in options: their name with "name:", else their number.
func (d *Data) names() []string {
	out := make([]string, len(d.Columns))
	for i := range out {
		if out[i] = d.Columns[i].Name; out[i] == "" {
			out[i] = strconv.Itoa(i)
		}
	}
	return out
}

// looksLibSVM tells whether the first line has index:value pairs.
func looksLibSVM(r *bufio.Reader) bool {
	head, _ := r.Peek(r.Size())
	line, _, _ := strings.Cut(string(head), "\n")
	words := strings.Fields(line)
	if len(words) < 2 {
		return false
	}
	index, _, ok := strings.Cut(words[1], ":")
	_, err := strconv.Atoi(index)
	return ok && err == nil
}

// selector is what an option says about columns: indices or names.
type selector struct {
	named bool
	words []string
}

func newSelector(text string) selector {
	names, named := strings.CutPrefix(text, "name:")
	return selector{named, splitList(names)}
}

func (s selector) has(name string, index int) bool {
	if s.named {
		return slices.Contains(s.words, name)
	}
	return slices.Contains(s.words, strconv.Itoa(index))
}

func readTableData(r io.Reader, path string, o Options) (Data, error) {
	header := table.No
	if o.Header {
		header = table.Yes
	}
	t, err := table.Read(r, path, table.Options{Header: header})
	if err != nil {
		return Data{}, err
	}
	var d Data
	label := newSelector(o.LabelColumn)
	if len(label.words) == 0 {
		label.words = []string{"0"}
	}
	weight, group, ignore, categorical := newSelector(o.WeightColumn), newSelector(o.GroupColumn), newSelector(o.IgnoreColumn), newSelector(o.CategoricalFeature)
	for i := range t.Columns {
		c := &t.Columns[i]
		index, isLabel := len(d.Columns), label.has(c.Name, i)
		skip := !isLabel && ignore.has(c.Name, index)
		values, err := c.AsFloats()
		if err != nil {
			if !skip {
				return Data{}, textError(t, c, err)
			}
			values = make([]float64, t.Rows())
		}
		if isLabel {
			d.Label, d.labelIndex = values, i
			continue
		}
		col := Column{Values: values, Categorical: categorical.has(c.Name, index), Ignore: skip}
		if o.Header {
			col.Name = c.Name
		}
		switch {
		case weight.has(c.Name, index):
			d.Weight, col.Ignore = values, true
		case group.has(c.Name, index):
			d.Group, col.Ignore = runs(values), true
		}
		d.Columns = append(d.Columns, col)
	}
	if d.Label == nil {
		return Data{}, fmt.Errorf("gbdt: no label column %q", o.LabelColumn)
	}
	return d, nil
}

// textError says where the text in a number column is.
func textError(t *table.Table, c *table.Column, err error) error {
	for i := range c.Len() {
		if _, bad := strconv.ParseFloat(strings.TrimSpace(c.Text(i)), 64); bad != nil && !c.IsMissing(i) {
			return fmt.Errorf("gbdt: %s: column %q: %q is no number", t.Where(i), c.Name, clip(c.Text(i)))
		}
	}
	return fmt.Errorf("gbdt: %w", err)
}

// runs gives the lengths of runs of equal query ids.
func runs(ids []float64) []int {
	var out []int
	for i, v := range ids {
		if i == 0 || v != ids[i-1] {
			out = append(out, 0)
		}
		out[len(out)-1]++
	}
	return out
}

// openSideFiles reads the files that belong to a data file by name.
func (d *Data) openSideFiles(path string) error {
	weight, err := readNumbers(path + ".weight")
	if err != nil {
		return err
	}
	if weight != nil {
		d.Weight = slices.Concat(weight...)
	}
	init, err := readNumbers(path + ".init")
	if err != nil {
		return err
	}
	for k := 0; init != nil && k < len(init[0]); k++ { // a column for each class; stored class after class
		for i, row := range init {
			if len(row) != len(init[0]) {
				return fmt.Errorf("gbdt: %s.init: line %d has %d numbers, the first has %d", path, i+1, len(row), len(init[0]))
			}
			d.InitScore = append(d.InitScore, row[k])
		}
	}
	query, err := readNumbers(path + ".query")
	if err != nil || query == nil {
		return err
	}
	d.Group = nil
	for i, v := range slices.Concat(query...) {
		if v != float64(int(v)) || v < 0 {
			return fmt.Errorf("gbdt: %s.query: size %d is %g, want a whole number", path, i, v)
		}
		d.Group = append(d.Group, int(v))
	}
	return nil
}

// readNumbers reads lines of numbers; nil if there is no such file.
func readNumbers(path string) ([][]float64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("gbdt: %w", err)
	}
	defer f.Close()
	var out [][]float64
	sc := bufio.NewScanner(f)
	for line := 1; sc.Scan(); line++ {
		row, err := parseList(strings.ReplaceAll(sc.Text(), "\t", " "), parseF64)
		if err != nil {
			return nil, fmt.Errorf("gbdt: %s: line %d: %q are no numbers", path, line, clip(sc.Text()))
		}
		if row != nil {
			out = append(out, row)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("gbdt: %s: %w", path, err)
	}
	return out, nil
}
