package plot

import (
	"io"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// maxName is how many columns of a terminal the name of a line may have.
const maxName = 24

// Text writes the curves as lines of Braille dots, each with its name where it ends. Ranges are left out.
func (p Curves) Text(w io.Writer, term Terminal) error {
	width, height := term.size()
	s, err := p.spans()
	if err != nil {
		return err
	}
	x, y := p.axes(s, width/16, max(3, height/3))
	labels, names := labelWidth(y), 0
	for _, l := range p.Lines {
		names = max(names, min(maxName, displaywidth.String(l.Name)))
	}
	d := newDots(width-labels-names-4, height)
	d.x = scale{lo: x.lo, hi: x.hi, to: float64(2*d.columns - 1), log: x.log}
	d.y = scale{lo: y.lo, hi: y.hi, from: float64(4*height - 1), log: y.log}
	right := map[int]string{}
	for i, l := range p.Lines {
		ink := uint8(inkMean - i%3) // the inks of lines
		ys := positive(l.Y, p.LogY)
		d.line(positive(l.X, p.LogX), ys, ink)
		if row := d.free(right, ys); row >= 0 && l.Name != "" {
			right[row] = paintText(displaywidth.TruncateString(l.Name, maxName, "…"), ink, term.Color)
		}
	}
	var out strings.Builder
	writeHead(&out, width, p.Title, p.Y)
	d.write(&out, y, labels, term.Color, right)
	writeTicks(&out, x, d, labels+3)
	writeHead(&out, width, p.X)
	_, err = io.WriteString(w, out.String())
	return err
}

// free gives the row without a text that is nearest to the last point of a line; -1 where there is none.
func (d *dots) free(taken map[int]string, ys []float64) int {
	for i := len(ys) - 1; i >= 0; i-- {
		if !finite(ys[i]) {
			continue
		}
		at := d.y.at(ys[i]) / 4
		for off := range d.rows {
			for _, row := range []int{at - off, at + off} {
				if _, there := taken[row]; row >= 0 && row < d.rows && !there {
					return row
				}
			}
		}
		break
	}
	return -1
}
