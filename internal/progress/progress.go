// Package progress shows how far long work has come: one line that renews itself on a terminal,
// a plain line now and then when the output goes to a file or a pipe, nothing when quiet.
//
//	bar := progress.New(os.Stderr, progress.Options{Title: "train", Total: steps})
//	for step := range steps {
//		bar.Set(step+1, progress.Field{Name: "loss", Value: "0.412"})
//	}
//	bar.Done()
//
// It starts no goroutine: a line is drawn by the call that brings news, at most ten times a second.
package progress

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clipperhouse/displaywidth"
	"golang.org/x/term"
)

// Options of a bar. The zero value shows a bar without a known end.
type Options struct {
	Title string // what is being done
	Unit  string // what is counted, in the plural; "" = steps
	Total int    // the count at the end; 0 = unknown
	Start int    // the count already reached by an earlier run; the rate counts from here
	Quiet bool   // show nothing

	// Terminal renews one line instead of writing many. Width is its columns; 0 = 80.
	Terminal bool
	Width    int
	// Width is asked again through Resize, when not nil, before each line that is drawn.
	Resize func() int

	// Every is the least time between plain lines; 0 = 10 s.
	Every time.Duration
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Field is a measure beside the count: the loss, the learning rate.
type Field struct{ Name, Value string }

// Bar is the progress of one piece of work. Its methods may be called from several goroutines.
type Bar struct {
	mu     sync.Mutex
	w      io.Writer
	o      Options
	count  int
	fields []Field
	begin  time.Time
	rate   float64   // counts per second, smoothed; 0 = not known yet
	marked time.Time // when the rate was last measured, and the count then
	at     int
	drawn  time.Time // when a line was last written
	shown  bool      // a line stands on the terminal
	done   bool
}

const (
	redraw     = 100 * time.Millisecond // faster than the eye reads
	smoothing  = 15 * time.Second       // the rate forgets what is older
	barColumns = 24
	clearLine  = "\r\x1b[K"
)

// New begins a bar that writes to w. It shows nothing before the first Set.
func New(w io.Writer, o Options) *Bar {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 {
		o.Every = 10 * time.Second
	}
	if o.Unit == "" {
		o.Unit = "steps"
	}
	now := o.Now()
	return &Bar{w: w, o: o, count: o.Start, at: o.Start, begin: now, marked: now, drawn: now}
}

// Auto fills Terminal, Width and Resize from what f is: a terminal, or a file or pipe.
// TERM=dumb counts as a pipe.
func Auto(f *os.File, o Options) Options {
	if !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return o
	}
	o.Terminal = true
	o.Resize = func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return width
	}
	return o
}

// Set says that count of the work is done, and replaces the measures beside it.
func (b *Bar) Set(count int, fields ...Field) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return
	}
	now := b.o.Now()
	b.count, b.fields = count, append(b.fields[:0], fields...)
	b.measure(now)
	switch {
	case b.o.Quiet:
	case b.o.Terminal:
		if !b.shown || now.Sub(b.drawn) >= redraw {
			b.draw(now)
		}
	case now.Sub(b.drawn) >= b.o.Every:
		b.plain(now)
	}
}

// Log writes a line of its own above the bar; plain output just gets the line. Quiet drops it.
func (b *Bar) Log(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.o.Quiet {
		return
	}
	b.wipe()
	fmt.Fprintf(b.w, format+"\n", args...)
	if b.o.Terminal && !b.done && b.count > b.o.Start {
		b.draw(b.o.Now())
	}
}

// Done ends the bar with a last line that stays: what was reached, and the time it took.
// A second call does nothing.
func (b *Bar) Done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return
	}
	b.done = true
	if b.o.Quiet {
		return
	}
	b.wipe()
	took := b.o.Now().Sub(b.begin)
	parts := []string{b.counted()}
	if n := b.count - b.o.Start; n > 0 && took > 0 {
		parts = append(parts, b.speed(float64(n)/took.Seconds()))
	}
	parts = append(append(parts, b.measures()...), "in "+Duration(took))
	fmt.Fprintln(b.w, b.titled(strings.Join(parts, ", ")))
}

