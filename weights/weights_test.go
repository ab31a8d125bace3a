package weights_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/weights"
)

type block struct {
	Norm *nn.BatchNorm `w:"norm"`
	Fc1  *nn.Linear    `w:"mlp.fc1"`
}

type net struct {
	Blocks []*block `w:"layers"`
	Head   *nn.Linear
	LSTM   *nn.LSTM
}

func newNet() *net {
	n := &net{Blocks: []*block{{nn.NewBatchNorm(2), nn.NewLinear(2, 2, true)}, {nn.NewBatchNorm(2), nn.NewLinear(2, 2, false)}},
		Head: nn.NewLinear(2, 3, true), LSTM: nn.NewLSTM(2, 3, 2, true)}
	nn.Name(n)
	return n
}

// file is a checkpoint in memory.
type file struct {
	order []string
	t     map[string]safetensors.Tensor
}

func (f *file) Names() []string { return f.order }

func (f *file) Tensor(name string) (safetensors.Tensor, bool) {
	t, ok := f.t[name]
	return t, ok
}

func fileOf(params []nn.Param, dt tensor.DType, names func(string) string) *file {
	f := &file{t: map[string]safetensors.Tensor{}}
	for _, t := range weights.Tensors(params, dt, names) {
		f.order = append(f.order, t.Name)
		f.t[t.Name] = t
	}
	return f
}

func drawn(seed uint64) *net {
	n := newNet()
	nn.Init(n, seed)
	for i, b := range n.Blocks {
		b.Norm.RunningMean.Fill(float64(i) + 0.5)
		b.Norm.NumBatches.Fill(float64(1)*(1<<40) + float64(i)) // more than a float32 holds
	}
	return n
}

func sameParams(t *testing.T, a, b any, tol float64) {
	t.Helper()
	pa, pb := nn.Walk(a), nn.Walk(b)
	if len(pa) != len(pb) {
		t.Fatalf("%d and %d tensors", len(pa), len(pb))
	}
	for i := range pa {
		x, y := pa[i].Tensor.ReadF64(), pb[i].Tensor.ReadF64()
		if pa[i].Name != pb[i].Name {
			t.Errorf("%s is %s", pa[i].Name, pb[i].Name)
		}
		for j := range x {
			if d := x[j] - y[j]; d > tol || d < -tol {
				t.Errorf("%s[%d]: %v and %v", pa[i].Name, j, x[j], y[j])
				break
			}
		}
	}
}

