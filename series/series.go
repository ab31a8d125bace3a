package series

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Series is one variable observed at equal steps.
type Series struct {
	// ID names the series within its panel; "" for the only one.
	ID string
	// Group is common to the channels of one multivariate series: they have one time axis and one length. "" for none.
	Group string
	// Start is the time of Y[0]. It means nothing when Freq is zero: steps are numbered then.
	Start time.Time
	Freq  Freq
	// Y holds the observations, NaN where one is missing.
	Y []float64
	// Past are covariates known for the observed steps only: each as long as Y.
	Past []Covariate
	// Future are covariates known ahead: each at least as long as Y, what is beyond belongs to the steps to forecast.
	Future []Covariate
	// Static are properties that do not change with time.
	Static []Attribute
	// Horizon is the number of steps the source asks to forecast; 0 where it does not say.
	Horizon int
}

// Covariate is a variable beside the one to forecast, NaN where missing.
type Covariate struct {
	Name   string
	Values []float64
}

// Attribute is a property of a series: a number, or a text with Value NaN.
type Attribute struct {
	Name  string
	Value float64
	Text  string
}

// Panel is a set of series, from one source.
type Panel struct {
	// Name is the source's, for messages.
	Name   string
	Series []Series
	// Notes says in plain words what was decided or repaired on the way: the layout, the frequency, gaps filled.
	Notes []string
}

// Time is the time stamp of step i, which may lie before or beyond the observed steps. With numbered steps it is Start.
func (s *Series) Time(i int) time.Time { return s.Freq.Next(s.Start, i) }

// Times are the stamps of n steps from step from on.
func (s *Series) Times(from, n int) []time.Time {
	out := make([]time.Time, max(n, 0))
	for i := range out {
		out[i] = s.Time(from + i)
	}
	return out
}

// Missing counts the NaN of Y.
func (s *Series) Missing() int {
	n := 0
	for _, v := range s.Y {
		if math.IsNaN(v) {
			n++
		}
	}
	return n
}

// Slice is the part of s from step lo to before hi, as a view: values are shared, Start is moved, future covariates keep
// what they know beyond hi. 0 ≤ lo ≤ hi ≤ len(Y), or it panics as slicing does.
func (s *Series) Slice(lo, hi int) Series {
	out := *s
	out.Start, out.Y = s.Time(lo), s.Y[lo:hi:hi]
	out.Past, out.Future = make([]Covariate, len(s.Past)), make([]Covariate, len(s.Future))
	for i, c := range s.Past {
		out.Past[i] = Covariate{c.Name, c.Values[lo:hi:hi]}
	}
	for i, c := range s.Future {
		out.Future[i] = Covariate{c.Name, c.Values[lo:]}
	}
	return out
}

// Validate reports every covariate whose length does not fit and a series without a value.
func (s *Series) Validate() error {
	var errs []error
	if s.Missing() == len(s.Y) {
		errs = append(errs, fmt.Errorf("series: %s has no value; remove it", s.title()))
	}
	for _, c := range s.Past {
		if len(c.Values) != len(s.Y) {
			errs = append(errs, fmt.Errorf("series: %s: past covariate %q has %d values, want %d", s.title(), c.Name, len(c.Values), len(s.Y)))
		}
	}
	for _, c := range s.Future {
		if len(c.Values) < len(s.Y) {
			errs = append(errs, fmt.Errorf("series: %s: future covariate %q has %d values, want at least %d", s.title(), c.Name, len(c.Values), len(s.Y)))
		}
	}
	return errors.Join(errs...)
}

func (s *Series) title() string {
	if s.ID == "" {
		return "the series"
	}
	return fmt.Sprintf("series %q", clipText(s.ID))
}

// Find is the series with that id, or nil.
func (p *Panel) Find(id string) *Series {
	for i := range p.Series {
		if p.Series[i].ID == id {
			return &p.Series[i]
		}
	}
	return nil
}

// Groups lists the positions of the series that are channels of one multivariate series, in order of first appearance;
// a series without a group is alone.
func (p *Panel) Groups() [][]int {
	var out [][]int
	at := map[string]int{}
	for i, s := range p.Series {
		k, known := at[s.Group]
		if s.Group == "" || !known {
			at[s.Group] = len(out)
			out = append(out, []int{i})
			continue
		}
		out[k] = append(out[k], i)
	}
	return out
}
