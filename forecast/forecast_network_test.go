package forecast

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/ttm"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/tensor"
)

// fake repeats the last value plus one each step; channel c of a mixing one adds what is known ahead of the last channel.
type fake struct {
	spec model.Spec
	seen *[]model.Window
}

func (f fake) Spec() model.Spec { return f.spec }

func (f fake) Forecast(ctx *tensor.Ctx, w model.Window) model.Forecast {
	if f.seen != nil {
		*f.seen = append(*f.seen, w)
	}
	B, T, C := w.Past.Dim(0), w.Past.Dim(1), w.Past.Dim(2)
	targets := f.spec.Targets
	if targets == nil {
		for c := range C {
			targets = append(targets, c)
		}
	}
	G, H, Q := len(targets), f.spec.Horizon, len(f.spec.Quantiles)
	past := w.Past.Read()
	mean, quantiles := make([]float32, B*H*G), make([]float32, B*H*G*Q)
	for b := range B {
		for k := range H {
			for g, c := range targets {
				at := (b*H+k)*G + g
				mean[at] = past[(b*T+T-1)*C+c] + float32(k+1)
				if w.Future != nil {
					mean[at] += w.Future.Read()[(b*H+k)*C+C-1]
				}
				for q, level := range f.spec.Quantiles {
					quantiles[at*Q+q] = mean[at] + float32(20*(level-0.5))
				}
			}
		}
	}
	out := model.Forecast{Mean: ctx.F32s(mean, B, H, G)}
	if Q > 0 {
		out.Quantiles = ctx.F32s(quantiles, B, H, G, Q)
	}
	return out
}

// Horizons beyond the model's go on from its own forecast, and their intervals grow.
func TestNetworkRolls(t *testing.T) {
	p := monthly(1, 40)
	f := fake{spec: model.Spec{Family: "fake", Context: 16, Horizon: 3, Quantiles: []float64{0.1, 0.5, 0.9}}}
	s := run(t, p, Options{Forecaster: f, Horizon: 8, Quantiles: []float64{0.05, 0.1, 0.3, 0.5, 0.9}}).Series[0]
	last := p.Series[0].Y[39]
	for k, v := range s.Mean {
		if math.Abs(v-last-float64(k+1)) > 1e-4 { // float32 of values near 100
			t.Errorf("step %d: %g, want %g", k, v, last+float64(k+1))
		}
	}
	// Spread of q0.9 about the mean: 8 in the first part, 8√2 in the second, 8√3 in the third.
	for k, want := range []float64{8, 8, 8, 8 * math.Sqrt2, 8 * math.Sqrt2, 8 * math.Sqrt2, 8 * math.Sqrt(3), 8 * math.Sqrt(3)} {
		if got := s.Quantiles[4][k] - s.Mean[k]; math.Abs(got-want) > 1e-3 {
			t.Errorf("step %d: spread %g, want %g", k, got, want)
		}
		if got := s.Quantiles[2][k] - s.Mean[k]; math.Abs(got+want/2) > 1e-3 {
			t.Errorf("step %d: q0.3 is %g from the mean, want half of q0.1's %g", k, got, -want)
		}
		if s.Quantiles[0][k] >= s.Quantiles[1][k] {
			t.Errorf("step %d: q0.05 is not beyond q0.1", k)
		}
	}
}

// A short history is filled in front with its mean, masked; a long one is cut and has no mask.
func TestNetworkWindow(t *testing.T) {
	var seen []model.Window
	f := fake{model.Spec{Family: "fake", Context: 8, Horizon: 2, Quantiles: []float64{0.5}}, &seen}
	n := &network{model: f, freq: series.Freq{Unit: series.Hour}}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	w := n.input(ctx, []window{{past: [][]float64{{1, 2, 6}}}}, [][][]float64{{{1, 2, 6}}}, 0)
	if got := w.Past.Read(); !slices.Equal(got, []float32{3, 3, 3, 3, 3, 1, 2, 6}) {
		t.Errorf("past %v", got)
	}
	if got := w.Observed.Read(); !slices.Equal(got, []float32{0, 0, 0, 0, 0, 1, 1, 1}) {
		t.Errorf("observed %v", got)
	}
	if got := w.Freq.ReadInts(); !slices.Equal(got, []int64{7}) {
		t.Errorf("frequency token %v", got)
	}
	long := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	w = n.input(ctx, []window{{past: [][]float64{long}}}, [][][]float64{{long}}, 0)
	if w.Observed != nil || w.Past.Read()[0] != 2 {
		t.Errorf("observed %v, past from %g", w.Observed, w.Past.Read()[0])
	}
}

// A model of two targets and a covariate known ahead: targets in order, the covariate in the third channel, its future used.
func TestNetworkGroup(t *testing.T) {
	p := monthly(2, 30)
	known := make([]float64, 34)
	for k := range known {
		known[k] = 1000 * float64(k-29)
	}
	for i := range p.Series {
		p.Series[i].Group = "g"
		p.Series[i].Future = []series.Covariate{{Name: "price", Values: known}}
	}
	f := fake{spec: model.Spec{Family: "fake", Context: 16, Horizon: 4, Channels: 3, Targets: []int{0, 1}}}
	r := run(t, p, Options{Forecaster: f, Horizon: 4})
	for i, s := range r.Series {
		for k, v := range s.Mean {
			want := p.Series[i].Y[29] + float64(k+1) + 1000*float64(k+1)
			if math.Abs(v-want) > 1e-3 { // float32 of thousands
				t.Errorf("%s step %d: %g, want %g", s.ID, k, v, want)
			}
		}
	}
	p.Series[1].Group = ""
	if _, err := Run(t.Context(), p, Options{Forecaster: f, Horizon: 4}); err == nil || !strings.Contains(err.Error(), "2 targets and 1 covariates") {
		t.Errorf("one target of two: %v", err)
	}
}

