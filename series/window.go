package series

import (
	"fmt"
	"sort"
)

// WindowOptions says how windows are cut.
type WindowOptions struct {
	// Context is the number of steps a model sees; it must be at least 1.
	Context int
	// Horizon is the number of steps to forecast; 0 makes windows of context alone.
	Horizon int
	// Stride is the number of steps from one window to the next of the same series. Default (0): 1.
	Stride int
}

// Windows are the sliding windows over the series of a panel, in order of series, then of time. They are views: nothing
// is copied, so a change of the panel shows in them. Safe for concurrent use.
type Windows struct {
	panel *Panel
	o     WindowOptions
	upTo  []int // number of windows of series 0…k
	rows  Range
}

// Window is one position: Context and Target share the memory of the series.
type Window struct {
	Series  int       // position in the panel
	From    int       // step of the series at which the context begins
	Context []float64 // [Context]
	Target  []float64 // [Horizon]
}

// Range is the steps From ≤ t < To.
type Range struct{ From, To int }

// Len is To − From, at least 0.
func (r Range) Len() int { return max(r.To-r.From, 0) }

// Windows cuts every series of p; one shorter than context + horizon has none. Options that make no window are an error.
func (p *Panel) Windows(o WindowOptions) (*Windows, error) { return p.WindowsIn(Range{0, maxRows}, o) }

const maxRows = int(^uint(0) >> 1)

// WindowsIn is Windows over the given steps of every series only, context and target both inside: a split of
// [LTSFSplit], for example.
func (p *Panel) WindowsIn(rows Range, o WindowOptions) (*Windows, error) {
	if o.Stride == 0 {
		o.Stride = 1
	}
	if o.Context < 1 || o.Horizon < 0 || o.Stride < 1 || o.Context > maxRows-o.Horizon {
		return nil, fmt.Errorf("series: windows of context %d, horizon %d, stride %d; want at least 1, 0 and 1", o.Context, o.Horizon, o.Stride)
	}
	w := &Windows{panel: p, o: o, rows: Range{max(rows.From, 0), rows.To}}
	n := 0
	for i := range p.Series {
		in := Range{w.rows.From, min(w.rows.To, len(p.Series[i].Y))}
		if room := in.Len() - o.Context - o.Horizon; room >= 0 {
			n += room/o.Stride + 1
		}
		w.upTo = append(w.upTo, n)
	}
	return w, nil
}

// Len is the number of windows.
func (w *Windows) Len() int {
	if len(w.upTo) == 0 {
		return 0
	}
	return w.upTo[len(w.upTo)-1]
}

// At is window i, 0 ≤ i < Len; outside it panics as indexing does.
func (w *Windows) At(i int) Window {
	k := sort.SearchInts(w.upTo, i+1)
	if k > 0 {
		i -= w.upTo[k-1]
	}
	from := w.rows.From + i*w.o.Stride
	mid, end := from+w.o.Context, from+w.o.Context+w.o.Horizon
	y := w.panel.Series[k].Y
	return Window{Series: k, From: from, Context: y[from:mid:mid], Target: y[mid:end:end]}
}

// DropLast is the number of windows left of n when a last batch that is not full is dropped, as PyTorch's
// drop_last=True does in many published test loops. batch < 1 drops nothing.
func DropLast(n, batch int) int {
	if batch < 1 {
		return n
	}
	return n - n%batch
}
