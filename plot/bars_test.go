package plot

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// TestBars: bars are as long as their values say, one below the other, with their values behind them.
func TestBars(t *testing.T) {
	p := Bars{Title: "Feature importance", X: "gain", Names: []string{"age", "income", "none"}, Values: []float64{100, 25.5, 0}}
	var b bytes.Buffer
	if err := p.Draw(&b, SVG, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Feature importance", "gain", "age", "income", "none", "100.0", "25.5", "0", "40"} {
		if !strings.Contains(b.String(), ">"+text+"<") {
			t.Errorf("the text %q is missing", text)
		}
	}
	_, list := boxes(t, b.String())
	if len(list) != 3 {
		t.Fatalf("%d bars", len(list))
	}
	long, short := list[0].right-list[0].left, list[1].right-list[1].left
	if share := float64(short) / float64(long); math.Abs(share-0.255) > 0.002 {
		t.Errorf("bars of %d and %d pixels", long, short)
	}
	if list[0].bottom > list[1].top || list[1].bottom > list[2].top {
		t.Errorf("bars %v", list)
	}
	var text strings.Builder
	if err := p.Text(&text, Terminal{Width: 30}); err != nil {
		t.Fatal(err)
	}
	want := `Feature importance
gain
age    █████████████████ 100.0
income ████▍ 25.5
none    0
`
	if text.String() != want {
		t.Errorf("got\n%s", text.String())
	}
}

func TestBarsMany(t *testing.T) {
	p := Bars{Names: make([]string, 379), Values: make([]float64, 379)}
	var b bytes.Buffer
	if err := p.Draw(&b, SVG, Options{}); err != nil {
		t.Error(err)
	}
	p.Names, p.Values = append(p.Names, ""), append(p.Values, 1)
	if err := p.Draw(&b, SVG, Options{}); err == nil || !strings.Contains(err.Error(), "a picture holds 379") {
		t.Errorf("error %v", err)
	}
	if err := p.Draw(&b, SVG, Options{Width: 300, Height: 200}); err != nil {
		t.Error(err)
	}
}

func TestBarsRefused(t *testing.T) {
	for _, p := range []Bars{{}, {Names: []string{"a"}}, {Names: []string{"a"}, Values: []float64{-1}}, {Names: []string{"a"}, Values: []float64{math.Inf(1)}}} {
		var b bytes.Buffer
		if err := p.Draw(&b, SVG, Options{}); err == nil || b.Len() > 0 {
			t.Errorf("%+v: error %v, %d bytes written", p, err, b.Len())
		}
		if err := p.Text(&b, Terminal{}); err == nil || b.Len() > 0 {
			t.Errorf("%+v in text: error %v, %d bytes written", p, err, b.Len())
		}
	}
}
