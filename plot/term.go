package plot

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// Terminal says how wide and capable the terminal is. The zero value suits a pipe.
type Terminal struct {
	Width  int  // columns; 0 = 80; less than 30 is taken as 30
	Height int  // lines of the plotting area; 0 = 15
	Color  bool // only where a terminal reads it and NO_COLOR is unset
}

// size gives the terminal's columns and the lines of a plotting area.
func (t Terminal) size() (width, height int) {
	width, height = max(30, t.Width), max(4, t.Height)
	if t.Width <= 0 {
		width = 80
	}
	if t.Height <= 0 {
		height = 15
	}
	return width, height
}

// Text writes the forecast as lines of Braille dots, with the intervals as thinner dots.
func (f Forecast) Text(w io.Writer, term Terminal) error {
	width, height := term.size()
	tr, err := f.traces(width / 16)
	if err != nil {
		return err
	}
	lo, hi, _ := span(tr.values()...)
	y := number(lo, hi, max(2, height/3))
	labels := labelWidth(y)
	d := newDots(width-labels-3, height)
	d.x = scale{lo: tr.dates.lo, hi: tr.dates.hi, to: float64(2*d.columns - 1)}
	d.y = scale{lo: y.lo, hi: y.hi, from: float64(4*height - 1)}
	for i, b := range tr.bands {
		d.area(tr.fx, b.Low, b.High, 4>>min(i, 2))
	}
	d.line(tr.px, tr.history, inkPast)
	d.line(tr.fx, tr.mean, inkMean)
	d.line(tr.fx, tr.actual, inkActual)

	var out strings.Builder
	writeHead(&out, width, f.Title, f.Y)
	d.write(&out, y, labels, term.Color, nil)
	writeTicks(&out, tr.dates, d, labels+3)
	if len(tr.mean) > 0 {
		writeKeys(&out, tr, width, term.Color)
	}
	_, err = io.WriteString(w, out.String())
	return err
}

// writeHead writes the lines that are not empty, each cut to the width.
func writeHead(out *strings.Builder, width int, lines ...string) {
	for _, l := range lines {
		if l != "" {
			fmt.Fprintln(out, displaywidth.TruncateString(l, width, "…"))
		}
	}
}

// labelWidth is the columns that an axis' labels need.
func labelWidth(a axis) int {
	n := 0
	for _, t := range a.ticks {
		n = max(n, displaywidth.String(t.label))
	}
	return n
}

// What a cell's dots stand for; a higher one colours the cell that it shares with a lower one.
const (
	inkNone = iota
	inkBand
	inkPast
	inkActual
	inkMean
)

// The first eight colours of every terminal's own palette, so that its theme holds.
var escapes = [...]string{inkBand: "\x1b[36m", inkActual: "\x1b[31m", inkMean: "\x1b[1;34m", inkPast: ""}

const reset = "\x1b[0m"

// dots is a page of Braille cells, each two dots wide and four high.
type dots struct {
	columns, rows int
	bits          []uint8 // U+2800 plus these is the letter
	ink           []uint8
	x, y          scale // in dots
}

func newDots(columns, rows int) *dots {
	columns = max(columns, 8)
	return &dots{columns: columns, rows: rows, bits: make([]uint8, columns*rows), ink: make([]uint8, columns*rows)}
}