// Split-conformal intervals of a model without quantiles cover what they promise on a random walk, whose errors are
// exchangeable: 80 % of 400 first steps, ± 3 standard errors (0.02 each) and 1/20 for the windows' grain.
func TestConformalCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	f := fake{spec: model.Spec{Family: "fake", Context: 16, Horizon: 3}}
	inside := 0.0
	for range 400 {
		y := make([]float64, 81)
		for k := 1; k < len(y); k++ {
			y[k] = y[k-1] + 1 + r.NormFloat64()
		}
		d, err := (&network{model: f}).predict(t.Context(), view{y: y[:80], season: 1}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if lo, hi := d.quantile(0.1)[0], d.quantile(0.9)[0]; lo <= y[80] && y[80] <= hi {
			inside++
		}
	}
	if got := inside / 400; got < 0.74 || got > 0.91 {
		t.Errorf("80 %% intervals cover %.3f", got)
	}
}

func TestNetworkShort(t *testing.T) {
	for _, q := range [][]float64{nil, {0.1, 0.5, 0.9}} {
		f := fake{spec: model.Spec{Family: "fake", Context: 16, Horizon: 3, Quantiles: q}}
		for n := 1; n < 20; n++ {
			run(t, monthly(2, n), Options{Forecaster: f, Horizon: 7})
		}
	}
}

// A panicking or wrong model is an error that names the series, not a crash.
func TestNetworkWrong(t *testing.T) {
	f := fake{spec: model.Spec{Family: "fake", Context: 16, Horizon: 0}}
	if _, err := Run(t.Context(), monthly(1, 30), Options{Forecaster: f}); err == nil || !strings.Contains(err.Error(), `"s0"`) {
		t.Errorf("a model that forecasts nothing: %v", err)
	}
}

type fakeSeasonal struct {
	fake
	told *[]int
}

func (f fakeSeasonal) WithSeason(m int) model.Forecaster {
	*f.told = append(*f.told, m)
	return f.fake
}

// A model that asks for the season is told that of the series.
func TestNetworkSeason(t *testing.T) {
	var told []int
	f := fakeSeasonal{fake{spec: model.Spec{Family: "fake", Context: 16, Horizon: 3}}, &told}
	run(t, monthly(1, 30), Options{Forecaster: f, Horizon: 3})
	run(t, monthly(1, 30), Options{Forecaster: f, Horizon: 3, Season: 4})
	if !slices.Equal(told, []int{12, 4}) {
		t.Errorf("told %v, want 12 and 4", told)
	}
}

// The embedded model is a candidate from 24 points on, alone and in the mean.
func TestEmbedded(t *testing.T) {
	f := fake{spec: model.Spec{Family: "fake", Context: 16, Horizon: 6}}
	p := monthly(1, 40)
	for k := range p.Series[0].Y {
		p.Series[0].Y[k] = 7 + float64(k) + math.Mod(float64(k*k*7), 5)/100 // the fake's own process
	}
	s := run(t, p, Options{Embedded: f, Horizon: 6}).Series[0]
	if !strings.Contains(s.Why, "embedded") {
		t.Errorf("%s: %q", s.Model, s.Why)
	}
	p.Series[0].Y = p.Series[0].Y[:23]
	if s := run(t, p, Options{Embedded: f, Horizon: 6}).Series[0]; strings.Contains(s.Why, "embedded") {
		t.Errorf("23 points: %q", s.Why)
	}
	r, err := Backtest(t.Context(), monthly(1, 60), Options{Embedded: f, Horizon: 6})
	if err != nil || !slices.ContainsFunc(r.Scores, func(s Score) bool { return s.Model == "embedded" }) {
		t.Errorf("backtest %+v, %v", r, err)
	}
}

// The published TTM through Run is the model itself on the last 512 steps: nothing is scaled, shifted or cut differently.
func TestTTM(t *testing.T) {
	m, err := ttm.Load(filepath.Join(golden.Shared(t), "data", "ttm", "r2-512-96"), nil)
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float64, 700)
	for k := range y {
		y[k] = 10 + 3*math.Sin(2*math.Pi*float64(k)/24) + float64(k%7)
	}
	p := &series.Panel{Name: "x", Series: []series.Series{{ID: "a", Y: y, Freq: series.Freq{Unit: series.Hour}, Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	s := run(t, p, Options{Forecaster: m, Horizon: 120}).Series[0]
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := make([]float32, 512)
	for k := range x {
		x[k] = float32(y[700-512+k])
	}
	want := m.Forecast(ctx, model.Window{Past: ctx.F32s(x, 1, 512, 1)}).Mean.Read()
	for k, v := range want {
		if s.Mean[k] != float64(v) { // the same arithmetic on the same bits
			t.Fatalf("step %d: %g, the model says %g", k, s.Mean[k], v)
		}
	}
	if s.Model != "ttm" || !strings.Contains(s.Why, "earlier forecasts") {
		t.Errorf("%s: %q", s.Model, s.Why)
	}
}
