package nn

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// Recurrent holds the parameters of an LSTM or GRU of several layers, one or both ways, named and stacked gate after gate as
// torch has them. Element l belongs to layer l; the Reverse ones are empty where the net runs one way.
type Recurrent struct {
	WeightIH        []*tensor.Tensor `w:"weight_ih_l#"` // [G·H, C], the input's; layers above the first read [G·H, ways·H]
	WeightHH        []*tensor.Tensor `w:"weight_hh_l#"` // [G·H, H], the state's
	BiasIH          []*tensor.Tensor `w:"bias_ih_l#"`   // [G·H]
	BiasHH          []*tensor.Tensor `w:"bias_hh_l#"`   // [G·H]
	WeightIHReverse []*tensor.Tensor `w:"weight_ih_l#_reverse"`
	WeightHHReverse []*tensor.Tensor `w:"weight_hh_l#_reverse"`
	BiasIHReverse   []*tensor.Tensor `w:"bias_ih_l#_reverse"`
	BiasHHReverse   []*tensor.Tensor `w:"bias_hh_l#_reverse"`
}

func newRecurrent(gates, in, hidden, layers int, both bool) Recurrent {
	var r Recurrent
	for range layers {
		add := func(ih, hh, bi, bh *[]*tensor.Tensor) {
			*ih = append(*ih, tensor.NewParam("weight_ih", tensor.F32, gates*hidden, in))
			*hh = append(*hh, tensor.NewParam("weight_hh", tensor.F32, gates*hidden, hidden))
			*bi = append(*bi, tensor.NewParam("bias_ih", tensor.F32, gates*hidden))
			*bh = append(*bh, tensor.NewParam("bias_hh", tensor.F32, gates*hidden))
		}
		add(&r.WeightIH, &r.WeightHH, &r.BiasIH, &r.BiasHH)
		if both {
			add(&r.WeightIHReverse, &r.WeightHHReverse, &r.BiasIHReverse, &r.BiasHHReverse)
			in = 2 * hidden
		} else {
			in = hidden
		}
	}
	return r
}

// init draws everything from ±1/√H, torch's default.
func (r *Recurrent) init(key uint64) {
	for l := range r.WeightHH {
		bound := 1 / math.Sqrt(float64(max(r.WeightHH[l].Dim(1), 1)))
		for way := range r.ways() {
			for _, p := range r.at(l, way) {
				key++
				p.FillUniform(key, -bound, bound)
			}
		}
	}
}

func (r *Recurrent) ways() int {
	if len(r.WeightIHReverse) > 0 {
		return 2
	}
	return 1
}

// at gives one layer's input weight, state weight, input bias and state bias, forwards (way 0) or backwards (1).
func (r *Recurrent) at(l, way int) [4]*tensor.Tensor {
	if way == 1 {
		return [4]*tensor.Tensor{r.WeightIHReverse[l], r.WeightHHReverse[l], r.BiasIHReverse[l], r.BiasHHReverse[l]}
	}
	return [4]*tensor.Tensor{r.WeightIH[l], r.WeightHH[l], r.BiasIH[l], r.BiasHH[l]}
}

// state is what a cell hands on from step to step; c is nil for a GRU.
type state struct{ h, c *tensor.Tensor }

// cell is one step: xt is the input's product with its weight and bias, [B, G·H].
type cell func(xt *tensor.Tensor, s state, hh, bias *tensor.Tensor) state

// run takes x [B, T, C] through all layers; the inputs' products are made for all steps at once. h0 and c0 are
// [layers·ways, B, H] or nil (zeros).
func (r *Recurrent) run(x, h0, c0 *tensor.Tensor, step cell, withCell bool) (y *tensor.Tensor, last []state) {
	b, steps := x.Dim(0), x.Dim(1)
	first := func(all *tensor.Tensor, i, hidden int) *tensor.Tensor {
		if all == nil {
			return x.Ctx().Zeros(x.DType(), b, hidden)
		}
		return all.Index(0, i)
	}
	y = x
	for l := range r.WeightIH {
		var outs [2]*tensor.Tensor
		for way := range r.ways() {
			p := r.at(l, way)
			i, hidden := l*r.ways()+way, p[1].Dim(1)
			s := state{h: first(h0, i, hidden)}
			if withCell {
				s.c = first(c0, i, hidden)
			}
			xs := y.Linear(p[0], p[2])
			hs := make([]*tensor.Tensor, steps)
			for t := range steps {
				if way == 1 {
					t = steps - 1 - t
				}
				s = step(xs.Index(1, t), s, p[1], p[3])
				hs[t] = s.h
			}
			last = append(last, s)
			outs[way] = tensor.Stack(1, hs...)
		}
		y = outs[0]
		if r.ways() == 2 {
			y = tensor.Concat(-1, outs[0], outs[1])
		}
	}
	return y, last
}

