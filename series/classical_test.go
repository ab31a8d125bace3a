package series

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// allMethods is the examination every classical method sits.
func allMethods() []Method {
	return []Method{
		Naive{}, SeasonalNaive{}, Drift{}, HistoricMean{}, WindowAverage{}, SES{}, SES{EstimateLevel: true}, SES{Alpha: 0.3},
		Theta{}, Theta{Variant: ThetaOptimised}, Theta{Variant: ThetaDynamic}, Theta{Variant: ThetaDynamicOptimised}, Theta{Variant: ThetaTwoStep},
		HoltWinters{}, HoltWinters{Damped: true}, HoltWinters{Multiplicative: true}, HoltWinters{NoSeason: true},
		ETS{}, ETS{Model: "AAdA"}, ETS{Model: "MZM", MultiplicativeTrend: true}, ETS{Region: ETSBox},
		ARIMA{}, AR{}, AR{Trend: true, Seasonal: true}, Combination{}, Combination{Rule: CombineMedian}, Conformal{Method: Theta{}, Windows: 4},
	}
}

// wave is a positive monthly-looking series with trend, season and noise.
func wave(n int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	y := make([]float64, n)
	for t := range y {
		y[t] = 100 + 0.5*float64(t) + 15*math.Sin(2*math.Pi*float64(t)/12) + 4*r.NormFloat64()
	}
	return y
}

