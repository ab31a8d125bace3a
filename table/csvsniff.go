package table

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	sniffRows  = 64      // rows looked at before reading
	sniffBytes = 1 << 20 // and no more text than this, where rows are long
)

// dialect is what has to be known of a CSV file before it can be read.
type dialect struct {
	sep, mark byte
	header    bool
	names     []string
	kinds     []Kind // guessed from the first rows
	rows      int    // about how many there are
}

// sniffDialect looks at the first rows.
func sniffDialect(name string, buf []byte, o *Options) (*dialect, error) {
	d := &dialect{sep: o.Separator, mark: o.Decimal}
	if d.sep == 0 {
		d.sep = sniffSeparator(buf, !o.NoQuotes, o.Decimal)
	}
	s := &scanner{name: name, buf: buf, sep: d.sep, quotes: !o.NoQuotes, line: 1}
	rows, lines, err := sampleRows(s, o)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, &Error{Name: name, Msg: "the file is empty", Err: ErrEmpty}
	}
	if d.mark == 0 {
		d.mark = sniffDecimal(rows, d.sep)
	}
	missing := newMissingSet(missingWords(o), d.mark)
	switch o.Header {
	case Yes:
		d.header = true
	case Sniff:
		d.header = sniffHeader(rows, d.mark, missing, o.Location)
	}
	d.names = make([]string, len(rows[0]))
	for i := range d.names {
		if d.header {
			d.names[i] = string(bytes.TrimSpace(rows[0][i]))
		}
		if d.names[i] == "" {
			d.names[i] = "column" + strconv.Itoa(i+1)
		}
	}
	if d.header {
		if err := checkNames(name, d.names, lines[0]); err != nil {
			return nil, err
		}
		rows = rows[1:]
	}
	// A little more than the first rows say, and no more than a byte a field allows.
	d.rows = min(len(buf)/max(1, s.pos/(len(rows)+1))*17/16, len(buf)/len(d.names)) + 16
	d.kinds = make([]Kind, len(d.names))
	for i := range d.kinds {
		d.kinds[i] = guessColumn(rows, i, d.mark, missing, o.Location)
	}
	return d, nil
}

// missingWords is Options.Missing with its default.
func missingWords(o *Options) []string {
	if o.Missing == nil {
		return DefaultMissing()
	}
	return o.Missing
}

// sampleRows reads the first rows and their lines. An error past the first row is left to the reading proper.
func sampleRows(s *scanner, o *Options) (rows [][][]byte, lines []int, err error) {
	most := sniffRows
	if o.MaxRows > 0 {
		most = min(most, o.MaxRows+1)
	}
	for len(rows) < most && s.pos < sniffBytes {
		row, err := s.row(o.MaxColumns)
		if err != nil && len(rows) == 0 {
			return nil, nil, err
		}
		if row == nil {
			break
		}
		rows = append(rows, row)
		lines = append(lines, s.line-1)
	}
	return rows, lines, nil
}

// sniffSeparator takes the first of tab, ';', '|' and ',' that cuts the first rows into one number of fields, at least
// two; the comma last because it is a decimal mark in files parted by the others. Failing that, the one with which most
// rows agree, so that the odd row can be reported.
func sniffSeparator(buf []byte, quotes bool, mark byte) byte {
	best, bestShare := byte(','), 0.0
	for _, sep := range []byte("\t;|,") {
		if sep == mark {
			continue
		}
		s := &scanner{buf: buf, sep: sep, quotes: quotes, line: 1}
		counts := map[int]int{}
		rows := 0
		for rows < sniffRows && s.pos < sniffBytes {
			row, err := s.row(DefaultMaxColumns)
			if err != nil || row == nil {
				break
			}
			counts[len(row)]++
			rows++
		}
		for fields, n := range counts {
			if share := float64(n) / float64(rows); fields > 1 && share > bestShare {
				best, bestShare = sep, share
			}
		}
		if bestShare == 1 {
			return best
		}
	}
	return best
}

