package plot

import (
	"fmt"
	"io"
)

// Curves is a chart of lines over a common number axis: losses over steps, an error over sizes.
type Curves struct {
	Title, Subtitle string
	X, Y            string // what the axes measure
	LogX, LogY      bool   // values ≤ 0 are gaps on a logarithmic axis
	Lines           []Line
}

// Line is one curve. Low and High, where given, shade a range around it, such as the least
// and greatest of several seeds.
type Line struct {
	Name      string
	X, Y      []float64
	Low, High []float64
}

// Draw writes the picture. It fails on lengths that do not match, and when there is nothing to draw.
func (c Curves) Draw(w io.Writer, format Format, o Options) error { return draw(w, c, format, o) }

func (p Curves) paint(c *canvas) error {
	var xs, ys [][]float64
	var keys []key
	for i, l := range p.Lines {
		n := len(l.X)
		if len(l.Y) != n || l.Low != nil && len(l.Low) != n || len(l.Low) != len(l.High) {
			return fmt.Errorf("plot: line %q has %d x, %d y, %d low and %d high values", l.Name, n, len(l.Y), len(l.Low), len(l.High))
		}
		xs = append(xs, positive(l.X, p.LogX))
		ys = append(ys, positive(l.Y, p.LogY), positive(l.Low, p.LogY), positive(l.High, p.LogY))
		keys = append(keys, key{name: l.Name, color: palette[i%len(palette)]})
	}
	xlo, xhi, okX := span(xs...)
	ylo, yhi, okY := span(ys...)
	if !okX || !okY {
		return fmt.Errorf("plot: %q has no value to draw", p.Title)
	}
	c.head(p.Title, p.Subtitle)
	if len(keys) > 1 || len(keys) == 1 && keys[0].name != "" {
		c.legend(keys)
	}
	x, y := inner(xlo, xhi, max(2, c.width/120)), number(ylo, yhi, max(2, c.height/90))
	if p.LogX {
		x = logarithmic(xlo, xhi)
	}
	if p.LogY {
		y = logarithmic(ylo, yhi)
	}
	x.title, y.title = p.X, p.Y
	c.frame(x, y)
	for i, l := range p.Lines {
		if l.Low != nil {
			c.area(xs[i], l.Low, l.High, palette[i%len(palette)].WithAlpha(40))
		}
	}
	for i, l := range p.Lines {
		c.line(xs[i], l.Y, palette[i%len(palette)])
	}
	return nil
}

// positive drops what a logarithmic axis cannot show.
func positive(v []float64, log bool) []float64 {
	if !log {
		return v
	}
	keep := make([]float64, len(v))
	for i, x := range v {
		keep[i] = x
		if x <= 0 {
			keep[i] = nan
		}
	}
	return keep
}
