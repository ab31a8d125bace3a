package eval_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/table"
	"github.com/hanji-ml/hanji/tensor"
)

func etth1(t *testing.T) *forecast.Matrix {
	t.Helper()
	path := filepath.Join(golden.Shared(t), "data", "ett", "ETTh1.csv")
	tb, err := table.Open(path, table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := forecast.FromTable(tb, path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The published checkpoints over the whole test part: the fixtures' own figures.
func TestPublishedFigures(t *testing.T) {
	data := etth1(t)
	for _, c := range []struct {
		fixture, model, key string
		dropLast            int
	}{
		{"ttm_r2_512_96_etth1", "ttm/r2-512-96", "full_test", 0},
		{"patchtst_orig_etth1_336_96", "patchtst/etth1_336_96.pth", "full_test.all", 0},
		{"patchtst_orig_etth1_336_96", "patchtst/etth1_336_96.pth", "full_test.drop_last_128", 128},
		{"patchtst_orig_etth1_336_336", "patchtst/etth1_336_336.pth", "full_test.all", 0},
		{"patchtst_orig_etth1_336_336", "patchtst/etth1_336_336.pth", "full_test.drop_last_128", 128},
	} {
		g := golden.Open(t, "forecasting", c.fixture)
		m, err := all.Open(filepath.Join(golden.Shared(t), "data", filepath.FromSlash(c.model)), nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := eval.Forecast(context.Background(), m, data, eval.ForecastOptions{Protocol: "ett-hour", DropLast: c.dropLast})
		if err != nil {
			t.Fatal(err)
		}
		g.CheckValue(t, c.key+".windows", r.Windows, g.Raw("expected."+c.key+".windows"))
		g.CheckValue(t, c.key+".mse", r.MSE, g.Raw("expected."+c.key+".mse"))
		g.CheckValue(t, c.key+".mae", r.MAE, g.Raw("expected."+c.key+".mae"))
	}
}

// With the columns in another order every column has the same error.
func TestColumnOrder(t *testing.T) {
	data := etth1(t)
	m, err := all.Open(filepath.Join(golden.Shared(t), "data", "patchtst", "etth1_336_96.pth"), nil)
	if err != nil {
		t.Fatal(err)
	}
	o := eval.ForecastOptions{Protocol: "ett-hour", DropLast: 512}
	a, err := eval.Forecast(context.Background(), m, data, o)
	if err != nil {
		t.Fatal(err)
	}
	turned := &forecast.Matrix{T: data.T, C: data.C, X: make([]float64, len(data.X))}
	for c := range data.C {
		turned.Names = append(turned.Names, data.Names[(c+3)%data.C])
		for i := range data.T {
			turned.X[i*data.C+c] = data.X[i*data.C+(c+3)%data.C]
		}
	}
	b, err := eval.Forecast(context.Background(), m, turned, o)
	if err != nil {
		t.Fatal(err)
	}
	for c := range data.C { // the order of sums inside a matrix product may differ with the row: rounding alone
		if want, got := a.ChannelSE[(c+3)%data.C], b.ChannelSE[c]; math.Abs(want-got) > 1e-7*want {
			t.Errorf("%s: %v, want %v", b.Channels[c], got, want)
		}
	}
}

// last forecasts the last value, one step ahead.
type last struct{}

func (last) Spec() model.Spec { return model.Spec{Family: "last", Context: 2, Horizon: 1} }
func (last) Forecast(_ *tensor.Ctx, w model.Window) model.Forecast {
	return model.Forecast{Mean: w.Past.Slice(1, 1, 2)}
}

func ExampleForecast() {
	data := &forecast.Matrix{Names: []string{"y"}, T: 20, C: 1}
	for i := range 20 {
		data.X = append(data.X, float64(i%2)) // 0 1 0 1 …: the last value is always wrong by 1, two deviations
	}
	r, err := eval.Forecast(context.Background(), last{}, data, eval.ForecastOptions{Protocol: "ltsf"})
	fmt.Printf("%d windows, mse %.3f, mae %.3f, %v\n", r.Windows, r.MSE, r.MAE, err)
	// Output: 4 windows, mse 4.000, mae 2.000, <nil>
}
