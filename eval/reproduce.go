package eval

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/table"
)

// Claim is one published figure that can be measured again.
type Claim struct {
	ID        string  // as "ttm/etth1-96"
	Paper     string  // where the figure stands
	What      string  // model, data, metric
	Published float64 // the paper's figure; NaN: none for this very checkpoint
	Reference float64 // what the reference implementation gives for the same weights and data; NaN: unknown
	Digits    int     // of Reference: a measured value agrees when it rounds to the same
	measure   func(ctx context.Context, env Env) (float64, error)
}

// Env is where claims find what they need.
type Env struct {
	Data string // folder of data sets and checkpoints
	Open func(path string, set map[string]string) (model.Forecaster, error)
}

// Measured is a claim's outcome.
type Measured struct {
	ID        string   `json:"id"`
	Paper     string   `json:"paper"`
	What      string   `json:"what"`
	Published *float64 `json:"published"`
	Reference *float64 `json:"reference"`
	Hanji     *float64 `json:"hanji"`
	Delta     *float64 `json:"delta"` // hanji − reference
	Agrees    bool     `json:"agrees"`
	Seconds   float64  `json:"seconds"`
	Missing   string   `json:"missing,omitempty"` // what was not at hand
}

// windows is a claim about an error over all test windows.
func windows(modelPath, data string, metric func(forecast.Error) float64, o ForecastOptions) func(context.Context, Env) (float64, error) {
	return func(ctx context.Context, env Env) (float64, error) {
		m, err := env.Open(filepath.Join(env.Data, filepath.FromSlash(modelPath)), nil)
		if err != nil {
			return 0, err
		}
		path := filepath.Join(env.Data, filepath.FromSlash(data))
		t, err := table.Open(path, table.Options{})
		if err != nil {
			return 0, err
		}
		x, err := forecast.FromTable(t, path)
		if err != nil {
			return 0, err
		}
		r, err := Forecast(ctx, m, x, o)
		return metric(r.Error), err
	}
}

func mse(e forecast.Error) float64 { return e.MSE }
func mae(e forecast.Error) float64 { return e.MAE }

var none = math.NaN()

const (
	ttmPaper      = "Tiny Time Mixers, arXiv 2401.03955; granite-tsfm's benchmark tables"
	patchtstPaper = "PatchTST, arXiv 2211.14730, Table 3 (PatchTST/42)"
)

// Claims are all figures that hanji measures again. The published column is the paper's own; the reference is the
// original code on the very checkpoint that is measured.
var Claims = []Claim{
	{"ttm/etth1-96-mse", ttmPaper, "TTM r2 512-96 zero-shot, ETTh1, horizon 96, MSE", 0.36281, 0.36281212, 6,
		windows("ttm/r2-512-96", "ett/ETTh1.csv", mse, ForecastOptions{Protocol: "ett-hour"})},
	{"ttm/etth1-96-mae", ttmPaper, "TTM r2 512-96 zero-shot, ETTh1, horizon 96, MAE", none, 0.38903058, 6,
		windows("ttm/r2-512-96", "ett/ETTh1.csv", mae, ForecastOptions{Protocol: "ett-hour"})},
	{"ttm/exchange-96-mse", ttmPaper, "TTM r2 512-96 zero-shot, exchange_rate, horizon 96, MSE", 0.094, none, 3,
		windows("ttm/r2-512-96", "ltsf/exchange_rate.csv", mse, ForecastOptions{Protocol: "ltsf"})},
	{"patchtst/etth1-96-mse", patchtstPaper, "official-code checkpoint, ETTh1, horizon 96, drop-last, MSE", 0.375, 0.38149384, 6,
		windows("patchtst/etth1_336_96.pth", "ett/ETTh1.csv", mse, ForecastOptions{Protocol: "ett-hour", DropLast: 128})},
	{"patchtst/etth1-96-all-mse", patchtstPaper, "the same over all windows, MSE", none, 0.38501542, 6,
		windows("patchtst/etth1_336_96.pth", "ett/ETTh1.csv", mse, ForecastOptions{Protocol: "ett-hour"})},
	{"patchtst/etth1-336-mse", patchtstPaper, "official-code checkpoint, ETTh1, horizon 336, drop-last, MSE", 0.431, 0.43090897, 6,
		windows("patchtst/etth1_336_336.pth", "ett/ETTh1.csv", mse, ForecastOptions{Protocol: "ett-hour", DropLast: 128})},
	{"patchtst/etth1-336-all-mse", patchtstPaper, "the same over all windows, MSE", none, 0.44063881, 6,
		windows("patchtst/etth1_336_336.pth", "ett/ETTh1.csv", mse, ForecastOptions{Protocol: "ett-hour"})},
}

// Reproduce measures every claim whose ID, paper or description contains only (in any case; "": all), handing each
// outcome to done. A claim whose files are not at hand says so and does not fail; that none matches is not told.
func Reproduce(ctx context.Context, env Env, only string, done func(Measured)) error {
	for _, c := range Claims {
		if !Matches(only, c.ID, c.Paper, c.What) {
			continue
		}
		m := Measured{ID: c.ID, Paper: c.Paper, What: c.What, Published: number(c.Published), Reference: number(c.Reference)}
		t := time.Now()
		v, err := c.measure(ctx, env)
		m.Seconds = time.Since(t).Seconds()
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case os.IsNotExist(unwrap(err)):
			m.Missing = err.Error()
		case err != nil:
			return fmt.Errorf("eval: %s: %w", c.ID, err)
		default:
			m.Hanji = &v
			want := c.Reference
			if math.IsNaN(want) {
				want = c.Published
			}
			d := v - want
			m.Delta = &d
			m.Agrees = math.Abs(d) <= 0.5000001*math.Pow(10, -float64(c.Digits))
		}
		done(m)
	}
	return nil
}

// Matches tells whether one of the texts contains only, in any case.
func Matches(only string, texts ...string) bool {
	return strings.Contains(strings.ToLower(strings.Join(texts, " ")), strings.ToLower(only))
}

func unwrap(err error) error {
	for err != nil {
		next, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if _, isPath := err.(*os.PathError); isPath {
			return err
		}
		err = next.Unwrap()
	}
	return nil
}

func number(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}
