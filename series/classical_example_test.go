package series_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/series"
)

func Example() {
	sales := []float64{12, 15, 14, 18, 20, 19, 23, 26, 24, 28}
	fitted, err := series.Theta{}.Fit(sales, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	next := fitted.Forecast(3)
	low, high := next.Quantile(0.1), next.Quantile(0.9)
	for k, v := range next.Mean {
		fmt.Printf("%.1f (%.1f to %.1f)\n", v, low[k], high[k])
	}
	// Output:
	// 27.5 (25.0 to 30.1)
	// 28.4 (25.6 to 31.2)
	// 29.2 (26.2 to 32.3)
}

func ExampleSES() {
	fitted, _ := series.SES{Alpha: 0.5}.Fit([]float64{10, 14, 12}, 1)
	fmt.Println(fitted.Forecast(2).Mean)
	// Output:
	// [12 12]
}

func ExampleConformal() {
	y := []float64{5, 7, 6, 8, 7, 9, 8, 10, 9, 11, 10, 12}
	fitted, _ := series.Conformal{Method: series.Drift{}, Horizon: 2}.Fit(y, 1)
	f := fitted.Forecast(2)
	fmt.Printf("%.1f %.1f\n", f.Mean, f.Quantile(0.9))
	// Output:
	// [12.6 13.3] [14.6 14.3]
}

func ExampleETS() {
	y := []float64{20, 31, 42, 22, 33, 44, 24, 35, 46, 26, 37, 48, 28, 39, 50}
	fitted, _ := series.ETS{}.Fit(y, 3)
	fmt.Printf("%.0f\n", fitted.Forecast(3).Mean)
	// Output:
	// [30 41 52]
}
