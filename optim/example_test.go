package optim_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
)

// A training loop: a line fitted to three points.
func Example() {
	line := nn.NewLinear(1, 1, true)
	nn.Name(line)
	opt, err := optim.New(optim.Options{Name: "sgd", LR: 0.1, Momentum: 0.5}, nn.Trainable(line))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer opt.Close()
	schedule := optim.Schedule{Name: "cosine", WarmupSteps: 10}
	ctx := tensor.New(tensor.Options{Grad: true, Train: true})
	defer ctx.Close()
	const steps = 300
	for k := range steps {
		ctx.Next(uint64(k))
		x, y := ctx.F32s([]float32{0, 1, 2}, 3, 1), ctx.F32s([]float32{1, 3, 5}, 3, 1)
		nn.MSE(line.Forward(x), y).Backward()
		optim.ClipNorm(opt.Params(), 1)
		opt.Step(schedule.At(0.1, k, steps, steps))
		opt.ZeroGrad()
	}
	fmt.Printf("y = %.3f·x + %.3f\n", line.Weight.Item(), line.Bias.Item())
	// Output: y = 2.000·x + 1.000
}

func ExampleSchedule_At() {
	s := optim.Schedule{Name: "linear", WarmupRatio: 0.2}
	for k := range 6 {
		fmt.Printf("%.2f ", s.At(1, k, 10, 10).LR)
	}
	// Output: 0.00 0.50 1.00 0.88 0.75 0.62
}

func ExamplePlateau() {
	p := optim.Plateau{Factor: 0.5, Patience: 1}
	lr := 0.1
	for _, loss := range []float64{3, 2, 2, 2, 2} {
		lr = p.Step(loss, lr)
		fmt.Print(lr, " ")
	}
	// Output: 0.1 0.1 0.1 0.05 0.05
}
