package table

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"unicode/utf16"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Open reads the table in a file; "-" is standard input. See Read.
func Open(path string, o Options) (*Table, error) {
	if path == "-" {
		return Read(os.Stdin, "standard input", o)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, &Error{Name: path, Msg: "this is a directory; name a file in it"}
	}
	return Read(f, path, o)
}

// Read reads a whole table from r. The format is recognised by content, as is gzip or zstd compression around it; name
// is only for messages. Nothing beyond the limits of o is allocated, whatever the bytes claim.
//
// Errors about the content are of type *Error and name the place.
func Read(r io.Reader, name string, o Options) (*Table, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(512)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("table: %s: %w", name, err)
	}
	if bytes.HasPrefix(head, []byte("PAR1")) {
		if f, ok := r.(*os.File); ok {
			if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
				return readParquet(name, f, st.Size(), &o)
			}
		}
	}
	body, closer, err := decompress(br, name, head, &o)
	if err != nil {
		return nil, err
	}
	data, err := readAll(body, sizeHint(r, br, body == io.Reader(br)), o.MaxBytes)
	closer()
	if err != nil {
		if e := (*Error)(nil); errors.As(err, &e) {
			e.Name = name
			return nil, e
		}
		return nil, &Error{Name: name, Msg: "cannot be read to its end: " + err.Error(), Err: err}
	}
	return readBytes(name, data, &o)
}

// decompress unwraps gzip and zstd, told by the first bytes, and refuses what is no table by them.
func decompress(br *bufio.Reader, name string, head []byte, o *Options) (body io.Reader, closer func(), err error) {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, nil, &Error{Name: name, Msg: "damaged gzip data: " + err.Error(), Err: err}
		}
		return z, func() {}, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(br, zstd.WithDecoderMaxMemory(uint64(o.MaxBytes)), zstd.WithDecoderMaxWindow(256<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, &Error{Name: name, Msg: "damaged zstd data: " + err.Error(), Err: err}
		}
		return z, z.Close, nil
	}
	return br, func() {}, refuse(name, head)
}

// sizeHint is the size of a regular file or of a reader in memory, to read it in one piece; 0 where unknown.
func sizeHint(r io.Reader, br *bufio.Reader, plain bool) int64 {
	if !plain {
		return 0
	}
	switch r := r.(type) {
	case *os.File:
		if st, err := r.Stat(); err == nil && st.Mode().IsRegular() {
			return st.Size()
		}
	case *bytes.Reader:
		return int64(r.Len() + br.Buffered())
	case *bytes.Buffer:
		return int64(r.Len() + br.Buffered())
	}
	return 0
}

// readAll reads at most limit bytes; more are an error. One byte is kept free behind for the final line break.
func readAll(r io.Reader, hint, limit int64) ([]byte, error) {
	if hint > limit {
		return nil, tooBig(limit)
	}
	buf := make([]byte, 0, max(hint, 4096)+bytes.MinRead)
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, tooBig(limit)
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func tooBig(limit int64) error {
	return &Error{Msg: fmt.Sprintf("more than %d bytes of content; raise MaxBytes or split the file", limit)}
}

// readBytes reads decompressed content.
func readBytes(name string, data []byte, o *Options) (*Table, error) {
	if o.Format == Parquet || o.Format == AnyFormat && bytes.HasPrefix(data, []byte("PAR1")) {
		return readParquet(name, bytes.NewReader(data), int64(len(data)), o)
	}
	if err := refuse(name, data[:min(len(data), 512)]); err != nil {
		return nil, err
	}
	text, err := decodeText(name, data)
	if err != nil {
		return nil, err
	}
	if err := refuseBinary(name, text); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, &Error{Name: name, Msg: "the file is empty", Err: ErrEmpty}
	}
	if o.Format == JSONL || o.Format == AnyFormat && looksLikeJSON(text) {
		return readJSON(name, text, o)
	}
	return readCSV(name, text, o)
}

// decodeText takes off a byte order mark, turns UTF-16 with one into UTF-8, and sees to it that the text ends with a
// line break. A text with no line break but carriage returns comes from an old Macintosh.
func decodeText(name string, b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		b = b[3:]
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		return decodeUTF16(name, b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return decodeUTF16(name, b[2:], binary.BigEndian)
	}
	return endLine(b), nil
}

func endLine(b []byte) []byte {
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') >= 0 {
		b = bytes.ReplaceAll(b, []byte{'\r'}, []byte{'\n'})
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	return b
}

func decodeUTF16(name string, b []byte, order binary.ByteOrder) ([]byte, error) {
	if len(b)%2 != 0 {
		return nil, &Error{Name: name, Msg: "UTF-16 text of an odd number of bytes; the file is cut off or damaged"}
	}
	out := make([]byte, 0, len(b)/2+len(b)/8)
	for len(b) > 0 {
		r := rune(order.Uint16(b))
		b = b[2:]
		if utf16.IsSurrogate(r) && len(b) > 0 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(b))); pair != '\uFFFD' {
				r = pair
				b = b[2:]
			}
		}
		out = append(out, string(r)...)
	}
	return endLine(out), nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
