package mmap

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string][]byte{
		"empty": {},
		"one":   {7},
		"pages": bytes.Repeat([]byte("hanji"), 5000), // not a multiple of the page
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(m.Bytes(), want) {
			t.Errorf("%s: %d bytes differ from the %d written", name, len(m.Bytes()), len(want))
		}
		if err := m.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("%s: second close: %v", name, err)
		}
		if m.Bytes() != nil {
			t.Errorf("%s: bytes after close", name)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
}

// A mapping stays whole when its file is replaced by rename, as this module's
// writers do.
func TestReplacedFileStaysWhole(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows refuses to replace a mapped file")
	}
	path := filepath.Join(t.TempDir(), "f")
	old := bytes.Repeat([]byte{1}, 1<<16)
	os.WriteFile(path, old, 0o644)
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	os.WriteFile(path+".new", []byte{2}, 0o644)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Bytes(), old) {
		t.Error("mapping changed with the name")
	}
}

var sink byte

func TestGuard(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("needs a mapping that can lose its file")
	}
	path := filepath.Join(t.TempDir(), "f")
	os.WriteFile(path, make([]byte, 1<<20), 0o644)
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	err = Guard(func() { sink = m.Bytes()[1<<19] })
	if !errors.Is(err, ErrFault) {
		t.Errorf("fault became %v", err)
	}
	if err := Guard(func() {}); err != nil {
		t.Errorf("no fault: %v", err)
	}
	defer func() {
		if recover() != "mine" {
			t.Error("an ordinary panic must pass through")
		}
	}()
	Guard(func() { panic("mine") })
}

// Dropped pages are read again, neighbours stay, and what is no part of the file is not touched.
func TestDrop(t *testing.T) {
	want := bytes.Repeat([]byte("hanji"), 20000)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(want)
	for _, b := range [][]byte{m.Bytes(), m.Bytes()[7:50000], m.Bytes()[:3], m.Bytes()[:0], nil, other} {
		m.Drop(b)
		if !bytes.Equal(m.Bytes(), want) || !bytes.Equal(other, want) {
			t.Fatalf("%d bytes dropped: the content has changed", len(b))
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m.Drop(other)
	if !bytes.Equal(other, want) {
		t.Error("dropped after Close: another slice has changed")
	}
}

func TestZeros(t *testing.T) {
	for _, n := range []int{0, 1, 5000, 3 << 20} {
		m, err := Zeros(n)
		if err != nil {
			t.Fatal(err)
		}
		b := m.Bytes()
		if !bytes.Equal(b, make([]byte, n)) {
			t.Errorf("%d bytes are not as many zeros", n)
		}
		for i := range b {
			b[i] = byte(i)
		}
		if m.Drop(b); n > 0 && b[n-1] != byte(n-1) {
			t.Errorf("%d bytes: what was written is gone", n)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
