package forecast_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/table"
)

func ExampleRun() {
	file := "month,visitors\n"
	for i := range 36 {
		file += fmt.Sprintf("%d-%02d,%d\n", 2022+i/12, 1+i%12, 100+10*(i%12))
	}
	t, err := table.Read(strings.NewReader(file), "visitors.csv", table.Options{})
	if err != nil {
		panic(err)
	}
	p, err := series.FromTable(t, series.Options{})
	if err != nil {
		panic(err)
	}
	r, err := forecast.Run(context.Background(), p, forecast.Options{Model: "seasonal-naive", Horizon: 3, Quantiles: []float64{0.5}})
	if err != nil {
		panic(err)
	}
	table.WriteCSV(os.Stdout, r.Table())
	// Output:
	// unique_id,ds,mean,q0.5
	// visitors,2025-01-01,100,100
	// visitors,2025-02-01,110,110
	// visitors,2025-03-01,120,120
}

func ExampleBacktest() {
	y := make([]float64, 48)
	for i := range y {
		y[i] = float64(10 + i%12)
	}
	p := &series.Panel{Name: "made up", Series: []series.Series{{ID: "a", Y: y}}}
	r, err := forecast.Backtest(context.Background(), p, forecast.Options{Model: "naive", Horizon: 2, Season: 12, Backtest: forecast.BacktestOptions{Windows: 1}})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: sMAPE %.1f over %d window\n", r.Scores[0].Model, r.Scores[0].SMAPE, r.Windows)
	// Output:
	// naive: sMAPE 7.6 over 1 window
}
