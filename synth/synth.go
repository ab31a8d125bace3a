// Package synth makes time series out of nothing but a seed, for forecasters that are trained on no real data: sums and
// products of random trends, seasons and noise, as KernelSynth (Chronos, Ansari et al., arXiv 2403.07815, §4.2) and
// ForecastPFN (Dooley et al., arXiv 2311.01933, §4) draw them, state-space processes, counts and intermittent demand.
//
//	s := synth.Generator{Seed: 1}.Series(42, 96) // the 43rd series: 96 values in s.Y
//
// A series is a function of seed, index and length alone: there is no state, so that a training run can be resumed or
// read in any order. The package knows neither windows nor models.
package synth

import (
	"math"
	"math/rand/v2"
)

// Series is one drawn series.
type Series struct {
	Y      []float64 // never NaN nor infinite
	Season int       // steps a season of the pretended calendar: 12 for monthly data; 1: none. Whether Y follows it is chance
	Kind   string    // the process behind it: structural, kernel, state-space, count or intermittent
}

// Generator draws series. The zero value works.
type Generator struct {
	Seed uint64
}

// seasons are the periods of the pretended calendars and how often each is drawn: none (yearly), quarterly, working
// days, six (two-monthly, or watches of four hours), weekly, monthly, hourly, weeks of a year. Monthly data is what
// business keeps most of.
var seasons = []weighted[int]{{12, 34}, {7, 17}, {4, 14}, {1, 9}, {24, 9}, {52, 7}, {5, 5}, {6, 5}}

// Seasons lists the periods that calendars have, rising.
func Seasons() []int { return []int{1, 4, 5, 6, 7, 12, 24, 52} }

// kinds are the processes and how often each is drawn.
var kinds = []weighted[process]{
	{process{"structural", structural}, 36},
	{process{"state-space", stateSpace}, 32},
	{process{"kernel", kernelMix}, 10},
	{process{"count", count}, 18},
	{process{"intermittent", intermittent}, 4},
}

type process struct {
	name string
	draw func(r *source, n, m int) []float64
}

// Series draws series number index with n ≥ 0 values. Another n gives another series, not a longer part of the same.
func (g Generator) Series(index uint64, n int) Series {
	r := newSource(g.Seed, index)
	m := pick(r, seasons)
	p := pick(r, kinds)
	s := Series{Y: p.draw(r, n, m), Season: m, Kind: p.name}
	if p.name != "intermittent" {
		events(r, s.Y)
	}
	if p.name == "count" {
		for t, v := range s.Y { // events add fractions and may cross zero
			s.Y[t] = math.Max(0, math.Round(v))
		}
	}
	tame(s.Y)
	return s
}

// tame ends what has exploded: a product of trends may leave the range in which single precision can standardise it.
func tame(y []float64) {
	const most = 1e9
	for t, v := range y {
		if math.IsNaN(v) {
			v = 0
		}
		y[t] = math.Max(-most, math.Min(most, v))
	}
}

// source is the random stream of one series.
type source struct{ *rand.Rand }

func newSource(seed, index uint64) *source {
	return &source{rand.New(rand.NewPCG(mix(seed), mix(index+0x632be59bd9b4e019)))}
}

// mix is splitmix64's finaliser (Steele, Lea & Flood 2014): neighbouring indices get unrelated streams.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *source) chance(p float64) bool             { return r.Float64() < p }
func (r *source) uniform(lo, hi float64) float64    { return lo + (hi-lo)*r.Float64() }
func (r *source) logUniform(lo, hi float64) float64 { return lo * math.Pow(hi/lo, r.Float64()) }

// gamma draws Gamma(shape, scale 1) (Marsaglia & Tsang 2000).
func (r *source) gamma(shape float64) float64 {
	if shape < 1 {
		return r.gamma(shape+1) * math.Pow(1-r.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if math.Log(1-r.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// poisson draws Poisson(λ): by counting arrivals (Knuth) below 30, above as a rounded normal, whose error is far below
// what a forecaster could learn.
func (r *source) poisson(lambda float64) float64 {
	if lambda >= 30 {
		return math.Max(0, math.Round(lambda+math.Sqrt(lambda)*r.NormFloat64()))
	}
	limit, k := math.Exp(-lambda), 0.0
	for p := r.Float64(); p > limit; p *= r.Float64() {
		k++
	}
	return k
}

// weighted is a thing and its share of draws.
type weighted[T any] struct {
	v T
	w float64
}

func pick[T any](r *source, from []weighted[T]) T {
	sum := 0.0
	for _, f := range from {
		sum += f.w
	}
	u := r.Float64() * sum
	for _, f := range from {
		if u -= f.w; u < 0 {
			return f.v
		}
	}
	return from[len(from)-1].v
}

// standardise gives y mean 0 and deviation 1 (population); a constant becomes 0.
func standardise(y []float64) {
	mean, sq := 0.0, 0.0
	for _, v := range y {
		mean += v / float64(len(y))
	}
	for _, v := range y {
		sq += (v - mean) * (v - mean) / float64(len(y))
	}
	scale := 0.0
	if sq > 1e-18 {
		scale = 1 / math.Sqrt(sq)
	}
	for t := range y {
		y[t] = (y[t] - mean) * scale
	}
}
