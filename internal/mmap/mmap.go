// Package mmap maps a file into memory, read-only, and takes memory that the garbage collector does not know.
//
// A checkpoint of many gigabytes opens in microseconds this way, its pages are
// read when they are first touched, and several processes share them. The
// package knows nothing of what the bytes mean.
//
//	m, err := mmap.Open("model.safetensors")
//	if err != nil { ... }
//	defer m.Close()
//	use(m.Bytes())
//
// On systems without mappings (js/wasm, plan9, ...) Open reads the whole file;
// nothing else differs.
//
// # Faults
//
// When another process truncates a mapped file, or its disk or network share
// fails, touching the lost pages is a memory fault, which ends a Go program.
// Nothing can be checked beforehand: the file may shrink at any time. Writers of
// this module therefore never shorten a file in place, they write beside it and
// rename (package atomicfile), which leaves an existing mapping whole. Code that
// reads files of doubtful origin runs inside [Guard], which turns the fault into
// an error.
package mmap

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"sync"
	"unsafe"
)

// Map is one file, mapped read-only, or memory of [Zeros]. Its methods may be called by several
// goroutines at once, but Close only when no one reads the bytes any more.
type Map struct {
	mu     sync.Mutex
	data   []byte
	unmap  func([]byte) error // nil: data is ordinary memory, or empty
	file   bool
	closed bool
}

// Open maps the file at path. An empty file is no error: it has no bytes (the
// systems' own calls refuse a mapping of length 0). A directory, a device or a
// file that does not fit the address space is an error.
func Open(path string) (*Map, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	defer f.Close() // a mapping outlives the handle on every system
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("mmap: %s: not a regular file (%s)", path, info.Mode().Type())
	}
	size := info.Size()
	if size == 0 {
		return &Map{}, nil
	}
	if size > math.MaxInt {
		return nil, fmt.Errorf("mmap: %s: %d bytes do not fit this machine's address space", path, size)
	}
	data, unmap, err := mapFile(f, int(size))
	if err != nil {
		return nil, fmt.Errorf("mmap: %s: %w", path, err)
	}
	return &Map{data: data, unmap: unmap, file: true}, nil
}

// Bytes is the content. Writing to a file's is a fault; so is reading it after
// Close.
func (m *Map) Bytes() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.data
}

// Close gives the mapping back. Slices of Bytes must not be used afterwards. A
// second call does nothing.
func (m *Map) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	data := m.data
	m.data = nil
	if m.unmap == nil {
		return nil
	}
	if err := m.unmap(data); err != nil {
		return fmt.Errorf("mmap: close: %w", err)
	}
	return nil
}

// Drop tells the system that b, a part of the file, will not be read soon: its pages leave the process's memory, and are
// read again if they are touched after all. Bytes that are no part of m, and systems that cannot, are left as they are.
func (m *Map) Drop(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	page := uintptr(os.Getpagesize())
	from, all := uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(unsafe.SliceData(m.data)))
	if !m.file || from < all || from+uintptr(len(b)) > all+uintptr(len(m.data)) {
		return
	}
	lo, hi := (from-all+page-1)/page*page, (from-all+uintptr(len(b)))/page*page // whole pages; neighbours keep theirs
	if lo < hi {
		drop(m.data[lo:hi])
	}
}

// Zeros is n bytes of memory outside the heap of Go: a gigabyte of weights there would let the collector wait for as much garbage.
// They are writable, begin at a page, and end with Close.
func Zeros(n int) (*Map, error) {
	if n == 0 {
		return &Map{}, nil
	}
	data, unmap, err := mapZeros(n)
	if err != nil {
		return nil, fmt.Errorf("mmap: %d bytes: %w", n, err)
	}
	return &Map{data: data, unmap: unmap}, nil
}

// ErrFault is what Guard returns when mapped pages could not be read.
var ErrFault = errors.New("mmap: mapped file became unreadable; was it truncated or its disk removed?")

// Guard calls f and turns a memory fault inside it into ErrFault. It covers the
// calling goroutine only: a goroutine that f starts needs its own Guard. Other
// panics pass through.
func Guard(f func()) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		// Only a fault at an address carries one; a nil dereference in f is a
		// bug and must stay one, and the runtime gives it no Addr.
		if fault, ok := r.(interface{ Addr() uintptr }); ok {
			err = fmt.Errorf("%w (address %#x)", ErrFault, fault.Addr())
			return
		}
		panic(r)
	}()
	f()
	return nil
}
