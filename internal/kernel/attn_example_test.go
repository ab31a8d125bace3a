package kernel_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// Two queries, each like one of the keys; the first may not see the second key.
func ExampleAttention() {
	o, logSum := make([]float32, 4), make([]float32, 2)
	kernel.Attention(&kernel.AttentionHead[float32]{
		T: 2, S: 2, D: 2, Causal: true,
		Q: []float32{9, 0, 0, 9},
		K: []float32{1, 0, 0, 1},
		V: []float32{1, 2, 3, 4},
		O: o, LogSum: logSum,
	}, nil)
	fmt.Printf("%.2f %.2f\n", o, logSum)
	// Output: [1.00 2.00 3.00 4.00] [6.36 6.37]
}