// braille gives the bit of a dot in its cell, by row and column (Unicode 16, Braille Patterns).
var braille = [4][2]uint8{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

func (d *dots) set(x, y int, ink uint8) {
	if x < 0 || y < 0 || x >= 2*d.columns || y >= 4*d.rows {
		return
	}
	cell := y/4*d.columns + x/2
	if ink > inkBand && d.ink[cell] == inkBand {
		d.bits[cell] = 0 // a line pushes the band's dots out of its cells, or it would drown
	}
	if ink == inkBand && d.ink[cell] > inkBand {
		return
	}
	d.bits[cell] |= braille[y%4][x%2]
	d.ink[cell] = max(d.ink[cell], ink)
}

// line joins neighbouring finite points, dot by dot.
func (d *dots) line(xs, ys []float64, ink uint8) {
	for i, v := range ys {
		if !finite(v) {
			continue
		}
		x1, y1 := d.x.at(xs[i]), d.y.at(v)
		x0, y0 := x1, y1
		if i > 0 && finite(ys[i-1]) {
			x0, y0 = d.x.at(xs[i-1]), d.y.at(ys[i-1])
		}
		n := max(abs(x1-x0), abs(y1-y0), 1)
		for k := 0; k <= n; k++ {
			d.set(x0+int(math.Round(float64(k*(x1-x0))/float64(n))), y0+int(math.Round(float64(k*(y1-y0))/float64(n))), ink)
		}
	}
}

// area fills between two lines with every dot whose place is a multiple of sparse along both
// diagonals' sum, so that narrower bands look denser.
func (d *dots) area(xs, low, high []float64, sparse int) {
	for i := 1; i < len(xs); i++ {
		if !finite(low[i-1]) || !finite(low[i]) || !finite(high[i-1]) || !finite(high[i]) {
			continue
		}
		x0, x1 := d.x.at(xs[i-1]), d.x.at(xs[i])
		for x := x0; x <= x1; x++ {
			share := 0.0
			if x1 > x0 {
				share = float64(x-x0) / float64(x1-x0)
			}
			top := d.y.at(high[i-1] + share*(high[i]-high[i-1]))
			bottom := d.y.at(low[i-1] + share*(low[i]-low[i-1]))
			for y := top; y <= bottom; y++ {
				if (x+2*(y%2))%sparse == 0 && (sparse > 1 || (x+y)%2 == 0) {
					d.set(x, y, inkBand)
				}
			}
		}
	}
}

// write writes the rows with the axis' labels at the left; right holds texts that stand behind rows.
func (d *dots) write(out *strings.Builder, y axis, labels int, color bool, right map[int]string) {
	at := map[int]string{}
	for _, t := range y.ticks {
		at[d.y.at(t.at)/4] = t.label
	}
	for row := range d.rows {
		label, edge := at[row], "│"
		if label != "" {
			edge = "┤"
		}
		line := strings.Repeat(" ", labels-displaywidth.String(label)) + label + " " + edge
		current := uint8(inkNone)
		last := d.columns
		for last > 0 && d.bits[row*d.columns+last-1] == 0 {
			last--
		}
		var cells strings.Builder
		for col := range last {
			cell := row*d.columns + col
			ink := d.ink[cell]
			if color && ink != current && d.bits[cell] != 0 {
				if escapes[current] != "" {
					cells.WriteString(reset)
				}
				cells.WriteString(escapes[ink])
				current = ink
			}
			if d.bits[cell] == 0 {
				cells.WriteByte(' ')
			} else {
				cells.WriteRune(0x2800 + rune(d.bits[cell]))
			}
		}
		if color && escapes[current] != "" {
			cells.WriteString(reset)
		}
		if text := right[row]; text != "" {
			cells.WriteString(strings.Repeat(" ", d.columns-last+1) + text)
		}
		fmt.Fprintln(out, line+cells.String())
	}
}

// writeTicks writes the x axis: a mark and a label per tick as far as there is room.
func writeTicks(out *strings.Builder, a axis, d *dots, indent int) {
	marks := []rune(strings.Repeat("─", d.columns))
	var first, second labelLine
	for _, t := range a.ticks {
		col := d.x.at(t.at) / 2
		if col < 0 || col >= d.columns {
			continue
		}
		if first.put(t.label, col-displaywidth.String(t.label)/2, d.columns) {
			marks[col] = '┬'
		}
		if t.second != "" {
			second.put(t.second, col-displaywidth.String(t.second)/2, d.columns)
		}
	}
	pad := strings.Repeat(" ", indent-1)
	fmt.Fprintf(out, "%s└%s\n", pad[:indent-2], string(marks))
	for _, l := range []labelLine{first, second} {
		if l.text != "" {
			fmt.Fprintln(out, pad+l.text)
		}
	}
}

// labelLine is a line of text filled from left to right.
type labelLine struct {
	text string
	end  int
}

// put writes s at a column if it fits between what stands there and the right end.
func (l *labelLine) put(s string, at, columns int) bool {
	w := displaywidth.String(s)
	at = max(0, min(at, columns-w))
	if l.end > 0 && at < l.end+1 || at+w > columns {
		return false
	}
	l.text += strings.Repeat(" ", at-l.end) + s
	l.end = at + w
	return true
}

func writeKeys(out *strings.Builder, tr traces, width int, color bool) {
	keys := []string{paintText("⠤⠤ history", inkPast, color), paintText("⠤⠤ forecast", inkMean, color)}
	if tr.actual != nil {
		keys = append(keys, paintText("⠤⠤ actual", inkActual, color))
	}
	if n := len(tr.bands); n > 0 {
		var levels []string
		for i := n - 1; i >= 0; i-- {
			levels = append(levels, percent(tr.bands[i].Level))
		}
		keys = append(keys, paintText("⠕⠕ "+strings.Join(levels, " and "), inkBand, color))
	}
	fmt.Fprintln(out, displaywidth.TruncateString(strings.Join(keys, "  "), width+len(keys)*12, "…"))
}

// paintText gives a text the colour of an ink, where there are colours.
func paintText(s string, ink uint8, color bool) string {
	if !color || escapes[ink] == "" {
		return s
	}
	return escapes[ink] + s + reset
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}
