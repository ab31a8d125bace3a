package tensor

import "math"

type unaryOp uint8

const (
	opAbs unaryOp = iota
	opSign
	opSquare
	opSqrt
	opRsqrt
	opRecip
	opExp
	opExpm1
	opLog
	opLog1p
	opSin
	opCos
	opTanh
	opSigmoid
	opErf
	opReLU
	opGELU
	opGELUTanh
	opQuickGELU
	opSiLU
	opSoftplus
	opLogSigmoid
	opELU
	opLeakyReLU
	opMish
	opHardSigmoid
	opHardSwish
	opLogGamma
	opDigamma
)

// activation ops save their input and have a fused gradient kernel.
func activation(name string, op unaryOp, x *Tensor, alpha float64) *Tensor {
	c := ctxOf(name, x)
	sameFloat(name, x)
	x = x.packed()
	out := c.like(x)
	prim.unary(op, out, x, alpha)
	if n := c.record(name, activationBack, out, x); n != nil {
		n.arg[0], n.num[0] = int(op), alpha
	}
	return out
}

func activationBack(n *node) {
	x, dy := n.in[0], n.out.grad.packed()
	dx := x.ctxFor(dy).like(x)
	prim.unaryGrad(unaryOp(n.arg[0]), dx, dy, x, n.num[0])
	x.accumulate(dx)
}

func (t *Tensor) ctxFor(other *Tensor) *Ctx { return ctxOf("backward", other, t) }

// elementwise ops whose gradient is written with other ops.
func elementwise(name string, op unaryOp, back func(*node), x *Tensor) *Tensor {
	c := ctxOf(name, x)
	sameFloat(name, x)
	x = x.packed()
	out := c.like(x)
	prim.unary(op, out, x, 0)
	c.record(name, back, out, x)
	return out
}

// Abs is |x|; its gradient at 0 is 0.
func (x *Tensor) Abs() *Tensor { return elementwise("abs", opAbs, absBack, x) }

func absBack(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.in[0].Sign())) }

// Sign is −1, 0 or 1; no gradient flows.
func (x *Tensor) Sign() *Tensor { return elementwise("sign", opSign, noBack, x) }

func noBack(*node) {}

// Square is x².
func (x *Tensor) Square() *Tensor { return elementwise("square", opSquare, squareBack, x) }

func squareBack(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.in[0]).MulS(2)) }

// Sqrt is √x.
func (x *Tensor) Sqrt() *Tensor { return elementwise("sqrt", opSqrt, sqrtBack, x) }

func sqrtBack(n *node) { n.in[0].accumulate(n.out.grad.Div(n.out).MulS(0.5)) }

// Rsqrt is 1/√x.
func (x *Tensor) Rsqrt() *Tensor { return elementwise("rsqrt", opRsqrt, rsqrtBack, x) }

func rsqrtBack(n *node) { // −y³/2
	n.in[0].accumulate(n.out.grad.Mul(n.out).Mul(n.out.Square()).MulS(-0.5))
}

// Recip is 1/x.
func (x *Tensor) Recip() *Tensor { return elementwise("recip", opRecip, recipBack, x) }

func recipBack(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.out.Square()).Neg()) }

// Exp is eˣ.
func (x *Tensor) Exp() *Tensor { return elementwise("exp", opExp, expBack, x) }

func expBack(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.out)) }

// Expm1 is eˣ − 1, exact near 0.
func (x *Tensor) Expm1() *Tensor { return elementwise("expm1", opExpm1, expm1Back, x) }

func expm1Back(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.out.AddS(1))) }

// Log is the natural logarithm.
func (x *Tensor) Log() *Tensor { return elementwise("log", opLog, logBack, x) }

func logBack(n *node) { n.in[0].accumulate(n.out.grad.Div(n.in[0])) }

// Log1p is ln(1 + x), exact near 0.
func (x *Tensor) Log1p() *Tensor { return elementwise("log1p", opLog1p, log1pBack, x) }

func log1pBack(n *node) { n.in[0].accumulate(n.out.grad.Div(n.in[0].AddS(1))) }

// Sin is the sine of x radians.
func (x *Tensor) Sin() *Tensor { return elementwise("sin", opSin, sinBack, x) }

func sinBack(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.in[0].Cos())) }

// Cos is the cosine of x radians.
func (x *Tensor) Cos() *Tensor { return elementwise("cos", opCos, cosBack, x) }

func cosBack(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.in[0].Sin()).Neg()) }

// Tanh is the hyperbolic tangent.
func (x *Tensor) Tanh() *Tensor { return elementwise("tanh", opTanh, tanhBack, x) }

func tanhBack(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.out.Square().RSubS(1))) }

// Sigmoid is 1/(1 + e⁻ˣ).
func (x *Tensor) Sigmoid() *Tensor { return elementwise("sigmoid", opSigmoid, sigmoidBack, x) }

