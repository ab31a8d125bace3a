package plot

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/go-analyze/charts"
)

// Forecast is a picture of one series: the end of its history, the forecast after it, and the
// intervals around that.
type Forecast struct {
	Title    string // usually the series' id
	Subtitle string // usually model, horizon and frequency
	Y        string // what is measured, with its unit; may be empty
	History  Series
	Mean     Series    // the forecast; its times follow the history's
	Bands    []Band    // in any order; the widest is drawn first
	Actual   []float64 // what came true, beside Mean; nil when nobody knows yet
	Tail     int       // history points to show; 0 = four times the horizon but at least 60
}

// Band is a central prediction interval, as long as the mean.
type Band struct {
	Level     float64 // coverage promised, in (0, 1): 0.8 for the 80 % interval
	Low, High []float64
}

// validate reports what cannot be drawn.
func (f Forecast) validate() error {
	for _, s := range []struct {
		name string
		Series
	}{{"history", f.History}, {"mean", f.Mean}} {
		if s.Time != nil && len(s.Time) != len(s.Value) {
			return fmt.Errorf("plot: %s has %d times and %d values", s.name, len(s.Time), len(s.Value))
		}
	}
	if len(f.History.Value) > 0 && len(f.Mean.Value) > 0 && (f.History.Time == nil) != (f.Mean.Time == nil) {
		return fmt.Errorf("plot: of history and mean only one has times")
	}
	n := len(f.Mean.Value)
	for _, b := range f.Bands {
		if !(b.Level > 0 && b.Level < 1) {
			return fmt.Errorf("plot: band of level %g, want between 0 and 1", b.Level)
		}
		if len(b.Low) != n || len(b.High) != n {
			return fmt.Errorf("plot: %s band has %d and %d values for %d forecasts", percent(b.Level), len(b.Low), len(b.High), n)
		}
	}
	if f.Actual != nil && len(f.Actual) != n {
		return fmt.Errorf("plot: %d actual values for %d forecasts", len(f.Actual), n)
	}
	return nil
}

// traces are the lines of a forecast on one number line, history cut to its tail. Mean and
// bands begin at the last known value, so that no hole parts them from the history.
type traces struct {
	px, history []float64
	fx, mean    []float64 // fx, the bands and actual are as long as mean
	bands       []Band
	actual      []float64
	dates       axis // ticks, when the series has times
	hasTimes    bool
}

func (f Forecast) traces(ticks int) (traces, error) {
	if err := f.validate(); err != nil {
		return traces{}, err
	}
	tail := f.Tail
	if tail <= 0 {
		tail = max(60, 4*len(f.Mean.Value))
	}
	history := f.History
	skip := max(0, len(history.Value)-tail)
	tr := traces{history: history.Value[skip:], mean: slices.Clone(f.Mean.Value), actual: slices.Clone(f.Actual)}
	for _, b := range f.Bands {
		tr.bands = append(tr.bands, Band{b.Level, slices.Clone(b.Low), slices.Clone(b.High)})
	}
	slices.SortFunc(tr.bands, func(a, b Band) int { return int(math.Copysign(1, b.Level-a.Level)) })
	times := slices.Clone(f.Mean.Time)
	if history.Time != nil {
		times = append(slices.Clone(history.Time[skip:]), times...)
	}
	n := len(tr.history) + len(tr.mean)
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(skip + i + 1) // steps count from 1
		if times != nil {
			x[i] = seconds(times[i].In(times[0].Location()))
		}
	}
	if _, _, ok := span(tr.history, tr.mean); !ok {
		return tr, fmt.Errorf("plot: the series has no finite value to draw")
	}
	if times != nil {
		tr.hasTimes, tr.dates = true, dates(times[0], times[n-1], ticks)
	} else {
		tr.dates = inner(x[0], x[n-1], ticks)
	}
	tr.px, tr.fx = x[:len(tr.history)], x[len(tr.history):]
	tr.join()
	return tr, nil
}

