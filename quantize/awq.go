package quantize

import (
	"context"
	"fmt"

	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// awqInputs are what a layer's projections multiply and what comes of it, all samples one after another.
type awqInputs struct {
	x      [4][]float32 // by set of projections
	count  []int        // tokens of each sample
	attn   [][]float32  // output of the attention, a sample
	mlp    [][]float32  //
	shapes [4]int       // columns of x
}

// awq scales and clips weights (AutoAWQ, quantizer.py): the scales of all sets are searched in the original layer, then folded into
// what stands before, then the ranges are searched.
func (l *layer) awq(ctx context.Context) error {
	in, err := l.awqSee(ctx)
	if err != nil {
		return err
	}
	var scales [4][]float32
	for set, list := range projections {
		if !l.awqFolds(set) {
			continue
		}
		o := quant.AWQOptions{Group: l.group(in.shapes[set])}
		switch set {
		case 0:
			o.Loss = l.awqLoss(ctx, list, in, in.attn)
		case 2:
			o.Loss = l.awqLoss(ctx, list, in, in.mlp)
		}
		var weights [][]float32
		for _, name := range list {
			weights = append(weights, l.w[name].w)
		}
		if scales[set], _, err = quant.AWQScale(in.x[set], weights, in.shapes[set], o); err != nil {
			return fmt.Errorf("%s: %w", short(list[0]), err)
		}
	}
	for set, s := range scales {
		if s == nil {
			continue
		}
		if err := l.awqFold(set, s); err != nil {
			return err
		}
		s = l.columns[projections[set][0]] // as it was folded
		for i := range in.x[set] {
			in.x[set][i] /= s[i%len(s)]
		}
	}
	for set, list := range projections {
		for _, name := range list {
			if err := l.awqRound(name, in.x[set]); err != nil {
				return fmt.Errorf("%s: %w", short(name), err)
			}
		}
	}
	return nil
}

// awqSee runs the layer and keeps what it sees.
func (l *layer) awqSee(ctx context.Context) (*awqInputs, error) {
	in := &awqInputs{}
	err := l.each(ctx, func(i int, s step) error {
		in.count = append(in.count, s.x.Dim(0))
		err := l.forward(i, s, func(set int, x *tensor.Tensor) error {
			in.x[set], in.shapes[set] = append(in.x[set], x.Read()...), x.Dim(1)
			switch set {
			case 1:
				in.attn = append(in.attn, l.b.Attn.Out.Forward(x).Read())
			case 3:
				in.mlp = append(in.mlp, l.b.MLP.Down.Forward(x).Read())
			}
			return l.see(projections[set], x)
		})
		return err
	})
	return in, err
}

// awqFolds tells whether a scale of the set's inputs has a place to go: a norm, or the rows of the projection before. Grouped
// queries see a row of v several times, and biases would have to be scaled too: there AutoAWQ, and we, leave it.
func (l *layer) awqFolds(set int) bool {
	switch set {
	case 1:
		return len(l.w["self_attn.v_proj"].w) == len(l.w["self_attn.o_proj"].w) && !hasBias(l.b, "self_attn.v_proj")
	case 3:
		return !hasBias(l.b, "mlp.up_proj")
	}
	return true
}

func (l *layer) awqFold(set int, s []float32) error {
	switch set {
	case 0:
		return l.foldNorm("input_layernorm", projections[0], s)
	case 2:
		return l.foldNorm("post_attention_layernorm", projections[2], s)
	}
	before := "self_attn.v_proj"
	if set == 3 {
		before = "mlp.up_proj"
	}
	m := l.w[before]
	scaled := make([]float32, len(m.w))
	for i, v := range m.w {
		scaled[i] = v / s[i/m.cols]
	}
	m.w, l.rows[before] = scaled, s
	l.scaleColumns(projections[set][0], s)
	return nil
}

// awqLoss judges weights of the first projections of attention or MLP by what comes out at its end.
func (l *layer) awqLoss(ctx context.Context, list []string, in *awqInputs, want [][]float32) func([][]float32) (float64, error) {
	set := 0
	if list[0] != projections[0][0] {
		set = 2
	}
	return func(tried [][]float32) (float64, error) {
		for i, name := range list {
			was := l.w[name].w
			l.w[name].w = tried[i]
			defer func() { l.w[name].w = was }()
		}
		sum, n, at := 0.0, 0, 0
		err := l.each(ctx, func(i int, s step) error {
			t, cols := in.count[i], in.shapes[set]
			x := l.ctx.F32s(in.x[set][at:at+t*cols], t, cols)
			at += t * cols
			var y *tensor.Tensor
			if set == 0 {
				y = l.b.Attn.Forward(x, s.rot, s.rows)
			} else {
				y = l.b.MLP.Forward(x)
			}
			for k, v := range y.Read() {
				d := float64(v) - float64(want[i][k])
				sum += d * d
			}
			n += len(want[i])
			return nil
		})
		return sum / float64(n), err
	}
}

// awqRound clips a weight, whose inputs are x, and rounds it. Errors of queries and keys meet in a product: they keep their range.
func (l *layer) awqRound(name string, x []float32) error {
	m := l.w[name]
	o := quant.AWQOptions{Group: l.group(m.cols)}
	w := m.w
	if s := short(name); s != "q_proj" && s != "k_proj" {
		limit, err := quant.AWQClip(x, w, m.cols, o)
		if err != nil {
			return err
		}
		w = quant.ClipGroups(w, o.Group, limit)
	}
	g, err := quant.AWQRound(w, m.cols, o)
	if err != nil {
		return err
	}
	p, err := quant.PackAWQ(g)
	if err != nil {
		return err
	}
	back, err := p.Unpack()
	if err != nil {
		return err
	}
	l.put(name+".qweight", safetensors.I32, int32Bytes(p.QWeight), p.In, p.Out/8)
	l.put(name+".qzeros", safetensors.I32, int32Bytes(p.QZeros), g.Groups, p.Out/8)
	l.put(name+".scales", safetensors.F16, uint16Bytes(p.Scales), g.Groups, p.Out)
	l.done(name, back.Values())
	return nil
}
