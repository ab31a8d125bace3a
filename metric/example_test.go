package metric_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/metric"
)

func Example() {
	train := []float64{10, 20, 12, 22, 14, 24} // two steps a season
	y := []float64{16, 26}                     // what happened
	f := []float64{15, 24}                     // what was forecast
	fmt.Printf("MAE %.2f, MASE %.2f\n", metric.MAE(y, f), metric.MASE(y, f, train, 2))
	fmt.Printf("sMAPE %.2f %%\n", metric.SMAPE(y, f, metric.SMAPEPercent))
	// Output:
	// MAE 1.50, MASE 0.75
	// sMAPE 7.23 %
}

func ExampleMeanWQL() {
	y := []float64{10, 20}
	quantiles := [][]float64{{8, 17}, {10, 19}, {13, 24}} // of levels 0.1, 0.5, 0.9
	fmt.Printf("%.4f\n", metric.MeanWQL(y, quantiles, []float64{0.1, 0.5, 0.9}))
	// Output: 0.0378
}

func ExampleCRPSSamples() {
	fmt.Printf("%.4f\n", metric.CRPSSamples(2, []float64{1, 2, 4}))
	// Output: 0.3333
}
