package mixtral

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

func tiny(t *testing.T, dt tensor.DType) *Model {
	t.Helper()
	c := DefaultConfig()
	c.VocabSize, c.HiddenSize, c.IntermediateSize, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.MaxPositions = 50, 24, 20, 3, 4, 2, 10, 128
	c.Experts, c.ExpertsPerToken = 5, 3
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	m := New(c)
	m.Config.InitRange = 0.3 // large enough for every part to show
	m.Init(3)
	nn.Cast(m, dt)
	return m
}

var words = []int32{3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 38, 4, 6, 26, 43, 38, 32, 7, 9, 5, 0, 28, 8}

func whole(m *Model) []float64 {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	ids := make([]int64, len(words))
	for i, w := range words {
		ids[i] = int64(w)
	}
	logits, _ := m.Logits(ctx.Ints(ids, 1, len(ids)))
	return logits.ReadF64()
}

// Token by token, or beside another sequence, is the same as all at once: a row's experts do not depend on other rows.
func TestCachedIsWhole(t *testing.T) {
	m := tiny(t, tensor.F64)
	cache, err := m.NewCache(nn.CacheOptions{DType: tensor.F64})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	var one, beside []float64
	for i := range words {
		b := model.Batch{Tokens: words[i : i+1], Seq: []int{0}}
		if i == 0 {
			b = model.Batch{Tokens: append(slices.Clone(words), words[0]), Seq: append(slices.Repeat([]int{1}, len(words)), 0)}
		}
		logits, err := m.Forward(ctx, b, cache)
		if err != nil {
			t.Fatal(err)
		}
		v := logits.ReadF64()
		if i == 0 {
			beside, v = v[:len(words)*50], v[len(words)*50:]
		}
		one = append(one, v...)
	}
	for i, w := range whole(m) {
		// some hundred roundings of logits below 100
		if !(math.Abs(one[i]-w) <= 1e-11) || !(math.Abs(beside[i]-w) <= 1e-11) {
			t.Fatalf("row %d: %v alone and %v beside another, want %v", i/50, one[i], beside[i], w)
		}
	}
}

// What Save writes has the published names, and Load reads it.
func TestSaveLoad(t *testing.T) {
	m, dir := tiny(t, tensor.F32), t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.layers.2.block_sparse_moe.experts.4.w3.weight", "model.layers.0.block_sparse_moe.gate.weight", "lm_head.weight"} {
		if _, ok := file.Tensor(name); !ok {
			t.Errorf("no tensor %s", name)
		}
	}
	file.Close()
	again, err := Load(dir, map[string]string{"router_aux_loss_coef": "0.5"})
	if err != nil {
		t.Fatal(err)
	}
	if again.Config.AuxCoef != 0.5 || !slices.Equal(whole(again), whole(m)) {
		t.Error("another model comes back")
	}
	for set, want := range map[string]string{"router_aux_loss_coef=-1": "router_aux_loss_coef is -1", "num_local_experts=6": "asks for", "num_experts_per_tok=9": "num_experts_per_tok is 9 of 5", "model_type=llama": "model_type",
		"num_local_experts=4": "not used", "hidden_size=25": "", "router_jitter_noise=0.1": "no key"} {
		k, v, _ := strings.Cut(set, "=")
		if _, err := Load(dir, map[string]string{k: v}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", set, err)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, nil); err == nil {
		t.Error("a truncated checkpoint loads")
	}
}

// In training the losses that even the experts out come on top, times their coefficients; padding does not count. Outside it is the likelihood.
func TestLoss(t *testing.T) {
	c := tiny(t, tensor.F64).Config
	c.Noisy = true
	m := New(c)
	m.Init(3)
	nn.Cast(m, tensor.F64)
	ctx := tensor.New(tensor.Options{Train: true})
	defer ctx.Close()
	ids, labels := make([]int64, len(words)), make([]int64, len(words))
	for i, w := range words {
		ids[i], labels[i] = int64(w), int64(w)
	}
	for i := len(labels) - 5; i < len(labels); i++ {
		labels[i] = model.IgnoreLabel
	}
	loss := func(ctx *tensor.Ctx, change func(c *Config)) float64 {
		m.Config.AuxCoef = 0
		if change != nil {
			change(&m.Config)
		}
		defer func() { m.Config = c }()
		ctx.Next(1)
		return m.Loss(ctx, ctx.Ints(ids, 1, len(ids)), ctx.Ints(labels, 1, len(ids))).Item()
	}
	ctx.Next(1)
	_, routed := m.hidden(ctx.Ints(ids, 1, len(ids)))
	real := notPadding(ctx.Ints(labels, 1, len(ids)))
	balance, importance, load := 0.0, 0.0, 0.0
	for _, r := range routed {
		balance += nn.LoadBalance([]*tensor.Tensor{r.Logits}, 3, real).Item()
		importance += nn.CV2(r.Importance, false).Item()
		load += nn.CV2(r.Load, false).Item()
	}
	aux, z := nn.LoadBalance(routerLogits(routed), 3, real).Item(), nn.ZLoss(routerLogits(routed), real).Item()
	plain := loss(ctx, nil)
	for name, k := range map[string]struct {
		change func(c *Config)
		more   float64
	}{
		"router_aux_loss_coef":     {func(c *Config) { c.AuxCoef = 0.5 }, aux / 2},
		"router_balance_loss_coef": {func(c *Config) { c.Balance = 0.5 }, balance / 2},
		"router_z_loss_coef":       {func(c *Config) { c.ZCoef = 0.5 }, z / 2},
		"importance_loss_coef":     {func(c *Config) { c.Importance = 2 }, importance * 2},
		"load_loss_coef":           {func(c *Config) { c.Load = 2 }, load * 2},
	} {
		if got := loss(ctx, k.change); math.Abs(got-plain-k.more) > 1e-12 || k.more < 1e-3 {
			t.Errorf("%s: loss %v, want %v + %v", name, got, plain, k.more)
		}
	}
	still := tensor.New(tensor.Options{})
	defer still.Close()
	all := func(c *Config) { c.AuxCoef, c.Balance, c.ZCoef, c.Importance, c.Load = 1, 1, 1, 1, 1 }
	likelihood := loss(still, all)
	zero := loss(still, nil)
	counted, counts := m.LossCounts(still, still.Ints(ids, 1, len(ids)), still.Ints(labels, 1, len(ids)))
	if likelihood != zero || counted.Item() != likelihood || len(counts) != 3 {
		t.Errorf("outside training %v, with coefficients of 0 %v, counted %v", likelihood, zero, counted.Item())
	}
	for _, layer := range counts {
		if sum := layer[0] + layer[1] + layer[2] + layer[3] + layer[4]; sum != 3*(len(words)-5) {
			t.Errorf("%d choices of %d tokens", sum, len(words)-5)
		}
	}
}
