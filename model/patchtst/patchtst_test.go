package patchtst

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/torchpt"
	"github.com/hanji-ml/hanji/weights"
)

func input(ctx *tensor.Ctx, c *golden.Case, name string) *tensor.Tensor {
	if !c.Has(name) {
		return nil
	}
	v := c.F64(name)
	return ctx.F64s(v, c.Shape(name)...).To(tensor.F32)
}

// gradients compares every gradient norm and every whole gradient that the fixture has; rename gives a parameter's name there.
func gradients(t *testing.T, c *golden.Case, m *Model, rename func(string) string) {
	t.Helper()
	var norms map[string]float64
	c.Decode("expected.grad_norm", &norms)
	seen := 0
	for _, p := range nn.Trainable(m) {
		name := rename(p.Name)
		want, ok := norms[name]
		if !ok {
			t.Errorf("no gradient norm for %s (%s)", p.Name, name)
			continue
		}
		seen++
		got := 0.0
		if g := p.Tensor.Grad(); g != nil {
			got = math.Sqrt(g.SumSquares())
			if c.Has("grad."+name) && want > 1e-5 {
				c.Check(t, "grad."+name, g.Read())
			}
		}
		// Zero but for rounding (key biases; what a BatchNorm subtracts again): nothing to compare relatively.
		if want > 1e-5 {
			c.CheckValue(t, "grad_norm."+name, got, want)
		} else if got > 1e-4 {
			t.Errorf("%s: gradient norm %g, want about 0 (%g)", name, got, want)
		}
	}
	if seen != len(norms) {
		t.Errorf("%d gradients compared, the reference has %d", seen, len(norms))
	}
}

func same(s string) string { return s }

