package nn

import "github.com/hanji-ml/hanji/tensor"

// Embedding is a table of vectors looked up by id.
type Embedding struct {
	Weight *tensor.Tensor // [V, C]

	Quant  *FakeQuant    `w:"-"` // what SetFakeQuant rounds; nil: nothing
	Matrix tensor.Matrix `w:"-"` // in place of Weight, which then only has the shape
}

// NewEmbedding makes a table of V vectors of C channels.
func NewEmbedding(v, c int) *Embedding {
	return &Embedding{Weight: tensor.NewParam("weight", tensor.F32, v, c)}
}

// ReserveEmbedding is NewEmbedding without memory, which a checkpoint brings.
func ReserveEmbedding(v, c int) *Embedding {
	return &Embedding{Weight: tensor.Reserve("weight", tensor.F32, v, c)}
}

// Forward maps i64 ids of any shape to [..., C].
func (e *Embedding) Forward(ids *tensor.Tensor) *tensor.Tensor {
	if e.Matrix != nil {
		return ids.MatrixRows(e.Matrix).To(e.Weight.DType())
	}
	return e.Quant.rows(ids.Embedding(e.Weight))
}

// Logits maps [..., C] to [..., V]: the table as the output layer of a model with tied embeddings.
func (e *Embedding) Logits(x *tensor.Tensor) *tensor.Tensor {
	if e.Matrix != nil {
		return x.MulMatrix(e.Matrix, nil)
	}
	return e.Quant.input(-1, x).Linear(e.Quant.weight(x.Ctx(), e.Weight), nil)
}

// init draws from the standard normal, torch.nn.Embedding's default.
func (e *Embedding) init(key uint64) { e.Weight.FillNormal(key, 0, 1) }
