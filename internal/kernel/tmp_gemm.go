package kernel

type Mat[T Float] struct {
	Data   []T
	RS, CS int
}
type Act int

const (
	None Act = iota
	ReLUAct
	GELUAct
	GELUTanhAct
	QuickGELUAct
	SiLUAct
	TanhAct
	SigmoidAct
)

type Epilogue[T Float] struct {
	Accumulate bool
	Bias       []T
	Act        Act
	Residual   []T
	LDR        int
	Alpha      T
}

func Gemm[T Float](m, n, k int, a, b Mat[T], c []T, ldc int, ep Epilogue[T]) {
	for i := range m {
		for j := range n {
			var s float64
			for p := range k {
				s += float64(a.Data[i*a.RS+p*a.CS]) * float64(b.Data[p*b.RS+j*b.CS])
			}
			if ep.Accumulate {
				s += float64(c[i*ldc+j])
			}
			if ep.Bias != nil {
				s += float64(ep.Bias[j])
			}
			o := c[i*ldc+j : i*ldc+j+1]
			o[0] = T(s)
			switch ep.Act {
			case ReLUAct:
				ReLU(o, o)
			case GELUAct:
				GELU(o, o)
			}
		}
	}
}
func GemmBatch[T Float](batch, m, n, k int, a Mat[T], as int, b Mat[T], bs int, c []T, ldc, cs int, ep Epilogue[T]) {
	for i := range batch {
		x, y := a, b
		x.Data, y.Data = a.Data[i*as:], b.Data[i*bs:]
		Gemm(m, n, k, x, y, c[i*cs:], ldc, ep)
	}
}
