package tensor

import (
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

func cpuAttention(out, scores, lse, q, k, v *Tensor, o AttentionOptions, key uint64) {
	if q.dt == F64 {
		attentionLoop[float64](out, scores, lse, q, k, v, o, key)
	} else {
		attentionLoop[float32](out, scores, lse, q, k, v, o, key)
	}
}

func cpuAttentionGrad(dq, dk, dv, dscores, dout, q, k, v, out, lse, scores *Tensor, o AttentionOptions, key uint64) {
	if q.dt == F64 {
		attentionGradLoop[float64](dq, dk, dv, dscores, dout, q, k, v, out, lse, o, key)
	} else {
		attentionGradLoop[float32](dq, dk, dv, dscores, dout, q, k, v, out, lse, o, key)
	}
}

var scratch32, scratch64 = sync.Pool{New: func() any { return new(kernel.AttentionScratch[float32]) }}, sync.Pool{New: func() any { return new(kernel.AttentionScratch[float64]) }}

func scratchPool[T kernel.Float]() *sync.Pool {
	var z T
	if _, ok := any(z).(float64); ok {
		return &scratch64
	}
	return &scratch32
}

// heads finds one head's rows in a tensor [B, H, T, D], any strides; group query heads share each of its heads.
type heads[T kernel.Float] struct {
	d              []T
	batch, head, t int // strides
	group          int
}

func headsOf[T kernel.Float](t *Tensor, queryHeads int) heads[T] {
	if t == nil {
		return heads[T]{}
	}
	h := heads[T]{data[T](t), t.stride[0], t.stride[1], t.stride[2], max(1, queryHeads/max(1, t.shape[1]))}
	if t.shape[0] == 1 {
		h.batch = 0
	}
	return h
}

func (h heads[T]) at(b, i int) []T {
	if h.d == nil {
		return nil
	}
	return h.d[b*h.batch+i/h.group*h.head:]
}

// attentionArgs are the operands that forward and backward share.
type attentionArgs[T kernel.Float] struct {
	B, H, t, s, d       int
	q, k, v, bias, prev heads[T]
	keyBias             bool // the bias is the same for every query
	o                   AttentionOptions
	key                 uint64
}

func newAttentionArgs[T kernel.Float](q, k, v *Tensor, o AttentionOptions, key uint64) attentionArgs[T] {
	a := attentionArgs[T]{B: q.shape[0], H: q.shape[1], t: q.shape[2], s: k.shape[2], d: q.shape[3], o: o, key: key}
	a.q, a.k, a.v, a.prev = headsOf[T](q, a.H), headsOf[T](k, a.H), headsOf[T](v, a.H), headsOf[T](o.Prev, a.H)
	if o.Bias != nil {
		full := Tensor{rank: 4, shape: [MaxRank]int{a.B, a.H, a.t, a.s}}
		a.bias = headsOf[T](o.Bias.stretched(&full), a.H)
		a.keyBias = a.bias.t == 0
	}
	return a
}

func (a *attentionArgs[T]) fill(h *kernel.AttentionHead[T], b, i int) {
	*h = kernel.AttentionHead[T]{T: a.t, S: a.s, D: a.d, Q: a.q.at(b, i), StrideQ: a.q.t, K: a.k.at(b, i), StrideK: a.k.t,
		V: a.v.at(b, i), StrideV: a.v.t, Scale: T(a.o.Scale), Causal: a.o.Causal, Prev: a.prev.at(b, i), StridePrev: a.prev.t,
		Drop: a.o.Dropout, DropKey: a.key, DropOffset: uint64(b*a.H+i) * uint64(a.t*a.s)}
	if a.keyBias {
		h.KeyBias = a.bias.at(b, i)[:a.s]
	} else {
		h.Bias, h.StrideBias = a.bias.at(b, i), a.bias.t
	}
}

// headGrain keeps about 2^18 multiply-adds in one hand-over.
func headGrain(t, s, d int) int { return max(1, (1<<18)/max(1, 2*t*s*d)) }

func attentionLoop[T kernel.Float](out, scores, lse, q, k, v *Tensor, o AttentionOptions, key uint64) {
	a := newAttentionArgs[T](q, k, v, o, key)
	oh, sh := headsOf[T](out, a.H), headsOf[T](scores, a.H)
	l := data[T](lse)
	pool := scratchPool[T]()
	par.For(a.B*a.H, headGrain(a.t, a.s, a.d), func(lo, hi int) {
		w := pool.Get().(*kernel.AttentionScratch[T])
		defer pool.Put(w)
		var h kernel.AttentionHead[T]
		for n := lo; n < hi; n++ {
			b, i := n/a.H, n%a.H
			a.fill(&h, b, i)
			h.O, h.StrideO = oh.at(b, i), oh.t
			h.LogSum = l[n*a.t : (n+1)*a.t]
			h.Scores, h.StrideScores = sh.at(b, i), sh.t
			kernel.Attention(&h, w)
		}
	})
}

// attentionGradLoop shares out groups of query heads, since those of one group add to the same dk and dv.
func attentionGradLoop[T kernel.Float](dq, dk, dv, dscores, dout, q, k, v, out, lse *Tensor, o AttentionOptions, key uint64) {
	a := newAttentionArgs[T](q, k, v, o, key)
	oh, doh := headsOf[T](out, a.H), headsOf[T](dout, a.H)
	dqh, dkh, dvh, dsh := headsOf[T](dq, a.H), headsOf[T](dk, a.H), headsOf[T](dv, a.H), headsOf[T](dscores, a.H)
	l := data[T](lse)
	pool := scratchPool[T]()
	group := a.k.group
	par.For(a.B*a.H/group, headGrain(a.t*group, a.s, 2*a.d), func(lo, hi int) {
		w := pool.Get().(*kernel.AttentionScratch[T])
		defer pool.Put(w)
		var h kernel.AttentionHead[T]
		var g kernel.AttentionGrads[T]
		for n := lo * group; n < hi*group; n++ {
			b, i := n/a.H, n%a.H
			a.fill(&h, b, i)
			h.O, h.StrideO = oh.at(b, i), oh.t
			h.LogSum = l[n*a.t : (n+1)*a.t]
			g = kernel.AttentionGrads[T]{DO: doh.at(b, i), StrideDO: doh.t, DQ: dqh.at(b, i), StrideDQ: dqh.t, DK: dkh.at(b, i), StrideDK: dkh.t,
				DV: dvh.at(b, i), StrideDV: dvh.t, DScores: dsh.at(b, i), StrideDScores: dsh.t, AddKV: n%group != 0}
			kernel.AttentionGrad(&h, &g, w)
		}
	})
}
