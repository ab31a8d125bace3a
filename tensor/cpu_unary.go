package tensor

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

func cpuUnary(op unaryOp, dst, x *Tensor, alpha float64) {
	if dst.dt == F64 {
		unaryLoop(op, data[float64](dst), data[float64](x), alpha, x.Len())
	} else {
		unaryLoop(op, data[float32](dst), data[float32](x), alpha, x.Len())
	}
}

func unaryLoop[T kernel.Float](op unaryOp, dst, x []T, alpha float64, n int) {
	f := unaryKernel[T](op)
	if n <= grain { // no closure for the collector: recurrent nets run thousands of these a step
		f(dst[:n], x[:n], T(alpha))
		return
	}
	par.For(n, grain, func(lo, hi int) { f(dst[lo:hi], x[lo:hi], T(alpha)) })
}

func unaryKernel[T kernel.Float](op unaryOp) func(dst, x []T, alpha T) {
	plain := func(f func(dst, x []T)) func(dst, x []T, alpha T) { return func(dst, x []T, _ T) { f(dst, x) } }
	switch op {
	case opAbs:
		return plain(kernel.Abs[T])
	case opSign:
		return plain(kernel.Sign[T])
	case opSquare:
		return plain(kernel.Square[T])
	case opSqrt:
		return plain(kernel.Sqrt[T])
	case opRsqrt:
		return plain(kernel.Rsqrt[T])
	case opRecip:
		return plain(kernel.Recip[T])
	case opExp:
		return plain(kernel.Exp[T])
	case opExpm1:
		return plain(kernel.Expm1[T])
	case opLog:
		return plain(kernel.Log[T])
	case opLog1p:
		return plain(kernel.Log1p[T])
	case opSin:
		return plain(kernel.Sin[T])
	case opCos:
		return plain(kernel.Cos[T])
	case opTanh:
		return plain(kernel.Tanh[T])
	case opSigmoid:
		return plain(kernel.Sigmoid[T])
	case opErf:
		return plain(kernel.Erf[T])
	case opReLU:
		return plain(kernel.ReLU[T])
	case opGELU:
		return plain(kernel.GELU[T])
	case opGELUTanh:
		return plain(kernel.GELUTanh[T])
	case opQuickGELU:
		return plain(kernel.QuickGELU[T])
	case opSiLU:
		return plain(kernel.SiLU[T])
	case opSoftplus:
		return plain(kernel.Softplus[T])
	case opLogSigmoid:
		return plain(kernel.LogSigmoid[T])
	case opELU:
		return kernel.ELU[T]
	case opLeakyReLU:
		return kernel.LeakyReLU[T]
	case opMish:
		return plain(kernel.Mish[T])
	case opHardSigmoid:
		return plain(kernel.HardSigmoid[T])
	case opHardSwish:
		return plain(kernel.HardSwish[T])
	case opLogGamma:
		return plain(func(dst, x []T) {
			for i, v := range x {
				l, _ := math.Lgamma(float64(v))
				dst[i] = T(l)
			}
		})
	case opDigamma:
		return plain(func(dst, x []T) {
			for i, v := range x {
				dst[i] = T(mathext.Digamma(float64(v)))
			}
		})
	}
	panic(fmt.Sprintf("tensor: no kernel for unary op %d", op))
}

func cpuUnaryGrad(op unaryOp, dx, dy, x *Tensor, alpha float64) {
	if dx.dt == F64 {
		unaryGradLoop(op, data[float64](dx), data[float64](dy), data[float64](x), alpha, x.Len())
	} else {
		unaryGradLoop(op, data[float32](dx), data[float32](dy), data[float32](x), alpha, x.Len())
	}
}

func unaryGradLoop[T kernel.Float](op unaryOp, dx, dy, x []T, alpha float64, n int) {
	f := unaryGradKernel[T](op)
	if n <= grain {
		f(dx[:n], dy[:n], x[:n], T(alpha))
		return
	}
	par.For(n, grain, func(lo, hi int) { f(dx[lo:hi], dy[lo:hi], x[lo:hi], T(alpha)) })
}

func unaryGradKernel[T kernel.Float](op unaryOp) func(dx, dy, x []T, alpha T) {
	plain := func(f func(dx, dy, x []T)) func(dx, dy, x []T, alpha T) {
		return func(dx, dy, x []T, _ T) { f(dx, dy, x) }
	}
	switch op {
	case opReLU:
		return plain(kernel.ReLUGrad[T])
	case opGELU:
		return plain(kernel.GELUGrad[T])
	case opGELUTanh:
		return plain(kernel.GELUTanhGrad[T])
	case opQuickGELU:
		return plain(kernel.QuickGELUGrad[T])
	case opSiLU:
		return plain(kernel.SiLUGrad[T])
	case opSoftplus:
		return plain(kernel.SoftplusGrad[T])
	case opLogSigmoid:
		return plain(kernel.LogSigmoidGrad[T])
	case opELU:
		return kernel.ELUGrad[T]
	case opLeakyReLU:
		return kernel.LeakyReLUGrad[T]
	case opMish:
		return plain(kernel.MishGrad[T])
	case opHardSigmoid:
		return plain(kernel.HardSigmoidGrad[T])
	case opHardSwish:
		return plain(kernel.HardSwishGrad[T])
	}
	panic(fmt.Sprintf("tensor: no gradient kernel for unary op %d", op))
}
