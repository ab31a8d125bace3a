package patchtst_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/patchtst"
	"github.com/hanji-ml/hanji/tensor"
)

// The paper's model, untrained: the history of 7 channels in patches of 16 steps, the next 24 steps out.
func Example() {
	c := patchtst.PaperConfig()
	c.NumInputChannels, c.ContextLength, c.PredictionLength, c.DModel, c.FFNDim = 7, 96, 24, 16, 32
	if err := c.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	m := patchtst.New(c)
	m.Init(1)
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	out := m.Forward(ctx, model.Window{Past: ctx.Normal(1, tensor.F32, 2, 96, 7)}, nil)
	fmt.Println(out.Patches.Shape(), out.Encoder.Shape(), out.Prediction.Shape())
	// Output: [2 7 12 16] [2 7 12 16] [2 24 7]
}
