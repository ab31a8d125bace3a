package tensor

import "math"

// AttentionOptions of Attention. The zero value is plain softmax(q·kᵀ/√D)·v.
type AttentionOptions struct {
	Scale   float64 // of q·kᵀ; 0: 1/√D
	Causal  bool    // query i sees keys j ≤ i + S − T
	Bias    *Tensor // added to the scaled scores, broadcast to [B, H, T, S]; −Inf masks
	Prev    *Tensor // [B, H, T, S] scores of the layer before, added (RealFormer, arXiv 2012.11747); nil: none
	Scores  bool    // return the scores before the softmax, Prev included
	Dropout float64 // of the probabilities, in training
	Path    uint64  // for Dropout
}

// Attention returns softmax(q·kᵀ·scale + bias)·v for each head, and the scores when asked for.
// q is [B, H, T, D]; k and v are [B, Hkv, S, D], H a multiple of Hkv (query head h reads head h/(H/Hkv)); the result
// is [B, H, T, D], laid out as [B, T, H, D] so that joining the heads costs nothing.
func Attention(q, k, v *Tensor, o AttentionOptions) (out, scores *Tensor) {
	c := ctxOf("attention", q, k, v, o.Bias, o.Prev)
	sameFloat("attention", q, k, v, o.Bias, o.Prev)
	if q.rank != 4 || k.rank != 4 || !sameShape(k, v) || q.shape[0] != k.shape[0] || q.shape[3] != k.shape[3] ||
		k.shape[1] == 0 || q.shape[1]%k.shape[1] != 0 {
		fail("attention", "q [B, H, T, D], k and v [B, Hkv, S, D]", q, k, v)
	}
	B, H, T, D, S := q.shape[0], q.shape[1], q.shape[2], q.shape[3], k.shape[2]
	if o.Scale == 0 {
		o.Scale = 1 / math.Sqrt(float64(D))
	}
	if !c.Train {
		o.Dropout = 0
	}
	if o.Bias != nil {
		if o.Bias.rank == 0 || o.Bias.shape[o.Bias.rank-1] != S {
			o.Bias = o.Bias.Expand(B, H, T, S)
		}
		var shape [MaxRank]int
		if full := broadcast("attention", o.Bias, &Tensor{rank: 4, shape: [MaxRank]int{B, H, T, S}}, &shape); len(full) != 4 || shape != [MaxRank]int{B, H, T, S} {
			fail("attention", "the bias does not broadcast to [B, H, T, S]", q, k, o.Bias)
		}
	}
	if o.Prev != nil && (o.Prev.rank != 4 || o.Prev.shape != [MaxRank]int{B, H, T, S}) {
		fail("attention", "the scores before are [B, H, T, S]", q, k, o.Prev)
	}
	if o.Prev != nil {
		o.Prev = o.Prev.packed()
	}
	out = c.empty(q.dt, []int{B, T, H, D}).headsFirst(c)
	lse := c.empty(q.dt, []int{B, H, T})
	if o.Scores {
		scores = c.empty(q.dt, []int{B, H, T, S})
	}
	key := uint64(0)
	if o.Dropout > 0 {
		key = c.Key(o.Path)
	}
	prim.attention(out, scores, lse, q, k, v, o, key)
	n := c.record("attention", attentionBack, out, q, k, v, o.Bias, o.Prev)
	if n != nil {
		n.save[0], n.save[1] = lse, scores
		n.num[0], n.num[1], n.arg[0], n.key = o.Scale, o.Dropout, btoi(o.Causal), key
		if scores != nil {
			scores.needs = true // its gradient is read by attentionBack itself
		}
	}
	return out, scores
}

// headsFirst views [B, T, H, D] as [B, H, T, D].
func (t *Tensor) headsFirst(c *Ctx) *Tensor {
	v := c.view("heads", t)
	v.shape[1], v.shape[2] = t.shape[2], t.shape[1]
	v.stride[1], v.stride[2] = t.stride[2], t.stride[1]
	return v
}

// attentionBack makes the probabilities again from the saved log-sum-exp: with P = softmax(scores), dV = Pᵀ·dO,
// dP = dO·Vᵀ, dS = P∘(dP − rowsum(dO∘O)), dQ = dS·K·scale, dK = dSᵀ·Q·scale (arXiv 2205.14135, Appendix B).
func attentionBack(n *node) {
	q, k, v, bias, prev := n.in[0], n.in[1], n.in[2], n.in[3], n.in[4]
	scores, dy := n.save[1], n.out.grad
	c := dy.ctx
	o := AttentionOptions{Scale: n.num[0], Dropout: n.num[1], Causal: n.arg[0] == 1, Bias: bias, Prev: prev}
	dq, dk, dv := c.gradLike(q), c.gradLike(k), c.gradLike(v)
	var dscores *Tensor // in: the gradient of the scores handed on; out: that of the scores in all
	if scores != nil && scores.grad != nil {
		dscores = scores.grad.packed()
		if dscores.st.refs > 1 {
			own := c.like(dscores)
			prim.copy(own, dscores)
			dscores = own
		}
	}
	wanted := (bias != nil && bias.needs) || (prev != nil && prev.needs)
	if wanted && dscores == nil {
		dscores = c.Zeros(q.dt, q.shape[0], q.shape[1], q.shape[2], k.shape[2])
	}
	prim.attentionGrad(dq, dk, dv, dscores, dy, q, k, v, n.out, n.save[0], scores, o, n.key)
	q.accumulate(dq)
	k.accumulate(dk)
	v.accumulate(dv)
	if bias != nil && bias.needs {
		own := c.like(dscores)
		prim.copy(own, dscores)
		bias.accumulate(own)
	}
	if prev != nil && prev.needs {
		prev.accumulate(dscores)
	}
	if scores != nil && scores.grad != nil {
		scores.dropGrad()
	}
}

// gradLike makes room for the gradient of q, k or v in the memory order of [B, T, H, D], which is that of the
// projection it came from.
func (c *Ctx) gradLike(t *Tensor) *Tensor {
	return c.empty(t.dt, []int{t.shape[0], t.shape[2], t.shape[1], t.shape[3]}).headsFirst(c)
}
