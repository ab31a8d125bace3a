package series

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func ExampleRegress() {
	promotion := []float64{0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0}
	sold := []float64{10, 11, 31, 9, 30, 10, 10, 29, 11, 9, 30, 10}
	r, err := Regress(sold, [][]float64{promotion}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("a promotion sells %.0f more\n", r.Coefficients[0])
	fmt.Printf("%.1f\n", r.Effect([][]float64{{0, 1}}))
	// Output:
	// a promotion sells 20 more
	// [0.0 20.0]
}

// The effects that a series was made with come back: beside a random walk, a season, a trend of their own.
func TestRegressFindsEffects(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const n, m = 240, 12
	price, promotion := make([]float64, n), make([]float64, n)
	y, level := make([]float64, n), 100.0
	for t := range n {
		price[t] = 20 + 0.05*float64(t) + rng.NormFloat64() // rises as the walk may
		if rng.IntN(6) == 0 {
			promotion[t] = 1
		}
		level += 0.3 * rng.NormFloat64()
		y[t] = level + 10*math.Sin(2*math.Pi*float64(t)/m) - 3*price[t] + 25*promotion[t] + rng.NormFloat64()
	}
	r, err := Regress(y, [][]float64{price, promotion}, m)
	if err != nil {
		t.Fatal(err)
	}
	for j, want := range []float64{-3, 25} {
		// Errors of the differenced regression have deviation below 2; price varies by 1.4, promotion by 0.5.
		if got := r.Coefficients[j]; math.Abs(got-want) > 4*2/(0.5*math.Sqrt(n)) {
			t.Errorf("effect %d: %v, want %v (%d, %d differences)", j, got, want, r.Differences, r.SeasonalDifferences)
		}
	}
	rest := r.Rest(y, [][]float64{price, promotion})
	for t2, e := range r.Effect([][]float64{price, promotion}) {
		if math.Abs(rest[t2]+e-y[t2]) > 1e-9 {
			t.Fatalf("rest and effect of step %d make %v, want %v", t2, rest[t2]+e, y[t2])
		}
	}
}

// Variables without an effect of their own get none: constant ones, copies, sums of others.
func TestRegressLeavesOutWhatCannotBeTold(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	a, flat, twice, y := make([]float64, 60), make([]float64, 60), make([]float64, 60), make([]float64, 60)
	for i := range a {
		a[i], flat[i] = rng.NormFloat64(), 7
		twice[i] = 2 * a[i]
		y[i] = 5*a[i] + 0.01*rng.NormFloat64()
	}
	r, err := Regress(y, [][]float64{flat, a, twice}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Coefficients; c[0] != 0 || math.Abs(c[1]-5) > 0.02 || c[2] != 0 {
		t.Errorf("coefficients %v", c)
	}
}

func TestRegressRefuses(t *testing.T) {
	y := []float64{1, 2, 3, 4}
	for want, x := range map[string][][]float64{
		"variable 1 has 2 values, want 4": {{1, 2}},
		"variable 2, point 3 is NaN":      {{1, 2, 3, 4}, {1, 2, math.NaN(), 4}},
		"want at least 6":                 {{1, 5, 2, 4}, {3, 1, 2, 2}},
	} {
		if _, err := Regress(y, x, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
