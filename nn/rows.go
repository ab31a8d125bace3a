package nn

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// Rows says what the rows [N, C] are that go through a decoder together: the position of each in its sequence, and which
// keys it sees. Dense makes them of whole sequences side by side, whose attention has gradients; Cache.Append of pieces of
// sequences whose past lies in a cache. A decoder's code is the same for both.
type Rows struct {
	pos    []int // of each row in its sequence
	tokens []int // length of its sequence, with the rows of this call

	batch, time int            // Dense
	mask        *tensor.Tensor // Dense: of a sliding window, made on first use
	maskWindow  int

	cache *Cache // Append

	cos, sin []float32
	ids      []int64
	mark     tensor.Mark // after the last Rotation
}

// Dense are the B·T rows of B sequences of T tokens, in the order of [B, T]: each row sees its own sequence up to itself.
// A sequence that is shorter is filled up at its end.
func Dense(b, t int) *Rows {
	r := &Rows{batch: b, time: t, pos: make([]int, b*t), tokens: make([]int, b*t)}
	for i := range r.pos {
		r.pos[i], r.tokens[i] = i%t, t
	}
	return r
}

// Done ends a call: with a cache the rows become part of their sequences.
func (r *Rows) Done() {
	if r.cache != nil {
		r.cache.done()
	}
}

// Len is N.
func (r *Rows) Len() int { return len(r.pos) }

// Embed looks up the rows' tokens: [N, C].
func (r *Rows) Embed(c *tensor.Ctx, e *Embedding, tokens []int32) *tensor.Tensor {
	r.ids = r.ids[:0]
	for _, t := range tokens {
		r.ids = append(r.ids, int64(t))
	}
	return e.Forward(c.Ints(r.ids, len(tokens)))
}

// Pick is the rows of x [N, C] that are wanted, in order; nil wants all. It is for inference.
func (r *Rows) Pick(x *tensor.Tensor, want []bool) *tensor.Tensor {
	if want == nil {
		return x
	}
	r.ids = r.ids[:0]
	for i, w := range want {
		if w {
			r.ids = append(r.ids, int64(i))
		}
	}
	return x.Ctx().Ints(r.ids, len(r.ids)).Embedding(x)
}

// Rotation is the rotary embedding of the rows of one call, for all layers.
type Rotation struct {
	cos, sin *tensor.Tensor // [N, R/2]
	adjacent bool
}

// Rotation works out the rows' angles, in float type dt. Where they depend on a sequence's length (dynamic and longrope scaling), that is
// the length with this call's rows; keys that lie in a cache keep the angles that they were stored with, as in transformers.
func (r *Rows) Rotation(c *tensor.Ctx, rope *RoPE, dt tensor.DType) Rotation {
	n, half := r.Len(), rope.Dim()/2
	r.cos, r.sin = grown(r.cos, n*half), grown(r.sin, n*half)
	for i, p := range r.pos {
		rope.Angles(r.cos[i*half:][:half], r.sin[i*half:][:half], p, r.tokens[i])
	}
	t := Rotation{c.F32s(r.cos, n, half).To(dt), c.F32s(r.sin, n, half).To(dt), rope.o.Adjacent}
	r.mark = c.Mark()
	return t
}

// Next ends a part of a layer, whose output is x, and returns it. With a cache all else that was made since Rotation is given back,
// so that a prompt takes the memory of one such part.
func (r *Rows) Next(x *tensor.Tensor) *tensor.Tensor {
	if r.cache == nil {
		return x
	}
	return x.Ctx().Reuse(r.mark, x)
}

// Apply turns queries or keys [N, H, D].
func (t Rotation) Apply(x *tensor.Tensor) *tensor.Tensor {
	return x.RoPE(t.cos, t.sin, nil, t.adjacent)
}

// AttendOptions of Rows.Attend.
type AttendOptions struct {
	Scale  float64 // of q·k; 0: 1/√D
	Window int     // a row sees that many positions, its own included; 0: all
}

// Attend is causal attention of one layer: queries [N, H, D], keys and values [N, Hkv, D], H a multiple of Hkv, give
// [N, H·D]. With a cache it also puts the keys and values there, and the window must be the layer's in the cache.
func (r *Rows) Attend(layer int, q, k, v *tensor.Tensor, o AttendOptions) *tensor.Tensor {
	if r.cache != nil {
		return r.cache.attend(layer, q, k, v, o)
	}
	t := tensor.AttentionOptions{Scale: o.Scale, Causal: true, Bias: r.windowMask(q, o.Window)}
	y, _ := tensor.Attention(r.heads(q), r.heads(k), r.heads(v), t)
	return JoinHeads(y).Reshape(r.Len(), q.Dim(1)*q.Dim(2))
}

// heads views [B·T, H, D] as [B, H, T, D].
func (r *Rows) heads(x *tensor.Tensor) *tensor.Tensor {
	return x.Reshape(r.batch, r.time, x.Dim(1), x.Dim(2)).Permute(0, 2, 1, 3)
}

// windowMask is what hides the keys that a sliding window has left behind, [1, 1, T, T]; nil where it hides none.
func (r *Rows) windowMask(q *tensor.Tensor, window int) *tensor.Tensor {
	if window == 0 || window >= r.time {
		return nil
	}
	if r.mask == nil || r.maskWindow != window {
		v := make([]float64, r.time*r.time)
		for i := range r.time {
			for j := range max(0, i-window+1) {
				v[i*r.time+j] = math.Inf(-1)
			}
		}
		r.mask, r.maskWindow = q.Ctx().Constant(q.DType(), v, 1, 1, r.time, r.time), window
	}
	return r.mask
}

func grown(s []float32, n int) []float32 {
	if cap(s) < n {
		s = make([]float32, n)
	}
	return s[:n]
}
