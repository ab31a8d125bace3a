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
	l, err := p.lay(c.width)
	if err != nil {
		return err
	}
	c.head(p.Title, p.Subtitle)
	if len(l.keys) > 1 || len(l.keys) == 1 && l.keys[0].name != "" {
		c.legend(l.keys)
	}
	l.fill(c)
	return nil
}

// lay leaves the number of ticks to the canvas: the axes are made when its size is known.
func (p Curves) lay(int) (layout, error) {
	l := layout{title: p.Title, subtitle: p.Subtitle}
	s, err := p.spans()
	if err != nil {
		return l, err
	}
	for i, line := range p.Lines {
		l.keys = append(l.keys, key{name: line.Name, color: palette[i%len(palette)]})
	}
	l.fill = func(c *canvas) { c.curves(p, s) }
	return l, nil
}

// spans are the least and greatest values that axes have to show.
type spans struct{ xlo, xhi, ylo, yhi float64 }

func (p Curves) spans() (s spans, err error) {
	var xs, ys [][]float64
	for _, l := range p.Lines {
		n := len(l.X)
		if len(l.Y) != n || l.Low != nil && len(l.Low) != n || len(l.Low) != len(l.High) {
			return s, fmt.Errorf("plot: line %q has %d x, %d y, %d low and %d high values", l.Name, n, len(l.Y), len(l.Low), len(l.High))
		}
		xs = append(xs, positive(l.X, p.LogX))
		ys = append(ys, positive(l.Y, p.LogY), positive(l.Low, p.LogY), positive(l.High, p.LogY))
	}
	var okX, okY bool
	s.xlo, s.xhi, okX = span(xs...)
	if s.ylo, s.yhi, okY = span(ys...); !okX || !okY {
		return s, fmt.Errorf("plot: %q has no value to draw", p.Title)
	}
	return s, nil
}

// axes have about as many ticks as asked for.
func (p Curves) axes(s spans, nx, ny int) (x, y axis) {
	x, y = inner(s.xlo, s.xhi, max(2, nx)), number(s.ylo, s.yhi, max(2, ny))
	if p.LogX {
		x = logarithmic(s.xlo, s.xhi)
	}
	if p.LogY {
		y = logarithmic(s.ylo, s.yhi)
	}
	x.title, y.title = p.X, p.Y
	return x, y
}

// curves draws axes, ranges and lines into what is left of the page.
func (c *canvas) curves(p Curves, s spans) {
	c.frame(p.axes(s, c.width/110, max(4, c.height/90)))
	for i, l := range p.Lines {
		if l.Low != nil {
			c.area(l.X, l.Low, l.High, palette[i%len(palette)].WithAlpha(40))
		}
	}
	for i, l := range p.Lines {
		c.line(l.X, l.Y, palette[i%len(palette)])
	}
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
