package plot

import (
	"bytes"
	"fmt"
	"image/png"
	"regexp"
	"strings"
	"testing"
)

func grid(n int) Grid {
	g := Grid{Title: "shops", Panels: make([]Panel, n)}
	for i := range g.Panels {
		f := monthly()
		f.Title = fmt.Sprintf("shop %d", i+1)
		g.Panels[i] = f
	}
	return g
}

// Every series has its title and lines, and the legend is there once; no two panels lie on each other.
func TestGridSVG(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 12} {
		var b bytes.Buffer
		if err := grid(n).Draw(&b, SVG, Options{}); err != nil {
			t.Fatal(err)
		}
		svg := b.String()
		places := map[string]bool{}
		for i := range n {
			m := regexp.MustCompile(fmt.Sprintf(`<text x="(\d+)" y="(\d+)"[^>]*>shop %d<`, i+1)).FindStringSubmatch(svg)
			if m == nil {
				t.Fatalf("%d panels: shop %d is missing", n, i+1)
			}
			places[m[1]+","+m[2]] = true
		}
		if len(places) != n {
			t.Errorf("%d panels stand at %d places", n, len(places))
		}
		for text, want := range map[string]int{"shops": 1, "history": 1, "forecast": 1, "80 % interval": 1, "theta": n, "thousands": n} {
			if got := strings.Count(svg, ">"+text+"<"); got != want {
				t.Errorf("%d panels: %q is there %d times, want %d", n, text, got, want)
			}
		}
		// Per panel the forecast, and the history in two pieces around its gap; one swatch of each in the legend.
		for c, want := range map[string]int{future.StringRGB(): n + 1, past.StringRGB(): 2*n + 1} {
			if got := len(regexp.MustCompile(`<path[^>]*`+regexp.QuoteMeta(c)).FindAllString(svg, -1)); got != want {
				t.Errorf("%d panels: %d paths of colour %s, want %d", n, got, c, want)
			}
		}
	}
}

func TestGridPNG(t *testing.T) {
	var b bytes.Buffer
	if err := grid(5).Draw(&b, PNG, Options{}); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if s := img.Bounds().Size(); s.X != 1200 || s.Y != gridHead+2*panelHeight {
		t.Errorf("picture of %v", s)
	}
}

func TestGridText(t *testing.T) {
	var b bytes.Buffer
	if err := grid(3).Text(&b, Terminal{}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "history"); got != 3 || !strings.HasPrefix(b.String(), "shop 1\n") {
		t.Errorf("%d panels:\n%s", got, b.String())
	}
}

func TestGridRefused(t *testing.T) {
	broken, untimed := grid(2), monthly()
	untimed.Mean.Time = nil
	broken.Panels[1] = untimed
	for name, g := range map[string]Grid{"none": {}, "too many": grid(MaxPanels + 1), "broken": broken} {
		var b bytes.Buffer
		if err := g.Draw(&b, PNG, Options{}); err == nil || b.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, b.Len())
		}
		if err := g.Text(&b, Terminal{}); err == nil || b.Len() > 0 {
			t.Errorf("%s in text: %v, %d bytes", name, err, b.Len())
		}
	}
	hangul, named := grid(2), monthly()
	named.Title = "수원"
	hangul.Panels[1] = named
	if err := hangul.Draw(new(bytes.Buffer), PNG, Options{}); err == nil || !strings.Contains(err.Error(), "glyph") {
		t.Errorf("a letter that the font lacks: %v", err)
	}
}
