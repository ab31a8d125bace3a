package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// Write puts the tensors, in the order given, into the file at path, with
// metadata in the order given (llama.cpp wants "general.architecture" among
// them). Each tensor begins at a multiple of the metadata's "general.alignment"
// (a uint32), or of 32. Equal input gives equal bytes. The file is written
// beside path and renamed, so a reader never sees a part of it, nor does a
// mapping of the old file change.
func Write(path string, tensors []Tensor, meta Metadata) error {
	for _, t := range tensors {
		if err := t.Check(); err != nil {
			return fmt.Errorf("gguf: %s: %w", path, err)
		}
	}
	return WriteFunc(path, tensors, meta, writeData)
}

// WriteFunc is Write for tensors that are not all in memory: Data is ignored,
// and fill is called for one tensor after another, in the order given, to write
// exactly the bytes its Type and Shape ask for.
func WriteFunc(path string, tensors []Tensor, meta Metadata, fill func(w io.Writer, t Tensor) error) error {
	err := atomicfile.Write(path, func(w io.Writer) error { return encode(w, tensors, meta, fill) })
	if err != nil {
		return fmt.Errorf("gguf: %s: %w", path, err)
	}
	return nil
}

// Encode writes what Write would to w.
func Encode(w io.Writer, tensors []Tensor, meta Metadata) error {
	for _, t := range tensors {
		if err := t.Check(); err != nil {
			return fmt.Errorf("gguf: %w", err)
		}
	}
	if err := encode(w, tensors, meta, writeData); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	return nil
}

func writeData(w io.Writer, t Tensor) error {
	_, err := w.Write(t.Data)
	return err
}

func encode(w io.Writer, tensors []Tensor, meta Metadata, fill func(io.Writer, Tensor) error) error {
	align, err := alignmentOf(meta)
	if err != nil {
		return err
	}
	head, err := formatHeader(tensors, meta, align)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, t := range tensors {
		size, err := t.Type.Size(t.Shape)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", clip(t.Name), err)
		}
		counted := &counter{w: w, left: size}
		if err := fill(counted, t); err != nil {
			return fmt.Errorf("tensor %q: %w", clip(t.Name), err)
		}
		if counted.left != 0 {
			return fmt.Errorf("tensor %q: %d of %d bytes were not written", clip(t.Name), counted.left, size)
		}
		if _, err := w.Write(make([]byte, pad(size, align)-size)); err != nil {
			return err
		}
	}
	return nil
}

// counter refuses more bytes than the header has promised.
type counter struct {
	w    io.Writer
	left int
}

func (c *counter) Write(b []byte) (int, error) {
	if len(b) > c.left {
		return 0, fmt.Errorf("%d bytes more than type and shape ask for", len(b)-c.left)
	}
	n, err := c.w.Write(b)
	c.left -= n
	return n, err
}

func formatHeader(tensors []Tensor, meta Metadata, align int) ([]byte, error) {
	le := binary.LittleEndian
	b := append([]byte(nil), magic...)
	b = le.AppendUint32(b, version)
	b = le.AppendUint64(b, uint64(len(tensors)))
	b = le.AppendUint64(b, uint64(len(meta)))
	seen := map[string]bool{}
	for _, kv := range meta {
		var err error
		switch {
		case kv.Key == "":
			err = errors.New("the key is empty")
		case seen[kv.Key]:
			err = errors.New("the key stands twice")
		default:
			b, err = appendValue(appendText(b, kv.Key), kv.Value)
		}
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", clip(kv.Key), err)
		}
		seen[kv.Key] = true
	}
	names, at := map[string]bool{}, 0
	for _, t := range tensors {
		size, err := t.Type.Size(t.Shape)
		switch {
		case err != nil:
		case len(t.Name) > maxName:
			err = fmt.Errorf("the name has %d bytes, at most %d are allowed", len(t.Name), maxName)
		case strings.ContainsRune(t.Name, 0):
			err = errors.New("the name has a zero byte")
		case names[t.Name]:
			err = errors.New("the name stands twice")
		case size > maxInt-maxAlignment-at:
			err = errors.New("the file would be too large")
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", clip(t.Name), err)
		}
		names[t.Name] = true
		b = le.AppendUint32(appendText(b, t.Name), uint32(len(t.Shape)))
		for i := len(t.Shape) - 1; i >= 0; i-- {
			b = le.AppendUint64(b, uint64(t.Shape[i]))
		}
		b = le.AppendUint64(le.AppendUint32(b, uint32(t.Type)), uint64(at))
		at = pad(at+size, align)
	}
	if len(tensors) > 0 {
		b = append(b, make([]byte, pad(len(b), align)-len(b))...)
	}
	return b, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

func appendValue(b []byte, v any) ([]byte, error) {
	le := binary.LittleEndian
	switch v := v.(type) {
	case string:
		if len(v) > maxText {
			return nil, fmt.Errorf("a string of %d bytes, readers accept %d", len(v), maxText)
		}
		return appendText(le.AppendUint32(b, kindText), v), nil
	case []string:
		b = le.AppendUint64(le.AppendUint32(le.AppendUint32(b, kindArray), kindText), uint64(len(v)))
		for _, s := range v {
			b = appendText(b, s)
		}
		return b, nil
	case uint8, int8, uint16, int16, uint32, int32, float32, bool, uint64, int64, float64:
		return appendNumbers(le.AppendUint32(b, kindOf(v)), v)
	case []uint8:
		return appendArray(b, v)
	case []int8:
		return appendArray(b, v)
	case []uint16:
		return appendArray(b, v)
	case []int16:
		return appendArray(b, v)
	case []uint32:
		return appendArray(b, v)
	case []int32:
		return appendArray(b, v)
	case []float32:
		return appendArray(b, v)
	case []bool:
		return appendArray(b, v)
	case []uint64:
		return appendArray(b, v)
	case []int64:
		return appendArray(b, v)
	case []float64:
		return appendArray(b, v)
	}
	return nil, fmt.Errorf("%T is no type of the format; use one of a fixed width, such as uint32", v)
}

func appendArray[T any](b []byte, v []T) ([]byte, error) {
	if len(v) > math.MaxInt32/2 {
		return nil, fmt.Errorf("an array of %d, readers accept %d", len(v), math.MaxInt32/2)
	}
	var zero T
	le := binary.LittleEndian
	b = le.AppendUint64(le.AppendUint32(le.AppendUint32(b, kindArray), kindOf(zero)), uint64(len(v)))
	return appendNumbers(b, v)
}

// appendNumbers takes what encoding/binary does, bools as bytes 0 and 1.
func appendNumbers(b []byte, v any) ([]byte, error) {
	buf := bytes.NewBuffer(b)
	err := binary.Write(buf, binary.LittleEndian, v)
	return buf.Bytes(), err
}

func kindOf(v any) uint32 {
	switch v.(type) {
	case uint8:
		return kindU8
	case int8:
		return kindI8
	case uint16:
		return kindU16
	case int16:
		return kindI16
	case uint32:
		return kindU32
	case int32:
		return kindI32
	case float32:
		return kindF32
	case bool:
		return kindBool
	case uint64:
		return kindU64
	case int64:
		return kindI64
	}
	return kindF64
}
