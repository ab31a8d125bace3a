package synth

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func Example() {
	g := Generator{Seed: 1}
	a, b := g.Series(42, 96), g.Series(42, 96)
	fmt.Println(len(a.Y), slices.Equal(a.Y, b.Y), slices.Equal(a.Y, g.Series(43, 96).Y))
	// Output: 96 true false
}

// TestDeterminism: what a series is does not depend on what was drawn before, nor on the generator asked.
func TestDeterminism(t *testing.T) {
	want := map[uint64]Series{}
	for i := range uint64(300) {
		want[i] = Generator{Seed: 9}.Series(i, 60)
	}
	for i := 299; i >= 0; i-- {
		got := Generator{Seed: 9}.Series(uint64(i), 60)
		if w := want[uint64(i)]; !slices.Equal(got.Y, w.Y) || got.Season != w.Season || got.Kind != w.Kind {
			t.Fatalf("series %d differs when drawn again", i)
		}
		if other := (Generator{Seed: 10}).Series(uint64(i), 60); slices.Equal(other.Y, want[uint64(i)].Y) && !constant(other.Y) {
			t.Fatalf("series %d is the same for another seed", i)
		}
	}
}

func constant(y []float64) bool { return slices.Min(y) == slices.Max(y) }

// TestSeries: every length works, every value is a number, every kind and season is drawn about as often as its weight says.
func TestSeries(t *testing.T) {
	const n = 20000
	seen, kind := map[int]int{}, map[string]int{}
	for i := range uint64(n) {
		length := int(i % 150)
		s := Generator{Seed: 3}.Series(i, length)
		if len(s.Y) != length {
			t.Fatalf("series %d has %d values, want %d", i, len(s.Y), length)
		}
		for _, v := range s.Y {
			if math.IsNaN(v) || math.Abs(v) > 1e9 {
				t.Fatalf("series %d (%s) holds %v", i, s.Kind, v)
			}
			if (s.Kind == "count" || s.Kind == "intermittent") && (v < 0 || v != math.Trunc(v)) {
				t.Fatalf("series %d (%s) holds %v, no count", i, s.Kind, v)
			}
		}
		seen[s.Season]++
		kind[s.Kind]++
	}
	check := func(what string, got int, weight, total float64) {
		p := weight / total
		// Five deviations of a binomial: one false alarm in two million.
		if d := math.Abs(float64(got) - n*p); d > 5*math.Sqrt(n*p*(1-p)) {
			t.Errorf("%s drawn %d times of %d, weight %g of %g", what, got, n, weight, total)
		}
	}
	total := 0.0
	for _, s := range seasons {
		total += s.w
	}
	for _, s := range seasons {
		check(fmt.Sprint("season ", s.v), seen[s.v], s.w, total)
		if !slices.Contains(Seasons(), s.v) {
			t.Errorf("Seasons lacks %d", s.v)
		}
	}
	total = 0
	for _, k := range kinds {
		total += k.w
	}
	for _, k := range kinds {
		check(k.v.name, kind[k.v.name], k.w, total)
	}
}

// moments over many draws from one stream.
func moments(n int, draw func() float64) (mean, variance float64) {
	var s, q float64
	for range n {
		v := draw()
		s += v
		q += v * v
	}
	s /= float64(n)
	return s, q/float64(n) - s*s
}

// TestMoments: Gamma(a) has mean a and variance a, Poisson(λ) both λ; within six standard errors. The variance's own
// error follows from the fourth central moment: 3a² + 6a for the gamma, λ + 3λ² for the Poisson.
func TestMoments(t *testing.T) {
	r := newSource(1, 1)
	const n = 200000
	check := func(name string, at, fourth float64, draw func() float64) {
		mean, variance := moments(n, draw)
		if d := math.Abs(mean - at); d > 6*math.Sqrt(at/n) {
			t.Errorf("%s: mean %v, want %v", name, mean, at)
		}
		// 1/12 where a normal is rounded.
		if d := math.Abs(variance - at); d > 6*math.Sqrt((fourth-at*at)/n)+1.0/12 {
			t.Errorf("%s: variance %v, want %v", name, variance, at)
		}
	}
	for _, a := range []float64{0.3, 1, 2.5, 40} {
		check(fmt.Sprintf("gamma(%g)", a), a, 3*a*a+6*a, func() float64 { return r.gamma(a) })
	}
	for _, l := range []float64{0.2, 3, 29.5, 31, 500} {
		check(fmt.Sprintf("poisson(%g)", l), l, l+3*l*l, func() float64 { return r.poisson(l) })
	}
}

// TestNoise: each kind of noise has mean 0 and deviation 1 over many paths. The steps of a path depend on each other, so
// one value of each path is taken.
func TestNoise(t *testing.T) {
	const n = 40000
	for name, f := range map[string]func(*source, []float64){"white": white, "heavy": heavy, "arma": arma, "cycle": cycle} {
		i := uint64(0)
		mean, variance := moments(n, func() float64 {
			i++
			y := make([]float64, 3)
			f(newSource(5, i), y)
			return y[2]
		})
		// Six standard errors of a mean; the variance is that of heavy tails and of processes that begin at rest and
		// have not quite reached their law (cycle, arma near a unit root), hence a tenth.
		if math.Abs(mean) > 6/math.Sqrt(n) || math.Abs(variance-1) > 0.1 {
			t.Errorf("%s: mean %v, variance %v", name, mean, variance)
		}
	}
}

// TestProfile: a season has mean 0, deviation 1 and comes again; a period of 1 gives nothing.
func TestProfile(t *testing.T) {
	for i := range uint64(500) {
		r := newSource(2, i)
		m := 2 + int(i%60)
		p := profile(r, m)
		mean, sq := 0.0, 0.0
		for _, v := range p {
			mean += v / float64(m)
			sq += v * v / float64(m)
		}
		if math.Abs(mean) > 1e-9 || math.Abs(sq-1) > 1e-9 { // rounding of at most 61 terms
			t.Fatalf("profile %d of %d: mean %v, mean square %v", i, m, mean, sq)
		}
		for _, v := range season(r, 30, 1) {
			if v != 0 {
				t.Fatal("a period of 1 has a season")
			}
		}
	}
}

// TestTrend: trends are flat or have deviation 1.
func TestTrend(t *testing.T) {
	for i := range uint64(1000) {
		mean, variance := 0.0, 0.0
		y := trend(newSource(4, i), 80)
		for _, v := range y {
			mean += v / 80
			variance += v * v / 80
		}
		if flat := constant(y); math.Abs(mean) > 1e-9 || (!flat && math.Abs(variance-1) > 1e-9) {
			t.Fatalf("trend %d: mean %v, variance %v", i, mean, variance)
		}
	}
}

func BenchmarkSeries(b *testing.B) {
	for i := range b.N {
		Generator{}.Series(uint64(i), 144)
	}
}
