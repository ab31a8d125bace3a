package eval

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/synth"
	"github.com/hanji-ml/hanji/tensor"
)

// lag forecasts the value of season steps before, and quantiles at a fixed distance from it.
type lag struct{ season, told int }

func (lag) Spec() model.Spec {
	return model.Spec{Family: "lag", Context: 40, Horizon: 12, Quantiles: []float64{0.1, 0.5, 0.9}}
}

func (l lag) WithSeason(m int) model.Forecaster { return lag{l.season, m} }

func (l lag) Forecast(ctx *tensor.Ctx, w model.Window) model.Forecast {
	past, seen := w.Past.Read(), w.Observed.Read()
	B, T := w.Past.Dim(0), w.Past.Dim(1)
	var mean, q []float32
	for b := range B {
		for h := range 12 {
			at := (b+1)*T - l.season + h%l.season
			v := past[at]
			if seen[at] == 0 || l.told != l.season {
				v = float32(math.NaN())
			}
			mean, q = append(mean, v), append(q, v-1, v, v+2)
		}
	}
	return model.Forecast{Mean: ctx.F32s(mean, B, 12, 1), Quantiles: ctx.F32s(q, B, 12, 1, 3)}
}

func panel() *series.Panel {
	p := &series.Panel{}
	for i := range uint64(20) {
		y := synth.Generator{Seed: 7}.Series(i, 30+int(i)).Y
		horizon := 6 + int(i%3)
		p.Series = append(p.Series, series.Series{Y: y, Horizon: horizon, Freq: series.Freq{Unit: series.Month}})
	}
	return p
}

// TestUnivariate: a model that is the seasonal naive forecast has its MASE, whatever the batch, and constants are left out.
func TestUnivariate(t *testing.T) {
	p := panel()
	p.Series = append(p.Series, series.Series{Y: make([]float64, 40), Horizon: 6, Freq: series.Freq{Unit: series.Month}})
	var first UnivariateResult
	for i, o := range []UnivariateOptions{{}, {Season: 12}, {Batch: 3}} {
		r, err := Univariate(context.Background(), lag{season: 12}, p, o)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(r.MASE-r.Naive) > 1e-6*r.Naive { // float32 forecasts
			t.Errorf("%+v: MASE %v, seasonal naive %v", o, r.MASE, r.Naive)
		}
		if r.Series+r.LeftOut != 21 || r.LeftOut < 1 {
			t.Errorf("%d series and %d left out, want 21 and some", r.Series, r.LeftOut)
		}
		if i == 0 {
			first = r
		} else if math.Abs(r.MASE-first.MASE)+math.Abs(r.Coverage-first.Coverage)+math.Abs(r.Pinball-first.Pinball) > 1e-9 {
			t.Errorf("%+v gives %+v, want %+v", o, r, first)
		}
	}
}

// TestUnivariateByHand: one series, all figures by hand.
func TestUnivariateByHand(t *testing.T) {
	// Season 2, history 0 1 2 3 with differences 2, test 3 8: naive 2 3, errors 1 and 5; the intervals 1…4 and 2…5 hold one.
	p := &series.Panel{Series: []series.Series{{Y: []float64{0, 1, 2, 3, 3, 8}, Horizon: 2}}}
	r, err := Univariate(context.Background(), lag{season: 2}, p, UnivariateOptions{Season: 2})
	if err != nil {
		t.Fatal(err)
	}
	// Pinball: levels 0.1: 0.1·2, 0.1·6; 0.5: 0.5·1, 0.5·5; 0.9: 0.1·1, 0.9·3; mean of six over 2.
	want := UnivariateResult{Series: 1, MASE: 1.5, Naive: 1.5, Coverage: 0.5, Low: 0.1, High: 0.9, Pinball: (0.2 + 0.6 + 0.5 + 2.5 + 0.1 + 2.7) / 6 / 2}
	if math.Abs(r.Pinball-want.Pinball) > 1e-12 {
		t.Errorf("pinball %v, want %v", r.Pinball, want.Pinball)
	}
	if r.Pinball = want.Pinball; r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
}

func TestUnivariateErrors(t *testing.T) {
	numbered, short, far, flat := panel(), panel(), panel(), panel()
	numbered.Series[3].Freq = series.Freq{}
	short.Series[4].Y = short.Series[4].Y[:10]
	far.Series[5].Horizon = 13
	flat.Series = flat.Series[:1]
	flat.Series[0].Y = make([]float64, 40)
	for want, p := range map[string]*series.Panel{"give the season": numbered, "too few": short, "horizon 13": far, "no series that changes": flat} {
		if _, err := Univariate(context.Background(), lag{season: 12}, p, UnivariateOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Univariate(ctx, lag{season: 12}, panel(), UnivariateOptions{}); err != context.Canceled {
		t.Errorf("error %v after cancelling", err)
	}
}
