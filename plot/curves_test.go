package plot

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clipperhouse/displaywidth"
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

// TestLogX: on a logarithmic axis 10 is in the middle between 1 and 100.
func TestLogX(t *testing.T) {
	p := Curves{LogX: true, Lines: []Line{{X: []float64{1, 10, 100}, Y: []float64{0, 1, 2}}}}
	var b bytes.Buffer
	if err := p.Draw(&b, SVG, Options{}); err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`M (\d+) \d+\nL (\d+) \d+\nL (\d+) \d+" style="[^"]*` + regexp.QuoteMeta(palette[0].StringRGB())).FindStringSubmatch(b.String())
	if m == nil {
		t.Fatal("no line of three points")
	}
	var x [3]float64
	for i := range x {
		x[i], _ = strconv.ParseFloat(m[i+1], 64)
	}
	if math.Abs(x[1]-(x[0]+x[2])/2) > 1 {
		t.Errorf("10 at %v between %v and %v", x[1], x[0], x[2])
	}
}

// TestCurvesText: the falling line ends below the rising one, each with its name behind it.
func TestCurvesText(t *testing.T) {
	p := Curves{Title: "loss", X: "Iterations", Lines: []Line{
		{Name: "valid_1", X: []float64{1, 50, 100}, Y: []float64{1, 1, 2}},
		{Name: "training", X: []float64{1, 50, 100}, Y: []float64{1, 0.5, math.NaN()}},
		{Name: "beside", X: []float64{1, 50, 100}, Y: []float64{1, 1, 2}},
	}}
	var b strings.Builder
	if err := p.Text(&b, Terminal{Width: 40, Height: 8}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != 1+8+2+1 || lines[0] != "loss" || lines[11] != "Iterations" {
		t.Fatalf("got\n%s", b.String())
	}
	row := func(name string) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.HasSuffix(l, " "+name) })
	}
	if v, s := row("valid_1"), row("beside"); v != 1 || s != 2 || row("training") <= 5 {
		t.Errorf("got\n%s", b.String())
	}
	for _, l := range lines {
		if w := displaywidth.String(l); w > 40 {
			t.Errorf("line of %d columns: %s", w, l)
		}
	}
	if err := (Curves{}).Text(&b, Terminal{}); err == nil {
		t.Error("no lines are drawn")
	}
}

// TestCurvesGrid: a panel for each metric under one legend.
func TestCurvesGrid(t *testing.T) {
	g := Grid{Title: "Metric during training"}
	for _, name := range []string{"auc", "l2"} {
		g.Panels = append(g.Panels, Curves{Title: name, X: "Iterations", Lines: []Line{
			{Name: "training", X: []float64{1, 2}, Y: []float64{1, 2}}, {Name: "valid_1", X: []float64{1, 2}, Y: []float64{1, 3}}}})
	}
	var b bytes.Buffer
	if err := g.Draw(&b, SVG, Options{}); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{"Metric during training": 1, "training": 1, "valid_1": 1, "auc": 1, "l2": 1, "Iterations": 2} {
		if got := strings.Count(b.String(), ">"+text+"<"); got != want {
			t.Errorf("%q is there %d times, want %d", text, got, want)
		}
	}
	for i := range 2 { // a swatch, and a line in each panel
		if n := strings.Count(b.String(), palette[i].StringRGB()); n != 3 {
			t.Errorf("%d paths of line %d, want 3", n, i)
		}
	}
}
