// Package gguf reads and writes GGUF, the single-file format of llama.cpp: typed
// metadata (a model's hyper-parameters, its vocabulary), then named tensors,
// most of them in blocks of a few bits a weight.
//
//	f, err := gguf.OpenModel("model-Q4_K_M.gguf")
//	if err != nil { ... }
//	defer f.Close()
//	layers, err := f.Metadata().Int("llama.block_count")
//	t, ok := f.Tensor("blk.0.attn_q.weight") // t.Type is Q4_K, t.Shape [4096 4096]
//
// Reading maps the file and checks the whole header before anything else is
// believed. The package knows bytes, types, shapes and metadata; it neither
// widens a block to numbers (package quant does) nor knows a model. Versions 2
// and 3 are read, 3 is written; big-endian files are refused.
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and
// ggml/src/gguf.cpp for what it leaves open.
package gguf

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hanji-ml/hanji/internal/mmap"
)

// File is an open set of tensors with its metadata: one file, or all files of a
// split model. It does not change, so any number of goroutines may read it.
// Close it when no tensor's Data is needed any more.
type File struct {
	version   int
	alignment int
	names     []string
	tensors   map[string]Tensor
	meta      Metadata
	maps      []*mmap.Map
}

// Open maps the file at path and reads its header; of a split model that is one
// part, see OpenModel. Data of its tensors are slices of the mapping: they are
// read from disk when touched, must not be written, and end with Close. If
// another program shortens the file meanwhile, touching them ends the program;
// see the notes on faults in internal/mmap. Data begin at a multiple of the
// file's alignment (nearly always 32), which a file may set as low as 1.
func Open(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return f, nil
}

func open(path string) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := parse(m.Bytes())
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.maps = []*mmap.Map{m}
	return f, nil
}

// Parse reads a file that is in memory already. Data of its tensors are slices
// of data; metadata are copies.
func Parse(data []byte) (*File, error) {
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return f, nil
}

func parse(data []byte) (*File, error) {
	h, err := parseHeader(&cursor{buf: data, size: int64(len(data))})
	if err != nil {
		return nil, err
	}
	return newFile(h, data), nil
}

// Decode reads size bytes from r into memory. The header is checked before the
// tensors are read, and memory grows with what r really gives, so a wrong size
// costs an error, not memory.
func Decode(r io.ReaderAt, size int64) (*File, error) {
	if size < 0 || size > int64(maxInt) {
		return nil, fmt.Errorf("gguf: a file of %d bytes does not fit this machine's memory", size)
	}
	c := &cursor{size: size}
	c.more = func(n int) error {
		var err error
		c.buf, err = readOn(r, c.buf, min(size, max(int64(n), int64(len(c.buf))+1<<16)))
		return err
	}
	h, err := parseHeader(c)
	if err == nil {
		if err = c.more(int(size)); err != nil {
			err = fmt.Errorf("tensor data: %w", err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return newFile(h, c.buf), nil
}

// readOn makes buf n bytes long without believing n: it allocates as they come.
func readOn(r io.ReaderAt, buf []byte, n int64) ([]byte, error) {
	const step = 1 << 20
	for int64(len(buf)) < n {
		have := len(buf)
		buf = slices.Grow(buf, int(min(n-int64(have), max(step, int64(have)))))
		buf = buf[:min(int64(cap(buf)), n)]
		got, err := r.ReadAt(buf[have:], int64(have))
		if got < len(buf)-have {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return buf[:have+got], err
		}
	}
	return buf, nil
}

func newFile(h *header, data []byte) *File {
	f := &File{version: h.version, alignment: h.alignment, meta: h.meta, names: make([]string, len(h.entries)), tensors: make(map[string]Tensor, len(h.entries))}
	for i, e := range h.entries {
		t := e.Tensor
		t.Data = data[e.begin:e.end:e.end]
		f.names[i] = t.Name
		f.tensors[t.Name] = t
	}
	return f
}

// Names lists the tensors in the order of the file, and file after file for a
// model in several. The slice is the caller's.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Tensor returns the tensor of that name. Its Data are valid until Close and
// must not be written to; its Shape must not be changed either.
func (f *File) Tensor(name string) (Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Metadata returns the entries in the order of the file; of a split model those
// of the first part. They are read-only, and valid after Close.
func (f *File) Metadata() Metadata { return f.meta }

// Version is the format's version in the file: 2 or 3.
func (f *File) Version() int { return f.version }

// Alignment is what tensors' offsets in the file are multiples of, in bytes.
func (f *File) Alignment() int { return f.alignment }

// Drop tells the system that data, of one of f's tensors, will not be read soon: its pages leave the process's memory until they
// are touched again.
func (f *File) Drop(data []byte) {
	for _, m := range f.maps {
		m.Drop(data)
	}
}

// Close gives the mappings back. Tensors of f must not be used afterwards. A
// second call does nothing.
func (f *File) Close() error {
	var errs []error
	for _, m := range f.maps {
		errs = append(errs, m.Close())
	}
	f.tensors, f.names = nil, nil
	return errors.Join(errs...)
}
