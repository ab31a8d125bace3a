package metric_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/hanji-ml/hanji/metric"
)

var nan = math.NaN()

func TestRules(t *testing.T) {
	inf := math.Inf(1)
	constant := []float64{4, 4, 4, 4}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"nothing observed", metric.MSE([]float64{nan, nan}, []float64{1, 2}), nan},
		{"no steps", metric.MAE(nil, nil), nan},
		{"missing target is skipped", metric.MAE([]float64{1, nan, 3}, []float64{2, 9, 3}), 0.5},
		{"missing forecast spoils", metric.RMSE([]float64{1, 2}, []float64{1, nan}), nan},
		{"missing forecast at a missing target does not", metric.MAE([]float64{1, nan}, []float64{2, nan}), 1},
		{"missing quantile spoils coverage", metric.Below([]float64{1, 2}, []float64{1, nan}), nan},
		{"missing quantile spoils pinball", metric.Pinball([]float64{1}, []float64{nan}, 0.5), nan},
		{"missing bound spoils Winkler", metric.Winkler([]float64{1}, []float64{nan}, []float64{2}, 0.1), nan},
		{"bias has a sign", metric.Bias([]float64{1, 2}, []float64{0, 1}), -1},
		{"ND of zeros", metric.ND([]float64{0}, []float64{1}), inf},
		{"ND of zeros hit", metric.ND([]float64{0}, []float64{0}), nan},
		{"NRMSE", metric.NRMSE([]float64{2, -2}, []float64{3, -3}), 0.5},
		{"MAPE skips zeros", metric.MAPE([]float64{0, 10}, []float64{5, 11}), 0.1},
		{"sMAPE percent", metric.SMAPE([]float64{0, 1, 0}, []float64{1, 1, 0}, metric.SMAPEPercent), 100},
		{"sMAPE unit counts 0/0", metric.SMAPE([]float64{0, 1, 0, 1}, []float64{1, 1, 0, 1}, metric.SMAPEUnit), 0.25},
		{"MASE constant history", metric.MASE([]float64{5}, []float64{4}, constant, 1), inf},
		{"MASE constant history hit", metric.MASE([]float64{4}, []float64{4}, constant, 1), nan},
		{"MASE falls back to lag 1", metric.MASE([]float64{5}, []float64{4}, []float64{1, 3, 5}, 12), 0.5},
		{"MASE without history", metric.MASE([]float64{5}, []float64{4}, []float64{1}, 1), nan},
		{"lag pairs with a gap are skipped", metric.NaiveMAE([]float64{1, nan, 3, 5, 8}, 1), 2.5},
		{"RMSSE", metric.RMSSE([]float64{5}, []float64{3}, []float64{0, 1, 0}, 1), 2},
		{"Winkler below", metric.Winkler([]float64{0}, []float64{1}, []float64{2}, 0.5), 5},
		{"Winkler bad alpha", metric.Winkler([]float64{0}, []float64{1}, []float64{2}, 0), nan},
		{"coverage has both ends", metric.Coverage([]float64{1, 2, 3, nan}, []float64{1, 3, 0, 0}, []float64{1, 4, 3, 0}), 2. / 3},
		{"width counts unobserved steps", metric.Width([]float64{0, 1}, []float64{1, 4}), 2},
		{"tweedie refuses a negative outcome", metric.TweedieDeviance([]float64{-1}, []float64{1}, 1.5), nan},
		{"tweedie at the mean", metric.TweedieDeviance([]float64{2}, []float64{2}, 1.5), 0},
		{"CRPS of a point", metric.CRPSNormal(3, 1, 0), 2},
		{"CRPS of one sample", metric.CRPSSamples(3, []float64{1}), 2},
		{"fair CRPS needs two", metric.CRPSSamplesFair(3, []float64{1}), nan},
		{"CRPS of nothing", metric.CRPSSamples(3, nil), nan},
		{"CRPS Cauchy", metric.CRPSStudentT(0, 0, 1, 1), nan},
		{"quantile above", metric.SampleQuantile([]float64{1, 2, 3}, 7), 3},
		{"MeanDefined", metric.MeanDefined([]float64{nan, 1, 3}), 2},
	} {
		// 1e-15: a handful of additions of numbers near one
		if !(math.Abs(c.got-c.want) <= 1e-15 || c.got == c.want || math.IsNaN(c.got) && math.IsNaN(c.want)) {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestShapeError(t *testing.T) {
	defer func() {
		var e metric.ShapeError
		err, _ := recover().(error)
		if !errors.As(err, &e) || e.Func != "MAE" || e.Got != 1 || e.Want != 2 {
			t.Errorf("panic %v, want a ShapeError of MAE, 1 and 2", err)
		}
	}()
	metric.MAE([]float64{1, 2}, []float64{1})
}

// TestCRPSClosedForms compares the closed forms with the integral that defines the score.
func TestCRPSClosedForms(t *testing.T) {
	integral := func(y float64, cdf func(float64) float64) float64 {
		const step, reach = 1e-3, 400.0
		s := 0.0
		for x := y - reach; x < y+reach; x += step {
			mid, hit := x+step/2, 0.0
			if mid >= y {
				hit = 1
			}
			s += (cdf(mid) - hit) * (cdf(mid) - hit) * step
		}
		return s
	}
	n := distuv.Normal{Mu: 0.5, Sigma: 2}
	student := distuv.StudentsT{Mu: 0.5, Sigma: 2, Nu: 4}
	for _, y := range []float64{-3, 0.5, 4} {
		// 1e-5: the midpoint rule at step 1e-3 with a jump of the integrand at y
		if got, want := metric.CRPSNormal(y, 0.5, 2), integral(y, n.CDF); math.Abs(got-want) > 1e-5 {
			t.Errorf("normal at %v: %v, integral %v", y, got, want)
		}
		if got, want := metric.CRPSStudentT(y, 0.5, 2, 4), integral(y, student.CDF); math.Abs(got-want) > 1e-5 {
			t.Errorf("student at %v: %v, integral %v", y, got, want)
		}
	}
}

// TestCRPSAgree checks that samples and quantiles of a normal distribution approach its closed form.
func TestCRPSAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 20000
	draws, f, qs := make([]float64, n), make([]float64, 999), make([]float64, 999)
	for i := range draws {
		draws[i] = 1 + 2*r.NormFloat64()
	}
	dist := distuv.Normal{Mu: 1, Sigma: 2}
	for i := range qs {
		qs[i] = float64(i+1) / 1000
		f[i] = dist.Quantile(qs[i])
	}
	want := metric.CRPSNormal(2, 1, 2)
	if got := metric.CRPSSamples(2, draws); math.Abs(got-want) > 0.03 { // 2/√n·2: the Monte Carlo error
		t.Errorf("samples %v, want %v", got, want)
	}
	if got := metric.CRPSQuantiles(2, f, qs); math.Abs(got-want) > 5e-3 { // the tails beyond the last level
		t.Errorf("quantiles %v, want %v", got, want)
	}
}

// TestInvariance holds what must not change a score: the order of steps, the unit of a scaled error.
func TestInvariance(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	y, f, train := make([]float64, 20), make([]float64, 20), make([]float64, 60)
	for _, v := range [][]float64{y, f, train} {
		for i := range v {
			v[i] = 5 + r.NormFloat64()
		}
	}
	scaled := func(v []float64) []float64 {
		out := make([]float64, len(v))
		for i := range v {
			out[i] = 8 * v[i] // a power of two: no rounding
		}
		return out
	}
	if a, b := metric.MASE(y, f, train, 12), metric.MASE(scaled(y), scaled(f), scaled(train), 12); a != b {
		t.Errorf("MASE depends on the unit: %v, %v", a, b)
	}
	if a, b := metric.WQL(y, f, 0.3), metric.WQL(scaled(y), scaled(f), 0.3); a != b {
		t.Errorf("WQL depends on the unit: %v, %v", a, b)
	}
	before := metric.RMSE(y, f)
	for i, j := range r.Perm(len(y)) {
		y[i], y[j], f[i], f[j] = y[j], y[i], f[j], f[i]
	}
	if after := metric.RMSE(y, f); math.Abs(after-before) > 1e-14 { // another order of adding
		t.Errorf("RMSE depends on the order: %v, %v", before, after)
	}
}
