package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// values holds the values of a page or dictionary as the file stores them; one slice is in use.
type values struct {
	ints   []int64   // BOOLEAN (0, 1), INT32, INT64
	floats []float64 // FLOAT, DOUBLE
	bytes  [][]byte  // BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY, INT96; parts of the page
}

func (v *values) reset() { v.ints, v.floats, v.bytes = v.ints[:0], v.floats[:0], v.bytes[:0] }

var (
	errShort    = errors.New("a page ends in the middle of its values")
	errEncoding = errors.New("damaged values")
)

// physical is the stored type of a column.
type physical struct {
	kind  format.Type
	width int // bytes of a FIXED_LEN_BYTE_ARRAY
}

// size is the number of bytes a value takes in plain form; 0 where it varies or is a bit.
func (p physical) size() int {
	switch p.kind {
	case format.Int32, format.Float:
		return 4
	case format.Int64, format.Double:
		return 8
	case format.Int96:
		return 12
	case format.FixedLenByteArray:
		return p.width
	}
	return 0
}

// decode appends n values in the given encoding to v.
func (p physical) decode(v *values, enc format.Encoding, b []byte, n int) error {
	switch enc {
	case format.Plain:
		return p.plain(v, b, n)
	case format.RLE:
		if p.kind != format.Boolean || len(b) < 4 {
			return errEncoding
		}
		bits, err := hybrid(nil, b[4:], 1, n)
		for _, bit := range bits {
			v.ints = append(v.ints, int64(bit))
		}
		return err
	case format.DeltaBinaryPacked:
		if p.kind != format.Int32 && p.kind != format.Int64 {
			return errEncoding
		}
		var err error
		start := len(v.ints)
		v.ints, _, err = deltas(v.ints, b, n)
		if p.kind == format.Int32 {
			for i, x := range v.ints[start:] {
				v.ints[start+i] = int64(int32(x))
			}
		}
		return err
	case format.DeltaLengthByteArray:
		if p.kind != format.ByteArray {
			return errEncoding
		}
		return deltaLengths(v, b, n)
	case format.DeltaByteArray:
		if p.kind != format.ByteArray && p.kind != format.FixedLenByteArray {
			return errEncoding
		}
		return p.deltaStrings(v, b, n)
	case format.ByteStreamSplit:
		return p.streams(v, b, n)
	}
	return fmt.Errorf("values in encoding %s, which is not supported", enc)
}

// plain reads values one behind the other.
func (p physical) plain(v *values, b []byte, n int) error {
	if p.kind == format.ByteArray {
		for range n {
			if len(b) < 4 {
				return errShort
			}
			size := binary.LittleEndian.Uint32(b)
			b = b[4:]
			if uint64(size) > uint64(len(b)) {
				return errShort
			}
			v.bytes = append(v.bytes, b[:size:size])
			b = b[size:]
		}
		return nil
	}
	if p.kind == format.Boolean {
		if n > len(b)*8 {
			return errShort
		}
		for i := range n {
			v.ints = append(v.ints, int64(b[i>>3]>>(i&7)&1))
		}
		return nil
	}
	size := p.size()
	if size > 0 && n > len(b)/size {
		return errShort
	}
	switch p.kind {
	case format.Int32:
		for i := range n {
			v.ints = append(v.ints, int64(int32(binary.LittleEndian.Uint32(b[4*i:]))))
		}
	case format.Int64:
		for i := range n {
			v.ints = append(v.ints, int64(binary.LittleEndian.Uint64(b[8*i:])))
		}
	case format.Float:
		for i := range n {
			v.floats = append(v.floats, float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))))
		}
	case format.Double:
		for i := range n {
			v.floats = append(v.floats, math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
		}
	default:
		for i := range n {
			v.bytes = append(v.bytes, b[i*size:(i+1)*size:(i+1)*size])
		}
	}
	return nil
}

// streams reads BYTE_STREAM_SPLIT: the first bytes of all values, then all the second ones, …
func (p physical) streams(v *values, b []byte, n int) error {
	size := p.size()
	if size == 0 {
		return errEncoding
	}
	if n > len(b)/size {
		return errShort
	}
	joined := make([]byte, n*size)
	for k := range size {
		for i := range n {
			joined[i*size+k] = b[k*n+i]
		}
	}
	return p.plain(v, joined, n)
}

// hybrid appends n values of width bits from runs: an even header 2k says k times the next value, an odd one 2k+1 that
// 8k values follow packed. Runs longer than n are cut off at it, never believed.
func hybrid(dst []uint32, b []byte, width, n int) ([]uint32, error) {
	if width < 0 || width > 32 {
		return dst, errEncoding
	}
	end := len(dst) + n
	for len(dst) < end {
		head, k := binary.Uvarint(b)
		if k <= 0 {
			return dst, errShort
		}
		b = b[k:]
		left := end - len(dst)
		if head&1 == 0 {
			size := (width + 7) / 8
			if size > len(b) {
				return dst, errShort
			}
			var v uint32
			for i := range size {
				v |= uint32(b[i]) << (8 * i)
			}
			b = b[size:]
			for range min(head>>1, uint64(left)) {
				dst = append(dst, v)
			}
			continue
		}
		groups := head >> 1
		if groups > uint64(left+7)/8 {
			groups = uint64(left+7) / 8 // writers pad, and more than n there cannot be
		}
		take := min(int(groups)*8, left)
		if (take*width+7)/8 > len(b) {
			return dst, errShort
		}
		for i := range take {
			dst = append(dst, uint32(unpackBits(b, i*width, width)))
		}
		if int(groups)*width >= len(b) {
			b = nil
		} else {
			b = b[int(groups)*width:]
		}
		if len(b) == 0 && len(dst) < end {
			return dst, errShort
		}
	}
	return dst, nil
}

