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
	if e.RowBias != nil {
		AddS(row, row, e.RowBias[i])
	}
	applyAct(e.Act, row)
	if e.Residual != nil {
		at := i*e.LDR + j
		Add(row, row, e.Residual[at:at+len(row)])
	}
}

// finishBlock is finish for whole rows that lie one after another: the calls of short rows would cost more than their
// arithmetic.
func (e *Epilogue[T]) finishBlock(block []T, i, n int) {
	if e.Bias != nil {
		addRows(block, e.Bias[:n])
	}
	if e.RowBias != nil {
		for r := range len(block) / n {
			row := block[r*n : (r+1)*n]
			AddS(row, row, e.RowBias[i+r])
		}
	}
	applyAct(e.Act, block)
	if e.Residual != nil {
		Add(block, block, e.Residual[i*n:i*n+len(block)])
	}
}

// addRows adds bias to every row of a block of rows of len(bias).
func addRows[T Float](block, bias []T) {
	n := len(bias)
	if n <= len(zeros32) && isF32[T]() {
		b := f32(block)
		NormCols(b, b, zeros32[:n], ones32[:n], nil, f32(bias), len(b)/n, n) // (x − 0)·1 + bias, exactly
		return
	}
	for ; len(block) > 0; block = block[n:] {
		Add(block[:n], block[:n], bias)
	}
}

// Constants for addRows, never written.
var zeros32, ones32 = make([]float32, 512), filled(512)

func filled(n int) []float32 {
	s := make([]float32, n)
	Fill(s, 1)
	return s
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
