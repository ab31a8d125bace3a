package nn

import "github.com/hanji-ml/hanji/tensor"

// SwiGLU is down(silu(gate(x))∘up(x)), the feed-forward layer of Llama (arXiv 2002.05202, eq. 6).
type SwiGLU struct {
	Gate *Linear `w:"gate_proj"` // C → F
	Up   *Linear `w:"up_proj"`   // C → F
	Down *Linear `w:"down_proj"` // F → C
}

// NewSwiGLU makes the layer from c channels through f and back, without biases.
func NewSwiGLU(c, f int) *SwiGLU {
	return &SwiGLU{NewLinear(c, f, false), NewLinear(c, f, false), NewLinear(f, c, false)}
}

// Forward keeps the shape [..., C].
func (s *SwiGLU) Forward(x *tensor.Tensor) *tensor.Tensor {
	return s.Down.Forward(s.Gate.Forward(x).SwiGLU(s.Up.Forward(x)))
}
