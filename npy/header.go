package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hanji-ml/hanji/safetensors"
)

// descr is a numpy type code without its byte order.
type descr struct {
	code  string
	dtype safetensors.DType
	unit  int // bytes that a byte order reverses; a complex number has two units
}

var descrs = []descr{
	{"b1", safetensors.Bool, 1},
	{"u1", safetensors.U8, 1}, {"u2", safetensors.U16, 2}, {"u4", safetensors.U32, 4}, {"u8", safetensors.U64, 8},
	{"i1", safetensors.I8, 1}, {"i2", safetensors.I16, 2}, {"i4", safetensors.I32, 4}, {"i8", safetensors.I64, 8},
	{"f2", safetensors.F16, 2}, {"f4", safetensors.F32, 4}, {"f8", safetensors.F64, 8},
	{"c8", safetensors.Complex, 4},
}

// header is what stands before the elements.
type header struct {
	dtype     safetensors.DType
	unit      int
	bigEndian bool
	fortran   bool
	shape     []int
}

// maxHeader bounds the header. Ours are under 200 bytes, numpy's own reader
// stops at 10,000.
const maxHeader = 1 << 16

// readHeader reads up to the elements; io.EOF if r has nothing at all.
func readHeader(r io.Reader) (header, error) {
	var start [len(magic) + 2]byte
	if n, err := io.ReadFull(r, start[:]); err != nil {
		if n == 0 && err == io.EOF {
			return header{}, io.EOF
		}
		return header{}, fmt.Errorf("header: %w; truncated download?", err)
	}
	if string(start[:len(magic)]) != magic {
		return header{}, errors.New("does not begin with \\x93NUMPY; is this a .npy file?")
	}
	size := 4
	switch major, minor := start[len(magic)], start[len(magic)+1]; {
	case major == 1 && minor == 0:
		size = 2
	case major > 3 || major == 0 || minor != 0:
		return header{}, fmt.Errorf("version %d.%d of the format is not known", major, minor)
	}
	var length [4]byte
	if _, err := io.ReadFull(r, length[:size]); err != nil {
		return header{}, fmt.Errorf("header length: %w; truncated download?", err)
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxHeader {
		return header{}, fmt.Errorf("header length is %d, at most %d is read", n, maxHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return header{}, fmt.Errorf("header: %w; truncated download?", err)
	}
	h, err := parseHeader(string(text))
	if err != nil {
		return header{}, fmt.Errorf("header: %w", err)
	}
	return h, nil
}

// parseHeader reads the Python literal
// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
func parseHeader(text string) (header, error) {
	if !utf8.ValidString(text) {
		return header{}, errors.New("is not UTF-8")
	}
	p := literal{rest: text}
	var h header
	seen := map[string]bool{}
	if err := p.expect("{"); err != nil {
		return h, err
	}
	for !p.accept("}") {
		key, err := p.text()
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, fmt.Errorf("key %q stands twice", clip(key))
		}
		seen[key] = true
		if err := p.expect(":"); err != nil {
			return h, err
		}
		if err := h.set(key, &p); err != nil {
			return h, err
		}
		if !p.accept(",") {
			if err := p.expect("}"); err != nil {
				return h, err
			}
			break
		}
	}
	if p.space(); p.rest != "" {
		return h, fmt.Errorf("%q follows the dict", clip(p.rest))
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return h, fmt.Errorf("has no %s", key)
		}
	}
	return h, nil
}

func (h *header) set(key string, p *literal) (err error) {
	switch key {
	case "descr":
		if p.accept("[") || p.accept("(") {
			return errors.New("arrays of records are not read: save each field alone")
		}
		text, err := p.text()
		if err != nil {
			return fmt.Errorf("descr: %w", err)
		}
		return h.setType(text)
	case "fortran_order":
		if h.fortran = p.accept("True"); h.fortran || p.accept("False") {
			return nil
		}
		return errors.New("fortran_order is neither True nor False")
	case "shape":
		h.shape, err = p.tuple()
		return err
	}
	return fmt.Errorf("key %q is not known", clip(key))
}

func (h *header) setType(text string) error {
	order, code := "", text
	if text != "" && strings.Contains("<>|=", text[:1]) {
		order, code = text[:1], text[1:]
	}
	if strings.HasPrefix(code, "O") {
		return errors.New("object arrays are pickles, which are not run: save numbers")
	}
	for _, d := range descrs {
		if d.code != code {
			continue
		}
		// Without an order only bytes have a meaning; "=" is the machine that
		// wrote the file, which no one knows any more, and numpy never writes it.
		if d.unit > 1 && order != "<" && order != ">" {
			return fmt.Errorf("type %q does not say its byte order", clip(text))
		}
		h.dtype, h.unit, h.bigEndian = d.dtype, d.unit, order == ">"
		return nil
	}
	return fmt.Errorf("type %q is none of bool, integer, float, complex64: convert the array with astype", clip(text))
}

// literal reads the few Python literals that a header has.
type literal struct{ rest string }

func (p *literal) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n\f") }

func (p *literal) accept(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *literal) expect(token string) error {
	if !p.accept(token) {
		return fmt.Errorf("found %q, want %s", clip(p.rest), token)
	}
	return nil
}

// text reads a quoted string; names that need an escape do not occur.
func (p *literal) text() (string, error) {
	p.space()
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		return "", fmt.Errorf("found %q, want a string", clip(p.rest))
	}
	end := strings.IndexByte(p.rest[1:], p.rest[0])
	if end < 0 || strings.ContainsAny(p.rest[1:1+end], "\\\n") {
		return "", fmt.Errorf("string %q is not plain", clip(p.rest))
	}
	s := p.rest[1 : 1+end]
	p.rest = p.rest[2+end:]
	return s, nil
}

// maxDims is numpy's own bound (NPY_MAXDIMS).
const maxDims = 64

// tuple reads (), (3,) or (3, 4); Python 2 wrote long integers as 3L.
func (p *literal) tuple() ([]int, error) {
	if err := p.expect("("); err != nil {
		return nil, fmt.Errorf("shape: %w", err)
	}
	shape := []int{}
	for !p.accept(")") {
		digits := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
		n, err := strconv.ParseUint(p.rest[:digits], 10, strconv.IntSize-1)
		if err != nil || len(shape) == maxDims {
			return nil, fmt.Errorf("shape: %q is no length of this machine, or the %dth", clip(p.rest), maxDims+1)
		}
		shape = append(shape, int(n))
		p.rest = strings.TrimPrefix(p.rest[digits:], "L")
		if !p.accept(",") {
			if err := p.expect(")"); err != nil {
				return nil, fmt.Errorf("shape: %w", err)
			}
			if len(shape) == 1 {
				return nil, errors.New("shape is a number in brackets, no tuple")
			}
			break
		}
	}
	return shape, nil
}

func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
