package tensor_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/tensor"
)

// A step forward and back: the gradient of a loss with respect to a parameter.
func Example() {
	ctx := tensor.New(tensor.Options{Grad: true})
	defer ctx.Close()
	w := tensor.NewParam("w", tensor.F32, 1, 2)
	w.SetF32([]float32{0.5, -1})
	x := ctx.F32s([]float32{1, 2, 3, 4}, 2, 2)
	loss := x.Linear(w, nil).Square().Mean() // mean of (x·wᵀ)²
	loss.Backward()
	fmt.Println(loss.Item(), w.Grad().Read())
	// Output: 4.25 [-9 -13]
}

// A mistake of the caller is a panic with *Error; Recover turns it into an error at an entry point.
func ExampleRecover() {
	multiply := func() (err error) {
		defer tensor.Recover(&err)
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		ctx.Zeros(tensor.F32, 2, 3).MatMul(ctx.Zeros(tensor.F32, 2, 3))
		return nil
	}
	fmt.Println(multiply())
	// Output: tensor: matmul: inner lengths differ (operands f32[2 3], f32[2 3])
}

func ExampleTensor_Conv1d() {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.F32s([]float32{1, 2, 3, 4}, 1, 1, 4)
	difference := ctx.F32s([]float32{-1, 1}, 1, 1, 2)
	fmt.Println(x.Conv1d(difference, nil, tensor.ConvOptions{}).Read())
	fmt.Println(x.Conv1d(difference, nil, tensor.ConvOptions{Padding: 1, Stride: 2}).Read())
	// Output:
	// [1 1 1]
	// [1 1 -4]
}

func ExampleTensor_MovingAverage() {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	fmt.Println(ctx.F32s([]float32{0, 3, 6, 3}, 4).MovingAverage(3).Read()) // the edges count twice
	// Output: [1 3 4 4]
}
