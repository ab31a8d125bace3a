// Package tensor is hanji's engine: dense arrays, the operations of the papers on them, and the tape that turns
// a forward pass into gradients.
//
// Letters used in shapes here and in every model: B batch, T time, C channels, H heads, D head size, V vocabulary.
//
//	ctx := tensor.New(tensor.Options{Grad: true})
//	defer ctx.Close()
//	w := tensor.NewParam("w", tensor.F32, 3, 2)       // lives outside any scope
//	x := ctx.F32s([]float32{1, 2, 3, 4}, 2, 2)        // lives until ctx.Next or ctx.Close
//	loss := x.Linear(w, nil).Square().Mean()          // an op takes its Ctx from its first operand that has one
//	loss.Backward()                                   // w.Grad() now holds dloss/dw
//
// A Ctx carries the memory of one step or call (its scope), the tape (none for inference), the random stream and
// whether the model is training, so that a model's code is the same for all of these. Everything made in a scope is
// taken back at once by Next or Close; a tensor used after that panics. Keep moves one out.
//
// The package knows nothing of layers, files or models. Raw slices never leave it but through Read and friends, and
// ops reach storage only through one table of primitives (prim.go), so that another device can stand behind it.
//
// Mistakes of the caller (shapes, element types, dead tensors) panic with *Error; exported entry points of other packages turn
// that into an error with Recover.
package tensor
