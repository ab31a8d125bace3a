package eval

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/metric"
	"github.com/hanji-ml/hanji/model/ttm"
	"github.com/hanji-ml/hanji/series"
)

func monash(t testing.TB, name string) *series.Panel {
	t.Helper()
	f, err := os.Open(filepath.Join(golden.Shared(t), "data", "monash", name+"_dataset.tsf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tsf, err := series.ReadTSF(f, name, series.TSFOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range tsf.Panel.Series {
		if s := &tsf.Panel.Series[i]; s.Horizon == 0 {
			s.Horizon = 12 // TSForecasting, experiments: hospital
		}
	}
	return &tsf.Panel
}

func TestTry(t *testing.T) {
	dir := os.Getenv("EMB")
	if dir == "" {
		t.Skip()
	}
	m, err := ttm.Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hospital", "cif_2016"} {
		r, err := Univariate(context.Background(), forecast.Short{Model: m}, monash(t, name), UnivariateOptions{})
		t.Logf("%s %+v %v", name, r, err)
		r, err = Univariate(context.Background(), m, monash(t, name), UnivariateOptions{})
		t.Logf("%s raw %+v %v", name, r, err)
	}
}

func TestWorst(t *testing.T) {
	dir := os.Getenv("EMB")
	if dir == "" {
		t.Skip()
	}
	m, err := ttm.Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := monash(t, "cif_2016")
	for _, s := range p.Series {
		one := &series.Panel{Series: []series.Series{s}}
		r, err := Univariate(context.Background(), forecast.Short{Model: m}, one, UnivariateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		e, _ := series.ETS{}.Fit(s.Y[:len(s.Y)-s.Horizon], 12)
		f := e.Forecast(s.Horizon).Mean
		ets := metric.MASE(s.Y[len(s.Y)-s.Horizon:], f, s.Y[:len(s.Y)-s.Horizon], 12)
		t.Logf("%s n=%d h=%d mase %.3f naive %.3f ets %.3f", s.ID, len(s.Y), s.Horizon, r.MASE, r.Naive, ets)
	}
}
