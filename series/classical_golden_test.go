package series

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

type goldenModel map[string]any

func (g goldenModel) floats(key string) []float64 {
	list, ok := g[key].([]any)
	if !ok {
		return nil
	}
	out := make([]float64, len(list))
	for i, v := range list {
		out[i] = number(v)
	}
	return out
}

func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case string:
		f, _ := strconv.ParseFloat(v, 64)
		return f
	}
	return math.NaN()
}

type goldenSeries struct {
	Source, Series string
	Train          int `json:"n_train"`
	Horizon, M     int
	Ends           [2]float64 `json:"train_head_tail"`
	Test           []float64
	Models         map[string]goldenModel
	train          []float64
}

type goldenCase struct {
	*golden.Case
	series []goldenSeries
}

// within tells whether got equals want under the case's own tolerance for name: CheckValue would fail the test, and
// an optimised method may win by its criterion instead.
func (c goldenCase) within(name string, got, want float64) bool {
	rtol, atol := c.Tol(name)
	return math.Abs(got-want) <= atol+rtol*math.Abs(want)
}

func loadGolden(t testing.TB) goldenCase {
	t.Helper()
	c := goldenCase{Case: golden.Open(t, "forecasting", "classical")}
	c.Decode("series", &c.series)
	all := map[string][]tsfRow{}
	for _, f := range []string{"hospital", "cif_2016"} {
		all[f] = readTSF(t, f)
	}
	for i := range c.series {
		s := &c.series[i]
		if s.Source == "classic" {
			s.train = airPassengers(t)[:s.Train]
		}
		for _, r := range all[s.Source] {
			if r.name == s.Series {
				s.train = r.y[:s.Train]
			}
		}
		if len(s.train) == 0 || s.train[0] != s.Ends[0] || s.train[s.Train-1] != s.Ends[1] {
			t.Fatalf("%s %s: data and fixture disagree", s.Source, s.Series)
		}
	}
	return c
}

type tsfRow struct {
	name    string
	horizon int
	y       []float64
}

// readTSF is the little of the .tsf format that hospital and CIF-2016 use.
func readTSF(t testing.TB, name string) []tsfRow {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(golden.Shared(t), "data", "monash", name+"_dataset.tsf"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []tsfRow
	horizon, data := 12, false
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "@horizon") {
			fmt.Sscan(strings.Fields(line)[1], &horizon)
		}
		if !data {
			data = line == "@data"
			continue
		}
		f := strings.Split(line, ":")
		if len(f) < 2 {
			continue
		}
		r := tsfRow{name: f[0], horizon: horizon}
		if name == "cif_2016" {
			fmt.Sscan(f[1], &r.horizon)
		}
		for _, v := range strings.Split(f[len(f)-1], ",") {
			x, err := strconv.ParseFloat(v, 64)
			if err != nil {
				t.Fatal(err)
			}
			r.y = append(r.y, x)
		}
		rows = append(rows, r)
	}
	return rows
}

func airPassengers(t testing.TB) []float64 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(golden.Shared(t), "data", "classic", "AirPassengers.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var y []float64
	for line := range strings.Lines(string(raw)) {
		if _, v, ok := strings.Cut(strings.TrimSpace(line), ","); ok {
			if x, err := strconv.ParseFloat(v, 64); err == nil {
				y = append(y, x)
			}
		}
	}
	return y
}

// mase is the fixture's: mean absolute error over the mean absolute seasonal difference of the training part.
func mase(train, test, f []float64, m int) float64 {
	if len(train) <= m {
		m = 1
	}
	den, num := 0.0, 0.0
	for t := m; t < len(train); t++ {
		den += math.Abs(train[t] - train[t-m])
	}
	for i := range test {
		num += math.Abs(test[i] - f[i])
	}
	return num / float64(len(test)) / (den / float64(len(train)-m))
}

