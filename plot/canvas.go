package plot

import (
	"fmt"
	"math"

	"github.com/go-analyze/charts"
	"github.com/golang/freetype/truetype"
)

// Colours: dark text on white; the categorical ones are Okabe and Ito's, which readers with
// any colour vision tell apart (https://jfly.uni-koeln.de/color/).
var (
	ink     = charts.ColorFromHex("#1f2937")
	faint   = charts.ColorFromHex("#6b7280")
	gridInk = charts.ColorFromHex("#e5e7eb")
	axisInk = charts.ColorFromHex("#9ca3af")
	past    = charts.ColorFromHex("#374151")
	future  = charts.ColorFromHex("#0072b2")
	seen    = charts.ColorFromHex("#d55e00")
	palette = []charts.Color{
		charts.ColorFromHex("#0072b2"), charts.ColorFromHex("#d55e00"), charts.ColorFromHex("#009e73"),
		charts.ColorFromHex("#cc79a7"), charts.ColorFromHex("#e69f00"), charts.ColorFromHex("#56b4e9"),
		charts.ColorFromHex("#6b4c9a"), charts.ColorFromHex("#5c5c5c"),
	}
)

// Sizes of text in points, and of the space around things in pixels.
const (
	titleSize = 18
	textSize  = 12
	margin    = 24
	lineWidth = 2.2
)

// MissingGlyphError says that a PNG's text has a letter that its font lacks.
type MissingGlyphError struct {
	Text  string
	Glyph rune
}

func (e *MissingGlyphError) Error() string {
	return fmt.Sprintf("plot: the font has no glyph for %q in %q: name a TrueType font that has it, or write an SVG", e.Glyph, e.Text)
}

// canvas is a white page with a plotting frame once frame has been called.
type canvas struct {
	p             *charts.Painter
	font          *truetype.Font
	format        Format
	width, height int
	top           int // first free row below the title and legend

	left, right, bottom int // the frame, with top
	x, y                scale
	err                 error // the first text that could not be drawn
}

func newCanvas(format Format, o Options) (*canvas, error) {
	if format != PNG && format != SVG {
		return nil, fmt.Errorf("plot: format %q is neither %s nor %s", format, PNG, SVG)
	}
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	if o.Height == 0 {
		o.Height = defaultHeight
	}
	if o.Width < minWidth || o.Height < minHeight || o.Width > maxSide || o.Height > maxSide {
		return nil, fmt.Errorf("plot: picture of %d × %d pixels, want %d × %d to %d × %d", o.Width, o.Height, minWidth, minHeight, maxSide, maxSide)
	}
	font := charts.GetFont(charts.FontFamilyRoboto)
	if o.Font != nil {
		f, err := parseFont(o.Font)
		if err != nil {
			return nil, err
		}
		font = f
	}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: string(format), Width: o.Width, Height: o.Height, Font: font})
	p.FilledRect(0, 0, o.Width, o.Height, charts.ColorWhite, charts.ColorWhite, 0)
	return &canvas{p: p, font: font, format: format, width: o.Width, height: o.Height, top: margin}, nil
}

// parseFont guards freetype, whose parser indexes tables by offsets found in the file.
func parseFont(b []byte) (f *truetype.Font, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("plot: font: damaged TrueType file (%v)", r)
		}
	}()
	f, err = truetype.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("plot: font: %w; want a TrueType file (.ttf)", err)
	}
	return f, nil
}

func (c *canvas) bytes() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.p.Bytes()
}

func (c *canvas) style(size float64, color charts.Color) charts.FontStyle {
	return charts.FontStyle{FontSize: size, FontColor: color, Font: c.font}
}

// text draws with the left end of the baseline at x, y.
func (c *canvas) text(s string, x, y int, size float64, color charts.Color) {
	if c.format == PNG && c.err == nil {
		for _, r := range s {
			if c.font.Index(r) == 0 {
				c.err = &MissingGlyphError{Text: s, Glyph: r}
				return
			}
		}
	}
	c.p.Text(s, x, y, 0, c.style(size, color))
}

func (c *canvas) textWidth(s string, size float64) int {
	box := c.p.MeasureText(s, 0, c.style(size, ink))
	return box.Width()
}

// head draws the title and the line below it, where they are not empty.
func (c *canvas) head(title, subtitle string) {
	if title != "" {
		c.top += 18
		c.text(c.fit(title, titleSize, c.width-2*margin), margin, c.top, titleSize, ink)
		c.top += 8
	}
	if subtitle != "" {
		c.top += 14
		c.text(c.fit(subtitle, textSize, c.width-2*margin), margin, c.top, textSize, faint)
		c.top += 6
	}
}

