// Package npy reads and writes numpy's .npy files, one array each, and .npz
// archives of them.
//
//	t, err := npy.ReadFile("mel_filters.npy")
//	values, err := t.Float32s()
//
//	a, err := npy.OpenNPZ("features.npz")
//	defer a.Close()
//	t, err := a.Tensor("mel_80")
//
// Both byte orders and both element orders are read; what comes out is always
// little-endian and in C order. Booleans, integers, floats and complex64 are
// understood; text, dates, records and object arrays are errors (an object array
// is a pickle, a program that numpy itself runs only when told to).
//
// Format: numpy/lib/format.py, versions 1.0 to 3.0.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/safetensors"
)

// Tensor is one array: little-endian, C order. It is safetensors' type, so that
// arrays go from one format into the other as they are.
type Tensor = safetensors.Tensor

// ReadFile reads the array in the file at path. Its Name is empty.
func ReadFile(path string) (Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return Tensor{}, fmt.Errorf("npy: %w", err)
	}
	defer f.Close()
	t, err := readAlone(f)
	if err != nil {
		return Tensor{}, fmt.Errorf("npy: %s: %w", path, err)
	}
	return t, nil
}

// Read reads one array from r and nothing after it, so arrays that were saved
// one after another are read by as many calls. At the end of r the error is
// io.EOF. Memory grows with what r really gives, not with the shape it claims.
func Read(r io.Reader) (Tensor, error) {
	t, err := read(r)
	if err != nil && err != io.EOF {
		return Tensor{}, fmt.Errorf("npy: %w", err)
	}
	return t, err
}

// readAlone is read for a file that must hold one array and nothing else.
func readAlone(r io.Reader) (Tensor, error) {
	t, err := read(r)
	if err == io.EOF {
		return Tensor{}, errors.New("is empty; truncated download?")
	}
	if err != nil {
		return Tensor{}, err
	}
	var one [1]byte
	if n, err := io.ReadFull(r, one[:]); n > 0 {
		return Tensor{}, errors.New("something follows the array; several arrays in one file?")
	} else if err != io.EOF {
		return Tensor{}, err // a zip's checksum, for example
	}
	return t, nil
}

func read(r io.Reader) (Tensor, error) {
	h, err := readHeader(r)
	if err != nil {
		return Tensor{}, err
	}
	size, err := h.dtype.Size(h.shape)
	if err != nil {
		return Tensor{}, err
	}
	data, err := readAll(r, size)
	if err != nil {
		return Tensor{}, fmt.Errorf("%s %v takes %d bytes, %d are there: %w; truncated download?", h.dtype, h.shape, size, len(data), err)
	}
	if h.bigEndian {
		swapBytes(data, h.unit)
	}
	if h.fortran {
		data = reorder(data, h.shape, h.dtype.Bits()/8)
	}
	return Tensor{DType: h.dtype, Shape: h.shape, Data: data}, nil
}

