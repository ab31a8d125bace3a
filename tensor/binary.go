package tensor

import "fmt"

type binaryOp uint8

const (
	opAdd binaryOp = iota
	opSub
	opMul
	opDiv
	opMax
	opMin
	opMulAdd // dst += a·b
)

type scalarOp uint8

const (
	opAddS  scalarOp = iota
	opMulS           // s·a
	opRSubS          // s − a
	opDivS           // a / s
	opRDivS          // s / a
	opMaxS
	opMinS
)

// broadcast gives the shape that a and b have together, by NumPy's rule: axes are matched from the last on, and an
// axis of length 1 repeats.
func broadcast(op string, a, b *Tensor, shape *[MaxRank]int) []int {
	rank := max(a.rank, b.rank)
	for i := 1; i <= rank; i++ {
		da, db := 1, 1
		if i <= a.rank {
			da = a.shape[a.rank-i]
		}
		if i <= b.rank {
			db = b.shape[b.rank-i]
		}
		if da != db && da != 1 && db != 1 {
			fail(op, fmt.Sprintf("cannot broadcast %d to %d", da, db), a, b)
		}
		if da == 1 {
			da = db
		}
		shape[rank-i] = da
	}
	return shape[:rank]
}

func binary(name string, op binaryOp, back func(*node), a, b *Tensor) *Tensor {
	c := ctxOf(name, a, b)
	sameFloat(name, a, b)
	var shape [MaxRank]int
	out := c.empty(a.dt, broadcast(name, a, b, &shape))
	prim.binary(op, out, a, b)
	c.record(name, back, out, a, b)
	return out
}

// Add is a + b; like all binary ops it broadcasts by NumPy's rule.
func (a *Tensor) Add(b *Tensor) *Tensor { return binary("add", opAdd, addBack, a, b) }

func addBack(n *node) {
	n.in[0].accumulate(n.out.grad)
	n.in[1].accumulate(n.out.grad)
}

// Sub is a − b.
func (a *Tensor) Sub(b *Tensor) *Tensor { return binary("sub", opSub, subBack, a, b) }

func subBack(n *node) {
	n.in[0].accumulate(n.out.grad)
	if n.in[1].needs {
		n.in[1].accumulate(n.out.grad.Neg())
	}
}

// Mul is a · b, elementwise.
func (a *Tensor) Mul(b *Tensor) *Tensor { return binary("mul", opMul, mulBack, a, b) }

func mulBack(n *node) {
	a, b, dy := n.in[0], n.in[1], n.out.grad
	if a.needs {
		a.accumulate(dy.Mul(b))
	}
	if b.needs {
		b.accumulate(dy.Mul(a))
	}
}

// Div is a / b, elementwise.
func (a *Tensor) Div(b *Tensor) *Tensor { return binary("div", opDiv, divBack, a, b) }

func divBack(n *node) {
	b, dy := n.in[1], n.out.grad
	da := dy.Div(b)
	if b.needs { // d(a/b)/db = −(a/b)/b
		b.accumulate(da.Mul(n.out).Neg())
	}
	n.in[0].accumulate(da)
}

// Max is the larger of a and b, elementwise; where they are equal each takes half of the gradient, as torch.maximum.
func (a *Tensor) Max(b *Tensor) *Tensor { return binary("max", opMax, extremeBack, a, b) }

// Min is the smaller of a and b, elementwise; where they are equal each takes half of the gradient, as torch.minimum.
func (a *Tensor) Min(b *Tensor) *Tensor { return binary("min", opMin, extremeBack, a, b) }

func extremeBack(n *node) {
	a, b, dy := n.in[0], n.in[1], n.out.grad
	fromA, fromB := n.out.same(a), n.out.same(b)
	share := fromA.Add(fromB)
	if a.needs {
		a.accumulate(dy.Mul(fromA.Div(share)))
	}
	if b.needs {
		b.accumulate(dy.Mul(fromB.Div(share)))
	}
}

// same is 1 where t equals x, else 0.
func (t *Tensor) same(x *Tensor) *Tensor { return t.Sub(x).Abs().Sign().RSubS(1) }

func scalar(name string, op scalarOp, back func(*node), a *Tensor, s float64) *Tensor {
	c := ctxOf(name, a)
	sameFloat(name, a)
	out := c.like(a)
	prim.scalar(op, out, a, s)
	if n := c.record(name, back, out, a); n != nil {
		n.num[0] = s
	}
	return out
}

// AddS is a + s.
func (a *Tensor) AddS(s float64) *Tensor { return scalar("add", opAddS, passBack, a, s) }

func passBack(n *node) { n.in[0].accumulate(n.out.grad) }

// SubS is a − s.
func (a *Tensor) SubS(s float64) *Tensor { return scalar("sub", opAddS, passBack, a, -s) }

// RSubS is s − a.
func (a *Tensor) RSubS(s float64) *Tensor { return scalar("rsub", opRSubS, negBack, a, s) }

func negBack(n *node) { n.in[0].accumulate(n.out.grad.Neg()) }

// MulS is s · a.
func (a *Tensor) MulS(s float64) *Tensor { return scalar("mul", opMulS, mulSBack, a, s) }

func mulSBack(n *node) { n.in[0].accumulate(n.out.grad.MulS(n.num[0])) }

// Neg is −a.
func (a *Tensor) Neg() *Tensor { return a.MulS(-1) }

// DivS is a / s.
func (a *Tensor) DivS(s float64) *Tensor { return scalar("div", opDivS, divSBack, a, s) }

func divSBack(n *node) { n.in[0].accumulate(n.out.grad.DivS(n.num[0])) }

// RDivS is s / a.
func (a *Tensor) RDivS(s float64) *Tensor { return scalar("rdiv", opRDivS, rdivBack, a, s) }

func rdivBack(n *node) { // d(s/a)/da = −(s/a)/a
	n.in[0].accumulate(n.out.grad.Mul(n.out).Div(n.in[0]).Neg())
}

// ClampMin is max(a, s); no gradient flows below s.
func (a *Tensor) ClampMin(s float64) *Tensor { return scalar("clamp", opMaxS, clampMinBack, a, s) }

func clampMinBack(n *node) { // torch.clamp passes the gradient where a ≥ s
	n.in[0].accumulate(n.out.grad.Mul(n.in[0].SubS(n.num[0]).Sign().AddS(1).Sign()))
}

// ClampMax is min(a, s); no gradient flows above s.
func (a *Tensor) ClampMax(s float64) *Tensor { return scalar("clamp", opMinS, clampMaxBack, a, s) }

func clampMaxBack(n *node) {
	n.in[0].accumulate(n.out.grad.Mul(n.in[0].RSubS(n.num[0]).Sign().AddS(1).Sign()))
}