// Whatever the series, a fit gives finite forecasts, residuals as long as the series and rising quantiles, or an error.
func TestMethodsTakeAnySeries(t *testing.T) {
	short := map[string][]float64{
		"one": {3}, "two": {3, 5}, "two equal": {3, 3}, "three": {1, 4, 2}, "four": {1, 4, 2, 8}, "five": {5, 4, 3, 2, 1},
		"zeros": make([]float64, 30), "constant": slices.Repeat([]float64{7}, 40), "step": append(make([]float64, 20), slices.Repeat([]float64{5}, 20)...),
		"negative": {-5, -3, -8, -1, -4, -6, -2, -9, -3, -7, -5, -4, -6}, "line": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26},
		"huge": {1e300, 2e300, 1.5e300, 1e300, 2e300, 1.2e300, 1e300, 1.1e300}, "tiny": {1e-300, 2e-300, 1e-300, 3e-300, 1e-300, 1.5e-300},
		"alternating": {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, "periodic": slices.Repeat([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 4),
		"sparse": {0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 1, 0}, "wave": wave(50, 1), "23": wave(23, 2),
	}
	for _, method := range allMethods() {
		for name, y := range short {
			for _, m := range []int{0, 2, 7, 12, 24, 48} {
				keep := slices.Clone(y)
				f, err := method.Fit(y, m)
				if err != nil {
					t.Errorf("%s, %s, season %d: %v", method.Name(), name, m, err)
					continue
				}
				if !slices.Equal(keep, y) {
					t.Fatalf("%s wrote to its input", method.Name())
				}
				if len(f.Residuals()) != len(y) {
					t.Errorf("%s, %s: %d residuals for %d points", method.Name(), name, len(f.Residuals()), len(y))
				}
				got := f.Forecast(14)
				low, high := got.Quantile(0.1), got.Quantile(0.9)
				for k, v := range got.Mean {
					if name == "huge" { // squares of 1e300 overflow: only the point forecast of closed forms can hold
						continue
					}
					if math.IsNaN(v) || math.IsInf(v, 0) || math.IsNaN(got.Sigma[k]) || got.Sigma[k] < 0 || !(low[k] <= high[k]) {
						t.Errorf("%s, %s, season %d, step %d: mean %v sigma %v quantiles %v %v", method.Name(), name, m, k+1, v, got.Sigma[k], low[k], high[k])
						break
					}
				}
				if len(f.Forecast(0).Mean) != 0 || len(f.Forecast(-3).Mean) != 0 {
					t.Errorf("%s: a horizon of 0 must be empty", method.Name())
				}
			}
		}
	}
}

func TestMethodsRefuse(t *testing.T) {
	for _, method := range allMethods() {
		for _, y := range [][]float64{{1, math.NaN(), 3}, {1, 2, math.Inf(1)}} {
			if _, err := method.Fit(y, 1); !errors.Is(err, ErrMissing) {
				t.Errorf("%s: %v for %v, want ErrMissing", method.Name(), err, y)
			}
		}
		if _, err := method.Fit(nil, 1); err == nil {
			t.Errorf("%s: no error for an empty series", method.Name())
		}
		if _, err := method.Fit([]float64{1, 2, 3}, -1); err == nil {
			t.Errorf("%s: no error for season -1", method.Name())
		}
	}
	for _, model := range []string{"X", "AN", "ZZZZ", "ANdN", "AMM", "ANM", "dAAN"} {
		if _, err := (ETS{Model: model}).Fit(wave(40, 3), 12); err == nil {
			t.Errorf("ETS model %q: no error", model)
		}
	}
}

// A constant series is continued as it is, exactly.
func TestConstantStaysConstant(t *testing.T) {
	y := slices.Repeat([]float64{42.5}, 40)
	for _, method := range allMethods() {
		f, err := method.Fit(y, 12)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range f.Forecast(15).Mean {
			if v != 42.5 {
				t.Errorf("%s: step %d of a constant 42.5 is %v", method.Name(), k+1, v)
			}
		}
	}
}

// Multiplying the series by 2ᵏ multiplies every forecast by 2ᵏ: exact in floating point, so the searches take the same path.
func TestScaleEquivariance(t *testing.T) {
	methods := []Method{Naive{}, Drift{}, SES{}, SES{EstimateLevel: true}, Theta{}, Theta{Variant: ThetaOptimised}, Theta{Variant: ThetaDynamicOptimised},
		ETS{Model: "ANN"}, ETS{Model: "AAdA"}, ETS{Model: "MAM"}, HoltWinters{Damped: true}, AR{}}
	y := wave(72, 4)
	big := make([]float64, len(y))
	for i, v := range y {
		big[i] = 1024 * v
	}
	for _, method := range methods {
		a, b := mustFit(t, method, y), mustFit(t, method, big)
		for k := range a.Mean {
			// 1e-9: sums of logarithms move the last bits of a likelihood, and a search stops on them
			if d := math.Abs(b.Mean[k]/1024 - a.Mean[k]); d > 1e-9*math.Abs(a.Mean[k]) {
				t.Errorf("%s: step %d: %v, scaled back %v", method.Name(), k+1, a.Mean[k], b.Mean[k]/1024)
			}
			if d := math.Abs(b.Sigma[k]/1024 - a.Sigma[k]); d > 1e-9*a.Sigma[k] {
				t.Errorf("%s: step %d: sigma %v, scaled back %v", method.Name(), k+1, a.Sigma[k], b.Sigma[k]/1024)
			}
		}
	}
}

// Adding a constant adds it to the forecasts of methods without factors.
func TestShiftEquivariance(t *testing.T) {
	methods := []Method{Naive{}, Drift{}, SES{}, SES{EstimateLevel: true}, Theta{Additive: true}, HoltWinters{}, AR{}, ARIMA{}}
	y := wave(72, 5)
	up := make([]float64, len(y))
	for i, v := range y {
		up[i] = v + 1000
	}
	for _, method := range methods {
		a, b := mustFit(t, method, y), mustFit(t, method, up)
		for k := range a.Mean {
			// 1e-4 of the noise (4): searches end within about √ε·1000 of each other
			if math.Abs(b.Mean[k]-1000-a.Mean[k]) > 4e-4 {
				t.Errorf("%s: step %d: %v, shifted back %v", method.Name(), k+1, a.Mean[k], b.Mean[k]-1000)
			}
		}
	}
}

func mustFit(t *testing.T, method Method, y []float64) Forecast {
	t.Helper()
	f, err := method.Fit(y, 12)
	if err != nil {
		t.Fatalf("%s: %v", method.Name(), err)
	}
	return f.Forecast(12)
}

// On series drawn from a model, its 80 % intervals cover about 80 %.
func TestCoverage(t *testing.T) {
	draw := map[string]func(r *rand.Rand, n int) []float64{
		"level": func(r *rand.Rand, n int) []float64 { // ETS(A,N,N), α = 0.3
			y, l := make([]float64, n), 50.0
			for i := range y {
				e := 5 * r.NormFloat64()
				y[i] = l + e
				l += 0.3 * e
			}
			return y
		},
		"ar": func(r *rand.Rand, n int) []float64 { // AR(1), φ = 0.7
			y, x := make([]float64, n), 0.0
			for i := range y {
				x = 0.7*x + r.NormFloat64()
				y[i] = 10 + x
			}
			return y
		},
		"season": func(r *rand.Rand, n int) []float64 { // multiplicative season and error
			y := make([]float64, n)
			for i := range y {
				y[i] = 200 * (1 + 0.3*math.Sin(math.Pi*float64(i)/6)) * (1 + 0.05*r.NormFloat64())
			}
			return y
		},
	}
	cases := []struct {
		series string
		method Method
		n      int
	}{
		{"level", SES{}, 100}, {"level", ETS{Model: "ANN"}, 100}, {"level", Theta{}, 100}, {"level", Theta{Variant: ThetaDynamic}, 100},
		{"level", Conformal{Method: SES{}, Windows: 40}, 100}, {"level", ETS{Model: "MNN"}, 100},
		{"ar", AR{Lags: []int{1}}, 100}, {"ar", ARIMA{}, 100}, {"season", ETS{Model: "MNM"}, 96}, {"season", ETS{}, 96},
	}
	const h = 8
	for _, c := range cases {
		t.Run(c.series+"/"+c.method.Name(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 7))
			hits, all := 0, 0
			for range 60 {
				y := draw[c.series](r, c.n+h)
				f, err := c.method.Fit(y[:c.n], 12)
				if err != nil {
					t.Fatal(err)
				}
				got := f.Forecast(h)
				low, high := got.Quantile(0.1), got.Quantile(0.9)
				for k := range h {
					all++
					if low[k] <= y[c.n+k] && y[c.n+k] <= high[k] {
						hits++
					}
				}
			}
			cover := float64(hits) / float64(all)
			t.Logf("%.3f", cover)
			// 60 series whose steps go together: a standard error of up to 0.05, and estimates make intervals a little narrow
			if cover < 0.67 || cover > 0.93 {
				t.Errorf("80 %% intervals cover %.1f %%", 100*cover)
			}
		})
	}
}

