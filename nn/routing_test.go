package nn_test

import (
	"fmt"
	"math"
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
			value("z_loss", nn.ZLoss([]tens{clean}, nil))
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

// limited are experts with little room, and second choices by chance, in training.
func limited() map[string]*nn.MoE {
	all := map[string]*nn.MoE{}
	for name, change := range map[string]func(m *nn.MoE){
		"capacity":            func(m *nn.MoE) { m.Capacity = 0.5 },
		"capacity, by chance": func(m *nn.MoE) { m.Capacity, m.ByChance = 0.75, true },
		"by chance":           func(m *nn.MoE) { m.ByChance = true },
		"one choice":          func(m *nn.MoE) { m.TopK, m.Capacity = 1, 1 },
	} {
		m, _ := wide(nn.NewMoE(4, 5, 3, 2))
		change(m)
		all[name] = m
	}
	return all
}

// With limited room a row gets what its experts that took it make of it, and nothing from the others.
func TestMoELimits(t *testing.T) {
	for name, m := range limited() {
		ctx := tensor.New(tensor.Options{Train: true})
		defer ctx.Close()
		x := ctx.Normal(1, tensor.F64, 20, 4)
		y, r := m.Forward(x)
		chosen := nn.TopExperts(nil, r.Logits.ReadF64(), 3, m.TopK)
		gates := nn.ExpertGates(r.Logits, chosen).ReadF64()
		outs := make([][]float64, 3)
		for e, expert := range m.Experts {
			outs[e] = expert.Forward(x).ReadF64()
		}
		got, taken, missed := y.ReadF64(), [3]int{}, 0
		for i := range 20 {
			found := false
			for subset := range 1 << m.TopK { // which of the row's choices were sent
				same := true
				for d := range 4 {
					want := 0.0
					for j := range m.TopK {
						if subset>>j&1 == 1 {
							want += gates[i*m.TopK+j] * outs[chosen[i*m.TopK+j]][i*4+d]
						}
					}
					same = same && math.Abs(got[i*4+d]-want) < 1e-12
				}
				if same {
					found = true
					for j := range m.TopK {
						if subset>>j&1 == 1 {
							taken[chosen[i*m.TopK+j]]++
						} else {
							missed++
						}
					}
					break
				}
			}
			if !found {
				t.Fatalf("%s: row %d is no sum of its experts", name, i)
			}
		}
		room := 20
		if m.Capacity > 0 {
			room = nn.ExpertCapacity(20, 3, m.TopK, m.Capacity)
		}
		if max(taken[0], taken[1], taken[2]) > room || missed == 0 {
			t.Errorf("%s: the experts took %v, room for %d; %d choices not sent", name, taken, room, missed)
		}
	}
}

func TestMoELimitsGradients(t *testing.T) {
	x := drawn("x", 7, 4)
	for name, m := range limited() {
		var params []tens
		for _, p := range nn.Trainable(m) {
			params = append(params, p.Tensor)
		}
		err := grad.Check(func(c *tensor.Ctx) tens {
			y, r := m.Forward(c.Use(x))
			return weigh(y, r.Logits)
		}, grad.Options{Ctx: tensor.Options{Train: true}}, append(params, x)...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With noise a row's experts and gates are NoisyTopK's; in inference the layer is the one without.
func TestNoisyMoE(t *testing.T) {
	m, params := wide(nn.NewMoE(4, 5, 3, 2))
	noise, more := wide(nn.NewLinear(4, 3, false))
	ctx := tensor.New(tensor.Options{Train: true})
	defer ctx.Close()
	x := ctx.Normal(7, tensor.F64, 20, 4)
	m.Noise = noise
	y, r := m.Forward(x)
	again := tensor.New(tensor.Options{})
	defer again.Close()
	again.Normal(7, tensor.F64, 20, 4)
	draws := ctx.F64s(again.Normal(nn.Hash(""), tensor.F64, 20, 3).ReadF64(), 20, 3) // the layer stands at the root
	g := nn.NoisyTopK(m.Gate.Forward(x), noise.Forward(x).Softplus(), draws, 2)
	want := ctx.Zeros(tensor.F64, 20, 4)
	for e, expert := range m.Experts {
		want = want.Add(expert.Forward(x).Mul(g.Gates.Slice(1, e, e+1)))
	}
	for name, d := range map[string]tens{"result": y.Sub(want), "importance": r.Importance.Sub(g.Gates.Sum(0).Reshape(3)), "load": r.Load.Sub(g.Load.Sum(0).Reshape(3))} {
		for _, v := range d.ReadF64() {
			if math.Abs(v) > 1e-12 {
				t.Fatalf("%s: off by %v", name, v)
			}
		}
	}
	still := tensor.New(tensor.Options{})
	defer still.Close()
	in := still.F64s(x.ReadF64(), 20, 4)
	noisy, r := m.Forward(in)
	m.Noise = nil
	plain, _ := m.Forward(in)
	if r.Load != nil || fmt.Sprint(noisy.ReadF64()) != fmt.Sprint(plain.ReadF64()) {
		t.Error("noise in inference")
	}
	m.Noise = noise
	p := drawn("x", 7, 4)
	err := grad.Check(func(c *tensor.Ctx) tens {
		y, r := m.Forward(c.Use(p))
		return weigh(y, nn.CV2(r.Importance, false), nn.CV2(r.Load, false))
	}, grad.Options{Ctx: tensor.Options{Train: true}}, append(append(params, more...), p)...)
	if err != nil {
		t.Error(err)
	}
}
