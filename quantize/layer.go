package quantize

import (
	"context"
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// layer is a block on its way into integers. Its projections multiply by weights in float32 that change as it goes.
type layer struct {
	*packer
	name    string // of its tensors: model.layers.N.
	b       *llama.Block
	was     map[string][]float32      // the weights of projections
	w       map[string]*wide          // as they stand now
	columns map[string][]float32      // factors that columns were multiplied with, and rows
	rows    map[string][]float32      //
	inputs  map[string]*quant.Hessian // second moments of what they multiply, in the original scale; nil: not looked at
	out     []safetensors.Tensor
}

func (p *packer) newLayer(i int, b *llama.Block) (*layer, error) {
	l := &layer{packer: p, name: fmt.Sprintf("model.layers.%d.", i), b: b, was: map[string][]float32{}, w: map[string]*wide{},
		columns: map[string][]float32{}, rows: map[string][]float32{}, inputs: map[string]*quant.Hessian{}}
	for _, list := range projections {
		for _, name := range list {
			linear := projection(b, name)
			if linear.Matrix == nil {
				return nil, fmt.Errorf("%s has no weight in the file", name)
			}
			m := values(linear.Matrix)
			l.was[name], l.w[name], linear.Matrix = m.w, m, m
		}
	}
	return l, nil
}

// quantize makes the layer's tensors, and the activations that the next layer sees.
func (l *layer) quantize(ctx context.Context) (err error) {
	defer tensor.Recover(&err)
	defer func() {
		for name := range l.w {
			projection(l.b, name).Matrix = nil // the widened weights go
		}
	}()
	switch l.Method {
	case GPTQ:
		return l.gptq(ctx)
	case AWQ:
		return l.awq(ctx)
	}
	return l.int8(ctx)
}

// step is one sample in the layer.
type step struct {
	x    *tensor.Tensor // [T, C]
	rows *nn.Rows
	rot  nn.Rotation
}

// each runs f for every sample.
func (l *layer) each(ctx context.Context, f func(i int, s step) error) error {
	C := l.m.Config.HiddenSize
	for i, h := range l.hidden {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l.ctx.Next(0)
		t := len(h) / C
		rows := nn.Dense(1, t)
		s := step{l.ctx.F32s(h, t, C), rows, rows.Rotation(l.ctx, l.rope, tensor.F32)}
		if err := f(i, s); err != nil {
			return err
		}
	}
	return nil
}

// capture stands in for the weight of a projection whose input is wanted, and multiplies nothing.
type capture struct {
	tensor.Matrix
	x []float32
}

func (c *capture) Mul(dst []float32, ldd int, x []float32, rows, ldx int) {
	out, in := c.Shape()
	for i := range rows {
		c.x = append(c.x, x[i*ldx:][:in]...)
		clear(dst[i*ldd:][:out])
	}
}

// attended is what the attention's output projection multiplies, [T, H·D].
func (l *layer) attended(s step, normed *tensor.Tensor) *tensor.Tensor {
	linear := l.b.Attn.Out
	c := &capture{Matrix: linear.Matrix}
	linear.Matrix = c
	defer func() { linear.Matrix = c.Matrix }()
	l.b.Attn.Forward(normed, s.rot, s.rows)
	return l.ctx.F32s(c.x, normed.Dim(0), len(c.x)/normed.Dim(0))
}

// gated is what the MLP's last projection multiplies, [T, F].
func (l *layer) gated(normed *tensor.Tensor) *tensor.Tensor {
	return l.b.MLP.Gate.Forward(normed).SwiGLU(l.b.MLP.Up.Forward(normed))
}

// see adds inputs to the moments of projections.
func (l *layer) see(list []string, x *tensor.Tensor) error {
	h := l.inputs[list[0]]
	if h == nil {
		h = quant.NewHessian(x.Dim(1))
		for _, name := range list {
			l.inputs[name] = h
		}
	}
	return h.Add(x.Read())
}

// put adds a tensor of the layer to what is written.
func (l *layer) put(name string, d safetensors.DType, data []byte, shape ...int) {
	l.out = append(l.out, safetensors.Tensor{Name: l.name + name, DType: d, Shape: shape, Data: data})
}

// done reports on a projection that multiplies by is from now on.
func (l *layer) done(name string, is []float32) {
	m := l.w[name]
	m.w = is
	effective := is
	if l.columns[name] != nil || l.rows[name] != nil {
		effective = make([]float32, len(is))
		for i, v := range is {
			if s := l.columns[name]; s != nil {
				v /= s[i%m.cols]
			}
			if s := l.rows[name]; s != nil {
				v *= s[i/m.cols]
			}
			effective[i] = v
		}
	}
	var difference, norm float64
	for i, v := range l.was[name] {
		d := float64(effective[i]) - float64(v)
		difference, norm = difference+d*d, norm+float64(v)*float64(v)
	}
	r := l.entry(l.name + name + ".weight")
	r.Error, r.norm = ratio(difference, norm), norm
	if h := l.inputs[name]; h != nil {
		r.OutputError = outputError(l.was[name], effective, h)
	}
	delete(l.was, name)
}

func (l *layer) gptq(ctx context.Context) error {
	err := l.each(ctx, func(_ int, s step) error { return l.see(projections[0], l.b.AttnNorm.Forward(s.x)) })
	if err == nil {
		err = l.gptqAll(projections[0])
	}
	if err != nil {
		return err
	}
	attended := make([][]float32, len(l.hidden))
	err = l.each(ctx, func(i int, s step) error {
		y := l.attended(s, l.b.AttnNorm.Forward(s.x))
		attended[i] = y.Read()
		return l.see(projections[1], y)
	})
	if err == nil {
		err = l.gptqAll(projections[1])
	}
	if err != nil {
		return err
	}
	err = l.each(ctx, func(i int, s step) error {
		h := s.x.Add(l.b.Attn.Out.Forward(l.ctx.F32s(attended[i], s.x.Dim(0), len(attended[i])/s.x.Dim(0))))
		l.hidden[i], attended[i] = h.Read(), nil
		return l.see(projections[2], l.b.MLPNorm.Forward(h))
	})
	if err == nil {
		err = l.gptqAll(projections[2])
	}
	if err != nil {
		return err
	}
	err = l.each(ctx, func(_ int, s step) error { return l.see(projections[3], l.gated(l.b.MLPNorm.Forward(s.x))) })
	if err == nil {
		err = l.gptqAll(projections[3])
	}
	if err != nil {
		return err
	}
	return l.each(ctx, func(i int, s step) error {
		l.hidden[i] = s.x.Add(l.b.MLP.Forward(l.b.MLPNorm.Forward(s.x))).Read()
		return nil
	})
}

// gptqAll quantises projections that share an input: their rows together, since the inverse of the inputs' moments is most of the work.
func (l *layer) gptqAll(list []string) error {
	m := l.w[list[0]]
	var rows []float32
	for _, name := range list {
		rows = append(rows, l.w[name].w...)
	}
	all, err := quant.GPTQ(rows, l.inputs[list[0]], quant.GPTQOptions{Grid: quant.Grid{Bits: l.Bits, Group: l.group(m.cols), Symmetric: true}, ActOrder: l.ActOrder, Damp: l.Damp})
	if err != nil {
		return fmt.Errorf("%s: %w", short(list[0]), err)
	}
	at := 0
	for _, name := range list {
		n := len(l.w[name].w) / m.cols
		if err := l.gptqPut(name, all.Slice(at, at+n)); err != nil {
			return fmt.Errorf("%s: %w", short(name), err)
		}
		at += n
	}
	for _, name := range list {
		delete(l.inputs, name)
	}
	return nil
}

func (l *layer) gptqPut(name string, g *quant.Grouped) error {
	p, err := quant.PackGPTQ(g, false)
	if err != nil {
		return err
	}
	back, err := p.Unpack() // as it will be read: scales are rounded to float16
	if err != nil {
		return err
	}
	l.put(name+".qweight", safetensors.I32, int32Bytes(p.QWeight), len(p.QWeight)/p.Out, p.Out)
	l.put(name+".qzeros", safetensors.I32, int32Bytes(p.QZeros), g.Groups, p.Out*p.Bits/32)
	l.put(name+".scales", safetensors.F16, uint16Bytes(p.Scales), g.Groups, p.Out)
	l.put(name+".g_idx", safetensors.I32, int32Bytes(p.GroupOf), p.In)
	l.done(name, back.Values())
	return nil
}

// int8 stores rows by their largest weight, after SmoothQuant where samples show the inputs.
func (l *layer) int8(ctx context.Context) error {
	peaks := map[string][]float32{}
	err := l.each(ctx, func(i int, s step) error {
		see := func(set int, x *tensor.Tensor) error {
			first := projections[set][0]
			for c, v := range quant.ColumnMax(x.Read(), x.Dim(1)) {
				if peaks[first] == nil {
					peaks[first] = make([]float32, x.Dim(1))
				}
				peaks[first][c] = max(peaks[first][c], v)
			}
			return l.see(projections[set], x)
		}
		return l.forward(i, s, see)
	})
	if err != nil {
		return err
	}
	if len(l.hidden) > 0 {
		for i, norm := range []string{"input_layernorm", "post_attention_layernorm"} {
			if err := l.smooth(norm, projections[2*i], peaks[projections[2*i][0]]); err != nil {
				return err
			}
		}
	}
	for _, list := range projections {
		for _, name := range list {
			m := l.w[name]
			q, scale, err := quant.Int8Rows(m.w, m.cols, l.PerTensor)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			data, back := make([]byte, len(q)), make([]float32, len(q))
			for i, v := range q {
				data[i], back[i] = byte(v), float32(v)*scale[i/m.cols]
			}
			l.put(name+".weight", safetensors.I8, data, len(scale), m.cols)
			if l.PerTensor {
				l.put(name+".weight_scale", safetensors.F32, float32Bytes(scale[:1]), 1)
			} else {
				l.put(name+".weight_scale", safetensors.F32, float32Bytes(scale), len(scale), 1)
			}
			l.done(name, back)
		}
	}
	return nil
}

// forward runs a sample through the layer, shows the inputs of each set of projections, and puts the result in its place.
func (l *layer) forward(i int, s step, see func(set int, x *tensor.Tensor) error) error {
	n := l.b.AttnNorm.Forward(s.x)
	y := l.attended(s, n)
	h := s.x.Add(l.b.Attn.Out.Forward(y))
	n2 := l.b.MLPNorm.Forward(h)
	z := l.gated(n2)
	for set, x := range []*tensor.Tensor{n, y, n2, z} {
		if err := see(set, x); err != nil {
			return err
		}
	}
	l.hidden[i] = h.Add(l.b.MLP.Down.Forward(z)).Read()
	return nil
}

// smooth moves the difficulty of inputs with large columns to the weights behind a norm.
func (l *layer) smooth(norm string, list []string, peaks []float32) error {
	most := make([]float32, len(peaks))
	for _, name := range list {
		for c, v := range quant.ColumnMax(l.w[name].w, len(peaks)) {
			most[c] = max(most[c], v, 1e-5) // smooth.py clamps here too
		}
	}
	s := quant.SmoothQuant(peaks, most, l.Smooth)
	for c, v := range peaks {
		if v == 0 {
			s[c] = 1 // nothing to smooth, and 1/s might leave float16
		}
	}
	return l.foldNorm(norm, list, s)
}

// foldNorm divides a norm's gains by s and multiplies the columns of the projections behind it; by what the gains were divided by in
// truth, once they are rounded to the file's type.
func (l *layer) foldNorm(norm string, list []string, s []float32) error {
	layer := l.b.AttnNorm
	if norm == "post_attention_layernorm" {
		layer = l.b.MLPNorm
	}
	name := norm + ".weight"
	t, ok := l.source.Tensor(l.name + name)
	if !ok {
		return fmt.Errorf("no tensor %q", l.name+name)
	}
	gains := layer.Weight.Read()
	scaled := make([]float32, len(gains))
	for c, g := range gains {
		scaled[c] = g / s[c]
	}
	data, back, err := stored(scaled, t.DType)
	if err != nil {
		return fmt.Errorf("%s: %w", norm, err)
	}
	exact := make([]float32, len(s))
	for c, g := range gains {
		if exact[c] = s[c]; back[c] != 0 && g != 0 {
			exact[c] = g / back[c]
		}
	}
	l.put(name, t.DType, data, len(gains))
	layer.Weight.SetF32(back)
	for _, name := range list {
		l.scaleColumns(name, exact)
	}
	return nil
}

func (l *layer) scaleColumns(name string, s []float32) {
	l.w[name].w = quant.ScaleColumns(l.w[name].w, s)
	l.columns[name] = s
}

// hasBias tells whether a projection has one.
func hasBias(b *llama.Block, name string) bool { return projection(b, name).Bias != nil }

// short is a projection's name without its part of the layer.
func short(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