// The same series gives the same bits, simulated intervals included.
func TestForecastsAreReproducible(t *testing.T) {
	y := wave(60, 9)
	for _, method := range []Method{ETS{Model: "MAM"}, Theta{Variant: ThetaDynamicOptimised}, Conformal{Method: SES{}}} {
		a, b := mustFit(t, method, y), mustFit(t, method, y)
		if !slices.Equal(a.Mean, b.Mean) || !slices.Equal(a.Quantile(0.05), b.Quantile(0.05)) {
			t.Errorf("%s: two fits differ", method.Name())
		}
	}
}

// Closed-form variances agree with simulation: 2,000 paths know a standard deviation to 1.6 %, so 6.5 % is four errors.
func TestETSVariancesAgreeWithSimulation(t *testing.T) {
	y := wave(72, 11)
	for _, model := range []string{"ANN", "AAN", "AAdN", "ANA", "AAA", "AAdA", "MNN", "MAN", "MAdN", "MNA", "MAA", "MAdA"} {
		f, err := ETS{Model: model}.Fit(y, 12)
		if err != nil {
			t.Fatal(err)
		}
		e := f.(*ETSFit)
		const h = 30
		want := e.Forecast(h).Sigma
		draws := make([][]float64, paths)
		sd := math.Sqrt(e.Sigma2)
		for i := range draws {
			draws[i] = make([]float64, h)
			e.path(draws[i], func(k int) float64 { return sd * gaussian(3, uint64(i), uint64(k)) })
		}
		got := fromPaths(e.Forecast(h).Mean, draws).Sigma
		for k := range want {
			if math.Abs(got[k]-want[k]) > 0.065*want[k] {
				t.Errorf("%s step %d: closed form %v, simulated %v", model, k+1, want[k], got[k])
			}
		}
	}
}

