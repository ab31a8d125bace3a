package progress

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipperhouse/displaywidth"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that only a test moves.
type clock struct{ now time.Time }

func newClock() *clock                { return &clock{time.Unix(1_700_000_000, 0)} }
func (c *clock) Now() time.Time       { return c.now }
func (c *clock) wait(d time.Duration) { c.now = c.now.Add(d) }
func last(s string) string            { return s[strings.LastIndex(s, clearLine)+len(clearLine):] }
func loss(v float64) Field            { return Field{"loss", fmt.Sprintf("%.3f", v)} }

func TestPlain(t *testing.T) {
	var out strings.Builder
	c := newClock()
	b := New(&out, Options{Title: "train", Total: 1000, Now: c.Now})
	for i := range 1000 {
		c.wait(50 * time.Millisecond)
		b.Set(i+1, loss(1/float64(i+1)), Field{"lr", "1e-4"})
	}
	b.Done()
	b.Done()
	b.Set(3)
	// 50 s at 20 a second: a line each 10 s, and the last.
	want := `train: 200/1000 steps (20 %), 40 s left, loss 0.005, lr 1e-4, 20 steps/s
train: 400/1000 steps (40 %), 30 s left, loss 0.003, lr 1e-4, 20 steps/s
train: 600/1000 steps (60 %), 20 s left, loss 0.002, lr 1e-4, 20 steps/s
train: 800/1000 steps (80 %), 10 s left, loss 0.001, lr 1e-4, 20 steps/s
train: 1000/1000 steps (100 %), loss 0.001, lr 1e-4, 20 steps/s
train: 1000/1000 steps (100 %), 20 steps/s, loss 0.001, lr 1e-4, in 50 s
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if strings.ContainsAny(out.String(), "\r\x1b") {
		t.Error("terminal codes in plain output")
	}
}

func TestQuiet(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out strings.Builder
		c := newClock()
		b := New(&out, Options{Quiet: true, Terminal: terminal, Total: 3, Now: c.Now})
		for i := range 3 {
			c.wait(time.Minute)
			b.Set(i + 1)
		}
		b.Log("news")
		b.Done()
		if out.Len() > 0 {
			t.Errorf("quiet wrote %q", out.String())
		}
	}
}

// TestWidth: whatever the terminal's width and the script of the title, no line reaches its edge.
func TestWidth(t *testing.T) {
	for width := 1; width <= 140; width++ {
		var out strings.Builder
		c := newClock()
		b := New(&out, Options{Title: "예측 모형 학습", Total: 100, Terminal: true, Width: width, Now: c.Now})
		for i := range 5 {
			c.wait(time.Second)
			b.Set(i*20+1, loss(0.25), Field{"lr", "3e-4"})
		}
		for _, line := range strings.Split(out.String(), clearLine) {
			if w := displaywidth.String(line); w >= max(width, 2) {
				t.Errorf("width %d: line of %d columns: %q", width, w, line)
			}
		}
	}
}

func TestTerminal(t *testing.T) {
	var out strings.Builder
	c := newClock()
	b := New(&out, Options{Title: "train", Total: 200, Terminal: true, Width: 120, Now: c.Now})
	for i := range 100 {
		c.wait(20 * time.Millisecond)
		b.Set(i+1, loss(0.5))
	}
	if got, want := last(out.String()), "train: ▕███████████▌            ▏  96/200 steps (48 %)  2.1 s left  loss 0.500  50 steps/s"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	// 2 s of news every 20 ms: drawn ten times a second.
	if n := strings.Count(out.String(), clearLine); n != 20 {
		t.Errorf("drawn %d times, want 20", n)
	}
	out.Reset()
	b.Log("saved %s", "step-100")
	if s := out.String(); !strings.HasPrefix(s, clearLine+"saved step-100\n"+clearLine+"train: ") {
		t.Errorf("a message leaves %q", s)
	}
	out.Reset()
	b.Done()
	if got, want := out.String(), clearLine+"train: 100/200 steps (50 %), 50 steps/s, loss 0.500, in 2.0 s\n"; got != want {
		t.Errorf("the end is %q, want %q", got, want)
	}
}

// TestResume: the rate of a resumed run counts its own steps only.
func TestResume(t *testing.T) {
	var out strings.Builder
	c := newClock()
	b := New(&out, Options{Total: 1000, Start: 900, Now: c.Now})
	c.wait(10 * time.Second)
	b.Set(910)
	if got, want := out.String(), "910/1000 steps (91 %), 1 min 30 s left, 1 steps/s\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestRate: the estimate follows a change of pace within about half a minute, and
// a single pause does not upset it.
func TestRate(t *testing.T) {
	c := newClock()
	b := New(new(strings.Builder), Options{Total: 1 << 20, Now: c.Now})
	n := 0
	work := func(seconds, rate int) {
		for range seconds {
			c.wait(time.Second)
			n += rate
			b.Set(n)
		}
	}
	work(60, 100)
	if b.rate != 100 {
		t.Errorf("steady rate %g", b.rate)
	}
	work(45, 10)
	if b.rate < 10 || b.rate > 16 { // 10 + 90·e⁻³ = 14.5
		t.Errorf("45 s after slowing to 10: %g", b.rate)
	}
	b.Set(0) // taken back
	if b.rate != 0 {
		t.Errorf("rate %g after the count fell", b.rate)
	}
}

func TestUnknownEnd(t *testing.T) {
	var out strings.Builder
	c := newClock()
	b := New(&out, Options{Unit: "rows", Now: c.Now})
	c.wait(time.Minute)
	b.Set(1234)
	if got, want := out.String(), "1234 rows, 20.6 rows/s\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 1234 * time.Millisecond: "1.2 s", 9960 * time.Millisecond: "10 s", 59*time.Second + 600*time.Millisecond: "1 min 00 s",
		200 * time.Second: "3 min 20 s", 2*time.Hour + 5*time.Minute: "2 h 05 min", 76 * time.Hour: "3 d 4 h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestConcurrent(t *testing.T) {
	var out strings.Builder
	b := New(&out, Options{Total: 1000, Terminal: true})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 250 {
				b.Set(i, loss(1))
			}
			b.Log("worker done")
		})
	}
	wg.Wait()
	b.Done()
	if n := strings.Count(out.String(), "worker done\n"); n != 4 {
		t.Errorf("%d messages, want 4", n)
	}
}

// TestAuto: a file is no terminal.
func TestAuto(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if o := Auto(f, Options{Title: "x"}); o.Terminal || o.Resize != nil || o.Title != "x" {
		t.Errorf("%+v", o)
	}
}
