package series

import (
	"math"
	"testing"
)

// said is a method that says the same whatever it sees.
type said struct{ mean, sigma float64 }

func (s said) Name() string { return "said" }

func (s said) Fit(y []float64, _ int) (Fitted, error) {
	return &fit{resid: make([]float64, len(y)), mean: func(int) float64 { return s.mean }, sigma: func(int) float64 { return s.sigma }}, nil
}

// The variance of a mixture: AirPassengers at 24 steps, where a damped and an undamped trend part by more than either
// doubts, was once covered to 21 % by an interval of 80 %.
func TestCombinationDoubtsWhereMembersDisagree(t *testing.T) {
	for _, c := range []struct {
		members []Method
		want    float64
	}{
		{[]Method{said{5, 2}, said{5, 2}}, 2},
		{[]Method{said{0, 1}, said{10, 1}}, math.Sqrt(26)},
		{[]Method{said{0, 0}, said{6, 0}, said{0, 0}}, math.Sqrt(8)},
	} {
		fitted, err := Combination{Methods: c.members, Rule: CombineMean}.Fit([]float64{1, 2, 3, 4}, 1)
		if err != nil {
			t.Fatal(err)
		}
		for k, got := range fitted.Forecast(3).Sigma {
			if math.Abs(got-c.want) > 1e-12 {
				t.Errorf("%v step %d: sigma %v, want %v", c.members, k+1, got, c.want)
			}
		}
	}
}
