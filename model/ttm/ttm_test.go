package ttm

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
)

// input brings a fixture's tensor into the Ctx, nil when it has none.
func input(t *testing.T, ctx *tensor.Ctx, c *golden.Case, name string) *tensor.Tensor {
	t.Helper()
	if !c.Has(name) {
		return nil
	}
	return ctx.F32s(c.F32(name), c.Shape(name)...)
}

func ids(ctx *tensor.Ctx, c *golden.Case, name string) *tensor.Tensor {
	if !c.Has(name) {
		return nil
	}
	v := c.F64(name)
	out := make([]int64, len(v))
	for i := range v {
		out[i] = int64(v[i])
	}
	return ctx.Ints(out, c.Shape(name)...)
}

func window(t *testing.T, ctx *tensor.Ctx, c *golden.Case) model.Window {
	return model.Window{Past: input(t, ctx, c, "past_values"), Observed: input(t, ctx, c, "past_observed_mask"),
		Future: input(t, ctx, c, "future_values"), Freq: ids(ctx, c, "freq_token"), Static: ids(ctx, c, "static_categorical_values")}
}

// Every random tiny model: forward, loss, gradients.
func TestTiny(t *testing.T) {
	for _, name := range golden.Cases(t, "forecasting", "ttm_tiny_*") {
		t.Run(name, func(t *testing.T) {
			c := golden.Open(t, "forecasting", name)
			m, err := Load(c.ModelDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx := tensor.New(tensor.Options{})
			defer ctx.Close()
			w := window(t, ctx, c)
			o := m.Forward(ctx, w)
			c.Check(t, "loc", o.Loc.Read())
			c.Check(t, "scale", o.Scale.Read())
			c.Check(t, "act.backbone", o.Backbone.Read())
			c.Check(t, "act.decoder", o.Decoder.Read())
			c.Check(t, "prediction_scaled", o.Scaled.Read())
			c.Check(t, "prediction", o.Prediction.Read())
			checkInputs(t, ctx, c, m, w)
			checkLosses(t, ctx, c, m, w)
			checkGradients(t, c, m)
		})
	}
}

// checkInputs: short input, with and without a mask.
func checkInputs(t *testing.T, ctx *tensor.Ctx, c *golden.Case, m *Model, w model.Window) {
	if !c.Has("prediction_short_40") {
		return
	}
	all := w
	all.Observed = nil
	c.Check(t, "prediction_no_mask", m.Forward(ctx, all).Prediction.Read())
	T := w.Past.Dim(1)
	short := model.Window{Past: w.Past.Slice(1, T-40, T)}
	c.Check(t, "prediction_short_40", m.Forward(ctx, short).Prediction.Read())
	short.Observed = w.Observed.Slice(1, T-40, T)
	c.Check(t, "prediction_short_40_masked", m.Forward(ctx, short).Prediction.Read())
	long := model.Window{Past: tensor.Concat(1, w.Past, w.Past), Observed: tensor.Concat(1, w.Observed, w.Observed)}
	c.Check(t, "prediction", m.Forward(ctx, long).Prediction.Read())
}

func checkLosses(t *testing.T, ctx *tensor.Ctx, c *golden.Case, m *Model, w model.Window) {
	var losses map[string]float64
	if err := json.Unmarshal(c.Raw("expected.loss"), &losses); err != nil {
		t.Fatal(err)
	}
	was := m.Config
	defer func() { m.Config = was }()
	for name, want := range losses {
		m.Config = was
		var observed *tensor.Tensor
		switch {
		case name == "mse":
		case name == "mae":
			m.Config.Loss = "mae"
		case strings.HasPrefix(name, "huber"):
			m.Config.Loss, m.Config.HuberDelta = "huber", argument(t, name)
		case strings.HasPrefix(name, "pinball"):
			m.Config.Loss, m.Config.Quantile = "pinball", argument(t, name)
		case name == "mse_with_future_observed_mask":
			observed = input(t, ctx, c, "future_observed_mask")
		default:
			t.Fatalf("unknown loss %q", name)
		}
		c.CheckValue(t, "loss."+name, m.Loss(ctx, w, w.Future, observed).Item(), want)
	}
}

// argument reads x of "huber{'huber_delta': x}".
func argument(t *testing.T, name string) (v float64) {
	_, s, ok := strings.Cut(strings.TrimSuffix(name, "}"), ": ")
	if !ok || json.Unmarshal([]byte(s), &v) != nil {
		t.Fatalf("no argument in %q", name)
	}
	return v
}

func checkGradients(t *testing.T, c *golden.Case, m *Model) {
	var norms map[string]float64
	if json.Unmarshal(c.Raw("expected.grad_norm"), &norms) != nil || len(norms) == 0 {
		t.Fatal("no gradient norms")
	}
	ctx := tensor.New(tensor.Options{Grad: true, Train: true})
	defer ctx.Close()
	w := window(t, ctx, c)
	loss := m.Loss(ctx, w, w.Future, nil)
	c.CheckValue(t, "loss_train_mode", loss.Item(), c.Raw("expected.loss_train_mode"))
	loss.Backward()
	seen := 0
	for _, p := range nn.Trainable(m) {
		want, ok := norms[p.Name]
		if !ok {
			t.Errorf("no gradient norm for %s", p.Name)
			continue
		}
		seen++
		g := p.Tensor.Grad()
		if g == nil {
			t.Errorf("%s has no gradient", p.Name)
			continue
		}
		// A gradient that is zero but for rounding (key biases, what a BatchNorm subtracts again) says nothing relative.
		if got := math.Sqrt(g.SumSquares()); want > 1e-5 {
			c.CheckValue(t, "grad_norm."+p.Name, got, want)
		} else if got > 1e-4 {
			t.Errorf("%s: gradient norm %g, want about 0 (%g)", p.Name, got, want)
		}
		if c.Has("grad." + p.Name) {
			c.Check(t, "grad."+p.Name, g.Read())
		}
	}
	if seen != len(norms) {
		t.Errorf("%d parameters have a gradient norm, the reference has %d", seen, len(norms))
	}
}

func load(t *testing.T, name string) *Model {
	t.Helper()
	m, err := Load(filepath.Join(golden.Shared(t), "data", "ttm", name), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The published weights on real windows, every activation that the fixture has.
func TestPublished(t *testing.T) {
	c := golden.Open(t, "forecasting", "ttm_r2_512_96_etth1")
	m := load(t, "r2-512-96")
	c.CheckValue(t, "parameters", nn.Count(m), c.Raw("expected.parameters"))
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	past, future := input(t, ctx, c, "past_values"), input(t, ctx, c, "future_values")
	o := m.Forward(ctx, model.Window{Past: past})
	c.Check(t, "loc", o.Loc.Read())
	c.Check(t, "scale", o.Scale.Read())
	c.Check(t, "prediction_scaled", o.Scaled.Read())
	c.Check(t, "prediction", o.Prediction.Read())
	c.CheckValue(t, "loss.mse_4_windows", m.Loss(ctx, model.Window{Past: past}, future, nil).Item(), c.Raw("expected.loss.mse_4_windows"))
	c.Check(t, "act.decoder.layer1", o.Decoder.Slice(0, 0, 1).Slice(1, 0, 1).Read())
	c.Check(t, "act.level2.layer1", o.Backbone.Slice(0, 0, 1).Slice(1, 0, 1).Read())
}

// One batch of fine-tuning on the published weights: loss, gradients, then three steps with the backbone frozen.
func TestFineTune(t *testing.T) {
	c := golden.Open(t, "forecasting", "ttm_r2_512_96_finetune")
	m := load(t, "r2-512-96")
	m.SetDropout(0, 0)
	ctx := tensor.New(tensor.Options{Grad: true, Train: true})
	defer ctx.Close()
	step := func() float64 {
		ctx.Next(0)
		loss := m.Loss(ctx, model.Window{Past: input(t, ctx, c, "past_values")}, input(t, ctx, c, "future_values"), nil)
		loss.Backward()
		return loss.Item()
	}
	c.CheckValue(t, "loss", step(), c.Raw("expected.loss"))
	var norms map[string]float64
	c.Decode("expected.grad_norm", &norms)
	for _, p := range nn.Trainable(m) {
		c.CheckValue(t, "grad_norm."+p.Name, math.Sqrt(p.Tensor.Grad().SumSquares()), norms[p.Name])
		if c.Has("grad." + p.Name) {
			c.Check(t, "grad."+p.Name, p.Tensor.Grad().Read())
		}
		p.Tensor.ZeroGrad()
	}
	m.FreezeBackbone()
	var frozen struct {
		Names  []string  `json:"trainable_names"`
		Losses []float64 `json:"loss_before_step_1_2_3_and_after"`
	}
	c.Decode("expected.frozen", &frozen)
	params := nn.Trainable(m)
	if len(params) != len(frozen.Names) {
		t.Errorf("%d trainable parameters, want %d", len(params), len(frozen.Names))
	}
	wd := 0.01
	opt, err := optim.New(optim.Options{Name: "adamw", LR: 1e-3, WeightDecay: &wd}, params)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range frozen.Losses {
		c.CheckValue(t, "frozen.loss_before_step_1_2_3_and_after", step(), want)
		if i < 3 {
			opt.Step(optim.Rate{LR: 1e-3})
		}
		opt.ZeroGrad()
	}
	for _, p := range params {
		if c.Has("frozen.after3." + p.Name) {
			c.Check(t, "frozen.after3."+p.Name, p.Tensor.Read())
		}
	}
}

// The two fine-tuned derivatives: another context, and 31 channels of which one is forecast.
func TestFineTunedCheckpoints(t *testing.T) {
	c := golden.Open(t, "forecasting", "ttm_finetuned_checkpoints")
	for name, dir := range map[string]string{"r1": "r1-1024-96-finetuned", "r2": "r2-512-96-finetuned"} {
		m := load(t, dir)
		ctx := tensor.New(tensor.Options{})
		o := m.Forward(ctx, model.Window{Past: input(t, ctx, c, name+".past_values")})
		c.Check(t, name+".prediction", o.Prediction.Read())
		ctx.Close()
	}
}

// What Save writes, Load reads: the same output.
func TestSaveLoad(t *testing.T) {
	cfg := DefaultConfig()
	cfg.AdaptiveLevels, cfg.QuantileHead = 2, true
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	m := New(cfg)
	nn.Init(m, 7)
	dir := t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.Normal(1, tensor.F32, 2, 64, 1)
	a, b := m.Forecast(ctx, model.Window{Past: x}), again.Forecast(ctx, model.Window{Past: x})
	if d := a.Quantiles.Sub(b.Quantiles).Abs().Sum().Item(); d != 0 {
		t.Errorf("outputs differ by %g", d)
	}
	q := a.Quantiles.Read()
	for i := 1; i < len(q); i++ {
		if i%9 != 0 && q[i] < q[i-1] {
			t.Fatalf("quantiles fall at %d", i)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, nil); err == nil {
		t.Error("a truncated checkpoint loads")
	}
}
