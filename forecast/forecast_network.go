package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/hanji-ml/hanji/metric"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/tensor"
)

// network forecasts with a neural model: one series, or the channels of one multivariate series.
type network struct {
	model model.Forecaster
	title string // default: the family
	freq  series.Freq
}

func (n *network) name() string {
	if n.title != "" {
		return n.title
	}
	return n.model.Spec().Family
}

// Calibration of models without quantiles.
const (
	calibrationWindows = 20 // origins whose errors make the interval, as series.Conformal
	calibrationLeast   = 4  // fewest points of a past to forecast from
)

func (n *network) predict(ctx context.Context, v view, h int) (prediction, error) {
	all, err := n.predictAll(ctx, window{past: [][]float64{v.y}}, v.season, h)
	if err != nil {
		return prediction{}, err
	}
	return all[0], nil
}

// seasonal is a model that wants to know the season, as Short.
type seasonal interface {
	WithSeason(m int) model.Forecaster
}

// predictAll forecasts every target of a window, with quantiles.
func (n *network) predictAll(ctx context.Context, w window, m, h int) ([]prediction, error) {
	if s, ok := n.model.(seasonal); ok {
		n = &network{s.WithSeason(m), n.name(), n.freq}
	}
	p, err := n.ahead(ctx, []window{w}, h)
	if err != nil {
		return nil, err
	}
	var errs [][][]float64
	if p[0].quantiles == nil {
		if errs, err = n.residuals(ctx, w, h); err != nil {
			return nil, err
		}
	}
	targets := n.targets(len(w.past))
	out := make([]prediction, len(targets))
	for i, c := range targets {
		d := prediction{mean: p[0].mean[i], why: "asked for; quantiles of the model"}
		if errs == nil {
			d.quantile = func(q float64) []float64 {
				return interpolate(p[0].mean[i], p[0].quantiles[i], n.model.Spec().Quantiles, q)
			}
		} else {
			d.why = fmt.Sprintf("asked for; quantiles from %d earlier forecasts", len(errs[i][0]))
			d.quantile = conformal(p[0].mean[i], errs[i], metric.NaiveMAE(w.past[c], m))
		}
		out[i] = d
	}
	return out, nil
}

// targets are the channels forecast, of c in all.
func (n *network) targets(c int) []int {
	if t := n.model.Spec().Targets; t != nil {
		return t
	}
	all := make([]int, c)
	for i := range all {
		all[i] = i
	}
	return all
}

// window is what a network looks at.
type window struct {
	past   [][]float64 // [C][T]
	future [][]float64 // [C]: what is known of the steps ahead of channels that are no target; nil: the last value holds
}

// known is channel c at step k ahead.
func (w *window) known(c, k int) float64 {
	if w.future != nil && k < len(w.future[c]) && !math.IsNaN(w.future[c][k]) {
		return w.future[c][k]
	}
	return w.past[c][len(w.past[c])-1]
}

// path is one forecast of G targets and H steps.
type path struct {
	mean      [][]float64   // [G][H]
	quantiles [][][]float64 // [G][Q][H]; nil where the model has none
}

// ahead forecasts h steps after each window. Horizons longer than the model's are rolled: what it said becomes history.
func (n *network) ahead(ctx context.Context, all []window, h int) ([]path, error) {
	out := make([]path, 0, len(all))
	for lo := 0; lo < len(all); lo += errorBatch {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		batch, err := n.batch(all[lo:min(lo+errorBatch, len(all))], h)
		if err != nil {
			return nil, err
		}
		out = append(out, batch...)
	}
	return out, nil
}