// measure smooths the rate exponentially over time, so that neither a pause for evaluation
// nor the first slow step rules the estimate for long.
func (b *Bar) measure(now time.Time) {
	passed := now.Sub(b.marked)
	if b.count < b.at { // the work was taken back: begin again
		b.at, b.marked, b.rate = b.count, now, 0
		return
	}
	if passed < redraw || b.count == b.at {
		return
	}
	fresh := float64(b.count-b.at) / passed.Seconds()
	if b.rate == 0 {
		b.rate = fresh
	} else {
		share := min(1, passed.Seconds()/smoothing.Seconds())
		b.rate += share * (fresh - b.rate)
	}
	b.at, b.marked = b.count, now
}

func (b *Bar) wipe() {
	if b.shown {
		io.WriteString(b.w, clearLine)
		b.shown = false
	}
}

// draw renews the terminal's line. It is never as wide as the terminal: a full line would
// wrap on some, and the next one then no longer replaces it.
func (b *Bar) draw(now time.Time) {
	width := b.o.Width
	if b.o.Resize != nil {
		width = b.o.Resize()
	}
	if width <= 0 {
		width = 80
	}
	parts := b.parts()
	line := b.titled(strings.Join(parts, "  "))
	if share := b.fraction(); share >= 0 && displaywidth.String(line)+barColumns+2 < width {
		line = b.titled(meter(share) + "  " + strings.Join(parts, "  "))
	}
	// The first parts matter most: the last ones go when the line is too wide.
	for len(parts) > 1 && displaywidth.String(line) >= width {
		parts = parts[:len(parts)-1]
		line = b.titled(strings.Join(parts, "  "))
	}
	line = displaywidth.TruncateString(line, max(1, width-1), "…")
	io.WriteString(b.w, clearLine+line)
	b.drawn, b.shown = now, true
}

func (b *Bar) plain(now time.Time) {
	fmt.Fprintln(b.w, b.titled(strings.Join(b.parts(), ", ")))
	b.drawn = now
}

// parts are what a line says, the most wanted first.
func (b *Bar) parts() []string {
	parts := []string{b.counted()}
	if left, ok := b.left(); ok {
		parts = append(parts, Duration(left)+" left")
	}
	parts = append(parts, b.measures()...)
	if b.rate > 0 {
		parts = append(parts, b.speed(b.rate))
	}
	return parts
}

func (b *Bar) titled(s string) string {
	if b.o.Title == "" {
		return s
	}
	return b.o.Title + ": " + s
}

func (b *Bar) counted() string {
	if b.o.Total <= 0 {
		return fmt.Sprintf("%d %s", b.count, b.o.Unit)
	}
	return fmt.Sprintf("%d/%d %s (%d %%)", b.count, b.o.Total, b.o.Unit, int(100*b.fraction()))
}

func (b *Bar) measures() []string {
	var list []string
	for _, f := range b.fields {
		list = append(list, f.Name+" "+f.Value)
	}
	return list
}

// speed writes a rate with three digits: "12.3 steps/s"; slow work as "8.2 s/step" would need
// the singular, so it stays a small number.
func (b *Bar) speed(rate float64) string {
	return strconv.FormatFloat(round3(rate), 'f', -1, 64) + " " + b.o.Unit + "/s"
}

// fraction is the share done, 0 to 1, or -1 when the end is unknown.
func (b *Bar) fraction() float64 {
	if b.o.Total <= 0 {
		return -1
	}
	return min(1, max(0, float64(b.count)/float64(b.o.Total)))
}

// left is the time to the end at the present rate.
func (b *Bar) left() (time.Duration, bool) {
	if b.rate <= 0 || b.o.Total <= 0 || b.count >= b.o.Total {
		return 0, false
	}
	seconds := float64(b.o.Total-b.count) / b.rate
	if seconds > (100 * 365 * 24 * time.Hour).Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// meter draws a share as a bar of eighths of a column.
func meter(share float64) string {
	const eighths = " ▏▎▍▌▋▊▉█"
	steps := []rune(eighths)
	n := int(share * barColumns * 8)
	var s strings.Builder
	for i := range barColumns {
		s.WriteRune(steps[min(8, max(0, n-8*i))])
	}
	return "▕" + s.String() + "▏"
}

func round3(v float64) float64 {
	s, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return s
}

// Duration writes a time as people say it: "45 s", "3 min 20 s", "2 h 05 min", "3 d 4 h".
func Duration(d time.Duration) string {
	if d < 9950*time.Millisecond {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	s := int(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	case s < 24*3600:
		return fmt.Sprintf("%d h %02d min", s/3600, s/60%60)
	}
	return fmt.Sprintf("%d d %d h", s/86400, s/3600%24)
}