// readAll reads n bytes and allocates as they come.
func readAll(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	out := make([]byte, 0, min(n, step))
	for len(out) < n {
		if len(out) == cap(out) {
			grown := make([]byte, len(out), min(n, 2*cap(out)))
			copy(grown, out)
			out = grown
		}
		got, err := io.ReadFull(r, out[len(out):cap(out)])
		out = out[:len(out)+got]
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// swapBytes reverses every unit of so many bytes.
func swapBytes(data []byte, unit int) {
	for ; unit > 1 && len(data) >= unit; data = data[unit:] {
		slices.Reverse(data[:unit])
	}
}

// reorder returns elements of Fortran order (the first dimension varies fastest)
// in C order.
func reorder(data []byte, shape []int, size int) []byte {
	out := make([]byte, 0, len(data))
	pos := make([]int, len(shape))
	stride := make([]int, len(shape)) // in the Fortran data
	step := 1
	for d, n := range shape {
		stride[d] = step
		step *= n
	}
	for at := 0; len(out) < len(data); {
		out = append(out, data[at*size:(at+1)*size]...)
		for d := len(pos) - 1; d >= 0; d-- { // count up, the last dimension fastest
			pos[d]++
			at += stride[d]
			if pos[d] < shape[d] {
				break
			}
			at -= pos[d] * stride[d]
			pos[d] = 0
		}
	}
	return out
}

// toFortran is the way back: reading the C order of a shape as the Fortran order
// of the reversed shape, and reordering that, gives the transposed array.
func toFortran(t Tensor) []byte {
	reversed := slices.Clone(t.Shape)
	slices.Reverse(reversed)
	return reorder(t.Data, reversed, t.DType.Bits()/8)
}

// Options say how an array is written; the zero value is numpy's own way on
// today's machines: little-endian, C order.
type Options struct {
	BigEndian bool // most significant byte first
	Fortran   bool // the first dimension varies fastest
}

// Write writes one array; its Name is not part of the format. Types that numpy
// does not have (BF16, F8 and smaller) are an error: convert them first. The
// bytes are those of numpy.save.
func Write(w io.Writer, t Tensor, o Options) error {
	if err := write(w, t, o); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	return nil
}

// WriteFile is Write to a file, which is written beside path and renamed.
func WriteFile(path string, t Tensor, o Options) error {
	err := atomicfile.Write(path, func(w io.Writer) error { return write(w, t, o) })
	if err != nil {
		return fmt.Errorf("npy: %s: %w", path, err)
	}
	return nil
}

func write(w io.Writer, t Tensor, o Options) error {
	if err := t.Check(); err != nil {
		return err
	}
	header, unit, err := formatHeader(t, o)
	if err != nil {
		return err
	}
	data := t.Data
	if o.Fortran {
		data = toFortran(t)
	}
	if o.BigEndian && unit > 1 {
		if !o.Fortran {
			data = slices.Clone(data) // the caller's stay as they are
		}
		swapBytes(data, unit)
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

const magic = "\x93NUMPY"

// formatHeader writes the header byte for byte as numpy does, and returns the
// size of what a byte order reverses too.
func formatHeader(t Tensor, o Options) ([]byte, int, error) {
	var d descr
	for _, d = range descrs {
		if d.dtype == t.DType {
			break
		}
	}
	if d.dtype != t.DType {
		return nil, 0, fmt.Errorf("numpy has no type for %s: convert the array first", t.DType)
	}
	order := "<"
	switch {
	case d.unit == 1:
		order = "|"
	case o.BigEndian:
		order = ">"
	}
	fortran := "False"
	// numpy sets it only where the two orders differ.
	if o.Fortran && len(t.Shape) > 1 {
		fortran = "True"
	}
	text := fmt.Appendf(nil, "{'descr': '%s%s', 'fortran_order': %s, 'shape': %s, }", order, d.code, fortran, tuple(t.Shape))
	if n := len(t.Shape); n > 0 {
		// Room for the dimension that grows when someone appends: numpy ≥ 1.23
		// keeps 21 digits for it (format.py, GROWTH_AXIS_MAX_DIGITS).
		grows := t.Shape[0]
		if fortran == "True" {
			grows = t.Shape[n-1]
		}
		for i := len(fmt.Sprint(grows)); i < 21; i++ {
			text = append(text, ' ')
		}
	}
	version, lengthSize := byte(1), 2
	if len(text)+1+64 > 1<<16 {
		version, lengthSize = 2, 4
	}
	before := len(magic) + 2 + lengthSize
	for (before+len(text)+1)%64 != 0 { // the data begin aligned
		text = append(text, ' ')
	}
	text = append(text, '\n')
	out := append([]byte(magic), version, 0)
	if version == 1 {
		out = binary.LittleEndian.AppendUint16(out, uint16(len(text)))
	} else {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(text)))
	}
	return append(out, text...), d.unit, nil
}

// tuple writes a shape as Python does: (), (3,), (3, 4).
func tuple(shape []int) string {
	s := "("
	for i, n := range shape {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprint(n)
	}
	if len(shape) == 1 {
		s += ","
	}
	return s + ")"
}
