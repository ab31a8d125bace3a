package table

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Parquet is read and written here, with only the structures of the metadata taken from parquet-go. Its reader believes
// the sizes a file states (runs of sixteen million values in four bytes, prefixes that multiply, an LZ4 buffer doubled
// for as long as the data is damaged), and running out of memory cannot be recovered from; and it brings 11 MB of
// program, more than all of a small forecaster. Flat columns need little of the format.
//
// https://github.com/apache/parquet-format

const (
	maxFooter  = 64 << 20
	maxStructs = 1 << 20 // list elements of the footer: row groups × columns and the like
	maxPage    = 512 << 20
)

// compactWalker reads over Thrift's compact protocol and believes nothing.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
type compactWalker struct {
	b       []byte
	i       int
	structs int
}

var errThrift = errors.New("damaged metadata")

func (w *compactWalker) byte() (byte, error) {
	if w.i >= len(w.b) {
		return 0, io.ErrUnexpectedEOF
	}
	w.i++
	return w.b[w.i-1], nil
}

func (w *compactWalker) varint() (v uint64, err error) {
	for shift := 0; shift < 64; shift += 7 {
		c, err := w.byte()
		if err != nil {
			return 0, err
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, nil
		}
	}
	return 0, errThrift
}

// skip moves over n bytes if they are there.
func (w *compactWalker) skip(n uint64) error {
	if n > uint64(len(w.b)-w.i) {
		return io.ErrUnexpectedEOF
	}
	w.i += int(n)
	return nil
}

// value reads over a value of a type of the protocol.
func (w *compactWalker) value(typ byte, depth int) error {
	if depth > 24 { // Parquet's metadata is 7 deep
		return errThrift
	}
	switch typ {
	case 1, 2: // true, false: in the type
		return nil
	case 3: // byte
		return w.skip(1)
	case 4, 5, 6: // i16, i32, i64
		_, err := w.varint()
		return err
	case 7: // double
		return w.skip(8)
	case 8: // bytes
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case 9, 10: // list, set
		return w.list(depth)
	case 12:
		return w.structure(depth)
	}
	return errThrift // maps do not occur in Parquet
}

func (w *compactWalker) list(depth int) error {
	head, err := w.byte()
	if err != nil {
		return err
	}
	n, typ := uint64(head>>4), head&15
	if n == 15 {
		if n, err = w.varint(); err != nil {
			return err
		}
	}
	if n > uint64(len(w.b)-w.i) { // every element takes a byte at least
		return io.ErrUnexpectedEOF
	}
	if typ == 1 || typ == 2 {
		return w.skip(n) // booleans take a byte in lists
	}
	if typ == 12 {
		if w.structs += int(n); w.structs > maxStructs {
			return fmt.Errorf("more than %d entries in the metadata", maxStructs)
		}
	}
	for range n {
		if err := w.value(typ, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *compactWalker) structure(depth int) error {
	for {
		head, err := w.byte()
		if err != nil || head == 0 {
			return err
		}
		if head>>4 == 0 { // long form of the field number
			if _, err := w.varint(); err != nil {
				return err
			}
		}
		if err := w.value(head&15, depth+1); err != nil {
			return err
		}
	}
}

// readFooter reads the metadata of a Parquet file within its limits.
func readFooter(r io.ReaderAt, size int64) (*format.FileMetaData, error) {
	var tail [8]byte
	if size < 12 {
		return nil, io.ErrUnexpectedEOF
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil && err != io.EOF {
		return nil, err
	}
	n := int64(tail[0]) | int64(tail[1])<<8 | int64(tail[2])<<16 | int64(tail[3])<<24
	switch {
	case string(tail[4:]) == "PARE":
		return nil, errors.New("its footer is encrypted")
	case string(tail[4:]) != "PAR1":
		return nil, errors.New("the end of the file is missing")
	case n > size-12:
		return nil, errors.New("the footer is longer than the file")
	case n > maxFooter:
		return nil, fmt.Errorf("a footer of %d bytes, more than %d", n, maxFooter)
	}
	buf := make([]byte, n)
	if _, err := r.ReadAt(buf, size-8-n); err != nil && err != io.EOF {
		return nil, err
	}
	w := compactWalker{b: buf}
	if err := w.structure(0); err != nil {
		return nil, err
	}
	meta := new(format.FileMetaData)
	var protocol thrift.CompactProtocol
	if err := thrift.NewDecoder(protocol.NewReaderFromBytes(buf)).Decode(meta); err != nil {
		return nil, err
	}
	return meta, nil
}

var errTooBig = errors.New("more content than MaxBytes; raise it or read fewer columns")

// pageHeader reads the page header at pos and its length.
func pageHeader(r io.ReaderAt, pos, end int64) (*format.PageHeader, int64, error) {
	for window := int64(512); ; window *= 16 {
		buf := make([]byte, min(window, end-pos))
		if _, err := r.ReadAt(buf, pos); err != nil && err != io.EOF {
			return nil, 0, err
		}
		w := compactWalker{b: buf}
		err := w.structure(0)
		if err == io.ErrUnexpectedEOF && int64(len(buf)) < end-pos && window < 1<<24 {
			continue // long statistics
		}
		if err != nil {
			return nil, 0, err
		}
		h := new(format.PageHeader)
		var protocol thrift.CompactProtocol
		if err := thrift.NewDecoder(protocol.NewReaderFromBytes(buf[:w.i])).Decode(h); err != nil {
			return nil, 0, err
		}
		return h, int64(w.i), nil
	}
}
