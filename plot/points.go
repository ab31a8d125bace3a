package plot

import (
	"fmt"
	"io"
	"math"

	"github.com/go-analyze/charts"
)

var nan = math.NaN()

// Points compares measurements: one group on the x axis per thing measured, in each group one
// point with its error bar per set. With Bars the value is the height of a bar from zero.
type Points struct {
	Title, Subtitle string
	Y               string // what is measured, with its unit
	Groups          []string
	Sets            []Set
	Bars            bool
}

// Set is one contender's measurements, a value per group; not finite = not measured.
type Set struct {
	Name      string
	Value     []float64
	Low, High []float64 // ends of the error bars; nil = none
}

// Draw writes the picture. It fails on lengths that do not match, and when there is nothing to draw.
func (p Points) Draw(w io.Writer, format Format, o Options) error { return draw(w, p, format, o) }

func (p Points) paint(c *canvas) error {
	var all [][]float64
	var keys []key
	for i, s := range p.Sets {
		if n := len(p.Groups); len(s.Value) != n || s.Low != nil && len(s.Low) != n || len(s.Low) != len(s.High) {
			return fmt.Errorf("plot: set %q has %d values, %d low and %d high ends for %d groups", s.Name, len(s.Value), len(s.Low), len(s.High), n)
		}
		all = append(all, s.Value, s.Low, s.High)
		keys = append(keys, key{name: s.Name, color: palette[i%len(palette)], area: true})
	}
	lo, hi, ok := span(all...)
	if !ok {
		return fmt.Errorf("plot: %q has no value to draw", p.Title)
	}
	if p.Bars {
		lo, hi = min(lo, 0), max(hi, 0)
	}
	c.head(p.Title, p.Subtitle)
	c.legend(keys)
	y := number(lo, hi, max(2, c.height/90))
	y.title = p.Y
	x := axis{lo: -0.5, hi: float64(len(p.Groups)) - 0.5}
	for i, g := range p.Groups {
		x.ticks = append(x.ticks, tick{at: float64(i), label: g})
	}
	room := (c.width - 2*margin - 60) / max(1, len(p.Groups))
	for i := range x.ticks {
		x.ticks[i].label = c.fit(x.ticks[i].label, textSize, room-8)
	}
	c.frame(x, y)
	for i, s := range p.Sets {
		c.set(s, i, len(p.Sets), p.Bars)
	}
	return nil
}

// set draws set i of n beside the others of its group.
func (c *canvas) set(s Set, i, n int, bars bool) {
	color := palette[i%len(palette)]
	for g, v := range s.Value {
		if !finite(v) {
			continue
		}
		// Of a group's room 0.7 is used at most, and no more than sets that stand together need.
		slot := min(0.7*float64(c.x.at(1)-c.x.at(0))/float64(n), 80)
		x := c.x.at(float64(g)) + int(math.Round(slot*(float64(i)+0.5-float64(n)/2)))
		half := max(2, int(slot*0.42))
		y := c.y.at(v)
		if bars {
			zero := c.y.at(0)
			c.p.FilledRect(x-half, min(y, zero), x+half, max(y, zero), color, charts.ColorTransparent, 0)
		}
		if s.Low != nil && finite(s.Low[g]) && finite(s.High[g]) {
			c.errorBar(x, c.y.at(s.Low[g]), c.y.at(s.High[g]), min(half, 7), bars, color)
		}
		if !bars {
			c.p.Circle(5, x, y, color, color, 0)
		}
	}
}

func (c *canvas) errorBar(x, low, high, half int, bars bool, color charts.Color) {
	if bars {
		color = ink // on a bar of its own colour it would vanish
	}
	c.p.LineStroke([]charts.Point{{X: x, Y: low}, {X: x, Y: high}}, color, 1.6)
	for _, y := range []int{low, high} {
		c.p.LineStroke([]charts.Point{{X: x - half, Y: y}, {X: x + half, Y: y}}, color, 1.6)
	}
}
