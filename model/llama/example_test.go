package llama_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Greedy decoding: the prompt at once, then token by token. The checkpoint is a tiny one of random weights.
func Example() {
	m, err := llama.Load("testdata/tiny", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	cache, err := m.NewCache(nn.CacheOptions{DType: tensor.F16, MaxTokens: 64})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	var answer []int32
	next := []int32{188, 2, 61, 90}
	for range 8 {
		ctx.Next(0) // the last token's memory serves the next one
		want := make([]bool, len(next))
		want[len(next)-1] = true
		logits, err := m.Forward(ctx, model.Batch{Tokens: next, Want: want}, cache)
		if err != nil {
			fmt.Println(err)
			return
		}
		next = []int32{int32(logits.Argmax().ReadInts()[0])}
		answer = append(answer, next[0])
	}
	fmt.Println(answer)
	fmt.Println(cache.Len(0), "tokens in a cache of", cache.Bytes(), "bytes")
	// Output:
	// [29 13 13 84 18 0 12 84]
	// 11 tokens in a cache of 4096 bytes
}
