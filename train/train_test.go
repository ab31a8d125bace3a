package train_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/train"
)

// task fits y = sin(x) with a small network that has dropout and batch norm: everything a checkpoint must hold.
type task struct {
	Net struct {
		In   *nn.Linear
		Norm *nn.BatchNorm
		Drop *nn.Dropout
		Out  *nn.Linear
	}
	slow time.Duration
}

func newTask() *task {
	t := &task{}
	t.Net.In, t.Net.Norm, t.Net.Drop, t.Net.Out = nn.NewLinear(1, 16, true), nn.NewBatchNorm(16), nn.NewDropout(0.1), nn.NewLinear(16, 1, true)
	nn.Name(&t.Net)
	nn.Init(&t.Net, 1)
	return t
}

func (t *task) forward(x *tensor.Tensor) *tensor.Tensor {
	return t.Net.Out.Forward(t.Net.Drop.Forward(t.Net.Norm.Forward(t.Net.In.Forward(x)).GELU()))
}

func (t *task) Params() []nn.Param { return nn.Walk(&t.Net) }
func (t *task) StepsPerEpoch() int { return 7 }

func (t *task) Loss(ctx *tensor.Ctx, epoch, step int) *tensor.Tensor {
	time.Sleep(t.slow)
	x := ctx.Uniform(99, tensor.F32, 32, 1).MulS(6).SubS(3)
	return nn.MSE(t.forward(x), x.Sin())
}

func (t *task) Validate(context.Context) (float64, error) {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.F32s([]float32{-2, -1, 0, 1, 2}, 5, 1)
	return nn.MSE(t.forward(x), x.Sin()).Item(), nil
}

func options(out string) train.Options {
	return train.Options{Seed: 5, Epochs: 6, ClipNorm: 1, Patience: 4, CheckpointEvery: 2, Out: out, Resume: true,
		Optimizer: optim.Options{Name: "adamw", LR: 0.01}, Schedule: optim.Schedule{Name: "onecycle"}}
}

// bits are the exact parameters and buffers of a task.
func bits(t *task) string {
	s := ""
	for _, p := range t.Params() {
		s += fmt.Sprintf("%s %x\n", p.Name, p.Tensor.ReadBytes())
	}
	return s
}

func unbroken(t *testing.T) (string, train.Result) {
	t.Helper()
	tk := newTask()
	res, err := train.Run(context.Background(), tk, options(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	return bits(tk), res
}

func TestLearns(t *testing.T) {
	tk := newTask()
	before, _ := tk.Validate(context.Background())
	o := options("")
	o.Epochs, o.Patience = 40, 0
	res, err := train.Run(context.Background(), tk, o)
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := tk.Validate(context.Background()); after != res.Best || after > before/5 {
		t.Errorf("validation %g before, %g after, best said to be %g", before, after, res.Best)
	}
}

// A run stopped at every step and resumed ends with the bits of the unbroken one.
func TestResumeIsExact(t *testing.T) {
	want, res := unbroken(t)
	dir := t.TempDir()
	for stops := 0; ; stops++ {
		tk := newTask()
		ctx, cancel := context.WithCancel(context.Background())
		o := options(dir)
		steps := 0
		o.Log = func(e train.Event) {
			if e.Kind == "step" {
				if steps++; steps == 1+stops%3 {
					cancel()
				}
			}
		}
		got, err := train.Run(ctx, tk, o)
		cancel()
		if err == nil {
			if bits(tk) != want {
				t.Errorf("parameters differ after %d stops", stops)
			}
			if fmt.Sprint(got.History) != fmt.Sprint(res.History) || got.Best != res.Best {
				t.Errorf("history %v, want %v", got.History, res.History)
			}
			return
		}
		if !errors.Is(err, context.Canceled) || stops > 100 {
			t.Fatal(err)
		}
	}
}

// The same, with processes killed outright at random moments.
func TestKill(t *testing.T) {
	if dir := os.Getenv("HANJI_TRAIN_KILL"); dir != "" {
		tk := newTask()
		tk.slow = 2 * time.Millisecond
		if _, err := train.Run(context.Background(), tk, options(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "bits"), []byte(bits(tk)), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, _ := unbroken(t)
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	for range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "HANJI_TRAIN_KILL="+dir)
		if err := cmd.Start(); err != nil {
			t.Skip("golden: no process can be started here:", err)
		}
		time.Sleep(time.Duration(rng.IntN(120)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "HANJI_TRAIN_KILL="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, "bits"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("parameters differ from those of the run that nobody killed")
	}
}

func TestOtherOptionsAreRefused(t *testing.T) {
	dir := t.TempDir()
	if _, err := train.Run(context.Background(), newTask(), options(dir)); err != nil {
		t.Fatal(err)
	}
	o := options(dir)
	o.Optimizer.LR = 0.02
	if _, err := train.Run(context.Background(), newTask(), o); err == nil {
		t.Error("a checkpoint of another learning rate is resumed")
	}
	o = options(dir)
	o.Resume = false
	if _, err := train.Run(context.Background(), newTask(), o); err == nil {
		t.Error("a finished run's folder is overwritten")
	}
}

func TestDivergenceIsAnError(t *testing.T) {
	tk := newTask()
	tk.Net.Out.Weight.Fill(math.NaN())
	if _, err := train.Run(context.Background(), tk, options("")); err == nil {
		t.Error("a loss of NaN goes on")
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	tk := newTask()
	before := bits(tk)
	e, err := train.DryRun(tk, options(""))
	if err != nil || e.Steps != 42 || e.Bytes == 0 {
		t.Errorf("%+v, %v", e, err)
	}
	if bits(tk) != before {
		t.Error("parameters changed")
	}
}

func ExampleRun() {
	tk := newTask()
	res, err := train.Run(context.Background(), tk, train.Options{Epochs: 2, Optimizer: optim.Options{LR: 0.01}})
	fmt.Println(res.Steps, res.BestEpoch, err)
	// Output: 14 1 <nil>
}
