package embedded_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/forecast/embedded"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/tensor"
)

// A trend with a season of four, three years long: the next year.
func Example() {
	f, err := embedded.New()
	if err != nil {
		panic(err)
	}
	var past []float32
	for t := range 24 {
		past = append(past, float32(100+t)+[]float32{0, 20, -10, 5}[t%4])
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	next := f.WithSeason(4).Forecast(ctx, model.Window{Past: ctx.F32s(past, 1, 24, 1)})
	for h, v := range next.Mean.Read()[:4] {
		truth := float64(124+h) + []float64{0, 20, -10, 5}[h]
		fmt.Println(next.Mean.Shape(), math.Abs(float64(v)-truth) < 5)
	}
	// Output:
	// [1 24 1] true
	// [1 24 1] true
	// [1 24 1] true
	// [1 24 1] true
}

// TestSize: at most 2 MB and a million parameters; the spec is what the package comment says.
func TestSize(t *testing.T) {
	size := int64(0)
	for _, name := range []string{"config.json", "model.safetensors"} {
		i, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		size += i.Size()
	}
	m, err := embedded.Load()
	if err != nil {
		t.Fatal(err)
	}
	params := 0
	for _, p := range nn.Walk(m) {
		if p.Tensor.IsParam() {
			params += p.Tensor.Len()
		}
	}
	t.Logf("%d bytes, %d parameters", size, params)
	if size > 2<<20 || params > 1_000_000 {
		t.Errorf("%d bytes, %d parameters: want at most 2 MB and a million", size, params)
	}
	if s := m.Spec(); s.Context != 120 || s.Horizon != 24 || len(s.Quantiles) != 9 {
		t.Errorf("spec %+v, want a context of 120, a horizon of 24 and nine quantiles", s)
	}
}

// TestQuality holds the model to its goals on data it was not trained on (issue 3, default forecaster): mean MASE by the
// Monash protocol and the share of values in the 80 % interval.
func TestQuality(t *testing.T) {
	f, err := embedded.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		mase float64
	}{{"hospital", 0.82}, {"cif_2016", 1.10}} {
		r, err := eval.Univariate(context.Background(), f, monash(t, c.name), eval.UnivariateOptions{Season: 12})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-9s %d series: MASE %.4f (seasonal naive %.4f), coverage of %g…%g: %.3f, pinball %.4f", c.name, r.Series, r.MASE, r.Naive, r.Low, r.High, r.Coverage, r.Pinball)
		if r.MASE > c.mase || r.Coverage < 0.7 || r.Coverage > 0.9 {
			t.Errorf("%s: MASE %.4f, want at most %.2f; coverage %.3f, want 0.7 to 0.9", c.name, r.MASE, c.mase, r.Coverage)
		}
	}
}

// TestShort: cut to their last 24 values, hospital's series are still forecast better than by the seasonal naive method.
// The denominator is that of the cut history for both.
func TestShort(t *testing.T) {
	f, err := embedded.New()
	if err != nil {
		t.Fatal(err)
	}
	p := monash(t, "hospital")
	for i := range p.Series {
		s := &p.Series[i]
		s.Y = s.Y[len(s.Y)-s.Horizon-embedded.Least:]
	}
	r, err := eval.Univariate(context.Background(), f, p, eval.UnivariateOptions{Season: 12})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d points: MASE %.4f, seasonal naive %.4f, coverage %.3f", embedded.Least, r.MASE, r.Naive, r.Coverage)
	if r.MASE > 0.9*r.Naive || r.Coverage < 0.7 || r.Coverage > 0.9 {
		t.Errorf("MASE %v, seasonal naive %v, coverage %v", r.MASE, r.Naive, r.Coverage)
	}
}

// TestConcurrent: one loaded model serves several goroutines, with the same outcome. Worth running with -race.
func TestConcurrent(t *testing.T) {
	f, err := embedded.New()
	if err != nil {
		t.Fatal(err)
	}
	forecast := func() []float32 {
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		return slices.Clone(f.WithSeason(7).Forecast(ctx, model.Window{Past: ctx.F32s([]float32{1, 2, 3, 5, 8, 13, 9, 1, 2, 3, 5, 8, 13, 10}, 1, 14, 1)}).Mean.Read())
	}
	want, got := forecast(), make(chan []float32)
	for range 4 {
		go func() { got <- forecast() }()
	}
	for range 4 {
		if g := <-got; !slices.Equal(g, want) {
			t.Errorf("%v, want %v", g, want)
		}
	}
}

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
			s.Horizon = 12 // what TSForecasting uses for hospital
		}
	}
	return &tsf.Panel
}
