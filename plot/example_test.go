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

func ExampleTree() {
	leaf := func(label string, v float64) *plot.TreeNode { return &plot.TreeNode{Label: []string{label}, Value: v} }
	t := plot.Tree{Title: "tree 0", Root: &plot.TreeNode{
		Label: []string{"age ≤ 30", "gain 12.5"},
		Yes:   leaf("leaf 0: -0.2", -0.2),
		No:    &plot.TreeNode{Label: []string{"city in {2, 5}"}, Yes: leaf("leaf 1: 0.1", 0.1), No: leaf("leaf 2: 0.4", 0.4)},
	}}
	if err := t.Text(os.Stdout, plot.Terminal{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// tree 0
	// age ≤ 30  gain 12.5
	// ├─ yes  leaf 0: -0.2
	// └─ no   city in {2, 5}
	//    ├─ yes  leaf 1: 0.1
	//    └─ no   leaf 2: 0.4
}

func ExampleBars() {
	b := plot.Bars{Title: "Feature importance", Names: []string{"age", "city"}, Values: []float64{12, 7}}
	if err := b.Text(os.Stdout, plot.Terminal{Width: 30}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Feature importance
	// age  ██████████████████████ 12
	// city ████████████▉ 7
}
