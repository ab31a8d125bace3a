package kernel_test

import (
	"math"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/cpu"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/internal/kernel"
)

// goldenHead is an entry of training/attention's index that one head at a time
// can compute; op multi_head is a layer's.
type goldenHead struct {
	Name, Op string
	Attrs    struct{ Mask string }
}

func TestAttentionGolden(t *testing.T) {
	c := golden.Open(t, "training", "attention")
	var index []goldenHead
	c.Decode("index", &index)
	ran := 0
	for _, v := range index {
		if v.Op != "attention" {
			continue
		}
		ran++
		t.Run(v.Name+"/f64", func(t *testing.T) { goldenAttention(t, c, v, (*golden.Case).F64, ".f64") })
		for _, path := range cpu.Paths() {
			t.Run(v.Name+"/"+path, func(t *testing.T) {
				restore, err := cpu.Force(path)
				if err != nil {
					t.Fatal(err)
				}
				defer restore()
				goldenAttention(t, c, v, (*golden.Case).F32, "")
			})
		}
	}
	if ran == 0 {
		t.Fatal("training/attention has no entry of op attention")
	}
}

func goldenAttention[F kernel.Float](t *testing.T, c *golden.Case, v goldenHead, read func(*golden.Case, string) []F, suffix string) {
	shape, kv := c.Shape(v.Name+".q"), c.Shape(v.Name+".k")
	B, H, T, D, K, S := shape[0], shape[1], shape[2], shape[3], kv[1], kv[2]
	q, k, val, dy := read(c, v.Name+".q"), read(c, v.Name+".k"), read(c, v.Name+".v"), read(c, v.Name+".dy")
	y, dq, dk, dv := make([]F, len(q)), make([]F, len(q)), make([]F, len(k)), make([]F, len(k))
	sums := make([]F, T)
	var bias, dbias, ds []F
	if c.Has(v.Name + ".bias") {
		bias = read(c, v.Name+".bias") // [1, H, T, S]
		dbias, ds = make([]F, len(bias)), make([]F, T*S)
	}
	causal := strings.Contains(v.Name, "causal") || strings.HasPrefix(v.Name, "chunk")
	var w kernel.AttentionScratch[F]
	for b := range B {
		for h := range H {
			at, group := (b*H+h)*T*D, H/K
			kvAt := (b*K + h/group) * S * D
			head := kernel.AttentionHead[F]{T: T, S: S, D: D, Q: q[at:][:T*D], K: k[kvAt:][:S*D], V: val[kvAt:][:S*D], O: y[at:][:T*D], LogSum: sums, Causal: causal}
			grads := kernel.AttentionGrads[F]{DO: dy[at:][:T*D], DQ: dq[at:][:T*D], DK: dk[kvAt:][:S*D], DV: dv[kvAt:][:S*D], AddKV: h%group > 0}
			if bias != nil {
				clear(ds)
				head.Bias, grads.DScores = bias[h*T*S:][:T*S], ds
			}
			if c.Has(v.Name+".mask") && !causal {
				head.KeyBias = goldenKeyBias[F](t, c, v.Name, b, S)
			}
			kernel.Attention(&head, &w)
			kernel.AttentionGrad(&head, &grads, &w)
			for i, x := range ds {
				dbias[h*T*S+i] += x
			}
		}
	}
	for name, got := range map[string][]F{"y": y, "dq": dq, "dk": dk, "dv": dv, "dbias": dbias} {
		if got != nil {
			c.Check(t, v.Name+"."+name+suffix, got)
		}
	}
}

// goldenKeyBias is batch row b of a mask [B, 1, 1, S] whose zeros are forbidden.
func goldenKeyBias[F kernel.Float](t *testing.T, c *golden.Case, name string, b, S int) []F {
	if shape := c.Shape(name + ".mask"); len(shape) != 4 || shape[1] != 1 || shape[2] != 1 {
		t.Fatalf("%s.mask is %v, want [B, 1, 1, S]", name, shape)
	}
	x := make([]F, S)
	for j, on := range c.Int64s(name + ".mask")[b*S:][:S] {
		if on == 0 {
			x[j] = F(math.Inf(-1))
		}
	}
	return x
}
