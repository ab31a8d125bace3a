package plot

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"testing"
)

func TestCurves(t *testing.T) {
	c := Curves{Title: "loss", X: "step", Y: "MSE", LogY: true, Lines: []Line{
		{Name: "a", X: []float64{1, 2, 3}, Y: []float64{1, 0.1, 0.02}, Low: []float64{0.9, 0.05, 0.01}, High: []float64{1.1, 0.2, 0.03}},
		{Name: "b", X: []float64{1, 2, 3}, Y: []float64{2, 0, 0.5}}, // 0 is a gap on this axis
	}}
	var b bytes.Buffer
	if err := c.Draw(&b, SVG, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"loss", "step", "MSE", "a", "b", "0.1", "1"} {
		if !strings.Contains(b.String(), ">"+text+"<") {
			t.Errorf("the text %q is missing", text)
		}
	}
	if strings.Contains(b.String(), "NaN") {
		t.Error("a coordinate is NaN")
	}
	if err := (Curves{LogX: true, Lines: []Line{{X: []float64{1, 1000}, Y: []float64{math.NaN(), 3}}}}).Draw(&b, PNG, Options{}); err != nil {
		t.Error(err)
	}
}

// TestPoints: each bar is as high as its value says, and each error bar reaches to its ends.
func TestPoints(t *testing.T) {
	p := Points{Title: "MSE", Groups: []string{"ETTh1", "exchange"}, Bars: true, Sets: []Set{
		{Name: "independent", Value: []float64{4, 2}, Low: []float64{3, 1}, High: []float64{5, 3}},
		{Name: "mixing", Value: []float64{1, math.NaN()}},
	}}
	var b bytes.Buffer
	if err := p.Draw(&b, SVG, Options{}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3, 2} { // a swatch, and a bar per measured value
		found := regexp.MustCompile(`<path[^>]*fill:`+regexp.QuoteMeta(palette[i].StringRGB())).FindAllString(b.String(), -1)
		if len(found) != want {
			t.Errorf("set %d: %d areas, want %d", i, len(found), want)
		}
	}
	if n := strings.Count(b.String(), ink.StringRGB()); n < 6 {
		t.Errorf("%d strokes of error bars, want 6", n)
	}
}
