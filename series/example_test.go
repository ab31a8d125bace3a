package series_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/table"
)

func ExampleFromTable() {
	csv := "shop,day,sold\nNorth,2024-02-28,3\nSouth,2024-02-28,7\nNorth,2024-02-29,4\nSouth,2024-02-29,8\nNorth,2024-03-01,5\n"
	t, err := table.Read(strings.NewReader(csv), "shops.csv", table.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := series.FromTable(t, series.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range p.Series {
		fmt.Println(s.ID, s.Freq, s.Y, "next:", s.Time(len(s.Y)).Format("2 January"))
	}
	for _, note := range p.Notes {
		fmt.Println("-", note)
	}
	// Output:
	// North D [3 4 5] next: 2 March
	// South D [7 8] next: 1 March
	// - times are in column "day"
	// - long: times repeat, series are named by column "shop"
	// - 1 target column(s): sold
	// - frequency D, found from 3 stamps
	// - the series have 2 to 3 steps
}

func ExampleFreq_Next() {
	f, err := series.ParseFreq("ME")
	if err != nil {
		fmt.Println(err)
		return
	}
	january := time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)
	for i := range 3 {
		fmt.Println(f.Next(january, i).Format("2006-01-02"))
	}
	// Output:
	// 2024-01-31
	// 2024-02-29
	// 2024-03-31
}

func ExamplePanel_Windows() {
	p := series.Panel{Series: []series.Series{{ID: "a", Y: []float64{1, 2, 3, 4, 5}}}}
	w, err := p.Windows(series.WindowOptions{Context: 3, Horizon: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range w.Len() {
		fmt.Println(w.At(i).Context, "→", w.At(i).Target)
	}
	// Output:
	// [1 2 3] → [4]
	// [2 3 4] → [5]
}