func (n *network) batch(all []window, h int) (out []path, err error) {
	defer tensor.Recover(&err)
	spec := n.model.Spec()
	tctx := tensor.New(tensor.Options{})
	defer tctx.Close()
	targets := n.targets(len(all[0].past))
	out = make([]path, len(all))
	history := make([][][]float64, len(all))
	for b := range all {
		out[b] = path{mean: make([][]float64, len(targets))}
		if spec.Quantiles != nil {
			out[b].quantiles = make([][][]float64, len(targets))
			for i := range targets {
				out[b].quantiles[i] = make([][]float64, len(spec.Quantiles))
			}
		}
		for _, y := range all[b].past {
			history[b] = append(history[b], slices.Clone(y[max(0, len(y)-spec.Context):]))
		}
	}
	for done := 0; done < h; {
		tctx.Next(0)
		f := model.ForecastBatch(tctx, n.model, n.input(tctx, all, history, done))
		if f.Mean.Rank() != 3 || f.Mean.Dim(1) < 1 || f.Mean.Dim(2) != len(targets) {
			return nil, fmt.Errorf("%s gives %v for %d targets; is it a forecaster?", n.name(), f.Mean.Shape(), len(targets))
		}
		take := min(f.Mean.Dim(1), h-done)
		collect(out, f, take, done, spec.Quantiles)
		for b := range history {
			for c := range history[b] {
				if i := slices.Index(targets, c); i >= 0 {
					history[b][c] = append(history[b][c], out[b].mean[i][done:]...)
					continue
				}
				for k := range take {
					history[b][c] = append(history[b][c], all[b].known(c, done+k))
				}
			}
		}
		done += take
	}
	return out, nil
}

// input is the model's window after done steps. Short histories are filled in front with their mean and marked as not
// observed: what the models' scalers leave out. A full window has no mask.
func (n *network) input(ctx *tensor.Ctx, all []window, history [][][]float64, done int) model.Window {
	T, C, H := n.model.Spec().Context, len(history[0]), n.model.Spec().Horizon
	x, seen, short := make([]float32, len(all)*T*C), make([]float32, len(all)*T*C), false
	for b := range history {
		for c, y := range history[b] {
			y = y[max(0, len(y)-T):]
			pad, fill := T-len(y), 0.0
			for _, v := range y {
				fill += v / float64(len(y))
			}
			for t := range T {
				at := (b*T+t)*C + c
				if t < pad {
					x[at], short = float32(fill), true
					continue
				}
				x[at], seen[at] = float32(y[t-pad]), 1
			}
		}
	}
	w := model.Window{Past: ctx.F32s(x, len(all), T, C)}
	if short {
		w.Observed = ctx.F32s(seen, len(all), T, C)
	}
	if n.model.Spec().Targets != nil {
		future := make([]float32, len(all)*H*C)
		for b := range all {
			for i := range H * C {
				future[b*H*C+i] = float32(all[b].known(i%C, done+i/C))
			}
		}
		w.Future = ctx.F32s(future, len(all), H, C)
	}
	token := frequencyToken(n.freq)
	tokens := make([]int64, len(all))
	for b := range tokens {
		tokens[b] = token
	}
	w.Freq = ctx.Ints(tokens, len(all))
	return w
}

// frequencyToken is granite-tsfm's number of a frequency (tsfm_public: DEFAULT_FREQUENCY_MAPPING), 0 for one it lacks.
func frequencyToken(f series.Freq) int64 {
	n := max(f.N, 1)
	switch f.Unit {
	case series.Minute:
		return map[int]int64{1: 1, 2: 2, 5: 3, 10: 4, 15: 5, 30: 6}[n]
	case series.Hour:
		return map[int]int64{1: 7}[n]
	case series.Day:
		return map[int]int64{1: 8}[n]
	case series.Week:
		return map[int]int64{1: 9}[n]
	}
	return 0
}

// collect appends the first take steps of f to the paths, done steps long so far. A rolled model takes its own mean for
// truth, so its later quantiles lack the doubt about it: they are widened by the spread at the end of the part before,
// as independent errors add.
func collect(out []path, f model.Forecast, take, done int, levels []float64) {
	mean := f.Mean.Read()
	var quantiles []float32
	if f.Quantiles != nil {
		quantiles = f.Quantiles.Read()
	}
	H, G, Q := f.Mean.Dim(1), f.Mean.Dim(2), len(levels)
	for b := range out {
		for g := range G {
			for q := range Q {
				doubt := 0.0
				if done > 0 {
					doubt = out[b].quantiles[g][q][done-1] - out[b].mean[g][done-1]
				}
				for k := range take {
					at := (b*H+k)*G + g
					spread := float64(quantiles[at*Q+q]) - float64(mean[at])
					if doubt != 0 {
						spread = math.Copysign(math.Hypot(spread, doubt), doubt)
					}
					out[b].quantiles[g][q] = append(out[b].quantiles[g][q], float64(mean[at])+spread)
				}
			}
			for k := range take {
				out[b].mean[g] = append(out[b].mean[g], float64(mean[(b*H+k)*G+g]))
			}
		}
	}
}

