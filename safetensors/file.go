// Package safetensors reads and writes the safetensors format of named arrays,
// in which most model weights are published: eight bytes of header length, a
// JSON header with dtype, shape and place of each tensor, and the bytes.
//
//	f, err := safetensors.Open("model.safetensors")
//	if err != nil { ... }
//	defer f.Close()
//	t, ok := f.Tensor("lm_head.weight")
//	values, err := t.Float32s()
//
// [OpenModel] takes a model's folder and follows the index of a model in several
// files. Reading maps the file and checks the whole header before anything else
// is believed; it refuses what the reference library refuses (duplicate names,
// gaps, overlaps, sizes that do not fit their shapes), because a file that two
// readers understand differently is not safe. The package knows bytes, dtypes
// and shapes, no tensors to compute with and no model.
//
// Format: https://github.com/huggingface/safetensors (README, and tensor.rs for
// what it leaves open).
package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/hanji-ml/hanji/internal/mmap"
)

// File is an open set of tensors: one file, or all files of a model. It does not
// change, so any number of goroutines may read it. Close it when no tensor's
// Data is needed any more.
type File struct {
	names   []string
	tensors map[string]Tensor
	meta    map[string]string
	maps    []*mmap.Map
}

// Open maps the file at path and reads its header. Data of its tensors are
// slices of the mapping: they are read from disk when touched, must not be
// written, and end with Close. If another program shortens the file meanwhile,
// touching them ends the program; see the notes on faults in internal/mmap.
func Open(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
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
// of data.
func Parse(data []byte) (*File, error) {
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return f, nil
}

// Decode reads size bytes from r into memory. The header is checked before the
// tensors are read, and memory grows with what r really gives, so a wrong size
// costs an error, not memory.
func Decode(r io.ReaderAt, size int64) (*File, error) {
	f, err := decode(r, size)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return f, nil
}

func decode(r io.ReaderAt, size int64) (*File, error) {
	if size < 8 {
		return nil, fmt.Errorf("has %d bytes, too few for a header; truncated download?", size)
	}
	var length [8]byte
	if n, err := r.ReadAt(length[:], 0); n < len(length) {
		return nil, fmt.Errorf("header length: %w", noEOF(err))
	}
	n, err := headerLength(length[:], size)
	if err != nil {
		return nil, err
	}
	header, err := readAll(io.NewSectionReader(r, 8, n), n)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	dataStart := 8 + n
	entries, meta, err := parseHeader(header, dataStart, size-dataStart)
	if err != nil {
		return nil, err
	}
	data, err := readAll(io.NewSectionReader(r, dataStart, size-dataStart), size-dataStart)
	if err != nil {
		return nil, fmt.Errorf("tensor data: %w", err)
	}
	return newFile(entries, meta, data), nil
}

func parse(data []byte) (*File, error) {
	size := int64(len(data))
	if size < 8 {
		return nil, fmt.Errorf("has %d bytes, too few for a header; truncated download?", size)
	}
	n, err := headerLength(data, size)
	if err != nil {
		return nil, err
	}
	entries, meta, err := parseHeader(data[8:8+n], 8+n, size-8-n)
	if err != nil {
		return nil, err
	}
	return newFile(entries, meta, data[8+n:]), nil
}

func headerLength(b []byte, size int64) (int64, error) {
	n := binary.LittleEndian.Uint64(b)
	if n > maxHeader {
		return 0, fmt.Errorf("header length is %d, at most %d is allowed; is this a safetensors file?", n, maxHeader)
	}
	if int64(n) > size-8 {
		return 0, fmt.Errorf("header ends at %d, file has %d bytes; truncated download?", 8+n, size)
	}
	return int64(n), nil
}

func newFile(entries []entry, meta map[string]string, data []byte) *File {
	f := &File{names: make([]string, len(entries)), tensors: make(map[string]Tensor, len(entries)), meta: meta}
	for i, e := range entries {
		t := e.Tensor
		t.Data = data[e.begin:e.end:e.end]
		f.names[i] = t.Name
		f.tensors[t.Name] = t
	}
	return f
}

// readAll reads n bytes without believing n: it allocates as they come.
func readAll(r io.Reader, n int64) ([]byte, error) {
	const step = 1 << 20
	out := make([]byte, 0, min(n, step))
	for int64(len(out)) < n {
		if len(out) == cap(out) {
			grown := make([]byte, len(out), min(n, 2*int64(cap(out))))
			copy(grown, out)
			out = grown
		}
		got, err := io.ReadFull(r, out[len(out):cap(out)])
		out = out[:len(out)+got]
		if err != nil {
			return nil, noEOF(err)
		}
	}
	return out, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Names lists the tensors in the order of their data in the file, and file after
// file for a model in several. The slice is the caller's.
func (f *File) Names() []string { return append([]string(nil), f.names...) }

// Tensor returns the tensor of that name. Its Data are valid until Close and
// must not be written to; its Shape must not be changed either.
func (f *File) Tensor(name string) (Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Metadata returns the header's free text entries, such as format: "pt"; nil
// where it has none. The map is the caller's.
func (f *File) Metadata() map[string]string { return maps.Clone(f.meta) }

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