func TestNames(t *testing.T) {
	var names []string
	for _, p := range nn.Walk(newNet()) {
		names = append(names, p.Name)
	}
	for _, want := range []string{"layers.0.norm.weight", "layers.0.norm.running_mean", "layers.0.norm.num_batches_tracked", "layers.1.mlp.fc1.weight",
		"head.bias", "lstm.weight_ih_l0", "lstm.weight_hh_l1", "lstm.bias_ih_l1_reverse"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
	if slices.Contains(names, "layers.1.mlp.fc1.bias") {
		t.Error("a bias that is nil has a name")
	}
}

func TestBind(t *testing.T) {
	from, to := drawn(1), newNet()
	if err := weights.Bind(to, fileOf(nn.Walk(from), tensor.F32, nil), weights.Options{}); err != nil {
		t.Fatal(err)
	}
	sameParams(t, from, to, 0)

	// Other names, something unwanted beside, something that the file need not have.
	f := fileOf(nn.Walk(from), tensor.F32, func(s string) string { return "model." + strings.Replace(s, "mlp.fc1", "feed.one", 1) })
	f.order = append(f.order, "model.rotary.inv_freq")
	f.t["model.rotary.inv_freq"] = f.t["model.head.bias"]
	f.order = slices.DeleteFunc(f.order, func(s string) bool { return s == "model.head.bias" })
	to = newNet()
	to.Head.Bias.Fill(7)
	err := weights.Bind(to, f, weights.Options{Rename: []weights.Rule{{From: "model."}, {From: "feed.one", To: "mlp.fc1"}},
		Ignore: []string{"*.inv_freq"}, Allow: []string{"head.*"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := to.Head.Bias.Read(); !slices.Equal(got, []float32{7, 7, 7}) {
		t.Errorf("what the file lacks became %v", got)
	}
	from.Head.Bias.Fill(7)
	sameParams(t, from, to, 0)

	wide := newNet() // into float64
	nn.Cast(wide, tensor.F64)
	if err := weights.Bind(wide, fileOf(nn.Walk(from), tensor.F32, nil), weights.Options{}); err != nil {
		t.Fatal(err)
	}
	sameParams(t, from, wide, 0)
}

// Everything that does not fit is named at once.
func TestBindProblems(t *testing.T) {
	f := fileOf(nn.Walk(drawn(1)), tensor.F32, nil)
	f.order = slices.DeleteFunc(f.order, func(s string) bool { return s == "head.bias" || s == "layers.0.norm.weight" })
	bad := f.t["head.weight"]
	bad.Shape = []int{2, 3}
	f.t["head.weight"] = bad
	for _, extra := range []string{"z.last", "a.first"} {
		f.order = append(f.order, extra)
		f.t[extra] = bad
	}
	f.order = append(f.order, "lstm.bias_hh_l0_old") // becomes lstm.bias_hh_l0, which is there already
	f.t["lstm.bias_hh_l0_old"] = f.t["lstm.bias_hh_l0"]
	err := weights.Bind(newNet(), f, weights.Options{Rename: []weights.Rule{{From: "_old"}}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`missing "head.bias" [3]`, `missing "layers.0.norm.weight" [2]`, `tensor "head.weight" is [2 3], want [3 2]`,
		`tensor "a.first" is not used by the model`, `tensor "z.last" is not used by the model`, `both become "lstm.bias_hh_l0"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 6 {
		t.Errorf("%d problems, want 6:\n%v", n, err)
	}

	f = fileOf(nn.Walk(drawn(1)), tensor.F32, nil)
	cut := f.t["head.weight"]
	cut.Data = cut.Data[:5]
	f.t["head.weight"] = cut
	if err := weights.Bind(newNet(), f, weights.Options{}); err == nil || !strings.Contains(err.Error(), "head.weight") {
		t.Errorf("a tensor without its bytes: %v", err)
	}
}

func TestSave(t *testing.T) {
	for _, c := range []struct {
		dt  tensor.DType
		tol float64 // half a unit in the last place of values below 1 (initial weights); the rest are small integers and halves
	}{{tensor.F32, 0}, {tensor.F64, 0}, {tensor.F16, 1.0 / (1 << 12)}, {tensor.BF16, 1.0 / (1 << 9)}} {
		path := filepath.Join(t.TempDir(), "model.safetensors")
		from, to := drawn(3), newNet()
		if err := weights.Save(path, from, c.dt, nil); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := weights.Bind(to, f, weights.Options{}); err != nil {
			t.Errorf("%v: %v", c.dt, err)
		}
		sameParams(t, from, to, c.tol)
		if f.Metadata()["format"] != "pt" {
			t.Errorf("metadata %v", f.Metadata())
		}
		w, _ := f.Tensor("head.weight")
		n, _ := f.Tensor("layers.0.norm.num_batches_tracked")
		if want := strings.ToUpper(c.dt.String()); fmt.Sprint(w.DType) != want || fmt.Sprint(n.DType) != "I64" {
			t.Errorf("stored as %v and %v, want %s and I64", w.DType, n.DType, want)
		}
		f.Close()
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) != 1 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func ExampleBind() {
	type model struct {
		Head *nn.Linear `w:"lm_head"`
	}
	m := &model{Head: nn.NewLinear(2, 3, false)}
	file := &file{order: []string{"head.weight", "rope"}, t: map[string]safetensors.Tensor{
		"head.weight": {Name: "head.weight", DType: safetensors.F32, Shape: []int{3, 4}},
		"rope":        {Name: "rope", DType: safetensors.F32, Shape: []int{8}},
	}}
	err := weights.Bind(m, file, weights.Options{Rename: []weights.Rule{{From: "head", To: "lm_head"}}})
	fmt.Println(err)
	// Output:
	// weights: the checkpoint does not fit the model: tensor "head.weight" is [3 4], want [3 2]
	// tensor "rope" is not used by the model
}

// A model of sizes that the file does not bear out is refused before anything is allocated.
func TestEnough(t *testing.T) {
	f := fileOf(nn.Walk(newNet()), tensor.F16, nil)
	n := int64(0)
	for _, p := range nn.Walk(newNet()) {
		n += int64(p.Tensor.Len())
	}
	if err := weights.Enough(f, n, nil); err != nil {
		t.Error(err)
	}
	if err := weights.Enough(f, n+1, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprint(n)) {
		t.Errorf("one too few: %v", err)
	}
}
