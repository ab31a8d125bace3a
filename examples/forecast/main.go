// Command forecast writes the forecast of a table's series to standard output: go run ./examples/forecast sales.csv
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/table"
)

func main() {
	t, err := table.Open(append(os.Args, "-")[1], table.Options{}) // "-": standard input
	check(err)
	panel, err := series.FromTable(t, series.Options{})
	check(err)
	result, err := forecast.Run(context.Background(), panel, forecast.Options{Horizon: 12})
	check(err)
	check(table.WriteCSV(os.Stdout, result.Table()))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
