package generate_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/generate"
)

func ExampleChain() {
	logits := []float32{2, 1, 0, -1}
	filters := generate.Chain{&generate.RepetitionPenalty{Penalty: 2}, generate.Temperature{T: 0.5}, generate.TopK{K: 2}}
	filters.Apply(logits, []int32{0})
	fmt.Println(logits)
	// Output: [2 2 -Inf -Inf]
}
