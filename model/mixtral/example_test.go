package mixtral_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/model/mixtral"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Where an untrained model sends the tokens of a sequence.
func Example() {
	c := mixtral.DefaultConfig()
	c.VocabSize, c.HiddenSize, c.IntermediateSize, c.Layers, c.Heads, c.KVHeads = 64, 16, 24, 2, 4, 2
	if err := c.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	m := mixtral.New(c)
	m.Init(1)
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	logits, routers := m.Logits(ctx.Ints([]int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 2, 5)) // two sequences of five
	sent := 0
	for _, n := range nn.ExpertCounts(routers[0], c.ExpertsPerToken, nil) {
		sent += n
	}
	fmt.Println(logits.Shape(), "from", len(routers), "routers; the first sent", sent, "rows to", c.Experts, "experts")
	// Output: [2 5 64] from 2 routers; the first sent 20 rows to 8 experts
}
