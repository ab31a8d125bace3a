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
		line, _, _ = strings.Cut(line, "#")
		words := slices.DeleteFunc(strings.Fields(line), func(w string) bool { return strings.HasPrefix(w, "qid:") })
		if len(words) < 2 {
			if len(words) == 1 && strings.ContainsAny(words[0], ",;\t") {
				return false
			}
			continue
		}
		index, _, ok := strings.Cut(words[1], ":")
		_, err := strconv.Atoi(index)
		_, bad := parseF64(words[0])
		return ok && err == nil && bad == nil
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

// check refuses words that no column of a file has; columns is how many their indices count.
func (s selector) check(option, path string, names []string, columns int, header bool) error {
	for _, w := range s.words {
		n, err := strconv.Atoi(w)
		switch {
		case s.named && !header:
			return fmt.Errorf("gbdt: %s: %s=name:%s needs names; header=true says that the first line has them", path, option, clip(w))
		case s.named && !slices.Contains(names, w):
			return fmt.Errorf("gbdt: %s: %s=name:%s: there is no such column; there are %s", path, option, clip(w), clip(strings.Join(names, ", ")))
		case !s.named && (err != nil || n < 0 || n >= columns):
			return fmt.Errorf("gbdt: %s: %s=%s: want a column in 0..%d, or name:…", path, option, clip(w), columns-1)
		}
	}
	return nil
}

// columnRoles tells by the options what the columns of a table are.
func columnRoles(names []string, path string, o *Options) (roles, error) {
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
	if err := label.check("label_column", path, names, len(names), o.Header); err != nil {
		return r, err
	}
	if len(r.columns) == 0 {
		return r, fmt.Errorf("gbdt: %s has one column only, the label's", path)
	}
	for option, s := range map[string]selector{"weight_column": weight, "group_column": group, "ignore_column": ignore, "categorical_feature": categorical} {
		if err := s.check(option, path, names, len(r.columns), o.Header); err != nil {
			return r, err
		}
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
		return Data{}, textHint(err, o)
	}
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = t.Columns[i].Name
	}
	roles, err := columnRoles(names, path, o)
	if err != nil {
		return Data{}, err
	}
	values := make([][]float64, len(t.Columns))
	for i := range t.Columns {
		if values[i], err = t.Columns[i].AsFloats(); err != nil {
			if k := slices.Index(roles.place, i); k < 0 || !roles.text[k] {
				return Data{}, textError(t, &t.Columns[i], err, o)
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

// textError says where the text in a number column is, and what to do.
func textError(t *table.Table, c *table.Column, err error, o *Options) error {
	for i := range c.Len() {
		if _, bad := strconv.ParseFloat(strings.TrimSpace(c.Text(i)), 64); bad != nil && !c.IsMissing(i) {
			return fmt.Errorf("gbdt: %s: column %q: %q is not a number; %s", t.Where(i), c.Name, clip(c.Text(i)), textRemedy(strings.HasSuffix(t.Where(i), ":1"), o))
		}
	}
	return fmt.Errorf("gbdt: %w", err)
}

func textRemedy(first bool, o *Options) string {
	if first && !o.Header {
		return "is the first line a header? then give header=true"
	}
	return "leave the cell empty if it is missing, or the column out with ignore_column"
}

// textHint puts what can be done here in place of what package table advises about text in a number column.
func textHint(err error, o *Options) error {
	var e *table.Error
	if !errors.As(err, &e) || e.Column == "" {
		return err
	}
	said := *e
	what, _, _ := strings.Cut(e.Msg, "; fix the cell")
	said.Msg = what + "; " + textRemedy(e.Line == 1, o)
	return &said
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
	if d.Weight, err = onePerLine(weight, path+".weight", d.Weight); err != nil {
		return err
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
	sizes, err := onePerLine(query, path+".query", nil)
	if err != nil {
		return err
	}
	d.Group = nil
	for i, v := range sizes {
		if v != float64(int(v)) || v < 0 {
			return fmt.Errorf("gbdt: %s.query: size %d is %g, want a whole number", path, i, v)
		}
		d.Group = append(d.Group, int(v))
	}
	return nil
}

// onePerLine takes the numbers of a file that has one in each line; none is what there is without the file.
func onePerLine(lines [][]float64, path string, none []float64) ([]float64, error) {
	if lines == nil {
		return none, nil
	}
	out := make([]float64, len(lines))
	for i, row := range lines {
		if len(row) != 1 {
			return nil, fmt.Errorf("gbdt: %s: line %d has %d numbers, want one", path, i+1, len(row))
		}
		out[i] = row[0]
	}
	return out, nil
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
			return nil, fmt.Errorf("gbdt: %s: line %d: %q is not a number", path, line, clip(sc.Text()))
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