// join begins mean, bands and actual at the last value of the history, when it is known.
func (tr *traces) join() {
	n := len(tr.history)
	if n == 0 || len(tr.mean) == 0 || !finite(tr.history[n-1]) {
		return
	}
	first := []float64{tr.history[n-1]}
	tr.fx = append([]float64{tr.px[n-1]}, tr.fx...)
	tr.mean = append(first, tr.mean...)
	for i := range tr.bands {
		tr.bands[i].Low = append(slices.Clone(first), tr.bands[i].Low...)
		tr.bands[i].High = append(slices.Clone(first), tr.bands[i].High...)
	}
	if tr.actual != nil {
		tr.actual = append(slices.Clone(first), tr.actual...)
	}
}

// values lists everything that the y axis has to hold.
func (tr traces) values() [][]float64 {
	all := [][]float64{tr.history, tr.mean, tr.actual}
	for _, b := range tr.bands {
		all = append(all, b.Low, b.High)
	}
	return all
}

// Draw writes the picture. It fails on lengths that do not match, on a series without any
// finite value, on a size out of range and on a font that lacks a letter.
func (f Forecast) Draw(w io.Writer, format Format, o Options) error { return draw(w, f, format, o) }

func (f Forecast) paint(c *canvas) error {
	tr, err := f.traces(max(2, c.width/110))
	if err != nil {
		return err
	}
	c.head(f.Title, f.Subtitle)
	c.legend(tr.keys())
	c.series(f, tr)
	return nil
}

func (f Forecast) lay(width int) (layout, error) {
	tr, err := f.traces(max(3, width/90))
	return layout{title: f.Title, subtitle: f.Subtitle, keys: tr.keys(), fill: func(c *canvas) { c.series(f, tr) }}, err
}

// keys are the legend's.
func (tr traces) keys() []key {
	keys := []key{{name: "history", color: past}}
	if len(tr.mean) > 0 {
		keys = append(keys, key{name: "forecast", color: future})
	}
	for i := len(tr.bands) - 1; i >= 0; i-- {
		keys = append(keys, key{name: percent(tr.bands[i].Level) + " interval", color: shade(i, len(tr.bands)), area: true})
	}
	if tr.actual != nil {
		keys = append(keys, key{name: "actual", color: seen, dots: true})
	}
	return keys
}

// series draws axes and lines into what is left of the page.
func (c *canvas) series(f Forecast, tr traces) {
	lo, hi, _ := span(tr.values()...)
	y := number(lo, hi, max(4, c.height/90))
	y.title = f.Y
	c.frame(tr.dates, y)
	for i, b := range tr.bands {
		c.area(tr.fx, b.Low, b.High, shade(i, len(tr.bands)))
	}
	if n := len(tr.px); n > 0 && len(tr.mean) > 0 {
		at := c.x.at(tr.px[n-1])
		c.p.DashedLineStroke([]charts.Point{{X: at, Y: c.top}, {X: at, Y: c.bottom}}, axisInk, 1, []float64{3, 4})
	}
	c.line(tr.px, tr.history, past)
	c.line(tr.fx, tr.mean, future)
	c.dashed(tr.fx, tr.actual, seen)
}

// shade is the colour of band i of n, widest first: opaque tints, since bands lie on each other
// and a legend must show what the picture shows.
func shade(i, n int) charts.Color {
	return tint(future, 0.18+0.24*float64(i)/float64(max(1, n-1)))
}

// tint mixes a colour into white.
func tint(c charts.Color, strength float64) charts.Color {
	mix := func(v uint8) uint8 { return uint8(255 - strength*(255-float64(v))) }
	return charts.ColorRGB(mix(c.R), mix(c.G), mix(c.B))
}

// percent writes 0.8 as "80 %" and 0.995 as "99.5 %".
func percent(level float64) string {
	return strconv.FormatFloat(math.Round(level*1e4)/1e2, 'f', -1, 64) + " %"
}
