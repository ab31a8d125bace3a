package plot

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/clipperhouse/displaywidth"

	"github.com/go-analyze/charts"
)

// Bars is a chart of horizontal bars, one below the other in the order given: what matters how much.
type Bars struct {
	Title, Subtitle string
	X               string    // what is measured
	Names           []string  // what each bar is called, at its left
	Values          []float64 // its length, 0 or more
}

// Sizes of bars, in pixels.
const (
	barPitch  = 26
	barHeight = 17
	barsFrame = 130 // head and axis
)

// validate gives the longest bar, and the step that tells values apart: 1 where all are whole.
func (b Bars) validate() (most, step float64, err error) {
	if len(b.Names) != len(b.Values) || len(b.Names) == 0 {
		return 0, 0, fmt.Errorf("plot: %d names for %d bars, want one each and at least one", len(b.Names), len(b.Values))
	}
	whole := true
	for i, v := range b.Values {
		if !finite(v) || v < 0 {
			return 0, 0, fmt.Errorf("plot: bar %q is %v long, want 0 or more", b.Names[i], v)
		}
		most, whole = max(most, v), whole && v == math.Trunc(v)
	}
	if most == 0 || whole {
		return most, 1, nil
	}
	return most, math.Pow(10, math.Floor(math.Log10(most))-3), nil
}

// Draw writes the picture; by default it is 1200 pixels wide and as high as its bars need. It fails on lengths that do
// not match, on values that are negative or not finite, and on more bars than a picture holds, about 370.
func (b Bars) Draw(w io.Writer, format Format, o Options) error {
	if o.Height == 0 {
		if o.Height = max(minHeight, barsFrame+barPitch*len(b.Names)); o.Height > maxSide {
			return fmt.Errorf("plot: %d bars, a picture holds %d", len(b.Names), (maxSide-barsFrame)/barPitch)
		}
	}
	return draw(w, b, format, o)
}

func (b Bars) paint(c *canvas) error {
	most, step, err := b.validate()
	if err != nil {
		return err
	}
	c.head(b.Title, b.Subtitle)
	x := number(0, most, max(2, c.width/150))
	x.title = b.X
	c.top, c.bottom = c.top+14, c.height-margin-40
	widest := 0
	for _, name := range b.Names {
		widest = max(widest, min(c.textWidth(name, textSize), c.width/3))
	}
	n := len(b.Names)
	c.left, c.right = margin+widest+10, c.width-margin-70 // the value stands behind the longest bar
	c.x = scale{lo: x.lo, hi: x.hi, from: float64(c.left), to: float64(c.right)}
	c.y = scale{lo: -0.5, hi: float64(n) - 0.5, from: float64(c.top), to: float64(c.bottom)}
	for _, t := range x.ticks {
		at := c.x.at(t.at)
		c.p.LineStroke([]charts.Point{{X: at, Y: c.top}, {X: at, Y: c.bottom}}, gridInk, 1)
	}
	half := max(1, min(barHeight, int(0.7*float64(c.bottom-c.top)/float64(n)))/2)
	for i, v := range b.Values {
		name, at, end := c.fit(b.Names[i], textSize, widest), c.y.at(float64(i)), c.x.at(v)
		c.text(name, c.left-10-c.textWidth(name, textSize), at+5, textSize, ink)
		c.p.FilledRect(c.left, at-half, max(end, c.left+1), at+half, future, charts.ColorTransparent, 0)
		c.text(formatNumber(v, step), end+8, at+5, textSize, faint)
	}
	c.xAxis(x)
	return nil
}

// eighths are bars of 1/8 to 7/8 of a cell.
var eighths = []rune("▏▎▍▌▋▊▉")

// Text writes the bars as lines.
func (b Bars) Text(w io.Writer, term Terminal) error {
	most, step, err := b.validate()
	if err != nil {
		return err
	}
	width, _ := term.size()
	names, values := 0, 0
	for i, v := range b.Values {
		names = max(names, min(displaywidth.String(b.Names[i]), width/3))
		values = max(values, displaywidth.String(formatNumber(v, step)))
	}
	var out strings.Builder
	writeHead(&out, width, b.Title, b.X)
	cells := max(8, width-names-values-2)
	for i, v := range b.Values {
		name := displaywidth.TruncateString(b.Names[i], names, "…")
		n := int(math.Round(v / max(most, math.SmallestNonzeroFloat64) * float64(8*cells)))
		bar := strings.Repeat("█", n/8)
		if n%8 > 0 {
			bar += string(eighths[n%8-1])
		}
		fmt.Fprintf(&out, "%s %s %s\n", name+strings.Repeat(" ", names-displaywidth.String(name)), bar, formatNumber(v, step))
	}
	_, err = io.WriteString(w, out.String())
	return err
}
