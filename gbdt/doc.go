// Package gbdt trains gradient boosted decision trees and predicts with them, compatible with LightGBM in both
// directions: the same parameters, the same trees, the same model files.
//
//	train, err := gbdt.NewDataset(gbdt.Data{Columns: columns, Label: y}, gbdt.Options{})
//	model, err := gbdt.Train(ctx, train, gbdt.Options{Objective: "binary", NumIterations: 100})
//	err = model.Predict(p, rows, gbdt.PredictOptions{})
//	err = model.SaveText("model.txt")
//
// Histogram trees are grown leaf by leaf (Ke et al. 2017, "LightGBM: A Highly Efficient Gradient Boosting Decision
// Tree"); where the paper and LightGBM's source part, the source (version 4.6) is followed, down to its random
// generator, so that a model trained here has LightGBM's splits, thresholds and leaf values. Results do not depend on
// the number of threads.
//
// Features are columns of numbers, NaN where a value is missing; OpenDataset reads them from the files that LightGBM reads.
// The package knows no time series and no tensors.
//
// Training and prediction run on kernels of internal/kernel (boost.go there): histograms, the scan for a threshold, trees
// compiled to ranks. A model is the same whatever the processor.
package gbdt
