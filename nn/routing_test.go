package nn_test

import (
	"fmt"
	"testing"

	"github.com/hanji-ml/hanji/grad"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

func TestRoutingRules(t *testing.T) {
	c := golden.Open(t, "language", "moe/routing-rules")
	golden.Paths(t, func(t *testing.T) {
		for prefix, dt := range map[string]tensor.DType{"": tensor.F64, "f32.": tensor.F32} {
			ctx := tensor.New(tensor.Options{})
			defer ctx.Close()
			in := func(name string) tens { return ctx.Constant(dt, c.F64(name), c.Shape(name)...) }
			check := func(name string, got tens) {
				if dt == tensor.F64 {
					c.With(t).Check(t, name, got.ReadF64())
				} else {
					c.With(t).CheckValue(t, prefix+name, got.ReadF64(), c.Tensor(t, name))
				}
			}
			value := func(name string, got tens) { c.CheckValue(t, prefix+name, got.Item(), c.Raw("expected."+name)) }
			clean, std := in("x").MatMul(in("w_gate")), in("x").MatMul(in("w_noise")).Softplus()
			g := nn.NoisyTopK(clean, std, in("noise"), 2)
			check("shazeer.std", std)
			check("shazeer.h", g.Noisy)
			check("shazeer.gates", g.Gates)
			check("shazeer.P", g.Load)
			importance, load := g.Gates.Sum(0).Reshape(-1), g.Load.Sum(0).Reshape(-1)
			check("shazeer.importance", importance)
			check("shazeer.load", load)
			value("cv2_importance_population", nn.CV2(importance, false))
			value("cv2_load_population", nn.CV2(load, false))
			value("cv2_importance_sample", nn.CV2(importance, true))
			value("cv2_load_sample", nn.CV2(load, true))
			check("probs", clean.Softmax())
			value("switch_aux_without_alpha", nn.LoadBalance([]tens{clean}, 1, nil))
			value("gshard_aux", nn.LoadBalance([]tens{clean}, 1, nil).DivS(64)) // the mean over 8 experts, without the factor 8
			value("z_loss", nn.ZLoss(clean))
		}
	})
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	logits := ctx.F64s(c.F64("x"), c.Shape("x")...).MatMul(ctx.F64s(c.F64("w_gate"), c.Shape("w_gate")...))
	checkSwitch(t, c, nn.TopExperts(nil, logits.ReadF64(), 8, 1))
	checkGShard(t, c, logits)
}

func checkSwitch(t *testing.T, c *golden.Case, chosen []int) {
	for _, factor := range []float64{0.5, 1, 1.25, 2} {
		name := fmt.Sprintf("switch.cf%v", factor)
		if factor == 1 || factor == 2 {
			name += ".0"
		}
		capacity := nn.ExpertCapacity(48, 8, 1, factor)
		slots := nn.SwitchSlots(chosen, 8, capacity)
		dropped := 0
		for _, s := range slots {
			if s < 0 {
				dropped++
			}
		}
		c.Check(t, name+".slot", slots)
		c.CheckValue(t, name+".capacity", capacity, c.Raw("expected."+name+".capacity"))
		c.CheckValue(t, name+".dropped", dropped, c.Raw("expected."+name+".dropped"))
	}
}

func checkGShard(t *testing.T, c *golden.Case, logits tens) {
	chosen := nn.TopExperts(nil, logits.ReadF64(), 8, 2)
	gates := nn.ExpertGates(logits, chosen).ReadF64()
	second := make([]float64, 48)
	for i := range second {
		second[i] = gates[2*i+1]
	}
	for _, factor := range []float64{0.5, 1, 2} {
		name := fmt.Sprintf("gshard.cf%.1f", factor)
		capacity := nn.ExpertCapacity(48, 8, 2, factor)
		slots := nn.GShardSlots(chosen, second, c.F64("gshard.uniform"), 8, capacity)
		combine, unsent := make([]float64, 48*8), [2]int{}
		for i, s := range slots {
			if s >= 0 {
				combine[i/2*8+chosen[i]] = gates[i]
			} else {
				unsent[i%2]++
			}
		}
		c.Check(t, name+".slots", slots)
		c.Check(t, name+".combine", combine)
		c.CheckValue(t, name+".capacity", capacity, c.Raw("expected."+name+".capacity"))
		c.CheckValue(t, name+".first_dropped", unsent[0], c.Raw("expected."+name+".first_dropped"))
		c.CheckValue(t, name+".second_not_sent", unsent[1], c.Raw("expected."+name+".second_not_sent"))
	}
}

// Gradients of the losses that even experts out.
func TestRoutingGradients(t *testing.T) {
	x, w := drawn("x", 6, 5), drawn("w", 6, 5)
	err := grad.Check(func(c *tensor.Ctx) tens {
		clean := c.Use(x)
		noise := c.Constant(tensor.F64, w.ReadF64(), 6, 5)
		g := nn.NoisyTopK(clean, clean.Square().Softplus(), noise, 2)
		loss := nn.CV2(g.Gates.Sum(0), false).Add(nn.CV2(g.Load.Sum(0), true)).Add(weigh(g.Gates))
		return loss.Add(weigh(nn.ExpertGates(clean, nn.TopExperts(nil, clean.ReadF64(), 5, 3))))
	}, grad.Options{}, x)
	if err != nil {
		t.Error(err)
	}
	var bad error
	func() {
		defer tensor.Recover(&bad)
		c := tensor.New(tensor.Options{})
		defer c.Close()
		nn.NoisyTopK(c.Use(x), c.Use(x), c.Use(x), 5)
	}()
	if bad == nil {
		t.Error("all of the experts are no choice")
	}
}