// fit shortens s with an ellipsis until it is at most width pixels.
func (c *canvas) fit(s string, size float64, width int) string {
	if c.textWidth(s, size) <= width {
		return s
	}
	r := []rune(s)
	for len(r) > 0 && c.textWidth(string(r)+"…", size) > width {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

// key is one entry of a legend.
type key struct {
	name  string
	color charts.Color
	area  bool // a filled square instead of a line
	dots  bool // a dotted line
}

// legend draws the keys in rows below the head.
func (c *canvas) legend(keys []key) {
	const swatch, gap, row = 22, 22, 22
	x, y := margin, c.top+18
	for _, k := range keys {
		w := swatch + 8 + c.textWidth(k.name, textSize)
		if x > margin && x+w > c.width-margin {
			x, y = margin, y+row
		}
		switch {
		case k.area:
			c.p.FilledRect(x, y-11, x+swatch, y+1, k.color, charts.ColorTransparent, 0)
		case k.dots:
			c.p.DashedLineStroke([]charts.Point{{X: x, Y: y - 5}, {X: x + swatch, Y: y - 5}}, k.color, lineWidth, []float64{4, 3})
		default:
			c.p.LineStroke([]charts.Point{{X: x, Y: y - 5}, {X: x + swatch, Y: y - 5}}, k.color, lineWidth)
		}
		c.text(k.name, x+swatch+8, y, textSize, ink)
		x += w + gap
	}
	if len(keys) > 0 {
		c.top = y + 8
	}
}

// frame lays out the axes in what the head has left, draws grid and labels, and sets the
// scales that line and area use.
func (c *canvas) frame(x, y axis) {
	c.top += 14
	c.bottom = c.height - margin - 20
	if x.second() {
		c.bottom -= 18
	}
	if x.title != "" {
		c.bottom -= 20
	}
	if y.title != "" {
		c.text(y.title, margin, c.top+4, textSize, faint)
		c.top += 20
	}
	widest := 0
	for _, t := range y.ticks {
		widest = max(widest, c.textWidth(t.label, textSize))
	}
	c.left = margin + widest + 10
	c.right = c.width - margin - 8
	c.x = scale{lo: x.lo, hi: x.hi, from: float64(c.left), to: float64(c.right), log: x.log}
	c.y = scale{lo: y.lo, hi: y.hi, from: float64(c.bottom), to: float64(c.top), log: y.log}
	for _, t := range y.ticks {
		at := c.y.at(t.at)
		c.p.LineStroke([]charts.Point{{X: c.left, Y: at}, {X: c.right, Y: at}}, gridInk, 1)
		c.text(t.label, c.left-10-c.textWidth(t.label, textSize), at+5, textSize, faint)
	}
	c.xAxis(x)
}

// xAxis draws the axis below the frame.
func (c *canvas) xAxis(x axis) {
	c.p.LineStroke([]charts.Point{{X: c.left, Y: c.bottom}, {X: c.right, Y: c.bottom}}, axisInk, 1.2)
	free := 0 // the labels drawn so far end here
	for _, t := range x.ticks {
		at := c.x.at(t.at)
		c.p.LineStroke([]charts.Point{{X: at, Y: c.bottom}, {X: at, Y: c.bottom + 5}}, axisInk, 1.2)
		w := c.textWidth(t.label, textSize)
		from := min(max(at-w/2, 4), c.width-4-w)
		if from >= free {
			c.text(t.label, from, c.bottom+21, textSize, faint)
			free = from + w + 8
		}
		if t.second != "" {
			w := c.textWidth(t.second, textSize)
			c.text(t.second, min(max(at-w/2, 4), c.width-4-w), c.bottom+39, textSize, ink)
		}
	}
	if x.title != "" {
		c.text(x.title, (c.left+c.right-c.textWidth(x.title, textSize))/2, c.height-margin+8, textSize, faint)
	}
}

// gap is where charts.Painter lifts the pen.
var gap = charts.Point{X: math.MaxInt32, Y: math.MaxInt32}

// points are x, y in pixels, with a gap where one of them is not finite, or has no logarithm and needs one.
func (c *canvas) points(xs, ys []float64) []charts.Point {
	list := make([]charts.Point, len(ys))
	for i, y := range ys {
		if !finite(y) || !finite(xs[i]) || c.y.log && y <= 0 || c.x.log && xs[i] <= 0 {
			list[i] = gap
			continue
		}
		list[i] = charts.Point{X: c.x.at(xs[i]), Y: c.y.at(y)}
	}
	return list
}

func (c *canvas) line(xs, ys []float64, color charts.Color) {
	if len(ys) > 0 {
		c.p.LineStroke(c.points(xs, ys), color, lineWidth)
	}
}

func (c *canvas) dashed(xs, ys []float64, color charts.Color) {
	if len(ys) > 0 {
		c.p.DashedLineStroke(c.points(xs, ys), color, lineWidth, []float64{4, 3})
	}
}

// area fills between two lines, one piece for each run where both are finite.
func (c *canvas) area(xs, low, high []float64, color charts.Color) {
	bottom, top := c.points(xs, low), c.points(xs, high)
	for i := 0; i < len(xs); {
		if bottom[i] == gap || top[i] == gap {
			i++
			continue
		}
		end := i
		for end < len(xs) && bottom[end] != gap && top[end] != gap {
			end++
		}
		var outline []charts.Point
		outline = append(outline, top[i:end]...)
		for j := end - 1; j >= i; j-- {
			outline = append(outline, bottom[j])
		}
		c.p.FillArea(append(outline, top[i]), color)
		i = end
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