// unpackBits reads width <= 64 bits from bit at on, lowest first.
func unpackBits(b []byte, at, width int) uint64 {
	i, shift := at>>3, at&7
	if i+8 < len(b) { // the common case: nine bytes hold any 64 bits
		v := binary.LittleEndian.Uint64(b[i:]) >> shift
		if shift+width > 64 {
			v |= uint64(b[i+8]) << (64 - shift)
		}
		if width < 64 {
			v &= 1<<width - 1
		}
		return v
	}
	var v uint64
	for k := 0; k < width; {
		take := min(8-shift, width-k)
		v |= uint64(b[i]>>shift) & (1<<take - 1) << k
		k += take
		i, shift = i+1, 0
	}
	return v
}

// deltas appends n values of DELTA_BINARY_PACKED and returns what follows them.
func deltas(dst []int64, b []byte, n int) ([]int64, []byte, error) {
	var head [4]uint64 // block size, miniblocks in it, values, first value (zigzag)
	for i := range head {
		v, k := binary.Uvarint(b)
		if k <= 0 {
			return dst, nil, errShort
		}
		head[i], b = v, b[k:]
	}
	block, minis := head[0], head[1]
	if block == 0 || block > 1<<16 || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 || head[2] != uint64(n) {
		return dst, nil, errEncoding
	}
	if n == 0 {
		return dst, b, nil
	}
	per := int(block / minis)
	value := unzigzag(head[3])
	dst = append(dst, value)
	for left := n - 1; left > 0; {
		u, k := binary.Uvarint(b)
		if k <= 0 || len(b)-k < int(minis) {
			return dst, nil, errShort
		}
		least := unzigzag(u)
		widths := b[k : k+int(minis)]
		b = b[k+int(minis):]
		for _, w := range widths {
			if left == 0 {
				break // what widths say about no values means nothing
			}
			width, take := int(w), min(per, left)
			if width > 64 {
				return dst, nil, errEncoding
			}
			if (take*width+7)/8 > len(b) {
				return dst, nil, errShort
			}
			for i := range take {
				value += least + int64(unpackBits(b, i*width, width)) // wraps around, as the format says
				dst = append(dst, value)
			}
			b = b[min(per*width/8, len(b)):]
			left -= take
		}
	}
	return dst, b, nil
}

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// deltaLengths reads DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes.
func deltaLengths(v *values, b []byte, n int) error {
	lengths, b, err := deltas(nil, b, n)
	if err != nil {
		return err
	}
	for _, size := range lengths {
		if size < 0 || size > int64(len(b)) {
			return errShort
		}
		v.bytes = append(v.bytes, b[:size:size])
		b = b[size:]
	}
	return nil
}

// deltaStrings reads DELTA_BYTE_ARRAY: each value is the start of the one before and a suffix of its own. A few bytes
// can stand for very many, so the sum is held to maxPage.
func (p physical) deltaStrings(v *values, b []byte, n int) error {
	prefixes, b, err := deltas(nil, b, n)
	if err != nil {
		return err
	}
	var suffixes values
	if err := deltaLengths(&suffixes, b, n); err != nil {
		return err
	}
	var last []byte
	total := 0
	for i, prefix := range prefixes {
		if prefix < 0 || prefix > int64(len(last)) {
			return errEncoding
		}
		next := suffixes.bytes[i]
		if prefix > 0 {
			if total += int(prefix) + len(next); total > maxPage {
				return errTooBig
			}
			next = append(append(make([]byte, 0, int(prefix)+len(next)), last[:prefix]...), next...)
		}
		if p.kind == format.FixedLenByteArray && len(next) != p.width {
			return errEncoding
		}
		v.bytes = append(v.bytes, next)
		last = next
	}
	return nil
}

// pick appends the dictionary's values at the places of index.
func (v *values) pick(dict *values, index []uint32) error {
	most := uint32(len(dict.ints) + len(dict.floats) + len(dict.bytes)) // two of them are empty
	for _, i := range index {
		if i >= most {
			return errEncoding
		}
	}
	switch {
	case dict.ints != nil:
		for _, i := range index {
			v.ints = append(v.ints, dict.ints[i])
		}
	case dict.floats != nil:
		for _, i := range index {
			v.floats = append(v.floats, dict.floats[i])
		}
	default:
		for _, i := range index {
			v.bytes = append(v.bytes, dict.bytes[i])
		}
	}
	return nil
}
