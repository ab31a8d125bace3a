// Command demand forecasts demand with gradient boosting, as M5's winners did: one model for all series on lags, moving averages,
// calendar and prices, recursive and direct, with a Tweedie objective for series of many zeros; and intervals by
// quantile regression, made honest by conformal calibration.
//
//	go run ./examples/demand                                                     # a made-up chain of ten stores
//	go run ./examples/demand -tsf $HANJI_SHARED/data/monash/hospital_dataset.tsf # 767 monthly series
//
// To use it for data of your own, fill in a panel (panel.go) and keep the rest.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/metric"
)

func main() {
	tsf := flag.String("tsf", "", "forecast the monthly series of this file instead of made-up sales")
	items := flag.Int("items", 4, "items of each of the seven departments")
	days := flag.Int("days", 730, "days of made-up sales, the last 28 to be forecast")
	flag.Parse()
	p, err := open(*tsf, *items, *days)
	if err == nil {
		err = run(context.Background(), os.Stdout, p)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func open(tsf string, items, days int) (*panel, error) {
	if tsf != "" {
		return openMonthly(tsf)
	}
	return chain(items, days), nil
}

// run prints how good each way of forecasting the last steps is, and each way of making intervals.
func run(ctx context.Context, out io.Writer, p *panel) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintf(w, "%d series, %d steps, the last %d forecast\n\n", len(p.y), p.steps(), p.horizon)
	fmt.Fprintf(w, "method\t%s\tbias\n", p.measure())
	var best *metric.WRMSSEScore
	show := func(name string, f [][]float64) {
		score, bias := p.score(f)
		fmt.Fprintf(w, "%s\t%.4f\t%+.4f\n", name, score.Score, bias)
		if best == nil || score.Score < best.Score {
			best = &score
		}
	}
	show("seasonal naive", p.seasonalNaive())
	for _, objective := range []string{"regression", "tweedie"} {
		o := gbdt.Options{Objective: objective, TweedieVariancePower: 1.1, NumIterations: 120, LearningRate: 0.1, NumLeaves: 31, MinDataInLeaf: 50,
			BaggingFraction: 0.7, BaggingFreq: 1, FeatureFraction: 0.7, LambdaL2: 0.1, CatSmooth: 20}
		f, err := p.recursive(ctx, o)
		if err != nil {
			return err
		}
		show(objective+", recursive", f)
		if f, err = p.direct(ctx, o, p.steps()-p.horizon, p.steps()-p.horizon); err != nil {
			return err
		}
		show(objective+", direct", f)
	}
	if len(best.Levels) > 0 {
		fmt.Fprint(w, "\nlevel of the best\tseries\tWRMSSE\n")
		for _, l := range best.Levels {
			fmt.Fprintf(w, "%s\t%d\t%.4f\n", l.Name, len(l.Groups), l.Score)
		}
	}
	return p.intervals(ctx, w)
}

// score compares forecasts [series, horizon] with what happened: WRMSSE where the panel has levels, else the mean MASE.
func (p *panel) score(f [][]float64) (s metric.WRMSSEScore, bias float64) {
	from := p.steps() - p.horizon
	train, y := make([][]float64, len(p.y)), make([][]float64, len(p.y))
	for i, v := range p.y {
		train[i], y[i] = v[:from], v[from:]
	}
	bias = metric.Bias(slices.Concat(y...), slices.Concat(f...))
	if p.levels != nil {
		return metric.WRMSSE(train, y, f, p.value(), p.levels), bias
	}
	mase := make([]float64, len(y))
	for i := range y {
		mase[i] = metric.MASE(y[i], f[i], train[i], p.season)
	}
	return metric.WRMSSEScore{Score: metric.MeanDefined(mase)}, bias
}

func (p *panel) measure() string {
	if p.levels != nil {
		return "WRMSSE"
	}
	return "MASE"
}

func (p *panel) seasonalNaive() [][]float64 {
	from := p.steps() - p.horizon
	f := make([][]float64, len(p.y))
	for i, y := range p.y {
		for h := range p.horizon {
			f[i] = append(f[i], y[from-p.season+h%p.season])
		}
	}
	return f
}
