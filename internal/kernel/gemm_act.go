package kernel

import "fmt"

// Act is the activation function of an [Epilogue].
type Act uint8

// The activations, each the kernel of the same name.
const (
	None         Act = iota // x
	ReLUAct                 // max(x, 0)
	GELUAct                 // x·Φ(x), with erf
	GELUTanhAct             // GELU by its tanh approximation
	QuickGELUAct            // x·σ(1.702·x)
	SiLUAct                 // x·σ(x)
	TanhAct                 // tanh x
	SigmoidAct              // σ(x) = 1/(1+e⁻ˣ)
)

// finish applies bias, activation and residual to part of row i of C that begins at column j.
func (e *Epilogue[T]) finish(row []T, i, j int) {
	if e.Bias != nil {
		Add(row, row, e.Bias[j:j+len(row)])
	}
	applyAct(e.Act, row)
	if e.Residual != nil {
		at := i*e.LDR + j
		Add(row, row, e.Residual[at:at+len(row)])
	}
}

func applyAct[T Float](act Act, x []T) {
	switch act {
	case None:
	case ReLUAct:
		ReLU(x, x)
	case GELUAct:
		GELU(x, x)
	case GELUTanhAct:
		GELUTanh(x, x)
	case QuickGELUAct:
		QuickGELU(x, x)
	case SiLUAct:
		SiLU(x, x)
	case TanhAct:
		Tanh(x, x)
	case SigmoidAct:
		Sigmoid(x, x)
	default:
		panic(fmt.Sprintf("kernel: no activation %d", act))
	}
}
