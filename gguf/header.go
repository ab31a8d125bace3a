package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

const (
	magic            = "GGUF"
	version          = 3 // what is written; 2 is read too, its layout is the same
	alignmentKey     = "general.alignment"
	defaultAlignment = 32
	maxAlignment     = 1 << 20 // llama.cpp's bound since its loader was fuzzed
	maxText          = 1 << 30 // gguf.cpp, GGUF_MAX_STRING_LENGTH; also its bound on arrays
	maxName          = 63      // ggml.h, GGML_MAX_NAME less the closing zero

	// The least that one entry takes in the file: what bounds a count.
	minKV     = 8 + 1 + 4 + 1
	minTensor = 8 + 0 + 4 + 4 + 8
)

// Types of metadata values (gguf.h, enum gguf_type).
const (
	kindU8 = iota
	kindI8
	kindU16
	kindI16
	kindU32
	kindI32
	kindF32
	kindBool
	kindText
	kindArray
	kindU64
	kindI64
	kindF64
)

// entry is one tensor of a header: where it lies in the data that follows.
type entry struct {
	Tensor
	begin, end int
}

// header is what stands before the tensors' data.
type header struct {
	version   int
	alignment int
	meta      Metadata
	entries   []entry
	dataStart int
}

// cursor goes through a header of a file of size bytes, of which buf is the
// beginning. Nothing is allocated by a length that the file does not have.
type cursor struct {
	buf  []byte
	at   int
	size int64
	more func(n int) error // makes buf at least n bytes long; nil: buf is the whole file
}

// next returns the following n bytes.
func (c *cursor) next(n uint64) ([]byte, error) {
	left := uint64(c.size) - uint64(c.at)
	if n > left {
		return nil, fmt.Errorf("byte %d: %d bytes are wanted, %d are left; truncated download?", c.at, n, left)
	}
	end := c.at + int(n)
	if end > len(c.buf) {
		if err := c.more(end); err != nil {
			return nil, fmt.Errorf("byte %d: %w", c.at, err)
		}
	}
	b := c.buf[c.at:end:end]
	c.at = end
	return b, nil
}