// residuals are the absolute errors [G][step][window], ascending, that the model made from earlier origins of w.
func (n *network) residuals(ctx context.Context, w window, h int) ([][][]float64, error) {
	T := len(w.past[0])
	steps := min(h, n.model.Spec().Horizon)
	least := max(calibrationLeast, min(n.model.Spec().Context, T/2))
	// Origins lie as far apart as the history allows, up to a forecast each: neighbours make the same errors.
	apart := max(1, min(steps, (T-least)/calibrationWindows))
	var earlier []window
	var origins []int
	for origin := T - apart; origin >= least && len(origins) < calibrationWindows; origin -= apart {
		e := window{past: make([][]float64, len(w.past)), future: make([][]float64, len(w.past))}
		for c := range w.past {
			e.past[c], e.future[c] = w.past[c][:origin], w.past[c][origin:]
			if w.future == nil || w.future[c] == nil {
				e.future[c] = nil // what is not known ahead now was not known then
			}
		}
		earlier, origins = append(earlier, e), append(origins, origin)
	}
	p, err := n.ahead(ctx, earlier, steps)
	if err != nil {
		return nil, err
	}
	targets := n.targets(len(w.past))
	errs := make([][][]float64, len(targets))
	for i, c := range targets {
		errs[i] = make([][]float64, steps)
		for j, origin := range origins {
			for k := range min(steps, T-origin) {
				errs[i][k] = append(errs[i][k], math.Abs(w.past[c][origin+k]-p[j].mean[i][k]))
			}
		}
		for k := range errs[i] {
			slices.Sort(errs[i][k])
		}
	}
	return errs, nil
}

// conformal gives split-conformal quantiles around mean: ± the ⌈(w+1)p⌉-th smallest of the w absolute errors made k steps
// ahead, the largest where there are too few (series.Conformal has the source). Steps without errors widen the last that
// has some by √k; without any, scale stands in as the mean absolute error of a step of a random walk.
func conformal(mean []float64, errs [][]float64, scale float64) func(q float64) []float64 {
	last := len(errs) - 1
	for last >= 0 && len(errs[last]) == 0 {
		last--
	}
	return func(q float64) []float64 {
		out := slices.Clone(mean)
		p := math.Abs(2*q - 1)
		sign := math.Copysign(1, q-0.5)
		if p < 1e-12 {
			return out
		}
		widest := 0.0
		for k := range out {
			var half float64
			if last < 0 {
				if !math.IsNaN(scale) {
					half = scale * math.Sqrt(math.Pi/2) * normalQuantile((1+p)/2) * math.Sqrt(float64(k+1))
				}
			} else {
				e := errs[min(k, last)]
				half = e[min(len(e), int(math.Ceil(float64(len(e)+1)*p-1e-9)))-1] * math.Sqrt(float64(k+1)/float64(min(k, last)+1))
			}
			// Far steps have fewer errors; less doubt than at a step before would only be their luck.
			widest = max(widest, half)
			out[k] += sign * widest
		}
		return out
	}
}

// interpolate reads the quantile q between the levels of a model [Q][H], linearly; beyond the outermost levels the tails
// are taken for normal ones.
func interpolate(mean []float64, quantiles [][]float64, levels []float64, q float64) []float64 {
	out := make([]float64, len(mean))
	last := len(levels) - 1
	for k := range out {
		switch i, exact := slices.BinarySearch(levels, q); {
		case exact:
			out[k] = quantiles[i][k]
		case i == 0 || i > last:
			edge := min(i, last)
			out[k] = quantiles[edge][k]
			if z := normalQuantile(levels[edge]); z != 0 {
				out[k] = mean[k] + (quantiles[edge][k]-mean[k])*normalQuantile(q)/z
			}
		default:
			f := (q - levels[i-1]) / (levels[i] - levels[i-1])
			out[k] = quantiles[i-1][k] + f*(quantiles[i][k]-quantiles[i-1][k])
		}
	}
	return out
}

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