// The likelihood by Chandrasekhar's recursions is that of the multivariate normal distribution.
func TestARIMALikelihoodAgainstDense(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := make([]float64, 40)
	for i := range w {
		w[i] = r.NormFloat64()
		if i > 0 {
			w[i] += 0.5 * w[i-1]
		}
	}
	for _, o := range []arimaOrder{{p: 1}, {q: 1}, {p: 2, q: 2}, {p: 1, sp: 1}, {q: 1, sq: 1}, {p: 1, q: 2, sp: 1, sq: 1}, {p: 3, sp: 2}} {
		a := newARIMAWork(w, 4)
		a.order = o
		x := make([]float64, o.p+o.q+o.sp+o.sq)
		for i := range x {
			x[i] = 0.4 * r.NormFloat64()
		}
		got := a.likelihood(x)
		a.expand(x, true)
		want := denseLikelihood(w, a.phi, a.theta)
		if math.Abs(got-want) > 1e-9*math.Abs(want) { // both solve the same equations in float64, r ≤ 12
			t.Errorf("%+v: %v, dense %v", o, got, want)
		}
	}
}

// denseLikelihood factors the whole covariance matrix; autocovariances by summing 4,000 squared weights.
func denseLikelihood(w, phi, theta []float64) float64 {
	const terms = 4000
	n := len(w)
	psi := make([]float64, terms+n)
	for j := range psi {
		switch {
		case j == 0:
			psi[j] = 1
		case j <= len(theta):
			psi[j] = theta[j-1]
		}
		for i, f := range phi {
			if j-i-1 >= 0 {
				psi[j] += f * psi[j-i-1]
			}
		}
	}
	gamma := make([]float64, n)
	for k := range gamma {
		for j := range terms {
			gamma[k] += psi[j] * psi[j+k]
		}
	}
	l, z := make([][]float64, n), make([]float64, n)
	ssq, logs := 0.0, 0.0
	for i := range n { // Cholesky: L·Lᵀ = Γ, z = L⁻¹w
		l[i] = make([]float64, i+1)
		s := w[i]
		for j := range i + 1 {
			v := gamma[i-j]
			for k := range j {
				v -= l[i][k] * l[j][k]
			}
			if j < i {
				l[i][j] = v / l[j][j]
				s -= l[i][j] * z[j]
			} else {
				l[i][i] = math.Sqrt(v)
			}
		}
		z[i] = s / l[i][i]
		ssq += z[i] * z[i]
		logs += 2 * math.Log(l[i][i])
	}
	return 0.5 * (math.Log(ssq/float64(n)) + logs/float64(n))
}

func TestETSObjectiveAllocatesNothing(t *testing.T) {
	w := &etsWork{y: wave(72, 1), nm: nelderMead{maxIter: 1, step: 0.1}, shape: etsShape{'M', 'A', 'M', true}, m: 12, mostBeta: 1, mostGamma: 1}
	w.start()
	if n := testing.AllocsPerRun(100, func() { w.objective(w.x) }); n != 0 {
		t.Errorf("%v allocations in one likelihood", n)
	}
}

func TestSTL(t *testing.T) {
	n, m := 72, 12
	y := make([]float64, n)
	for i := range y {
		y[i] = 10 + 0.3*float64(i) + 5*math.Cos(2*math.Pi*float64(i)/float64(m))
	}
	season, trend := stl(y, m)
	for i := range y {
		// a line plus an exactly repeated season is what STL reproduces: season and trend to the last digits
		if math.Abs(season[i]-5*math.Cos(2*math.Pi*float64(i)/12)) > 0.02 || math.Abs(season[i]+trend[i]-y[i]) > 0.02 {
			t.Fatalf("step %d: season %v trend %v of %v", i, season[i], trend[i], y[i])
		}
	}
	if s := seasonalStrength(y, m); s < 0.99 {
		t.Errorf("strength %v of a pure season", s)
	}
}

func BenchmarkFit(b *testing.B) {
	y := wave(120, 1)
	for _, method := range []Method{SES{}, Theta{}, Theta{Variant: ThetaDynamicOptimised}, HoltWinters{Damped: true}, ETS{}, ETS{Region: ETSBox}, ARIMA{}, AR{}} {
		b.Run(method.Name()+"/120", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := method.Fit(y, 12); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