func (c *cursor) u32() (uint32, error) {
	b, err := c.next(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (c *cursor) u64() (uint64, error) {
	b, err := c.next(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// count reads a number of things of which each takes at least least bytes.
func (c *cursor) count(what string, least int) (int, error) {
	at := c.at
	n, err := c.u64()
	if err != nil {
		return 0, err
	}
	if left := uint64(c.size) - uint64(c.at); n > left/uint64(least) {
		return 0, fmt.Errorf("byte %d: %d %s do not fit the %d bytes that are left; truncated download?", at, n, what, left)
	}
	return int(n), nil
}

func (c *cursor) text() (string, error) {
	at := c.at
	n, err := c.u64()
	if err != nil {
		return "", err
	}
	if n > maxText {
		return "", fmt.Errorf("byte %d: a string of %d bytes, at most %d are allowed", at, n, maxText)
	}
	b, err := c.next(n)
	return string(b), err
}

// parseHeader reads everything before the data and holds the tensors' places
// against the size of the file. It demands what gguf.cpp (gguf_init_from_reader)
// demands: keys and names that stand once, tensors one after another in the
// order of the list, each padded to the alignment. What follows the last tensor is
// let be, as there.
func parseHeader(c *cursor) (*header, error) {
	h := &header{alignment: defaultAlignment}
	tensors, kvs, err := c.preamble(h)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for range kvs {
		kv, err := c.kv()
		if err != nil {
			return nil, err
		}
		if seen[kv.Key] {
			return nil, fmt.Errorf("key %q stands twice, again before byte %d", clip(kv.Key), c.at)
		}
		seen[kv.Key] = true
		h.meta = append(h.meta, kv)
	}
	if h.alignment, err = alignmentOf(h.meta); err != nil {
		return nil, err
	}
	names, at := map[string]bool{}, 0
	for i := range tensors {
		e, err := c.entry(at)
		if err != nil {
			if e.Name == "" {
				return nil, fmt.Errorf("tensor %d: %w", i, err)
			}
			return nil, fmt.Errorf("tensor %q: %w", clip(e.Name), err)
		}
		if names[e.Name] {
			return nil, fmt.Errorf("tensor %q stands twice, again before byte %d", e.Name, c.at)
		}
		names[e.Name] = true
		h.entries = append(h.entries, e)
		if e.end > maxInt-maxAlignment {
			return nil, fmt.Errorf("tensor %q: ends at %d, more than this machine can address", e.Name, e.end)
		}
		at = pad(e.end, h.alignment)
	}
	return h, h.place(c)
}

// place turns offsets into the data to offsets into the file.
func (h *header) place(c *cursor) error {
	h.dataStart = c.at
	if len(h.entries) > 0 {
		h.dataStart = pad(c.at, h.alignment)
	}
	for i := range h.entries {
		e := &h.entries[i]
		// The padding after the last tensor may be missing: llama.cpp asks only that
		// each tensor ends within the file.
		if uint64(h.dataStart)+uint64(e.end) > uint64(c.size) {
			return fmt.Errorf("tensor %q: data ends at %d, file has %d bytes; truncated download?", clip(e.Name), uint64(h.dataStart)+uint64(e.end), c.size)
		}
		e.begin, e.end = e.begin+h.dataStart, e.end+h.dataStart
	}
	return nil
}

// preamble reads magic, version and the two counts.
func (c *cursor) preamble(h *header) (tensors, kvs int, err error) {
	b, err := c.next(4)
	if err != nil {
		return 0, 0, err
	}
	if string(b) != magic {
		return 0, 0, fmt.Errorf("begins with %q, want %q; is this a GGUF file?", b, magic)
	}
	v, err := c.u32()
	switch {
	case err != nil:
		return 0, 0, err
	case v&0xffff == 0 && v != 0:
		return 0, 0, errors.New("is a big-endian file; convert it on the machine it came from")
	case v == 1:
		return 0, 0, errors.New("is GGUF version 1, which no reader supports any more; convert the model again")
	case v < 2 || v > version:
		return 0, 0, fmt.Errorf("is GGUF version %d, 2 and 3 are known; a newer hanji may read it", v)
	}
	h.version = int(v)
	if tensors, err = c.count("tensors", minTensor); err != nil {
		return 0, 0, err
	}
	kvs, err = c.count("metadata entries", minKV)
	return tensors, kvs, err
}

func (c *cursor) kv() (KV, error) {
	at := c.at
	key, err := c.text()
	if err != nil {
		return KV{}, fmt.Errorf("metadata key: %w", err)
	}
	if key == "" {
		return KV{}, fmt.Errorf("metadata key at byte %d is empty", at)
	}
	value, err := c.value()
	if err != nil {
		return KV{}, fmt.Errorf("key %q: %w", clip(key), err)
	}
	return KV{key, value}, nil
}

func (c *cursor) value() (any, error) {
	kind, err := c.u32()
	if err != nil {
		return nil, err
	}
	at := c.at - 4
	if kind != kindArray {
		if kind == kindText {
			return c.text()
		}
		width := widthOf(kind)
		if width == 0 {
			return nil, fmt.Errorf("byte %d: value type %d is not known", at, kind)
		}
		b, err := c.next(uint64(width))
		if err != nil {
			return nil, err
		}
		return scalar(kind, b), nil
	}
	at = c.at
	if kind, err = c.u32(); err != nil {
		return nil, err
	}
	if kind == kindText {
		return c.texts()
	}
	width := widthOf(kind)
	switch {
	case kind == kindArray:
		return nil, fmt.Errorf("byte %d: an array of arrays; no reader supports them", at)
	case width == 0:
		return nil, fmt.Errorf("byte %d: element type %d is not known", at, kind)
	}
	n, err := c.count("array elements", width)
	if err != nil {
		return nil, err
	}
	b, err := c.next(uint64(n) * uint64(width))
	if err != nil {
		return nil, err
	}
	return array(kind, b), nil
}

func (c *cursor) texts() ([]string, error) {
	n, err := c.count("strings", 8)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, min(n, 1<<16)) // grows with what is really there
	for i := range n {
		s, err := c.text()
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// entry reads a tensor's place, which must be the given offset into the data.
func (c *cursor) entry(at int) (e entry, err error) {
	begin := c.at
	if e.Name, err = c.text(); err != nil {
		return e, err
	}
	if len(e.Name) > maxName {
		return e, fmt.Errorf("byte %d: the name has %d bytes, at most %d are allowed", begin, len(e.Name), maxName)
	}
	if strings.ContainsRune(e.Name, 0) {
		return e, fmt.Errorf("byte %d: the name has a zero byte, where C's readers would end it", begin)
	}
	begin = c.at
	dims, err := c.u32()
	if err != nil {
		return e, err
	}
	if dims > maxDims {
		return e, fmt.Errorf("byte %d: has %d dimensions, at most %d are allowed", begin, dims, maxDims)
	}
	e.Shape = make([]int, dims)
	for i := range e.Shape {
		n, err := c.u64()
		if err != nil {
			return e, err
		}
		if n > uint64(maxInt) {
			return e, fmt.Errorf("byte %d: dimension %d is %d, no length of this machine", c.at-8, i, n)
		}
		e.Shape[len(e.Shape)-1-i] = int(n) // the file has the fastest first
	}
	id, err := c.u32()
	if err != nil {
		return e, err
	}
	e.Type = Type(id)
	size, err := e.Type.Size(e.Shape)
	if err != nil {
		return e, fmt.Errorf("before byte %d: %w", c.at, err)
	}
	offset, err := c.u64()
	if err != nil {
		return e, err
	}
	if offset != uint64(at) {
		return e, fmt.Errorf("byte %d: data begins at offset %d, want %d, where the tensor before it ends", c.at-8, offset, at)
	}
	if size > maxInt-at {
		return e, fmt.Errorf("before byte %d: ends beyond what this machine can address", c.at)
	}
	e.begin, e.end = at, at+size
	return e, nil
}

// alignmentOf is the alignment that metadata ask for: a power of two.
func alignmentOf(m Metadata) (int, error) {
	v, ok := m.Get(alignmentKey)
	if !ok {
		return defaultAlignment, nil
	}
	n, ok := v.(uint32)
	if !ok {
		return 0, fmt.Errorf("key %q is %s, want a uint32", alignmentKey, describe(v))
	}
	if n == 0 || n&(n-1) != 0 || n > maxAlignment {
		return 0, fmt.Errorf("key %q is %d, want a power of two up to %d", alignmentKey, n, maxAlignment)
	}
	return int(n), nil
}

// pad rounds up to a multiple of align, a power of two.
func pad(n, align int) int { return (n + align - 1) &^ (align - 1) }

// widthOf is the bytes of a number of that kind, 0 for text, arrays and the unknown.
func widthOf(kind uint32) int {
	switch kind {
	case kindU8, kindI8, kindBool:
		return 1
	case kindU16, kindI16:
		return 2
	case kindU32, kindI32, kindF32:
		return 4
	case kindU64, kindI64, kindF64:
		return 8
	}
	return 0
}

func scalar(kind uint32, b []byte) any {
	le := binary.LittleEndian
	switch kind {
	case kindU8:
		return b[0]
	case kindI8:
		return int8(b[0])
	case kindBool:
		return b[0] != 0
	case kindU16:
		return le.Uint16(b)
	case kindI16:
		return int16(le.Uint16(b))
	case kindU32:
		return le.Uint32(b)
	case kindI32:
		return int32(le.Uint32(b))
	case kindF32:
		return math.Float32frombits(le.Uint32(b))
	case kindU64:
		return le.Uint64(b)
	case kindI64:
		return int64(le.Uint64(b))
	}
	return math.Float64frombits(le.Uint64(b))
}

func array(kind uint32, b []byte) any {
	switch kind {
	case kindU8:
		return elements[uint8](b)
	case kindI8:
		return elements[int8](b)
	case kindBool:
		return elements[bool](b)
	case kindU16:
		return elements[uint16](b)
	case kindI16:
		return elements[int16](b)
	case kindU32:
		return elements[uint32](b)
	case kindI32:
		return elements[int32](b)
	case kindF32:
		return elements[float32](b)
	case kindU64:
		return elements[uint64](b)
	case kindI64:
		return elements[int64](b)
	}
	return elements[float64](b)
}

func elements[T any](b []byte) []T {
	var zero T
	out := make([]T, len(b)/binary.Size(zero))
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		panic(err) // T is a number, and b has whole ones
	}
	return out
}
