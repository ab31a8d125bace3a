package forecast

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/metric"
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
