package plot_test

import (
	"fmt"
	"os"

	"github.com/hanji-ml/hanji/plot"
)

// A series without dates: 24 known steps, 6 forecasts with their 80 % interval.
func Example() {
	f := plot.Forecast{Title: "stock"}
	for i := range 24 {
		f.History.Value = append(f.History.Value, float64(10+i%6*2))
	}
	band := plot.Band{Level: 0.8}
	for i := range 6 {
		v := float64(10 + i*2)
		f.Mean.Value = append(f.Mean.Value, v)
		band.Low, band.High = append(band.Low, v-3), append(band.High, v+3)
	}
	f.Bands = []plot.Band{band}
	if err := f.Text(os.Stdout, plot.Terminal{Width: 60, Height: 8}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// stock
	// 30 ┤
	//    │
	// 20 ┤        ⣀⢤         ⢀⣠         ⢀⡠⡄         ⣀⡄       ⡀⠄⣀⠤
	//    │     ⡠⠒⠉  ⢇     ⣀⠔⠊⠁ ⢇     ⢀⠔⠊⠁ ⠸⡀    ⢀⡠⠒⠉ ⠸⡀   ⠄⡂⡠⠒⠉⡂⠅
	//    │ ⢀⡠⠔⠊     ⠈⡆ ⡠⠔⠊     ⠈⡆ ⣀⠤⠒⠁     ⢱ ⢀⠤⠒⠁     ⢱⡀⢀⡠⠔⠊⠅⠂⠁
	// 10 ┤⠊⠁         ⠘⠉         ⠘⠉          ⠋⠁         ⠋⠁⠂⠁
	//    │
	//  0 ┤
	//    └─────────────────┬─────────────────┬──────────────────┬
	//                     10                20                 30
	// ⠤⠤ history  ⠤⠤ forecast  ⠕⠕ 80 %
}
