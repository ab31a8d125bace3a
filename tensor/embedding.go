package tensor

import "fmt"

// Embedding looks up rows: table [V, C] and ids (any shape, I64) → [ids..., C].
func (ids *Tensor) Embedding(table *Tensor) *Tensor { return ids.EmbeddingPad(table, -1) }

// EmbeddingPad is Embedding whose row pad gets no gradient (torch's padding_idx); −1: none.
func (ids *Tensor) EmbeddingPad(table *Tensor, pad int) *Tensor {
	c := ctxOf("embedding", ids, table)
	if ids.dt != I64 || table.rank != 2 || ids.rank == MaxRank {
		fail("embedding", "ids are i64, the table is [V, C]", ids, table)
	}
	ids = ids.packed()
	var shape [MaxRank]int
	copy(shape[:], ids.shape[:ids.rank])
	shape[ids.rank] = table.shape[1]
	out := c.empty(table.dt, shape[:ids.rank+1])
	if bad, ok := prim.gather(out, table, ids); !ok {
		fail("embedding", fmt.Sprintf("id %d is outside the table", bad), ids, table)
	}
	if n := c.record("embedding", embeddingBack, out, table); n != nil {
		n.save[0], n.arg[0] = ids, pad
	}
	return out
}

func embeddingBack(n *node) {
	dt, add := n.in[0].gradInto()
	if !add {
		prim.fill(dt, 0)
	}
	prim.scatterAdd(dt, n.out.grad.packed(), n.save[0], n.arg[0])
}
