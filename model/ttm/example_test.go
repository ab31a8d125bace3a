package ttm_test

import (
	"fmt"
	"os"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/ttm"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// A small untrained model is saved, loaded again and asked for a forecast.
func Example() {
	c, err := ttm.ParseConfig([]byte(`{"context_length": 64, "prediction_length": 16}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	m := ttm.New(c)
	nn.Init(m, 1)
	dir, err := os.MkdirTemp("", "ttm")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := m.Save(dir); err != nil {
		fmt.Println(err)
		return
	}
	m, err = ttm.Load(dir, map[string]string{"dropout": "0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	past := ctx.Normal(1, tensor.F32, 2, m.Spec().Context, 1) // [B, T, C]
	fmt.Println(m.Forecast(ctx, model.Window{Past: past}).Mean.Shape())
	// Output: [2 16 1]
}
