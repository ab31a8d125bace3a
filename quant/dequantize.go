package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/hanji-ml/hanji/internal/par"
)

// Dequantize widens the blocks or numbers of type t in src to len(dst) float32s,
// which must be whole blocks and all of src. Every type of package gguf is known;
// wider numbers (F64, I32, I64) are rounded to the nearest. Large inputs are
// worked on in parallel.
//
// Values of the formats: ggml/src/ggml-quants.c, dequantize_row_*; equal to the
// bit.
func Dequantize(dst []float32, src []byte, t Type) error {
	if err := check(t, len(dst), len(src)); err != nil {
		return fmt.Errorf("quant: dequantize: %w", err)
	}
	size, bytes := t.Block(), t.BlockBytes()
	const grain = 1 << 14
	if len(dst) <= grain { // a row of a decoded token: a closure would be allocated
		dequantize(dst, src, t)
		return nil
	}
	par.For(len(dst)/size, grain/size, func(lo, hi int) { dequantize(dst[lo*size:hi*size], src[lo*bytes:hi*bytes], t) })
	return nil
}

var blockPool = sync.Pool{New: func() any { return new(block) }}

func dequantize(dst []float32, src []byte, t Type) {
	f, blocks := formats[t]
	if !blocks {
		widen(dst, src, t)
		return
	}
	b := blockPool.Get().(*block)
	defer blockPool.Put(b)
	*b = block{}
	for size, bytes := t.Block(), t.BlockBytes(); len(dst) > 0; dst, src = dst[size:], src[bytes:] {
		f.unpack(b, src[:bytes])
		b.values(dst[:size], f.part)
	}
}

// check holds the number of elements and of bytes against each other.
func check(t Type, elements, bytes int) error {
	if !t.Known() {
		return fmt.Errorf("%s is not known", t)
	}
	if elements%t.Block() != 0 {
		return fmt.Errorf("%d elements are no multiple of the %d of a %s block", elements, t.Block(), t)
	}
	if want := elements / t.Block() * t.BlockBytes(); bytes != want {
		return fmt.Errorf("%d elements of %s take %d bytes, got %d", elements, t, want, bytes)
	}
	return nil
}

// values writes the elements as numbers. The conversions keep compilers from fusing the
// product and the difference, which would be another number.
func (b *block) values(dst []float32, part int) {
	q := b.q[:len(dst)]
	for i := 0; len(dst) > 0; i++ {
		scale, minimum := b.d*float32(b.scale[i]), float32(b.dmin*float32(b.min[i]))
		for j, v := range q[:part] {
			dst[j] = float32(scale*float32(v)) - minimum
		}
		dst, q = dst[part:], q[part:]
	}
}

func widen(dst []float32, src []byte, t Type) {
	le := binary.LittleEndian
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = half(le.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
		}
	case I8:
		for i := range dst {
			dst[i] = float32(int8(src[i]))
		}
	case I16:
		for i := range dst {
			dst[i] = float32(int16(le.Uint16(src[2*i:])))
		}
	case I32:
		for i := range dst {
			dst[i] = float32(int32(le.Uint32(src[4*i:])))
		}
	case I64:
		for i := range dst {
			dst[i] = float32(int64(le.Uint64(src[8*i:])))
		}
	}
}
