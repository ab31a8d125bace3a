package series_test

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/table"
)

func ramp(n int) []float64 {
	y := make([]float64, n)
	for i := range y {
		y[i] = float64(i)
	}
	return y
}

// TestWindows walks every window of series of different length and compares with the definition.
func TestWindows(t *testing.T) {
	p := series.Panel{Series: []series.Series{{Y: ramp(10)}, {Y: ramp(3)}, {Y: ramp(4)}, {Y: ramp(7)}, {}}}
	for _, o := range []series.WindowOptions{{Context: 3, Horizon: 1}, {Context: 2, Horizon: 2, Stride: 3}, {Context: 1}, {Context: 4, Stride: 2}, {Context: 20, Horizon: 5}} {
		for _, in := range []series.Range{{From: 0, To: 100}, {From: 2, To: 8}, {From: 5, To: 5}} {
			w, err := p.WindowsIn(in, o)
			if err != nil {
				t.Fatal(err)
			}
			i, stride := 0, max(o.Stride, 1)
			for k, s := range p.Series {
				for from := in.From; from+o.Context+o.Horizon <= min(len(s.Y), in.To); from += stride {
					if i >= w.Len() {
						t.Fatalf("%+v in %v: %d windows, want more", o, in, w.Len())
					}
					got := w.At(i)
					mid := from + o.Context
					if got.Series != k || got.From != from || !slices.Equal(got.Context, s.Y[from:mid]) || !slices.Equal(got.Target, s.Y[mid:mid+o.Horizon]) {
						t.Errorf("%+v in %v: window %d is %+v, want series %d from %d", o, in, i, got, k, from)
					}
					i++
				}
			}
			if i != w.Len() {
				t.Errorf("%+v in %v: %d windows, want %d", o, in, w.Len(), i)
			}
		}
	}
	w, _ := p.Windows(series.WindowOptions{Context: 2, Horizon: 1})
	p.Series[0].Y[0] = 42
	if w.At(0).Context[0] != 42 {
		t.Error("a window is a copy")
	}
	if n := testing.AllocsPerRun(100, func() { w.At(5) }); n != 0 {
		t.Errorf("a window costs %v allocations", n)
	}
	for _, o := range []series.WindowOptions{{}, {Context: 1, Horizon: -1}, {Context: 1, Stride: -1}, {Context: math.MaxInt, Horizon: 2}} {
		if _, err := p.Windows(o); err == nil {
			t.Errorf("%+v makes windows", o)
		}
	}
}

func TestLTSFSplit(t *testing.T) {
	type split = series.Split
	r := func(a, b int) series.Range { return series.Range{From: a, To: b} }
	for _, c := range []struct {
		protocol      string
		rows, context int
		want          split
	}{ // PatchTST: data_loader.py
		{"ett-hour", 17420, 336, split{Train: r(0, 8640), Val: r(8304, 11520), Test: r(11184, 14400)}},
		{"ett-minute", 69680, 512, split{Train: r(0, 34560), Val: r(34048, 46080), Test: r(45568, 57600)}},
		{"ltsf", 7588, 336, split{Train: r(0, 5311), Val: r(4975, 6071), Test: r(5735, 7588)}},
		{"ltsf", 966, 104, split{Train: r(0, 676), Val: r(572, 773), Test: r(669, 966)}},
	} {
		got, err := series.LTSFSplit(c.protocol, c.rows, c.context)
		if err != nil || got != c.want {
			t.Errorf("%s of %d rows: %v, %v; want %v", c.protocol, c.rows, got, err, c.want)
		}
	}
	for _, c := range []struct {
		protocol      string
		rows, context int
		want          string
	}{
		{"ett-hour", 14399, 96, "needs 14400 rows, the data has 14399"}, {"weekly", 100, 1, "there are ett-hour, ett-minute, ltsf"},
		{"ltsf", 100, 71, "longer than the 70 rows"}, {"ltsf", 100, -1, "below 0"},
	} {
		if _, err := series.LTSFSplit(c.protocol, c.rows, c.context); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.protocol, err, c.want)
		}
	}
}

