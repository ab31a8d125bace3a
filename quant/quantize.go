package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/par"
)

// Options say how Quantize works. The zero value quantises one row, every
// element as important as the next.
type Options struct {
	// Cols is the number of elements of a row; 0: src is one row. Rows are
	// whole blocks, and Q4_0, Q4_1, Q5_0 and Q5_1 with importance look at the
	// whole row.
	Cols int
	// Importance weighs the squared error of each column, the same for all
	// rows: the mean square of the input that the column multiplies
	// ("imatrix"). nil: the format's own weighing. Types without a search
	// (Q8_0, F16, ...) do not use it.
	Importance []float32
}

// CanQuantize tells whether Quantize can write type t.
func CanQuantize(t Type) bool {
	return t == F32 || t == F16 || t == BF16 || formats[t].pack != nil
}

// row is what is quantised at once, and the importance of its columns (nil: none).
type row struct{ x, importance []float32 }

// part is elements lo to hi of a row.
func (r row) part(lo, hi int) row {
	r.x = r.x[lo:hi]
	if r.importance != nil {
		r.importance = r.importance[lo:hi]
	}
	return r
}

// Quantize writes src, rows of o.Cols elements, as blocks of type t into dst,
// which must have just their size. Rows are worked on in parallel; the bytes do
// not depend on how many at a time, and are those of llama.cpp's
// ggml_quantize_chunk. Numbers that are not finite are an error, as are those that
// F16 has no room for and an importance that is negative. A scale beyond ±65504
// (weights of millions) becomes infinite, in the reference too.
func Quantize(dst []byte, src []float32, t Type, o Options) error {
	if err := checkQuantize(dst, src, t, &o); err != nil {
		return fmt.Errorf("quant: quantize: %w", err)
	}
	if o.Cols == 0 {
		return nil
	}
	f, blocks := formats[t]
	bytes := o.Cols / t.Block() * t.BlockBytes()
	par.For(len(src)/o.Cols, max(1, 1<<12/o.Cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			d, x := dst[i*bytes:(i+1)*bytes], src[i*o.Cols:(i+1)*o.Cols]
			if blocks {
				f.pack(d, row{x, o.Importance})
			} else {
				narrow(d, x, t)
			}
		}
	})
	return nil
}

func checkQuantize(dst []byte, src []float32, t Type, o *Options) error {
	if err := check(t, len(src), len(dst)); err != nil {
		return err
	}
	if !CanQuantize(t) {
		return fmt.Errorf("%s can only be read; Q4_K, Q6_K or Q8_0 can be written", t)
	}
	if o.Cols == 0 {
		o.Cols = len(src)
	}
	switch {
	case o.Cols < 0 || o.Cols > 0 && len(src)%o.Cols != 0:
		return fmt.Errorf("%d elements are no rows of %d", len(src), o.Cols)
	case o.Cols%t.Block() != 0:
		return fmt.Errorf("rows of %d are no multiple of the %d elements of a %s block", o.Cols, t.Block(), t)
	case o.Importance != nil && len(o.Importance) != o.Cols:
		return fmt.Errorf("importance has %d elements, rows have %d", len(o.Importance), o.Cols)
	}
	for i, v := range src {
		if v-v != 0 {
			return fmt.Errorf("element %d of row %d is %v; was the model saved after it diverged?", i%o.Cols, i/o.Cols, v)
		}
		if t == F16 && abs(v) >= 65520 {
			return fmt.Errorf("element %d of row %d is %v, F16 ends at 65504; take BF16", i%o.Cols, i/o.Cols, v)
		}
	}
	for i, v := range o.Importance {
		if !(v >= 0) || v-v != 0 {
			return fmt.Errorf("importance of column %d is %v, want a number from 0", i, v)
		}
	}
	return nil
}

func narrow(dst []byte, src []float32, t Type) {
	le := binary.LittleEndian
	for i, v := range src {
		b := math.Float32bits(v)
		switch t {
		case F32:
			le.PutUint32(dst[4*i:], b)
		case F16:
			le.PutUint16(dst[2*i:], toHalf(v))
		case BF16: // to nearest, ties to even
			le.PutUint16(dst[2*i:], uint16((b+0x7fff+b>>16&1)>>16))
		}
	}
}
