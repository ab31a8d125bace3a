package npy

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/internal/mmap"
)

// Archive is an open .npz file: a zip archive of .npy files, as numpy.savez and
// savez_compressed write it. Arrays are read when asked for. Any number of
// goroutines may read it.
type Archive struct {
	path  string // for errors; "" if it is in memory
	names []string
	files map[string]*zip.File
	m     *mmap.Map
}

// OpenNPZ opens the archive at path.
func OpenNPZ(path string) (*Archive, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	a, err := parseNPZ(bytes.NewReader(m.Bytes()), int64(len(m.Bytes())))
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("npy: %s: %w", path, err)
	}
	a.path, a.m = path, m
	return a, nil
}

// ReadNPZ opens an archive of size bytes behind r, which must stay open.
func ReadNPZ(r io.ReaderAt, size int64) (*Archive, error) {
	a, err := parseNPZ(r, size)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	return a, nil
}

func parseNPZ(r io.ReaderAt, size int64) (*Archive, error) {
	zr, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w; is this a .npz file, and whole?", err)
	}
	a := &Archive{files: make(map[string]*zip.File, len(zr.File))}
	for _, f := range zr.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue // no array; numpy hands it out as bytes
		}
		if a.files[name] != nil {
			return nil, fmt.Errorf("array %q stands twice", clip(name))
		}
		a.files[name] = f
		a.names = append(a.names, name)
	}
	return a, nil
}

// Names lists the arrays in the order of the archive, without ".npy". The slice
// is the caller's.
func (a *Archive) Names() []string { return append([]string(nil), a.names...) }

// Tensor reads the array of that name into memory and checks its checksum. A
// compressed array takes at most some thousand times its size in the file, the
// limit of the method. A name that is not there is an error.
func (a *Archive) Tensor(name string) (Tensor, error) {
	t, err := a.tensor(name)
	if err != nil {
		where := "npy: "
		if a.path != "" {
			where += a.path + ": "
		}
		return Tensor{}, fmt.Errorf("%sarray %q: %w", where, clip(name), err)
	}
	return t, nil
}

func (a *Archive) tensor(name string) (Tensor, error) {
	f := a.files[name]
	if f == nil {
		return Tensor{}, errors.New("is not in the archive")
	}
	r, err := f.Open()
	if err != nil {
		return Tensor{}, err
	}
	defer r.Close()
	t, err := readAlone(r)
	t.Name = name
	return t, err
}

// Close gives the file back. A second call does nothing.
func (a *Archive) Close() error {
	a.names, a.files = nil, nil
	if a.m == nil {
		return nil
	}
	return a.m.Close()
}

// WriteNPZ writes the arrays under their names, in the order given and without
// compression, as numpy.savez does. The file is written beside path and renamed.
// Equal input gives equal bytes.
func WriteNPZ(path string, tensors []Tensor) error {
	err := atomicfile.Write(path, func(w io.Writer) error { return encodeNPZ(w, tensors, zip.Store) })
	if err != nil {
		return fmt.Errorf("npy: %s: %w", path, err)
	}
	return nil
}

// WriteNPZCompressed is WriteNPZ with deflate, as numpy.savez_compressed does.
func WriteNPZCompressed(path string, tensors []Tensor) error {
	err := atomicfile.Write(path, func(w io.Writer) error { return encodeNPZ(w, tensors, zip.Deflate) })
	if err != nil {
		return fmt.Errorf("npy: %s: %w", path, err)
	}
	return nil
}

func encodeNPZ(w io.Writer, tensors []Tensor, method uint16) error {
	seen := make(map[string]bool, len(tensors))
	zw := zip.NewWriter(w)
	for _, t := range tensors {
		switch {
		case t.Name == "" || !utf8.ValidString(t.Name) || len(t.Name) > 1<<15:
			return fmt.Errorf("array name %q is empty, too long or not UTF-8", clip(t.Name))
		case seen[t.Name]:
			return fmt.Errorf("array %q stands twice", clip(t.Name))
		}
		seen[t.Name] = true
		f, err := zw.CreateHeader(&zip.FileHeader{Name: t.Name + ".npy", Method: method})
		if err != nil {
			return err
		}
		if err := write(f, t, Options{}); err != nil {
			return fmt.Errorf("array %q: %w", clip(t.Name), err)
		}
	}
	return zw.Close()
}
