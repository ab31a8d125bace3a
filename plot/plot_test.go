package plot

import (
	"bytes"
	"errors"
	"image/color"
	"image/png"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

// monthly is 36 known months, one of them missing, and 12 forecasts with two intervals.
func monthly() Forecast {
	start := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	value := func(i int) float64 { return 100 + float64(i) + 20*math.Sin(2*math.Pi*float64(i)/12) }
	f := Forecast{Title: "visitors", Subtitle: "theta", Y: "thousands"}
	b80, b95 := Band{Level: 0.8}, Band{Level: 0.95}
	for i := range 48 {
		at := start.AddDate(0, i, 0)
		if i < 36 {
			f.History.Time = append(f.History.Time, at)
			f.History.Value = append(f.History.Value, value(i))
			continue
		}
		f.Mean.Time = append(f.Mean.Time, at)
		f.Mean.Value = append(f.Mean.Value, value(i))
		b80.Low, b80.High = append(b80.Low, value(i)-10), append(b80.High, value(i)+10)
		b95.Low, b95.High = append(b95.Low, value(i)-15), append(b95.High, value(i)+15)
	}
	f.History.Value[20] = math.NaN()
	f.Bands = []Band{b80, b95}
	return f
}

// TestForecastSVG reads the picture's structure: its texts, and how many lines and areas it has.
func TestForecastSVG(t *testing.T) {
	var b bytes.Buffer
	f := monthly()
	f.Actual = f.Mean.Value
	if err := f.Draw(&b, SVG, Options{}); err != nil {
		t.Fatal(err)
	}
	svg := b.String()
	for _, text := range []string{"visitors", "theta", "thousands", "history", "forecast", "80 % interval", "95 % interval", "actual", "2022", "2024"} {
		if !strings.Contains(svg, ">"+text+"<") {
			t.Errorf("the text %q is missing", text)
		}
	}
	paths := func(c interface{ StringRGB() string }) int {
		// Colours are written as rgb(r,g,b) for opaque paint.
		return len(regexp.MustCompile(`<path[^>]*`+regexp.QuoteMeta(c.StringRGB())).FindAllString(svg, -1))
	}
	// The history is two pieces around its gap and a swatch in the legend.
	if got := paths(past); got != 3 {
		t.Errorf("%d paths in the history's colour, want 3", got)
	}
	if got := paths(future); got != 2 {
		t.Errorf("%d paths in the forecast's colour, want 2", got)
	}
	for i := range 2 {
		if got := paths(shade(i, 2)); got != 2 {
			t.Errorf("%d paths in the colour of interval %d, want 2", got, i)
		}
	}
	if shade(0, 2) == shade(1, 2) {
		t.Error("both intervals have one colour")
	}
}

// TestForecastPNG looks at pixels: the size asked for, white paper, and the colours of what is drawn.
func TestForecastPNG(t *testing.T) {
	var b bytes.Buffer
	if err := monthly().Draw(&b, PNG, Options{Width: 640, Height: 320}); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if s := img.Bounds().Size(); s.X != 640 || s.Y != 320 {
		t.Fatalf("picture of %v", s)
	}
	count := map[color.NRGBA]int{}
	for y := range 320 {
		for x := range 640 {
			count[color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)]++
		}
	}
	if n := count[color.NRGBA{255, 255, 255, 255}]; n < 640*320/2 {
		t.Errorf("%d white pixels", n)
	}
	for i := range 2 {
		c := shade(i, 2)
		if n := count[color.NRGBA{c.R, c.G, c.B, 255}]; n < 500 {
			t.Errorf("%d pixels of interval %d", n, i)
		}
	}
}

func TestRefused(t *testing.T) {
	short := monthly()
	short.Bands[0].Low = short.Bands[0].Low[1:]
	empty := Forecast{History: Series{Value: []float64{math.NaN()}}}
	untimed := monthly()
	untimed.Mean.Time = nil
	level := monthly()
	level.Bands[0].Level = 80
	for name, f := range map[string]Forecast{"band": short, "empty": empty, "times": untimed, "level": level, "nothing": {}} {
		var b bytes.Buffer
		if err := f.Draw(&b, SVG, Options{}); err == nil || b.Len() > 0 {
			t.Errorf("%s: error %v, %d bytes written", name, err, b.Len())
		}
		if err := f.Text(&b, Terminal{}); err == nil || b.Len() > 0 {
			t.Errorf("%s in text: error %v, %d bytes written", name, err, b.Len())
		}
	}
	var b bytes.Buffer
	for _, o := range []Options{{Width: 10}, {Height: 1 << 20}, {Width: -1}, {Font: []byte("no font")}, {Font: make([]byte, 400)}} {
		if err := monthly().Draw(&b, PNG, o); err == nil {
			t.Errorf("%+v passes", o)
		}
	}
	if err := monthly().Draw(&b, "gif", Options{}); err == nil {
		t.Error("gif passes")
	}
	if err := (Curves{Lines: []Line{{X: []float64{1}}}}).Draw(&b, SVG, Options{}); err == nil {
		t.Error("a curve with x and no y passes")
	}
	if err := (Curves{LogY: true, Lines: []Line{{X: []float64{1}, Y: []float64{-1}}}}).Draw(&b, SVG, Options{}); err == nil {
		t.Error("only a negative value on a logarithmic axis passes")
	}
	if err := (Points{Groups: []string{"a"}, Sets: []Set{{Value: []float64{1, 2}}}}).Draw(&b, SVG, Options{}); err == nil {
		t.Error("two values for one group pass")
	}
}

// TestHangul: the built-in font has no Hangul. A PNG says so; an SVG keeps the text.
func TestHangul(t *testing.T) {
	f := monthly()
	f.Title = "전력 수요"
	var missing *MissingGlyphError
	if err := f.Draw(new(bytes.Buffer), PNG, Options{}); !errors.As(err, &missing) || missing.Glyph != '전' {
		t.Errorf("PNG: %v", err)
	}
	var b bytes.Buffer
	if err := f.Draw(&b, SVG, Options{}); err != nil || !strings.Contains(b.String(), "전력 수요") {
		t.Errorf("SVG: %v", err)
	}
	b.Reset()
	if err := f.Text(&b, Terminal{}); err != nil || !strings.HasPrefix(b.String(), "전력 수요\n") {
		t.Errorf("text: %v", err)
	}
}

// TestExtremes: whatever the numbers, a picture comes out.
func TestExtremes(t *testing.T) {
	huge := math.MaxFloat64
	for name, v := range map[string][]float64{
		"huge": {-huge, huge}, "tiny": {1e-300, 2e-300}, "one": {7}, "flat": {3, 3, 3},
		"infinite": {1, math.Inf(1), 2}, "ends in nothing": {1, 2, math.NaN()},
	} {
		f := Forecast{History: Series{Value: v}, Mean: Series{Value: []float64{1}}}
		for _, format := range []Format{PNG, SVG} {
			if err := f.Draw(new(bytes.Buffer), format, Options{Width: 300, Height: 200}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := f.Text(new(bytes.Buffer), Terminal{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]Format{"a.png": PNG, "b.x/A.SVG": SVG, "c.jpg": "", "png": ""} {
		if got, err := FormatOf(name); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