// LSTM is a long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers 2000) as torch.nn.LSTM:
//
//	i, f, o = σ(W·x + U·h + b)    g = tanh(W·x + U·h + b)    c ← f∘c + i∘g    h ← o∘tanh(c)
//
// with the gates stacked i, f, g, o.
type LSTM struct{ Recurrent }

// NewLSTM makes the net from in features to hidden ones in layers, both ways where both is set.
func NewLSTM(in, hidden, layers int, both bool) *LSTM {
	return &LSTM{newRecurrent(4, in, hidden, layers, both)}
}

// Forward maps x [B, T, C] to y [B, T, ways·H] and the last states hn and cn [layers·ways, B, H]; h0 and c0 are the first
// ones, of that shape, or nil for zeros. T must be at least 1.
func (l *LSTM) Forward(x, h0, c0 *tensor.Tensor) (y, hn, cn *tensor.Tensor) {
	y, last := l.run(x, h0, c0, lstmCell, true)
	hn, cn = lasts(last)
	return y, hn, cn
}

func lstmCell(xt *tensor.Tensor, s state, hh, bias *tensor.Tensor) state {
	z := s.h.Linear(hh, bias).Add(xt)
	n := z.Dim(-1) / 4
	gate := func(i int) *tensor.Tensor { return z.Slice(-1, i*n, (i+1)*n) }
	c := gate(1).Sigmoid().Mul(s.c).Add(gate(0).Sigmoid().Mul(gate(2).Tanh()))
	return state{gate(3).Sigmoid().Mul(c.Tanh()), c}
}

// GRU is a gated recurrent unit (arXiv 1406.1078) as torch.nn.GRU, whose reset gate works on the product, not the state:
//
//	r, z = σ(W·x + b + U·h + b′)    n = tanh(W·x + b + r∘(U·h + b′))    h ← (1 − z)∘n + z∘h
//
// with the gates stacked r, z, n.
type GRU struct{ Recurrent }

// NewGRU makes the net from in features to hidden ones in layers, both ways where both is set.
func NewGRU(in, hidden, layers int, both bool) *GRU {
	return &GRU{newRecurrent(3, in, hidden, layers, both)}
}

// Forward maps x [B, T, C] to y [B, T, ways·H] and the last states hn [layers·ways, B, H]; h0 is as hn, or nil for zeros.
func (g *GRU) Forward(x, h0 *tensor.Tensor) (y, hn *tensor.Tensor) {
	y, last := g.run(x, h0, nil, gruCell, false)
	hn, _ = lasts(last)
	return y, hn
}

func gruCell(xt *tensor.Tensor, s state, hh, bias *tensor.Tensor) state {
	ht := s.h.Linear(hh, bias)
	n := ht.Dim(-1) / 3
	gate := func(t *tensor.Tensor, i int) *tensor.Tensor { return t.Slice(-1, i*n, (i+1)*n) }
	r := gate(xt, 0).Add(gate(ht, 0)).Sigmoid()
	z := gate(xt, 1).Add(gate(ht, 1)).Sigmoid()
	m := gate(xt, 2).Add(r.Mul(gate(ht, 2))).Tanh()
	return state{h: m.Add(z.Mul(s.h.Sub(m)))} // (1 − z)·m + z·h
}

func lasts(s []state) (hn, cn *tensor.Tensor) {
	var h, c []*tensor.Tensor
	for _, x := range s {
		h = append(h, x.h)
		if x.c != nil {
			c = append(c, x.c)
		}
	}
	if len(c) > 0 {
		cn = tensor.Stack(0, c...)
	}
	return tensor.Stack(0, h...), cn
}
