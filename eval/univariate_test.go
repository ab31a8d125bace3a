package eval

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/internal/golden"
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