// TestETTh1Windows counts the test windows that PatchTST's and TTM's published numbers are means over, and repeats the
// last value of the standardised file from its definition.
func TestETTh1Windows(t *testing.T) {
	tab, err := table.Open(filepath.Join(golden.Shared(t), "data", "ett", "ETTh1.csv"), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := series.FromTable(tab, series.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ context, horizon, windows, dropped int }{ // forecasting.md §0: both contexts give the same count
		{336, 96, 2785, 2688}, {512, 96, 2785, 2688}, {336, 336, 2545, 2432},
	} {
		split, err := series.LTSFSplit("ett-hour", len(p.Series[0].Y), c.context)
		if err != nil {
			t.Fatal(err)
		}
		channel := series.Panel{Series: p.Series[:1]}
		w, err := channel.WindowsIn(split.Test, series.WindowOptions{Context: c.context, Horizon: c.horizon})
		if err != nil {
			t.Fatal(err)
		}
		if w.Len() != c.windows || series.DropLast(w.Len(), 128) != c.dropped || split.Test.Len()-c.context-c.horizon+1 != c.windows {
			t.Errorf("context %d, horizon %d: %d windows, %d with drop_last; want %d and %d", c.context, c.horizon, w.Len(), series.DropLast(w.Len(), 128), c.windows, c.dropped)
		}
		if first := w.At(0); first.From+c.context != 11520 {
			t.Errorf("context %d: the first target is row %d, want 11520", c.context, first.From+c.context)
		}
		for _, s := range p.Series {
			train := s.Y[split.Train.From:split.Train.To]
			z := make([]float64, len(train))
			series.FitStandard(train).Apply(z, train)
			if again := series.FitStandard(z); math.Abs(again.Loc) > 1e-12 || math.Abs(again.Scale-1) > 1e-12 { // rounding of 8640 terms
				t.Errorf("%s: the scaled training rows have mean %v, deviation %v", s.ID, again.Loc, again.Scale)
			}
		}
	}
	if n := series.DropLast(10, 0); n != 10 {
		t.Errorf("without a batch %d windows are left of 10", n)
	}
}

func TestScalers(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name       string
		got        series.Scaler
		loc, scale float64
	}{
		{"population deviation", series.FitStandard([]float64{1, 3}), 2, 1},
		{"gaps", series.FitStandard([]float64{1, nan, 3, nan}), 2, 1},
		{"constant", series.FitStandard([]float64{7, 7, 7}), 7, 1},
		{"constant that does not add up exactly", series.FitStandard([]float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}), 0.1, 1},
		{"nothing", series.FitStandard([]float64{nan}), 0, 1},
		{"RevIN", series.InstanceScaler{}.Fit([]float64{1, 3}, nil), 2, math.Sqrt(1 + 1e-5)},
		{"constant window", series.InstanceScaler{}.Fit([]float64{4, 4}, nil), 4, math.Sqrt(1e-5)},
		{"own epsilon", series.InstanceScaler{Eps: 3}.Fit([]float64{1, 3}, nil), 2, 2},
		{"no epsilon", series.InstanceScaler{Eps: -1}.Fit([]float64{1, 3}, nil), 2, 1},
		{"mask", series.InstanceScaler{Eps: -1}.Fit([]float64{1, 3, 1000}, []bool{true, true, false}), 2, 1},
		{"mean of sizes", series.InstanceScaler{Kind: series.InstanceMean}.Fit([]float64{-1, 3, nan}, nil), 0, 2},
		{"zeros", series.InstanceScaler{Kind: series.InstanceMean}.Fit([]float64{0, 0}, nil), 0, 1e-10},
		{"nothing observed", series.InstanceScaler{Kind: series.InstanceMean, DefaultScale: 5}.Fit([]float64{9}, []bool{false}), 0, 5},
		{"none", series.InstanceScaler{Kind: series.InstanceNone}.Fit([]float64{9}, nil), 0, 1},
	} {
		if math.Abs(c.got.Loc-c.loc) > 1e-15 || math.Abs(c.got.Scale-c.scale) > 1e-15 { // one rounding of numbers near one
			t.Errorf("%s: %+v, want %v and %v", c.name, c.got, c.loc, c.scale)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	x := make([]float64, 50)
	for i := range x {
		x[i] = 100 + 30*r.NormFloat64()
	}
	s := series.InstanceScaler{}.Fit(x, nil)
	z := make([]float64, len(x))
	s.Apply(z, x)
	s.Invert(z, z)
	for i := range x {
		if math.Abs(z[i]-x[i]) > 1e-13*x[i] { // a division and a product of numbers near 100
			t.Errorf("scaled and back: %v is %v", x[i], z[i])
		}
	}
}

func TestImpute(t *testing.T) {
	nan := math.NaN()
	y := []float64{nan, 2, nan, nan, 8, nan, 4, nan}
	for _, c := range []struct {
		how  series.Fill
		m    int
		want []float64
	}{
		{series.FillLinear, 0, []float64{2, 2, 4, 6, 8, 6, 4, 4}},
		{series.FillForward, 0, []float64{2, 2, 2, 2, 8, 8, 4, 4}},
		{series.FillZero, 0, []float64{0, 2, 0, 0, 8, 0, 4, 0}},
		{series.FillMean, 0, []float64{14. / 3, 2, 14. / 3, 14. / 3, 8, 14. / 3, 4, 14. / 3}},
		{series.FillSeasonal, 4, []float64{8, 2, 4, 6, 8, 2, 4, 4}}, // position 3 was never seen: a line, then held
		{series.FillSeasonal, 1, []float64{2, 2, 4, 6, 8, 6, 4, 4}},
		{series.FillNone, 0, y},
	} {
		got, n, err := series.Impute(y, c.how, c.m)
		wantN := 5
		if c.how == series.FillNone {
			wantN = 0
		}
		same := slices.EqualFunc(got, c.want, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
		if err != nil || n != wantN || !same {
			t.Errorf("%v: %v, %d, %v; want %v", c.how, got, n, err, c.want)
		}
		var back series.Fill
		if text, err := c.how.MarshalText(); err != nil || back.UnmarshalText(text) != nil || back != c.how {
			t.Errorf("%v is not read back", c.how)
		}
	}
	if !math.IsNaN(y[0]) {
		t.Error("the argument was written to")
	}
	if got, _, _ := series.Impute([]float64{1, nan, 4, nan, 5, 6}, series.FillSeasonal, 2); got[1] != 6 || got[3] != 6 {
		t.Errorf("seasonal: %v", got)
	}
	if _, _, err := series.Impute([]float64{nan, nan}, series.FillForward, 0); err == nil {
		t.Error("nothing was filled from nothing")
	}
}

func TestSlice(t *testing.T) {
	f := mustFreq(t, "ME")
	s := series.Series{Freq: f, Start: stamp(t, "2020-01-31 00:00:00"), Y: ramp(6),
		Past: []series.Covariate{{Name: "p", Values: ramp(6)}}, Future: []series.Covariate{{Name: "f", Values: ramp(9)}}}
	cut := s.Slice(1, 4)
	if err := cut.Validate(); err != nil {
		t.Error(err)
	}
	if cut.Time(0).Format("2006-01-02") != "2020-02-29" || !slices.Equal(cut.Y, []float64{1, 2, 3}) || len(cut.Past[0].Values) != 3 || len(cut.Future[0].Values) != 8 {
		t.Errorf("slice %+v", cut)
	}
	if times := s.Times(5, 2); times[1].Format("2006-01-02") != "2020-07-31" {
		t.Errorf("times %v", times)
	}
	s.Past[0].Values = ramp(2)
	s.Future[0].Values = ramp(5)
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), `"p" has 2 values`) || !strings.Contains(err.Error(), `"f" has 5`) {
		t.Errorf("Validate: %v", err)
	}
}
