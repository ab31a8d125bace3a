package metric_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/metric"
)

// TestGluonTS recomputes what gluonts' Evaluator printed for seven awkward series from their samples.
func TestGluonTS(t *testing.T) {
	c := golden.Open(t, "forecasting", "metrics_gluonts")
	var in struct {
		Past, Future map[string][]golden.Float
		Samples      map[string][][]golden.Float
	}
	c.Decode("extra", &in)
	var want struct {
		PerSeries map[string]map[string]golden.Float `json:"per_series"`
		Aggregate map[string]golden.Float
	}
	c.Decode("expected", &want)
	all := map[string][]float64{} // metric → per series
	for id, expected := range want.PerSeries {
		got := gluontsScores(floats(in.Past[id]), floats(in.Future[id]), in.Samples[id], slices.Collect(keys(expected)))
		for name, w := range expected {
			g, ok := got[name]
			if !ok {
				t.Fatalf("metric %s of the fixture is not computed", name)
			}
			c.CheckValue(t, "per_series."+id+"."+name, g, float64(w))
			all[name] = append(all[name], g)
		}
	}
	got := gluontsAggregate(all)
	for name, w := range want.Aggregate {
		if name == "OWA" { // needs a Naive2 forecast that the evaluator was not given: NaN there
			continue
		}
		g, ok := got[name]
		if !ok {
			t.Fatalf("aggregate %s of the fixture is not computed", name)
		}
		c.CheckValue(t, "aggregate."+name, g, float64(w))
	}
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func gluontsScores(past, y []float64, samples [][]golden.Float, names []string) map[string]float64 {
	const m = 12
	h := len(y)
	mean, sorted := make([]float64, h), make([][]float64, h)
	for i := range h {
		for _, s := range samples {
			mean[i] += float64(s[i]) / float64(len(samples))
			sorted[i] = append(sorted[i], float64(s[i]))
		}
		slices.Sort(sorted[i])
	}
	quantile := func(q float64) []float64 {
		out := make([]float64, h)
		for i := range out {
			out[i] = metric.SampleQuantile(sorted[i], q)
		}
		return out
	}
	median := quantile(0.5)
	observed, absSum := 0.0, 0.0
	for _, v := range y {
		if !math.IsNaN(v) {
			observed++
			absSum += math.Abs(v)
		}
	}
	out := map[string]float64{
		"MSE":                      metric.MSE(y, mean),
		"abs_error":                metric.QuantileLoss(y, median, 0.5),
		"abs_target_sum":           absSum,
		"abs_target_mean":          absSum / observed,
		"seasonal_error":           metric.NaiveMAE(past, m),
		"MASE":                     metric.MASE(y, median, past, m),
		"MAPE":                     metric.MAPE(y, median),
		"sMAPE":                    metric.SMAPE(y, median, metric.SMAPETwo),
		"num_masked_target_values": float64(h) - observed,
		"ND":                       metric.ND(y, median),
		"MSIS":                     metric.MSIS(y, quantile(0.025), quantile(0.975), past, m, 0.05),
	}
	for _, name := range names {
		if q, ok := level(name, "QuantileLoss"); ok {
			out[name] = metric.QuantileLoss(y, quantile(q), q)
		}
		if q, ok := level(name, "Coverage"); ok {
			out[name] = metric.Below(y, quantile(q))
		}
	}
	return out
}

// level reads q from "Name[q]".
func level(s, name string) (float64, bool) {
	s, ok := strings.CutPrefix(s, name+"[")
	if !ok {
		return 0, false
	}
	q, err := strconv.ParseFloat(strings.TrimSuffix(s, "]"), 64)
	return q, err == nil
}

func gluontsAggregate(all map[string][]float64) map[string]float64 {
	out := map[string]float64{}
	sum := func(v []float64) float64 {
		s := 0.0
		for _, x := range v {
			if !math.IsNaN(x) {
				s += x
			}
		}
		return s
	}
	for name, v := range all {
		out[name] = metric.MeanDefined(v)
		if strings.HasPrefix(name, "QuantileLoss") || slices.Contains([]string{"abs_error", "abs_target_sum", "num_masked_target_values"}, name) {
			out[name] = sum(v)
		}
	}
	out["RMSE"] = math.Sqrt(out["MSE"])
	out["NRMSE"] = out["RMSE"] / out["abs_target_mean"]
	out["ND"] = out["abs_error"] / out["abs_target_sum"]
	// gluonts 0.17 compares the coverage of its last level (a loop variable that outlived its loop) with every level.
	highest, last := 0.0, ""
	for name := range all {
		if q, ok := level(name, "Coverage"); ok && q > highest {
			highest, last = q, name
		}
	}
	levels, losses, weighted, off := 0.0, 0.0, 0.0, 0.0
	for name := range all {
		if q, ok := level(name, "QuantileLoss"); ok {
			at := strings.TrimPrefix(name, "QuantileLoss")
			out["wQuantileLoss"+at] = out[name] / out["abs_target_sum"]
			levels++
			losses += out[name]
			weighted += out["wQuantileLoss"+at]
			off += math.Abs(out[last] - q)
		}
	}
	out["mean_absolute_QuantileLoss"] = losses / levels
	out["mean_wQuantileLoss"] = weighted / levels
	out["MAE_Coverage"] = off / levels
	return out
}

// TestNixtla compares with utilsforecast's losses; a metric of the fixture that is not named here is an error.
func TestNixtla(t *testing.T) {
	c := golden.Open(t, "forecasting", "metrics_nixtla")
	var in struct {
		Train map[string][]golden.Float
		Rows  map[string]map[string][]golden.Float
	}
	c.Decode("extra", &in)
	var want struct {
		Metrics map[string]map[string]golden.Float
	}
	c.Decode("expected", &want)
	qs := []float64{.1, .5, .9}
	for name, byID := range want.Metrics {
		for id, w := range byID {
			row, train := in.Rows[id], floats(in.Train[id])
			y, f := floats(row["y"]), floats(row["m"])
			qf := [][]float64{floats(row["m-lo"]), floats(row["m-mid"]), floats(row["m-hi"])}
			var got float64
			switch {
			case name == "mae":
				got = metric.MAE(y, f)
			case name == "mse":
				got = metric.MSE(y, f)
			case name == "rmse":
				got = metric.RMSE(y, f)
			case name == "mape":
				got = metric.MAPE(y, f)
			case strings.HasPrefix(name, "smape"):
				got = metric.SMAPE(y, f, metric.SMAPEUnit)
			case name == "mase_m1":
				got = metric.MASE(y, f, train, 1)
			case name == "mase_m7":
				got = metric.MASE(y, f, train, 7)
			case name == "rmsse_m1":
				got = metric.RMSSE(y, f, train, 1)
			case name == "quantile_loss_q0.9":
				got = metric.Pinball(y, qf[2], .9)
			case name == "mqloss":
				got = metric.MeanPinball(y, qf, qs)
			case name == "scaled_crps":
				got = metric.ScaledCRPS(y, qf, qs)
			case name == "tweedie_deviance_1.5_of_pos":
				got = metric.TweedieDeviance(y, floats(row["pos"]), 1.5)
			default:
				t.Fatalf("metric %q of the fixture is not computed", name)
			}
			c.CheckValue(t, "metrics."+name+"."+id, got, float64(w))
		}
	}
}

func TestFormulaCRPS(t *testing.T) {
	c := golden.Open(t, "forecasting", "metrics_formulas")
	var w struct {
		Ensemble    [][]golden.Float
		Observation []golden.Float
		Biased      []golden.Float `json:"crps_ensemble"`
		Fair        []golden.Float `json:"crps_ensemble_fair"`
		Normal      []golden.Float `json:"crps_normal_mu2_sd1.5"`
	}
	c.Decode("crps", &w)
	for i, y := range floats(w.Observation) {
		x := floats(w.Ensemble[i])
		c.CheckValue(t, "crps.crps_ensemble", metric.CRPSSamples(y, x), float64(w.Biased[i]))
		c.CheckValue(t, "crps.crps_ensemble_fair", metric.CRPSSamplesFair(y, x), float64(w.Fair[i]))
		c.CheckValue(t, "crps.crps_normal", metric.CRPSNormal(y, 2, 1.5), float64(w.Normal[i]))
	}
}

func TestFormulaM4(t *testing.T) {
	c := golden.Open(t, "forecasting", "metrics_formulas")
	var w struct {
		Series []struct {
			M                             int
			Train, Test, Forecast, Naive2 []float64
			Passed                        bool `json:"seasonal_test_passed"`
			SMAPE, MASE                   float64
			SMAPE2                        float64 `json:"smape_naive2"`
			MASE2                         float64 `json:"mase_naive2"`
		}
		OWA float64
	}
	c.Decode("m4", &w)
	var s, a, s2, a2 []float64
	for i, r := range w.Series {
		naive, passed := metric.Naive2(r.Train, len(r.Test), r.M)
		if passed != r.Passed {
			t.Errorf("series %d: seasonality test %v, want %v", i, passed, r.Passed)
		}
		c.CheckValue(t, "m4.series.naive2", naive, r.Naive2)
		s = append(s, metric.SMAPE(r.Test, r.Forecast, metric.SMAPEPercent))
		a = append(a, metric.MASE(r.Test, r.Forecast, r.Train, r.M))
		s2 = append(s2, metric.SMAPE(r.Test, naive, metric.SMAPEPercent))
		a2 = append(a2, metric.MASE(r.Test, naive, r.Train, r.M))
		c.CheckValue(t, "m4.series.smape", s[i], r.SMAPE)
		c.CheckValue(t, "m4.series.mase", a[i], r.MASE)
		c.CheckValue(t, "m4.series.smape_naive2", s2[i], r.SMAPE2)
		c.CheckValue(t, "m4.series.mase_naive2", a2[i], r.MASE2)
	}
	mean := metric.MeanDefined
	c.CheckValue(t, "m4.owa", metric.OWA(mean(s), mean(a), mean(s2), mean(a2)), w.OWA)
}

func TestFormulaMSIS(t *testing.T) {
	c := golden.Open(t, "forecasting", "metrics_formulas")
	var w struct {
		Train, Y, Lower, Upper, Lower2, Upper2 []float64
		Alpha                                  float64
		M                                      int
		Wide                                   float64 `json:"msis_wide"`
		Missed                                 float64 `json:"msis_low_missed"`
	}
	c.Decode("msis", &w)
	c.CheckValue(t, "msis.msis_wide", metric.MSIS(w.Y, w.Lower, w.Upper, w.Train, w.M, w.Alpha), w.Wide)
	c.CheckValue(t, "msis.msis_low_missed", metric.MSIS(w.Y, w.Lower2, w.Upper2, w.Train, w.M, w.Alpha), w.Missed)
}

func TestFormulaM5(t *testing.T) {
	c := golden.Open(t, "forecasting", "metrics_formulas")
	var w struct {
		Cells     [][]string  `json:"cells_state_store_cat_item"`
		Train     [][]float64 `json:"sales_train"`
		Test      [][]float64 `json:"sales_test"`
		Price     [][]float64 `json:"sell_price_train"`
		Forecast  [][]float64
		Levels    map[string]map[string]struct{ Weight, RMSSE float64 }
		PerLevel  map[string]float64 `json:"wrmsse_per_level"`
		WRMSSE    float64
		CellsName string
	}
	c.Decode("m5", &w)
	value := make([]float64, len(w.Train))
	for i, sales := range w.Train {
		for t := len(sales) - 28; t < len(sales); t++ {
			value[i] += sales[t] * w.Price[i][t]
		}
	}
	key := map[string]func(c []string) string{
		"total": func(c []string) string { return "all" }, "state": func(c []string) string { return c[0] },
		"store": func(c []string) string { return c[1] }, "cat": func(c []string) string { return c[2] },
		"state_cat": func(c []string) string { return c[0] + "/" + c[2] }, "item": func(c []string) string { return c[3] },
		"item_store": func(c []string) string { return c[3] + "@" + c[1] },
	}
	var levels []metric.Level
	for name := range w.Levels {
		l := metric.Level{Name: name}
		for _, cell := range w.Cells {
			l.Key = append(l.Key, key[name](cell))
		}
		levels = append(levels, l)
	}
	got := metric.WRMSSE(w.Train, w.Test, w.Forecast, value, levels)
	c.CheckValue(t, "m5.wrmsse", got.Score, w.WRMSSE)
	for _, l := range got.Levels {
		c.CheckValue(t, "m5.wrmsse_per_level."+l.Name, l.Score, w.PerLevel[l.Name])
		if len(l.Groups) != len(w.Levels[l.Name]) {
			t.Fatalf("level %s has %d groups, want %d", l.Name, len(l.Groups), len(w.Levels[l.Name]))
		}
		for _, g := range l.Groups {
			want := w.Levels[l.Name][g.Key]
			c.CheckValue(t, "m5.levels."+l.Name+"."+g.Key+".weight", g.Weight, want.Weight)
			c.CheckValue(t, "m5.levels."+l.Name+"."+g.Key+".rmsse", g.RMSSE, want.RMSSE)
		}
	}
}

func TestFormulaMonash(t *testing.T) {
	c := golden.Open(t, "forecasting", "metrics_formulas")
	var w struct {
		Train, Y, Forecast []float64
		MASE               float64        `json:"mase_lag1"`
		Elementwise        []golden.Float `json:"smape_elementwise"`
		MSMAPE, MAE, RMSE  float64
	}
	c.Decode("monash", &w)
	c.CheckValue(t, "monash.mase_lag1", metric.MASE(w.Y, w.Forecast, w.Train, 1), w.MASE)
	c.CheckValue(t, "monash.msmape", metric.MSMAPE(w.Y, w.Forecast), w.MSMAPE)
	c.CheckValue(t, "monash.mae", metric.MAE(w.Y, w.Forecast), w.MAE)
	c.CheckValue(t, "monash.rmse", metric.RMSE(w.Y, w.Forecast), w.RMSE)
	for i := range w.Y {
		c.CheckValue(t, "monash.smape_elementwise", metric.SMAPE(w.Y[i:i+1], w.Forecast[i:i+1], metric.SMAPETwo), float64(w.Elementwise[i]))
	}
}

func floats(v []golden.Float) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}
