package tensor

import "fmt"

// RoPE turns pairs of each row's elements by angles that depend on the row's position, rotary position embedding (arXiv
// 2104.09864, eq. 34): x is [N, H, D], pos i64 [N], cos and sin [P, R/2] with R ≤ D even. In each head of row n pair i
// becomes
//
//	(a·cos − b·sin, b·cos + a·sin), cos and sin those of row pos[n], column i,
//
// and elements from R on stay. A pair is (i, i + R/2), as Hugging Face's models have it, or, with adjacent, (2i, 2i+1),
// as the paper and llama.cpp's llama architecture. A nil pos means 0 … N−1. No gradient reaches cos and sin.
func (x *Tensor) RoPE(cos, sin, pos *Tensor, adjacent bool) *Tensor {
	c := ctxOf("rope", x, cos, sin, pos)
	sameFloat("rope", x, cos, sin)
	if x.rank != 3 || cos.rank != 2 || !sameShape(cos, sin) || 2*cos.shape[1] > x.shape[2] ||
		pos != nil && (pos.dt != I64 || pos.rank != 1 || pos.shape[0] != x.shape[0]) || pos == nil && cos.shape[0] < x.shape[0] {
		fail("rope", "x [N, H, D], cos and sin [P, R/2] with R ≤ D, pos i64 [N]", x, cos, sin, pos)
	}
	cos, sin, pos = cos.packed(), sin.packed(), pos.packedOrNil()
	out := c.like(x)
	if bad, ok := prim.rope(out, x, cos, sin, pos, adjacent, false); !ok {
		fail("rope", fmt.Sprintf("position %d is not in the table", bad), x, cos, pos)
	}
	if n := c.record("rope", ropeBack, out, x); n != nil {
		n.save[0], n.save[1], n.save[2], n.arg[0] = cos, sin, pos, btoi(adjacent)
	}
	return out
}

// ropeBack turns back: the matrix of a rotation is orthogonal, and a table scaled by an attention factor scales both ways.
func ropeBack(n *node) {
	dy := n.out.grad
	dx := dy.ctx.like(dy)
	prim.rope(dx, dy, n.save[0], n.save[1], n.save[2], n.arg[0] == 1, true)
	n.in[0].accumulate(dx)
}

func (t *Tensor) packedOrNil() *Tensor {
	if t == nil {
		return nil
	}
	return t.packed()
}