// goldenMethods pairs the fixture's names with methods and the criterion by which an optimiser may win instead of agreeing:
// the fixture's own rule is "forecasts rtol 1e-2, or a criterion at least as good" ("" = none, forecasts must agree).
var goldenMethods = map[string]struct {
	method    Method
	criterion string
	value     func(Fitted) float64
}{
	"sf.Naive":                  {method: Naive{}},
	"sf.SeasonalNaive":          {method: SeasonalNaive{}},
	"sf.Drift":                  {method: Drift{}},
	"sf.SES_0.3":                {method: SES{Alpha: 0.3}},
	"sf.SESOpt":                 {method: SES{}},
	"sm.SES":                    {SES{EstimateLevel: true}, "sse", func(f Fitted) float64 { return f.(*SESFit).SSE }},
	"sf.Theta":                  {Theta{}, "mse", func(f Fitted) float64 { return f.(*ThetaFit).MSE }},
	"sm.Theta":                  {method: Theta{Variant: ThetaTwoStep}},
	"sf.AutoETS":                {ETS{Region: ETSBox}, "aicc", func(f Fitted) float64 { return f.(*ETSFit).AICc }},
	"sm.HoltWinters_add_damped": {HoltWinters{Damped: true}, "sse", func(f Fitted) float64 { return f.(*HoltWintersFit).SSE }},
	"sf.AutoARIMA":              {ARIMA{}, "aicc", func(f Fitted) float64 { return f.(*ARIMAFit).AICc }},
}

func TestClassicalGolden(t *testing.T) {
	c := loadGolden(t)
	for name, g := range goldenMethods {
		t.Run(name, func(t *testing.T) {
			n, agree, better := 0, 0, 0
			for _, s := range c.series {
				want, ok := s.Models[name]
				if !ok || want["error"] != nil {
					continue
				}
				n++
				f, err := g.method.Fit(s.train, s.M)
				if err != nil {
					t.Fatalf("%s %s: %v", s.Source, s.Series, err)
				}
				got := f.Forecast(s.Horizon).Mean
				same := true
				for i, w := range want.floats("forecast") {
					same = same && c.within("series.models."+name+".forecast", got[i], w)
				}
				e := mase(s.train, s.Test, got, s.M)
				same = same && c.within("series.models."+name+".mase", e, number(want["mase"]))
				if same {
					agree++
					continue
				}
				if g.criterion != "" {
					// 1e-6: the fixture prints its criterion in full, ours is summed in another order
					if v, w := g.value(f), number(want[g.criterion]); v <= w+1e-6*math.Abs(w) {
						better++
						continue
					}
					t.Errorf("%s %s: forecast differs and %s %v is worse than %v", s.Source, s.Series, g.criterion, g.value(f), want[g.criterion])
				}
				t.Errorf("%s %s:\n got %.6g\nwant %.6g\nreference %v", s.Source, s.Series, got, want.floats("forecast"), want)
			}
			if n == 0 {
				t.Skip("the fixture has no such model")
			}
			t.Logf("%d series: %d agree, %d by a better criterion", n, agree, better)
		})
	}
}

// With a drift the exact likelihood of this series has its peak at a moving-average root of 1 in every seasonal form; the
// search then lost all of them and ended at AICc 437.05, where statsforecast 2.1.1 finds 434.45 for ARIMA(0,1,1).
func TestARIMAOverdifferencedHospitalT143(t *testing.T) {
	for _, r := range readTSF(t, "hospital") {
		if r.name != "T143" {
			continue
		}
		fitted, err := ARIMA{}.Fit(r.y[:len(r.y)-r.horizon], 12)
		if err != nil {
			t.Fatal(err)
		}
		if f := fitted.(*ARIMAFit); f.AICc > 434.46 {
			t.Errorf("ARIMA(%d,%d,%d)(%d,%d,%d) with AICc %v, want at most 434.46", f.P, f.D, f.Q, f.SeasonalP, f.SeasonalD, f.SeasonalQ, f.AICc)
		}
		return
	}
	t.Fatal("no series T143")
}
