package plot

import (
	"strings"
	"testing"

	"github.com/clipperhouse/displaywidth"
)

// TestTextRows: a rising line is in the top row at the right and in the bottom row at the left,
// and no line is wider than the terminal.
func TestTextRows(t *testing.T) {
	var v []float64
	for i := range 50 {
		v = append(v, float64(i))
	}
	var b strings.Builder
	if err := (Forecast{Title: "수요 " + strings.Repeat("가나다", 20), History: Series{Value: v}}).Text(&b, Terminal{Width: 40, Height: 6}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if len(lines) != 1+6+2 {
		t.Fatalf("%d lines:\n%s", len(lines), b.String())
	}
	for _, l := range lines {
		if w := displaywidth.String(l); w > 40 {
			t.Errorf("line of %d columns: %s", w, l)
		}
	}
	first := func(s string) int { return strings.IndexFunc(s, func(r rune) bool { return r > 0x2800 && r < 0x2900 }) }
	if top, bottom := first(lines[1]), first(lines[6]); bottom < 0 || top < 0 && first(lines[2]) <= bottom || top >= 0 && top <= bottom {
		t.Errorf("the line does not rise:\n%s", b.String())
	}
}

func TestTextColor(t *testing.T) {
	var plain, colored strings.Builder
	if err := monthly().Text(&plain, Terminal{}); err != nil {
		t.Fatal(err)
	}
	if err := monthly().Text(&colored, Terminal{Color: true}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("escape codes without a terminal")
	}
	bare := colored.String()
	for _, e := range append(escapes[:], reset) {
		if e != "" {
			bare = strings.ReplaceAll(bare, e, "")
		}
	}
	if bare == colored.String() || bare != plain.String() {
		t.Error("colour changes more than colour")
	}
	if open, shut := strings.Count(colored.String(), "\x1b[")-strings.Count(colored.String(), reset), strings.Count(colored.String(), reset); open != shut {
		t.Errorf("%d colours begin, %d end", open, shut)
	}
}
