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

// Two answers to one prompt share its pages.
func ExampleCache() {
	cache, err := nn.NewCache(nn.CacheOptions{Layers: 1, Heads: 1, HeadDim: 4, MaxTokens: 64, PageTokens: 8})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	put := func(seq ...int) { // a decoder's Forward does this in each layer
		rows, err := cache.Append(len(seq), seq, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		x := ctx.Normal(1, tensor.F32, len(seq), 1, 4)
		rows.Attend(0, x, x, x, nn.AttendOptions{})
		rows.Done()
	}
	put(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	if err := cache.Fork(0, 1); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("after the prompt there is room for", cache.Room())
	put(0, 1)
	fmt.Println(cache.Len(0), cache.Len(1), "tokens, room for", cache.Room())
	// Output:
	// after the prompt there is room for 48
	// 11 11 tokens, room for 40
}

// Adapters are what is trained; they begin as nothing.
func ExampleAddLoRA() {
	m := nn.NewSwiGLU(16, 32)
	nn.Name(m)
	nn.Init(m, 1)
	n, err := nn.AddLoRA(m, nn.LoRAOptions{Rank: 2, Targets: []string{"up_proj", "down_proj"}})
	fmt.Println(n, err)
	for _, p := range nn.Trainable(m) {
		fmt.Println(p.Name, p.Tensor.Shape())
	}
	nn.MergeLoRA(m)
	fmt.Println(len(nn.Adapters(m)))
	// Output:
	// 2 <nil>
	// up_proj.lora_A.weight [2 16]
	// up_proj.lora_B.weight [32 2]
	// down_proj.lora_A.weight [2 32]
	// down_proj.lora_B.weight [16 2]
	// 0
}
