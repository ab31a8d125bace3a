package gemma_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/gemma"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// The checkpoint is a tiny one of random weights.
func Example() {
	m, err := gemma.Load("testdata/golden/language/gemma3", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	cache, err := m.NewCache(nn.CacheOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	logits, err := m.Forward(ctx, model.Batch{Tokens: []int32{2, 30, 31, 32, 33}}, cache)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(logits.Shape(), "windows", m.Spec().Windows)
	// Output: [5 96] windows [6 6 0 6]
}
