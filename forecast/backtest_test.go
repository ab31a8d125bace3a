package forecast

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/metric"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/series"
)

// One window of one series by hand.
func TestBacktestByHand(t *testing.T) {
	p := monthly(1, 48)
	y := p.Series[0].Y
	r, err := Backtest(t.Context(), p, Options{Model: "seasonal-naive", Horizon: 6, Backtest: BacktestOptions{Windows: 1}})
	if err != nil {
		t.Fatal(err)
	}
	f := y[30:36] // a season before the last six
	s := r.Scores[0]
	if want := metric.MASE(y[42:], f, y[:42], 12); s.Model != "seasonal-naive" || math.Abs(s.MASE-want) > 1e-12 {
		t.Errorf("%s MASE %g, want %g", s.Model, s.MASE, want)
	}
	if want := metric.SMAPE(y[42:], f, metric.SMAPEPercent); math.Abs(s.SMAPE-want) > 1e-12 {
		t.Errorf("sMAPE %g, want %g", s.SMAPE, want)
	}
	if r.Windows != 1 || r.Series != 1 || math.Abs(r.Level-0.8) > 1e-12 || len(r.Scores) != 4 {
		t.Errorf("%+v", r)
	}
}

// The windows asked for, the step between them, and missing values left out of the score.
func TestBacktestWindows(t *testing.T) {
	p := monthly(3, 60)
	p.Series[1].Y = p.Series[1].Y[:5] // too short for any
	p.Series[2].Y[59] = math.NaN()
	r, err := Backtest(t.Context(), p, Options{Model: "naive", Horizon: 3, Backtest: BacktestOptions{Windows: 4, Step: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Windows != 8 || r.Series != 2 || !strings.Contains(strings.Join(r.Notes, " "), "1 of 3 series") {
		t.Errorf("%+v", r)
	}
	for _, s := range r.Scores {
		if math.IsNaN(s.MASE + s.SMAPE + s.WQL + s.Coverage) {
			t.Errorf("%+v", s)
		}
	}
	if r.Scores[0].Model != "naive" || !strings.Contains(r.Text(), "8 forecasts of 2 series") || r.Table().Rows() != len(r.Scores) {
		t.Errorf("%s", r.Text())
	}
	p.Series = p.Series[1:2]
	if _, err := Backtest(t.Context(), p, Options{Horizon: 3}); err == nil || !strings.Contains(err.Error(), "long enough") {
		t.Errorf("nothing to score: %v", err)
	}
}

// A score that is not defined is null, not an error of the encoder.
func TestScoreJSON(t *testing.T) {
	b, err := json.Marshal(Score{"naive", math.NaN(), 1.5, math.Inf(1), 0})
	if want := `{"model":"naive","mase":null,"smape":1.5,"wql":null,"coverage":0}`; err != nil || string(b) != want {
		t.Errorf("%s, %v; want %s", b, err, want)
	}
}

// A model that mixes channels is asked once a group and origin, with what was known ahead then, and scored on each target.
func TestBacktestMixesChannels(t *testing.T) {
	p := monthly(2, 60)
	price := make([]float64, 60)
	for k := range price {
		price[k] = float64(100 * (k % 7))
	}
	for i := range p.Series {
		p.Series[i].Group = "g"
		p.Series[i].Future = []series.Covariate{{Name: "price", Values: price}}
	}
	f := fake{spec: model.Spec{Family: "fake", Context: 16, Horizon: 4, Channels: 3, Targets: []int{0, 1}}}
	r, err := Backtest(t.Context(), p, Options{Forecaster: f, Horizon: 4, Backtest: BacktestOptions{Windows: 2, Step: 3}})
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for _, s := range p.Series {
		for _, origin := range []int{56, 53} {
			said := make([]float64, 4)
			for k := range said {
				said[k] = s.Y[origin-1] + float64(k+1) + price[origin+k]
			}
			want += metric.MASE(s.Y[origin:origin+4], said, s.Y[:origin], 12) / 4
		}
	}
	if s := r.Scores[0]; s.Model != "fake" || math.Abs(s.MASE-want) > 1e-5*want { // float32 of hundreds
		t.Errorf("%s MASE %g, want %g", s.Model, s.MASE, want)
	}
	if notes := strings.Join(r.Notes, "; "); r.Windows != 4 || r.Series != 2 || len(r.Scores) != 5 || !strings.Contains(notes, "only fake looks at the covariates") {
		t.Errorf("%+v", r)
	}
	p.Series[1].Group = ""
	if _, err := Backtest(t.Context(), p, Options{Forecaster: f, Horizon: 4}); err == nil || !strings.Contains(err.Error(), "choose the columns that fit") {
		t.Errorf("one target of two: %v", err)
	}
	p.Series[1].Group = "g"
	for k := range 57 {
		p.Series[1].Y[k] = math.NaN() // begins after all but the last origin
	}
	if r, err := Backtest(t.Context(), p, Options{Forecaster: f, Horizon: 2, Backtest: BacktestOptions{Windows: 3, Step: 1}}); err != nil || r.Windows != 2 {
		t.Errorf("a series that begins late: %+v, %v", r, err)
	}
}
