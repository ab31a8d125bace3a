package gguf

import "fmt"

// Tensor is one named array: little-endian, C order (the last dimension varies
// fastest), without gaps.
//
// Shape is in Go's order, rows before columns: the reverse of the file's own
// "ne", which has the fastest dimension first. So the weight of a linear layer,
// ne = [in, out] in llama.cpp's listings, has Shape [out, in] here, as in the
// PyTorch checkpoint it came from, and each of its rows is whole blocks.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int  // at most four dimensions; empty for a scalar
	Data  []byte // len = Type.Size(Shape); read-only where it comes from a File
}

// Len is the number of elements: the product of Shape, 1 for a scalar.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Check tells whether Data has the length that Type and Shape ask for.
func (t Tensor) Check() error {
	size, err := t.Type.Size(t.Shape)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", clip(t.Name), err)
	}
	if size != len(t.Data) {
		return fmt.Errorf("tensor %q: %s %v takes %d bytes, has %d", clip(t.Name), t.Type, t.Shape, size, len(t.Data))
	}
	return nil
}
