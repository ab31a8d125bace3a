// Package torchpt reads the tensors of PyTorch checkpoints (.pt, .pth, .bin, what
// torch.save writes since version 1.6: a zip archive) without running them.
//
// Such a file is a pickle, a program for Python that may call anything. Here its
// few harmless words are understood (tensors, storages, dicts, lists, numbers,
// text) and any other is an error that names it.
//
//	f, err := torchpt.Open("checkpoint.pth")
//	if err != nil { ... }
//	defer f.Close()
//	t, ok := f.Tensor("model.head.linear.weight")
//	values, err := t.Float32s()
//
// A checkpoint often wraps the weights: {"epoch": 3, "state_dict": {...}}. [Open]
// goes down to them, see [File.Root]; plain values beside them (dimensions, say)
// are there with [File.Value]. Files from before torch 1.6 and TorchScript
// archives are recognised and refused. The package writes nothing: safetensors
// does.
//
// Format: torch/serialization.py (_save, _load) and torch/_utils.py
// (_rebuild_tensor_v2).
package torchpt

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/internal/mmap"
	"github.com/hanji-ml/hanji/safetensors"
)

// Tensor is one named array: little-endian, C order. It is safetensors' type, so
// that what reads one kind of checkpoint reads the other.
type Tensor = safetensors.Tensor

// File is an open checkpoint. It does not change, so any number of goroutines
// may read it. Close it when no tensor's Data is needed any more.
type File struct {
	names []string
	views map[string]*view
	root  string
	top   any
	m     *mmap.Map
	limit int // steps a walk over top may take
}

// Open maps the file at path and reads its names and shapes. The weights are
// read from disk when touched, and must not be used after Close.
func Open(path string) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, fmt.Errorf("torchpt: %w", err)
	}
	f, err := parse(m.Bytes())
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("torchpt: %s: %w", path, err)
	}
	f.m = m
	return f, nil
}

// Parse reads a file that is in memory already. Data of its tensors may be
// slices of data.
func Parse(data []byte) (*File, error) {
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("torchpt: %w", err)
	}
	return f, nil
}

func parse(data []byte) (*File, error) {
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	program, err := a.record("data.pkl")
	if err != nil {
		return nil, err
	}
	storages := map[string]*storage{}
	top, err := unpickle(program, func(key string, numel int, class storageClass) (*storage, error) {
		if s, ok := storages[key]; ok {
			if s.class != class {
				return nil, fmt.Errorf("storage %q has two types", clip(key))
			}
			return s, nil
		}
		b, err := a.record("data/" + key)
		if err != nil {
			return nil, err
		}
		size, err := class.dtype.Size([]int{numel})
		if err != nil {
			return nil, err
		}
		if size > len(b) {
			return nil, fmt.Errorf("storage %q has %d bytes, its %d elements of %s take %d", clip(key), len(b), numel, class.dtype, size)
		}
		storages[key] = &storage{data: b[:size:size], class: class}
		return storages[key], nil
	})
	if err != nil {
		return nil, err
	}
	f := &File{top: top, limit: 4*len(program) + 1<<16}
	return f, f.collect(len(data))
}

// archive is the zip torch.save writes: records NAME/data.pkl, NAME/data/KEY, ...
type archive struct {
	data    []byte
	prefix  string // "NAME/"
	records map[string]*zip.File
}

func openArchive(data []byte) (*archive, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\x80")):
		return nil, errors.New("this is a pickle without an archive, as torch wrote before version 1.6: load it there and torch.save it again")
	case len(data) > 262 && string(data[257:262]) == "ustar":
		return nil, errors.New("this is a tar archive, as torch wrote before version 0.1.10: load it there and torch.save it again")
	case !bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return nil, errors.New("this is no zip archive, so no file of torch.save")
	}
	zr, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%w; truncated download?", err)
	}
	a := &archive{data: data, records: make(map[string]*zip.File, len(zr.File))}
	for _, f := range zr.File {
		if a.records[f.Name] != nil {
			return nil, fmt.Errorf("record %q stands twice", clip(f.Name))
		}
		a.records[f.Name] = f
		if dir, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && strings.Count(dir, "/") == 1 && strings.HasSuffix(dir, "/") {
			if a.prefix != "" {
				return nil, errors.New("two records data.pkl")
			}
			a.prefix = dir
		}
	}
	switch {
	case a.prefix == "":
		return nil, errors.New("zip archive without data.pkl: no file of torch.save")
	case a.records[a.prefix+"constants.pkl"] != nil:
		return nil, errors.New("this is a TorchScript archive (torch.jit.save), which holds a program: save its state_dict() with torch.save")
	case a.records[a.prefix+"byteorder"] != nil:
		order, err := a.record("byteorder")
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, fmt.Errorf("byte order is %q, only little is read", clip(string(order)))
		}
	}
	return a, nil
}

// record returns the bytes of a record, which torch never compresses. Checksums
// are left alone: torch can be told to write none, and one pass over all weights
// would be the cost of opening.
func (a *archive) record(name string) ([]byte, error) {
	f := a.records[a.prefix+name]
	if f == nil {
		return nil, fmt.Errorf("record %q is missing", clip(a.prefix+name))
	}
	if f.Method != zip.Store || f.Flags&1 != 0 || f.CompressedSize64 != f.UncompressedSize64 {
		return nil, fmt.Errorf("record %q is compressed or encrypted, as torch never does: torch.save it again", clip(f.Name))
	}
	at, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("record %q: %w", clip(f.Name), err)
	}
	if at < 0 || at > int64(len(a.data)) || f.CompressedSize64 > uint64(int64(len(a.data))-at) {
		return nil, fmt.Errorf("record %q ends after the file; truncated download?", clip(f.Name))
	}
	end := at + int64(f.CompressedSize64)
	return a.data[at:end:end], nil
}

// Names lists the tensors in the order of the checkpoint. The slice is the
// caller's.
func (f *File) Names() []string { return append([]string(nil), f.names...) }

// Tensor returns the tensor of that name. Its Data are valid until Close and must
// not be written to. They are a slice of the file where torch saved the tensor in
// C order; a transposed, strided or expanded one is copied at each call.
func (f *File) Tensor(name string) (Tensor, bool) {
	v, ok := f.views[name]
	if !ok {
		return Tensor{}, false
	}
	return Tensor{Name: name, DType: v.dtype, Shape: append([]int{}, v.shape...), Data: v.contiguous()}, true
}

// Root is the key, or the keys joined by dots, under which the weights were
// found, such as "state_dict"; "" if they stand at the top.
func (f *File) Root() string { return f.root }

// Close gives the mapping back. Tensors of f must not be used afterwards. A
// second call does nothing.
func (f *File) Close() error {
	f.names, f.views, f.top = nil, nil, nil
	if f.m == nil {
		return nil
	}
	return f.m.Close()
}