// transformers' layout: prediction with all its options.
func TestTransformersPrediction(t *testing.T) {
	for _, name := range golden.Cases(t, "forecasting", "patchtst_hf_predict_*") {
		t.Run(name, func(t *testing.T) {
			c := golden.Open(t, "forecasting", name)
			m, err := Load(c.ModelDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx := tensor.New(tensor.Options{})
			defer ctx.Close()
			w := model.Window{Past: input(ctx, c, "past_values"), Observed: input(ctx, c, "past_observed_mask")}
			future := input(ctx, c, "future_values")
			o := m.Forward(ctx, w, nil)
			c.Check(t, "loc", o.Loc.Read())
			c.Check(t, "scale", o.Scale.Read())
			c.Check(t, "act.encoder", o.Encoder.Read())
			for i, p := range o.Params {
				c.Check(t, "distribution_param."+strconv.Itoa(i), p.Read())
			}
			if c.Has("prediction") {
				c.Check(t, "prediction", o.Prediction.Read())
			}
			c.CheckValue(t, "loss_eval", m.Loss(ctx, w, future, nil).Item(), c.Raw("expected.loss_eval"))

			train := tensor.New(tensor.Options{Grad: true, Train: true})
			defer train.Close()
			w = model.Window{Past: input(train, c, "past_values"), Observed: input(train, c, "past_observed_mask")}
			loss := m.Loss(train, w, input(train, c, "future_values"), nil)
			c.CheckValue(t, "loss_train", loss.Item(), c.Raw("expected.loss_train"))
			loss.Backward()
			gradients(t, c, m, same)
		})
	}
}

func TestTransformersPretraining(t *testing.T) {
	for _, name := range golden.Cases(t, "forecasting", "patchtst_hf_pretrain_*") {
		t.Run(name, func(t *testing.T) {
			c := golden.Open(t, "forecasting", name)
			m, err := Load(c.ModelDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, train := range []bool{false, true} {
				ctx := tensor.New(tensor.Options{Grad: train, Train: train})
				mask := input(ctx, c, "mask")
				checkMask(t, c, &m.Config, ctx)
				w := model.Window{Past: input(ctx, c, "past_values")}
				if !train {
					o := m.Forward(ctx, w, mask)
					c.Check(t, "patch_input", o.Patches.Read())
					c.Check(t, "act.encoder", o.Encoder.Read())
					c.Check(t, "prediction", o.Prediction.Read())
					c.CheckValue(t, "loss_eval", m.LossMasked(ctx, w, mask).Item(), c.Raw("expected.loss_eval"))
				} else {
					loss := m.LossMasked(ctx, w, mask)
					c.CheckValue(t, "loss_train", loss.Item(), c.Raw("expected.loss_train"))
					loss.Backward()
					gradients(t, c, m, same)
				}
				ctx.Close()
			}
		})
	}
}

// checkMask makes the fixture's mask from the reference's draws.
func checkMask(t *testing.T, c *golden.Case, cfg *Config, ctx *tensor.Ctx) {
	s := c.Shape("mask")
	var mask []float32
	if c.Has("noise") {
		mask = MaskRandom(c.F32("noise"), c.Shape("noise")[1], s[1], s[2], cfg.RandomMaskRatio)
	} else {
		var order []int
		for _, i := range c.Int64s("permutation") {
			order = append(order, int(i))
		}
		mask = MaskForecast(order, s[1], s[2], cfg.ForecastMask)
	}
	c.Check(t, "mask", maskTensor(ctx, mask, cfg.UnmaskedChannels, s[0], s[1], s[2]).ReadInts())
}

func TestTransformersOtherHeads(t *testing.T) {
	for _, name := range append(golden.Cases(t, "forecasting", "patchtst_hf_classify_*"), "patchtst_hf_regress") {
		t.Run(name, func(t *testing.T) {
			c := golden.Open(t, "forecasting", name)
			m, err := Load(c.ModelDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			run := func(train bool) *tensor.Tensor {
				ctx := tensor.New(tensor.Options{Grad: train, Train: train})
				t.Cleanup(ctx.Close)
				target := input(ctx, c, "target_values")
				out := "prediction"
				if c.Has("logits") {
					target, out = ctx.Ints(c.Int64s("target_values"), c.Shape("target_values")...), "logits"
				}
				w := model.Window{Past: input(ctx, c, "past_values")}
				if !train {
					c.Check(t, out, m.Forward(ctx, w, nil).Prediction.Read())
				}
				return m.Loss(ctx, w, target, nil)
			}
			c.CheckValue(t, "loss_eval", run(false).Item(), c.Raw("expected.loss_eval"))
			if c.Raw("expected.loss_train") != nil {
				loss := run(true)
				c.CheckValue(t, "loss_train", loss.Item(), c.Raw("expected.loss_train"))
				loss.Backward()
				gradients(t, c, m, same)
			}
		})
	}
}

// loadTiny builds a fixture of the paper's code: its config.json has that code's arguments.
func loadTiny(t *testing.T, c *golden.Case) *Model {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.ModelDir(), "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := ParsePaperConfig(b)
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.OpenModel(c.ModelDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := bind(cfg, file, c.Name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// paperName is the inverse of the rename table for the names of one fixture.
func paperName(t *testing.T, c *golden.Case) func(string) string {
	t.Helper()
	file, err := safetensors.OpenModel(c.ModelDir())
	if err != nil {
		t.Fatal(err)
	}
	back := map[string]string{}
	for _, n := range file.Names() {
		r := Renamed(n)
		back[r] = n
		back[strings.ReplaceAll(r, "head.linear.", "head.projection.")] = n
	}
	return func(s string) string { return back[s] }
}

func TestPaperTiny(t *testing.T) {
	for _, name := range golden.Cases(t, "forecasting", "patchtst_orig_tiny_*") {
		t.Run(name, func(t *testing.T) {
			c := golden.Open(t, "forecasting", name)
			m := loadTiny(t, c)
			ctx := tensor.New(tensor.Options{})
			defer ctx.Close()
			c.Check(t, "prediction_eval", m.Forward(ctx, model.Window{Past: input(ctx, c, "x")}, nil).Prediction.Read())

			train := tensor.New(tensor.Options{Grad: true, Train: true})
			defer train.Close()
			o := m.Forward(train, model.Window{Past: input(train, c, "x")}, nil)
			c.Check(t, "prediction_train", o.Prediction.Read())
			loss := nn.MSE(o.Prediction, input(train, c, "y"))
			c.CheckValue(t, "loss_train", loss.Item(), c.Raw("expected.loss_train"))
			loss.Backward()
			old := paperName(t, c)
			gradients(t, c, m, old)
			for _, p := range nn.Walk(m) {
				if !p.Tensor.IsParam() && old(p.Name) != "" {
					c.Check(t, "after_train_forward."+old(p.Name), p.Tensor.ReadF64())
				}
			}
		})
	}
}

func TestPaperPretrain(t *testing.T) {
	c := golden.Open(t, "forecasting", "patchtst_orig_pretrain")
	m := loadTiny(t, c)
	s := c.Shape("mask") // [B, P, C] there, [B, C, P] here
	for _, train := range []bool{false, true} {
		ctx := tensor.New(tensor.Options{Grad: train, Train: train})
		mask := input(ctx, c, "mask").Transpose(1, 2)
		noise := input(ctx, c, "noise").Transpose(1, 2).Read()
		got := MaskRandom(noise, s[2], s[2], s[1], 0.4)
		c.CheckValue(t, "mask", ctx.F32s(got, s[0], s[2], s[1]).Transpose(1, 2).Read(), c.Tensor(t, "mask"))
		w := model.Window{Past: input(ctx, c, "x")}
		o := m.Forward(ctx, w, mask)
		c.CheckValue(t, "patches", o.Patches.Permute(0, 2, 1, 3).Read(), c.F32("patches"))
		if !train {
			c.Check(t, "prediction_eval", o.Prediction.Permute(0, 2, 1, 3).Read())
			c.CheckValue(t, "loss_eval", m.LossMasked(ctx, w, mask).Item(), c.Raw("expected.loss_eval"))
		} else {
			loss := m.LossMasked(ctx, w, mask)
			c.CheckValue(t, "loss_train", loss.Item(), c.Raw("expected.loss_train"))
			loss.Backward()
			gradients(t, c, m, paperName(t, c))
		}
		ctx.Close()
	}
}

// Ten Adam steps along the schedules that the paper's code really follows.
func TestPaperTrajectories(t *testing.T) {
	for name, schedule := range map[string]optim.Schedule{
		"patchtst_orig_train_onecycle": {Name: "onecycle"}, "patchtst_orig_train_type3": {Name: "patchtst_type3"},
	} {
		t.Run(name, func(t *testing.T) {
			c := golden.Open(t, "forecasting", name)
			m := loadTiny(t, c)
			var lr float64
			c.Decode("extra.max_lr", &lr)
			opt, err := optim.New(optim.Options{Name: "adam", LR: lr}, nn.Trainable(m))
			if err != nil {
				t.Fatal(err)
			}
			var losses, rates, betas []float64
			c.Decode("expected.loss", &losses)
			c.Decode("expected.lr", &rates)
			c.Decode("expected.beta1", &betas)
			old := paperName(t, c)
			ctx := tensor.New(tensor.Options{Grad: true, Train: true})
			defer ctx.Close()
			for k := range losses {
				r := schedule.At(lr, k, 10, 5)
				c.CheckValue(t, "lr", r.LR, rates[k])
				c.CheckValue(t, "beta1", r.Beta1, betas[k])
				ctx.Next(uint64(k))
				rows := input(ctx, c, "data").Slice(0, 8*k, 8*k+8)
				loss := nn.MSE(m.Forward(ctx, model.Window{Past: rows.Slice(1, 0, 50)}, nil).Prediction, rows.Slice(1, 50, 60))
				c.CheckValue(t, "loss", loss.Item(), losses[k])
				loss.Backward()
				opt.Step(r)
				opt.ZeroGrad()
				if step := "step" + strconv.Itoa(k+1); k == 0 || k == 1 || k == 4 || k == 9 {
					for _, p := range nn.Walk(m) {
						if n := step + "." + old(p.Name); c.Has(n) && !noise(n) {
							c.Check(t, n, p.Tensor.ReadF64())
						}
					}
				}
			}
		})
	}
}

// noise names what a trajectory cannot pin down: a key bias (softmax is blind to it) and the biases before a BatchNorm
// (it subtracts them again) have no gradient but rounding, which Adam turns into steps of ±lr; the running mean
// behind them moves along. The loss and all other parameters do not feel it.
func noise(name string) bool {
	for _, s := range []string{"W_K.bias", "W_V.bias", "to_out.0.bias", "ff.3.bias", "norm_attn.1.running_mean", "norm_ffn.1.running_mean"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// The published .pth files, alone: configuration from the tensors, then the fixture's windows.
func TestPaperCheckpoints(t *testing.T) {
	for _, h := range []string{"96", "336"} {
		c := golden.Open(t, "forecasting", "patchtst_orig_etth1_336_"+h)
		path := filepath.Join(golden.Shared(t), "data", "patchtst", "etth1_336_"+h+".pth")
		file, err := torchpt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := LoadPaper(file, nil, path)
		if err != nil {
			t.Fatal(err)
		}
		if m.Config.ContextLength != 336 || m.Config.NumAttentionHeads != 4 || strconv.Itoa(m.Config.PredictionLength) != h {
			t.Errorf("inferred %+v", m.Config)
		}
		ctx := tensor.New(tensor.Options{})
		o := m.Forward(ctx, model.Window{Past: input(ctx, c, "x")}, nil)
		c.Check(t, "prediction", o.Prediction.Read())
		c.Check(t, "act.head", o.Head.Transpose(1, 2).Read())
		ctx.Close()
		if _, err := LoadPaper(file, map[string]string{"stride": "4"}, path); err != nil {
			t.Errorf("stride 4: %v", err)
		}
		if _, err := LoadPaper(file, map[string]string{"nonsense": "4"}, path); err == nil {
			t.Error("an unknown key is taken")
		}
	}
	var _ weights.Source = (*torchpt.File)(nil)
}
