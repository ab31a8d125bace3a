package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// text is what a person reads: a line about the whole, then a row a part.
func (c *contents) text() string {
	var b strings.Builder
	switch {
	case c.Panel != nil:
		p := c.Panel
		fmt.Fprintf(&b, "%s: %s, %d series", c.File, c.Format, p.Series)
		if p.Frequency != "" {
			fmt.Fprintf(&b, ", %s", p.Frequency)
		}
		fmt.Fprintf(&b, ", %d to %d steps, %s values, %d missing", p.Shortest, p.Longest, thousands(int64(p.Values)), p.Missing)
		if p.Horizon > 0 {
			fmt.Fprintf(&b, ", horizon %d", p.Horizon)
		}
		b.WriteByte('\n')
	case c.Format == "table":
		fmt.Fprintf(&b, "%s: %s rows, %d columns\n", c.File, thousands(int64(c.Rows)), len(c.Columns))
		rows := [][]string{{"column", "kind", "missing", "least", "greatest", "first", "last"}}
		for _, col := range c.Columns {
			kind := col.Kind
			if col.Frequency != "" {
				kind += " (" + col.Frequency + ")"
			}
			rows = append(rows, []string{col.Name, kind, strconv.Itoa(col.Missing), number(col.Min), number(col.Max), clip(col.First), clip(col.Last)})
		}
		aligned(&b, rows, "lllrrll")
	default:
		fmt.Fprintf(&b, "%s: %s, %d tensors, %s values, %s", c.File, c.Format, len(c.Tensors), thousands(c.Values), size(c.Bytes))
		if c.Bits > 0 {
			fmt.Fprintf(&b, ", %.2f bits per weight", c.Bits)
		}
		b.WriteByte('\n')
		for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
			fmt.Fprintf(&b, "%s: %s\n", clip(key), metadataText(c.Metadata[key]))
		}
		rows := [][]string{{"tensor", "dtype", "shape", "bytes"}}
		for _, t := range c.Tensors {
			rows = append(rows, []string{t.Name, t.DType, fmt.Sprint(t.Shape), thousands(int64(t.Bytes))})
		}
		aligned(&b, rows, "lllr")
	}
	return b.String()
}

// aligned writes rows in columns two spaces apart; align has an l or r for each. Widths are
// those of a terminal, where a Hangul syllable takes two columns.
func aligned(b *strings.Builder, rows [][]string, align string) {
	widths := make([]int, len(align))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], displaywidth.String(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-displaywidth.String(cell))
			if align[i] == 'r' {
				cell = pad + cell
			} else {
				cell += pad
			}
			line.WriteString("  " + cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// clip keeps one line of at most 40 columns of a text that a file brought.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return displaywidth.TruncateString(s, 40, "…")
}

func number(v *float64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'g', 6, 64)
}

// thousands writes 1234567 as "1,234,567".
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes bytes in decimal units, as disks are sold and files are listed.
func size(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	v, u := float64(n), 0
	for v >= 1000 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.2f %s", v, units[u])
}