// sniffDecimal finds the decimal comma: some cell is 1,5 and none is 1.5. Cells like 1,234 prove nothing, they may be
// thousands.
func sniffDecimal(rows [][][]byte, sep byte) byte {
	if sep == ',' {
		return '.'
	}
	comma := false
	for _, row := range rows {
		for _, cell := range row {
			cell = trimBlank(cell)
			if x, n := scanNumber(cell, '.'); n > 0 && n == len(cell) && !x.whole {
				return '.'
			}
			if x, n := scanNumber(cell, ','); n > 0 && n == len(cell) && !x.whole && x.exp != -3 {
				comma = true
			}
		}
	}
	if comma {
		return ','
	}
	return '.'
}

// sniffHeader compares the first row with the others: a column that starts with text and goes on with numbers, times or
// truth values has its name on top. Where every column is text, or there is only one row of text, that row is the header
// too. exchange_rate.csv (date,0,1,2,…) is why a number on top speaks against a header only if no column speaks for it.
func sniffHeader(rows [][][]byte, mark byte, missing *missingSet, loc *time.Location) bool {
	allText, allNamed := true, len(rows[0]) > 1
	for i, cell := range rows[0] {
		cell = trimBlank(cell)
		var first Kind
		if !missing.has(cell) {
			first = guessCell(cell, mark, loc)
		}
		rest := guessColumn(rows[1:], i, mark, missing, loc)
		// pandas and R leave the name of the row numbers in front empty.
		allNamed = allNamed && (first == String || i == 0 && len(cell) == 0 && rest != String && rest != Auto)
		if first == String && rest != String && rest != Auto {
			return true
		}
		if first != String && first != Auto || rest != String && rest != Auto {
			allText = false
		}
	}
	return allText || allNamed && len(rows) > 1 && len(rows[0][0]) == 0
}

// guessColumn is the kind of most cells of column i: a number, time or truth value if nine in ten are, else text; Auto
// if no cell holds a value.
func guessColumn(rows [][][]byte, i int, mark byte, missing *missingSet, loc *time.Location) Kind {
	var counts [String + 1]int
	n := 0
	for _, row := range rows {
		if i >= len(row) {
			continue
		}
		cell := trimBlank(row[i])
		if missing.has(cell) {
			continue
		}
		if len(missing.numbers) > 0 {
			if v, ok := parseFloat(cell, mark); ok && missing.hasNumber(v) {
				continue
			}
		}
		counts[guessCell(cell, mark, loc)]++
		n++
	}
	most := func(c int) bool { return float64(c) >= mostly*float64(n) }
	switch {
	case n == 0:
		return Auto
	case counts[Bool] == n:
		return Bool
	case most(counts[Int]+counts[Float]) && counts[Float] == 0:
		return Int
	case most(counts[Int] + counts[Float]):
		return Float
	case most(counts[Time]):
		return Time
	}
	return String
}

// checkNames reports columns of one name.
func checkNames(file string, names []string, line int) error {
	seen := make(map[string]int, len(names))
	for i, n := range names {
		if j, ok := seen[n]; ok {
			return &Error{Name: file, Line: line, Msg: fmt.Sprintf("columns %d and %d are both named %q; rename one", j+1, i+1, clip(n))}
		}
		seen[n] = i
	}
	return nil
}

// pickColumns gives the places of the columns wanted.
func pickColumns(file string, names, want []string) ([]int, error) {
	if len(want) == 0 {
		all := make([]int, len(names))
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	at := make(map[string]int, len(names))
	for i, n := range names {
		at[n] = i
	}
	picked := make([]int, len(want))
	for k, w := range want {
		i, ok := at[w]
		if !ok {
			return nil, &Error{Name: file, Msg: noColumn(w, names)}
		}
		picked[k] = i
	}
	return picked, nil
}

// noColumn says that a column is not there, and what is.
func noColumn(want string, names []string) string {
	shown, more := names, ""
	if len(shown) > 12 {
		shown, more = shown[:12], fmt.Sprintf(", … (%d in all)", len(names))
	}
	return fmt.Sprintf("no column %q; there are %s%s", want, strings.Join(shown, ", "), more)
}
