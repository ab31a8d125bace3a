// Package quantize writes a language model in fewer bits: from a GGUF file to a GGUF file, tensor by tensor, each in the type that
// llama.cpp's recipe (quant.Mix) gives it and with llama.cpp's bytes.
//
//	m, err := quantize.Open("model-f16.gguf")
//	report, err := quantize.Run(ctx, m, "model-q4_k_m.gguf", quantize.Options{Type: 15}) // Q4_K_M
//
// It holds a few megabytes of one tensor at a time, whatever the model's size. It does not know how blocks are made (package quant)
// nor what the model computes; how much worse that gets is eval.Perplexity's to say.
package quantize

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/quant"
)

// Options of Run and Plan. The zero value widens to F32.
type Options struct {
	Type      quant.FileType // the recipe; ParseType finds it by name
	Overrides []Override     // the first that matches a weight decides; norms and vectors stay F32
	// Requantize allows weights that are in blocks already; their error is added to the new one.
	Requantize bool
	// Importance of the columns of weights, by name: mean squares of what they multiply (llama.cpp's imatrix), for experts one matrix
	// after another. nil, and where a weight is missing: each block format's own weighing.
	Importance map[string][]float32
	Progress   func(done, total int) // bytes of the source; nil: not told
}

// quantizationVersion is of the block formats (ggml.h, GGML_QNT_VERSION).
const quantizationVersion = 2

// Run writes m to the GGUF file out, which is whole or not there at all. It may not be the file that m is in. The data are
// llama.cpp's (llama-quant.cpp), and so are the order of tensors and metadata.
func Run(ctx context.Context, m *Model, out string, o Options) (*Report, error) {
	r, err := Plan(m, o)
	if err != nil {
		return nil, err
	}
	if sameFile(m.path, out) {
		return nil, fmt.Errorf("quantize: %s is the source; write to another file", out)
	}
	header := make([]gguf.Tensor, len(m.Tensors))
	for i, t := range m.Tensors {
		header[i] = gguf.Tensor{Name: t.Name, Type: r.Tensors[i].to, Shape: t.Shape}
	}
	w := writer{ctx: ctx, o: o, total: r.Before, reads: m.reads}
	next := 0
	var difference, norm float64
	err = gguf.WriteFunc(out, header, metadata(m.Metadata, o.Type), func(dst io.Writer, _ gguf.Tensor) error {
		i := next
		next++
		d, n, err := w.tensor(dst, m.Tensors[i], r.Tensors[i].to)
		r.Tensors[i].Error = ratio(d, n)
		difference, norm = difference+d, norm+n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	r.Error = ratio(difference, norm)
	return r, nil
}

// sameFile tells whether two paths name one file, which cannot be source and result at once: the source would be lost.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// metadata is the source's, with what the new file is; at the end, as llama.cpp puts it.
func metadata(meta gguf.Metadata, t quant.FileType) gguf.Metadata {
	const version, file = "general.quantization_version", "general.file_type"
	kept := slices.DeleteFunc(slices.Clone(meta), func(kv gguf.KV) bool { return kv.Key == version || kv.Key == file })
	return append(kept, gguf.KV{Key: version, Value: uint32(quantizationVersion)}, gguf.KV{Key: file, Value: uint32(t)})
}

func ratio(difference, norm float64) *float64 {
	e := 0.0
	if norm > 0 {
		e = math.Sqrt(difference / norm)
	}
	return &e
}

// writer holds what is used again from tensor to tensor.
type writer struct {
	ctx         context.Context
	o           Options
	done, total int
	was, is     []float32
	blocks      []byte
	reads       map[string]reader
	gathered    []byte
}

// chunk is how many numbers are worked on at once: enough for many threads, little memory.
const chunk = 1 << 20

// tensor writes one and gives the sums of squares of the difference and of the weights. What keeps its type is copied.
func (w *writer) tensor(dst io.Writer, t gguf.Tensor, to quant.Type) (difference, norm float64, err error) {
	n := t.Len()
	if n == 0 {
		return 0, 0, nil
	}
	cols := 1
	if len(t.Shape) > 0 {
		cols = t.Shape[len(t.Shape)-1]
	}
	step := max(1, chunk/cols) * cols
	for at, count := 0, 0; at < n; at += count {
		if err := w.ctx.Err(); err != nil {
			return 0, 0, context.Cause(w.ctx)
		}
		count = min(step, n-at)
		importance := w.o.Importance[t.Name]
		if each := matrix(t, cols); len(importance) > cols { // an expert's own, and no chunk of two
			count = min(count, each-at%each)
			importance = importance[at/each*cols:][:cols]
		}
		var src []byte
		if read := w.reads[t.Name]; read != nil {
			w.gathered = read(w.gathered, at, count)
			src = w.gathered
		} else {
			src = t.Data[at/t.Type.Block()*t.Type.BlockBytes():][:count/t.Type.Block()*t.Type.BlockBytes()]
		}
		if t.Type == to {
			_, err = dst.Write(src)
		} else {
			var d, s float64
			d, s, err = w.rows(dst, src, t.Type, to, count, quant.Options{Cols: cols, Importance: importance})
			difference, norm = difference+d, norm+s
		}
		if err != nil {
			return 0, 0, fmt.Errorf("rows from %d on: %w", at/cols, err)
		}
		w.done += len(src)
		if w.o.Progress != nil {
			w.o.Progress(w.done, w.total)
		}
	}
	return difference, norm, nil
}

// matrix is the elements of one of a tensor's matrices.
func matrix(t gguf.Tensor, cols int) int {
	if len(t.Shape) < 2 {
		return cols
	}
	return t.Shape[len(t.Shape)-2] * cols
}

// rows writes some rows in another type.
func (w *writer) rows(dst io.Writer, src []byte, from, to quant.Type, n int, o quant.Options) (difference, norm float64, err error) {
	w.was, w.is = slices.Grow(w.was[:0], n)[:n], slices.Grow(w.is[:0], n)[:n]
	size := n / to.Block() * to.BlockBytes()
	w.blocks = slices.Grow(w.blocks[:0], size)[:size]
	if err := quant.Dequantize(w.was, src, from); err != nil {
		return 0, 0, err
	}
	if err := quant.Quantize(w.blocks, w.was, to, o); err != nil {
		return 0, 0, err
	}
	if err := quant.Dequantize(w.is, w.blocks, to); err != nil {
		return 0, 0, err
	}
	for i, v := range w.was {
		d := float64(w.is[i]) - float64(v)
		difference += d * d
		norm += float64(v) * float64(v)
	}
	_, err = dst.Write(w.blocks)
	return difference, norm, err
}
