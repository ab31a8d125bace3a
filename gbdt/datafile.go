package gbdt

import (
	"bufio"
	"cmp"
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
// weights, initial scores, positions and query sizes from the files path.weight, path.init, path.position and path.query
// where they exist. The options Header, LabelColumn, WeightColumn, GroupColumn, IgnoreColumn and CategoricalFeature say which column is what:
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
		d, err = readTableData(r, path, &o) // errors of package table name the file
	}
	if err != nil {
		return Data{}, err
	}
	setCategorical(d.Columns, &o)
	return d, d.openSideFiles(path)
}

// looksLibSVM tells whether the first line with more than a label has index:value pairs.
func looksLibSVM(r *bufio.Reader) bool {
	head, _ := r.Peek(r.Size())
	for line := range strings.Lines(string(head)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			if len(words) == 1 && strings.ContainsAny(words[0], ",;\t") {
				return false
			}
			continue
		}
		index, _, ok := strings.Cut(words[1], ":")
		_, err := strconv.Atoi(index)
		return ok && err == nil
	}
	return false
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

// columnRoles tells by the options what the columns of a table are.
func columnRoles(names []string, o *Options) (roles, error) {
	label := newSelector(o.LabelColumn)
	if len(label.words) == 0 {
		label.words = []string{"0"}
	}
	weight, group, ignore, categorical := newSelector(o.WeightColumn), newSelector(o.GroupColumn), newSelector(o.IgnoreColumn), newSelector(o.CategoricalFeature)
	r := roles{label: -1, weight: -1, group: -1}
	for i, name := range names {
		index := len(r.columns)
		if label.has(name, i) {
			r.label = i
			continue
		}
		c, ignored := Column{Categorical: categorical.has(name, index)}, ignore.has(name, index)
		if o.Header {
			c.Name = name
		}
		c.Ignore = ignored
		switch {
		case weight.has(name, index):
			r.weight, c.Ignore = i, true
		case group.has(name, index):
			r.group, c.Ignore = i, true
		}
		r.columns, r.place, r.text = append(r.columns, c), append(r.place, i), append(r.text, ignored)
	}
	if r.label < 0 {
		return r, fmt.Errorf("gbdt: no label column %q", o.LabelColumn)
	}
	setCategorical(r.columns, o)
	return r, nil
}

// setCategorical marks the columns that the options name or number, in files of any kind.
func setCategorical(columns []Column, o *Options) {
	words := splitList(strings.TrimPrefix(o.CategoricalFeature, "name:"))
	for i := range columns {
		c := &columns[i]
		c.Categorical = c.Categorical || slices.Contains(words, cmp.Or(c.Name, strconv.Itoa(i)))
	}
}

func readTableData(r io.Reader, path string, o *Options) (Data, error) {
	t, err := table.Read(r, path, table.Options{Header: tableHeader(o)})
	if err != nil {
		return Data{}, err
	}
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = t.Columns[i].Name
	}
	roles, err := columnRoles(names, o)
	if err != nil {
		return Data{}, err
	}
	values := make([][]float64, len(t.Columns))
	for i := range t.Columns {
		if values[i], err = t.Columns[i].AsFloats(); err != nil {
			if k := slices.Index(roles.place, i); k < 0 || !roles.text[k] {
				return Data{}, textError(t, &t.Columns[i], err)
			}
			values[i] = make([]float64, t.Rows())
		}
	}
	d := Data{Columns: roles.columns, Label: values[roles.label], labelIndex: roles.label}
	for i, place := range roles.place {
		d.Columns[i].Values = values[place]
	}
	if roles.weight >= 0 {
		d.Weight = values[roles.weight]
	}
	if roles.group >= 0 {
		d.Group = runs(values[roles.group])
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
	if d.Position, err = readPositions(path + ".position"); err != nil {
		return err
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
