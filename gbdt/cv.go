package gbdt

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Fold is a split of rows for cross-validation: ascending row numbers.
type Fold struct{ Train, Test []int }

// KFold tests row i in fold i mod k and trains on the others.
func KFold(rows, k int) []Fold {
	folds := make([]Fold, k)
	for i := range rows {
		for f := range folds {
			if i%k == f {
				folds[f].Test = append(folds[f].Test, i)
			} else {
				folds[f].Train = append(folds[f].Train, i)
			}
		}
	}
	return folds
}

// CVResult is a metric's mean and population standard deviation over the folds, after each iteration.
type CVResult struct {
	Metric     string
	BiggerWins bool
	Mean, Std  []float64
}

// CrossValidate trains one model for each fold, with the bins of the whole data set, and evaluates the metrics on the
// rows left out (cv of LightGBM's Python package). Iterations go as far as all folds do. Of the options it takes no
// Validation, InitModel, OnIter or early stopping.
func CrossValidate(ctx context.Context, data *Dataset, o Options, folds []Fold) ([]CVResult, error) {
	if len(folds) < 2 {
		return nil, fmt.Errorf("gbdt: cross-validation: %d folds, want at least 2", len(folds))
	}
	var values [][][]float64 // fold, metric, iteration
	var out []CVResult
	for i, f := range folds {
		train, err := data.Subset(f.Train)
		if err != nil {
			return nil, fmt.Errorf("fold %d: %w", i, err)
		}
		test, err := data.Subset(f.Test)
		if err != nil {
			return nil, fmt.Errorf("fold %d: %w", i, err)
		}
		var curve [][]float64
		p := o
		p.EarlyStoppingRound, p.InitModel, p.IsProvideTrainingMetric = 0, nil, false
		p.Validation = []Validation{{"test", test}}
		p.OnIter = func(it Iteration) error {
			if curve == nil {
				curve = make([][]float64, len(it.Results))
				if i == 0 {
					for _, r := range it.Results {
						out = append(out, CVResult{Metric: r.Metric, BiggerWins: r.BiggerWins})
					}
				}
			}
			for j, r := range it.Results {
				curve[j] = append(curve[j], r.Value)
			}
			return nil
		}
		if _, err := Train(ctx, train, p); err != nil {
			return nil, fmt.Errorf("fold %d: %w", i, err)
		}
		values = append(values, curve)
	}
	for j := range out {
		out[j].summarise(values, j)
	}
	return out, nil
}

func (r *CVResult) summarise(values [][][]float64, metric int) {
	rounds := math.MaxInt
	for _, fold := range values {
		if metric >= len(fold) {
			rounds = 0
		} else {
			rounds = min(rounds, len(fold[metric]))
		}
	}
	column := make([]float64, len(values))
	for it := range rounds {
		for f := range values {
			column[f] = values[f][metric][it]
		}
		mean, std := meanStd(column)
		r.Mean, r.Std = append(r.Mean, mean), append(r.Std, std)
	}
	r.Mean, r.Std = slices.Clip(r.Mean), slices.Clip(r.Std)
}

func meanStd(v []float64) (mean, std float64) {
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	for _, x := range v {
		std += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(std / float64(len(v)))
}
