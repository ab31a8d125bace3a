// Package gbdt trains gradient boosted decision trees and predicts with them, compatible with LightGBM in both
// directions: the same parameters, the same trees, the same model files.
//
//	train, err := gbdt.NewDataset(columns, gbdt.DataOptions{Label: y})
//	model, err := gbdt.Train(ctx, train, gbdt.Options{Objective: "binary", NumIterations: 100})
//	err = model.Predict(p, rows, gbdt.PredictOptions{})
//	err = model.WriteText(file)
//
// Histogram trees are grown leaf by leaf (Ke et al. 2017, "LightGBM: A Highly Efficient Gradient Boosting Decision
// Tree"); where the paper and LightGBM's source part, the source (version 4.6) is followed, down to its random
// generator, so that a model trained here has LightGBM's splits, thresholds and leaf values. Results do not depend on
// the number of threads.
//
// The package knows no files but LightGBM's (models, configurations, side files), no time series and no tensors:
// features are columns of numbers, NaN where a value is missing.
package gbdt