func sigmoidBack(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.out).Mul(n.out.RSubS(1))) }

// Erf is the error function.
func (x *Tensor) Erf() *Tensor { return elementwise("erf", opErf, erfBack, x) }

func erfBack(n *node) { // 2/√π·e^(−x²)
	n.in[0].accumulate(n.out.grad.Mul(n.in[0].Square().Neg().Exp()).MulS(2 / math.Sqrt(math.Pi)))
}

// ReLU is max(x, 0).
func (x *Tensor) ReLU() *Tensor { return activation("relu", opReLU, x, 0) }

// GELU is x·Φ(x) with the exact normal distribution function (erf).
func (x *Tensor) GELU() *Tensor { return activation("gelu", opGELU, x, 0) }

// GELUTanh is GELU's tanh approximation, torch's approximate="tanh".
func (x *Tensor) GELUTanh() *Tensor { return activation("gelu_tanh", opGELUTanh, x, 0) }

// QuickGELU is x·σ(1.702 x), CLIP's activation.
func (x *Tensor) QuickGELU() *Tensor { return activation("quick_gelu", opQuickGELU, x, 0) }

// SiLU is x·σ(x).
func (x *Tensor) SiLU() *Tensor { return activation("silu", opSiLU, x, 0) }

// Softplus is ln(1 + eˣ).
func (x *Tensor) Softplus() *Tensor { return activation("softplus", opSoftplus, x, 0) }

// LogSigmoid is ln σ(x).
func (x *Tensor) LogSigmoid() *Tensor { return activation("log_sigmoid", opLogSigmoid, x, 0) }

// ELU is x for x > 0, else α(eˣ − 1).
func (x *Tensor) ELU(alpha float64) *Tensor { return activation("elu", opELU, x, alpha) }

// LeakyReLU is x for x > 0, else αx.
func (x *Tensor) LeakyReLU(alpha float64) *Tensor {
	return activation("leaky_relu", opLeakyReLU, x, alpha)
}

// Mish is x·tanh(softplus(x)).
func (x *Tensor) Mish() *Tensor { return activation("mish", opMish, x, 0) }

// HardSigmoid is clamp(x/6 + 1/2, 0, 1).
func (x *Tensor) HardSigmoid() *Tensor { return activation("hard_sigmoid", opHardSigmoid, x, 0) }

// HardSwish is x·HardSigmoid(x).
func (x *Tensor) HardSwish() *Tensor { return activation("hard_swish", opHardSwish, x, 0) }

// Act names an activation for layers that fuse one, as Linear does in inference.
type Act uint8

// The activations that layers name in their configurations.
const (
	ActNone Act = iota
	ActReLU
	ActGELU
	ActGELUTanh
	ActQuickGELU
	ActSiLU
	ActTanh
	ActSigmoid
)

var acts = [...]struct {
	name  string
	apply func(*Tensor) *Tensor
}{
	{"none", func(x *Tensor) *Tensor { return x }}, {"relu", (*Tensor).ReLU}, {"gelu", (*Tensor).GELU}, {"gelu_tanh", (*Tensor).GELUTanh},
	{"quick_gelu", (*Tensor).QuickGELU}, {"silu", (*Tensor).SiLU}, {"tanh", (*Tensor).Tanh}, {"sigmoid", (*Tensor).Sigmoid},
}

// actOps are the elementwise kernels of the activations.
var actOps = [...]unaryOp{
	ActReLU: opReLU, ActGELU: opGELU, ActGELUTanh: opGELUTanh, ActQuickGELU: opQuickGELU, ActSiLU: opSiLU, ActTanh: opTanh, ActSigmoid: opSigmoid,
}

// ParseAct finds an activation by the name that configurations use (relu, gelu, gelu_new, quick_gelu, silu, …).
func ParseAct(name string) (Act, bool) {
	switch name {
	case "gelu_new", "gelu_pytorch_tanh", "gelu_tanh":
		return ActGELUTanh, true
	case "swish":
		return ActSiLU, true
	case "", "linear", "identity":
		return ActNone, true
	}
	for i, a := range acts {
		if a.name == name {
			return Act(i), true
		}
	}
	return ActNone, false
}

func (a Act) String() string { return acts[a].name }

// Apply is the activation as an op.
func (a Act) Apply(x *Tensor) *Tensor { return acts[a].apply(x) }

// LogGamma is ln|Γ(x)|.
func (x *Tensor) LogGamma() *Tensor { return elementwise("log_gamma", opLogGamma, logGammaBack, x) }

func logGammaBack(n *node) { n.in[0].accumulate(n.out.grad.Mul(n.in[0].digamma())) }

// digamma is the derivative of LogGamma; no gradient flows.
func (x *Tensor) digamma() *Tensor { return elementwise("digamma", opDigamma, noBack, x) }
