package plot

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/go-analyze/charts"
)

// MaxPanels is how many pictures a [Grid] holds: beyond that a panel is too small to read, or the page too long.
const MaxPanels = 12

// Panel is a picture that can be one of a page: [Forecast] or [Curves].
type Panel interface {
	Draw(io.Writer, Format, Options) error
	Text(io.Writer, Terminal) error
	lay(width int) (layout, error) // width in pixels
}

// layout is a panel before it has a place.
type layout struct {
	title, subtitle string
	keys            []key
	fill            func(*canvas) // draws axes and lines into what is left of the page
}

// Grid is a page of small pictures, each with its own axes, under one legend, the first panel's. Forecasts should have
// intervals of the same levels, curves the same lines.
type Grid struct {
	Title, Subtitle string
	Panels          []Panel // 1 to MaxPanels; a panel's subtitle stands beside its title
}

// Sizes of a page of panels, in pixels.
const (
	gridHead    = 96
	panelHeight = 250
	panelTitle  = 14 // points
)

func (g Grid) columns() int {
	return min(3, int(math.Ceil(math.Sqrt(float64(len(g.Panels))))))
}

func (g Grid) rows() int { return (len(g.Panels) + g.columns() - 1) / g.columns() }

func (g Grid) validate() error {
	if n := len(g.Panels); n < 1 || n > MaxPanels {
		return fmt.Errorf("plot: a page of %d pictures, want 1 to %d", n, MaxPanels)
	}
	return nil
}

// Draw writes the page; by default it is 1200 pixels wide and as high as its rows need. It fails as its panels do.
func (g Grid) Draw(w io.Writer, format Format, o Options) error {
	if err := g.validate(); err != nil {
		return err
	}
	if o.Height == 0 {
		o.Height = gridHead + panelHeight*g.rows()
	}
	return draw(w, g, format, o)
}

func (g Grid) paint(c *canvas) error {
	columns, rows := g.columns(), g.rows()
	width := (c.width - 2*margin) / columns
	all := make([]layout, len(g.Panels))
	for i, p := range g.Panels {
		var err error
		if all[i], err = p.lay(width); err != nil {
			return fmt.Errorf("%s: %w", all[i].title, err)
		}
	}
	c.head(g.Title, g.Subtitle)
	c.legend(all[0].keys)
	top := c.top + 10
	height := (c.height - margin/2 - top) / rows
	for i, l := range all {
		left, upper := margin+i%columns*width, top+i/columns*height
		box := charts.NewBox(left, upper, left+width, upper+height)
		panel := &canvas{p: c.p.Child(charts.PainterBoxOption(box)), font: c.font, format: c.format, width: width, height: height, err: c.err}
		panel.top = panelTitle + 6
		title := panel.fit(l.title, panelTitle, width-2*margin)
		panel.text(title, margin, panel.top, panelTitle, ink)
		if at := margin + panel.textWidth(title, panelTitle) + 12; l.subtitle != "" && at < width-3*margin {
			panel.text(panel.fit(l.subtitle, textSize, width-margin-at), at, panel.top, textSize, faint)
		}
		l.fill(panel)
		c.err = panel.err
	}
	return nil
}

// Text writes the panels below each other, 6 lines high unless the terminal's height says otherwise.
func (g Grid) Text(w io.Writer, term Terminal) error {
	if err := g.validate(); err != nil {
		return err
	}
	if term.Height <= 0 {
		term.Height = 6
	}
	var out strings.Builder
	for i, p := range g.Panels {
		if i > 0 {
			out.WriteByte('\n')
		}
		if err := p.Text(&out, term); err != nil {
			return fmt.Errorf("panel %d: %w", i+1, err)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}
