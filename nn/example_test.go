package nn_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// A model is a struct of layers; its field names and tags are the names in the checkpoint.
func Example() {
	type classifier struct {
		Norm *nn.LayerNorm `w:"norm"`
		Body *nn.GRU       `w:"rnn"`
		Head *nn.Linear    // head
	}
	m := &classifier{nn.NewLayerNorm(4, 0), nn.NewGRU(4, 8, 1, false), nn.NewLinear(8, 3, true)}
	nn.Name(m)
	nn.Init(m, 1)
	for _, p := range nn.Walk(m) {
		fmt.Println(p.Name, p.Tensor.Shape())
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.Normal(1, tensor.F32, 2, 5, 4) // [B, T, C]
	_, last := m.Body.Forward(m.Norm.Forward(x), nil)
	logits := m.Head.Forward(last.Index(0, 0))
	fmt.Println(nn.Count(m), "parameters give", logits.Shape())
	// Output:
	// norm.weight [4]
	// norm.bias [4]
	// rnn.weight_ih_l0 [24 4]
	// rnn.weight_hh_l0 [24 8]
	// rnn.bias_ih_l0 [24]
	// rnn.bias_hh_l0 [24]
	// head.weight [3 8]
	// head.bias [3]
	// 371 parameters give [2 3]
}

func ExampleBCEWithLogits() {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	logits, labels := ctx.F32s([]float32{0, 100}, 2), ctx.F32s([]float32{1, 1}, 2)
	fmt.Printf("%.4f\n", nn.BCEWithLogits(logits, labels, nil).Item()) // (ln 2 + 0)/2
	// Output: 0.3466
}
