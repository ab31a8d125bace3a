package safetensors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// Write puts the tensors into the file at path, with the free text of metadata
// (usually {"format": "pt"}; nil for none). Equal input gives equal bytes: those
// of the reference library, which orders tensors by dtype (widest first) and
// name and pads the header to 8 bytes, so every element is aligned. The order of
// the argument does not matter. The file is written beside path and renamed, so
// a reader never sees a part of it, nor does a mapping of the old file change.
func Write(path string, tensors []Tensor, metadata map[string]string) error {
	for _, t := range tensors {
		if err := t.Check(); err != nil {
			return fmt.Errorf("safetensors: %s: %w", path, err)
		}
	}
	return WriteFunc(path, tensors, metadata, writeData)
}

// WriteFunc is Write for tensors that are not all in memory: Data is ignored,
// and fill is called for one tensor after another, in the order of the file, to
// write exactly the bytes its DType and Shape ask for.
func WriteFunc(path string, tensors []Tensor, metadata map[string]string, fill func(w io.Writer, t Tensor) error) error {
	err := atomicfile.Write(path, func(w io.Writer) error { return encode(w, tensors, metadata, fill) })
	if err != nil {
		return fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return nil
}

// Encode writes what Write would to w.
func Encode(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	for _, t := range tensors {
		if err := t.Check(); err != nil {
			return fmt.Errorf("safetensors: %w", err)
		}
	}
	if err := encode(w, tensors, metadata, writeData); err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	return nil
}

func writeData(w io.Writer, t Tensor) error {
	_, err := w.Write(t.Data)
	return err
}

func encode(w io.Writer, tensors []Tensor, metadata map[string]string, fill func(io.Writer, Tensor) error) error {
	tensors = slices.Clone(tensors)
	slices.SortStableFunc(tensors, func(a, b Tensor) int {
		return cmp.Or(-cmp.Compare(a.DType.rank(), b.DType.rank()), cmp.Compare(a.Name, b.Name))
	})
	header, err := formatHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range tensors {
		size, err := t.DType.Size(t.Shape)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", clip(t.Name), err)
		}
		counted := &counter{w: w, left: size}
		if err := fill(counted, t); err != nil {
			return fmt.Errorf("tensor %q: %w", clip(t.Name), err)
		}
		if counted.left != 0 {
			return fmt.Errorf("tensor %q: %d of %d bytes were not written", clip(t.Name), counted.left, size)
		}
	}
	return nil
}

// counter refuses more bytes than the header has promised.
type counter struct {
	w    io.Writer
	left int
}

func (c *counter) Write(b []byte) (int, error) {
	if len(b) > c.left {
		return 0, fmt.Errorf("%d bytes more than dtype and shape ask for", len(b)-c.left)
	}
	n, err := c.w.Write(b)
	c.left -= n
	return n, err
}

func formatHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	b := []byte{'{'}
	if metadata != nil {
		b = append(b, `"__metadata__":{`...)
		for i, key := range slices.Sorted(maps.Keys(metadata)) {
			if i > 0 {
				b = append(b, ',')
			}
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return nil, fmt.Errorf("metadata %q is not UTF-8", clip(key))
			}
			b = appendText(append(appendText(b, key), ':'), metadata[key])
		}
		b = append(b, '}')
	}
	seen := make(map[string]bool, len(tensors))
	at := 0
	for _, t := range tensors {
		size, err := t.DType.Size(t.Shape)
		switch {
		case err != nil:
		case t.Name == "__metadata__":
			err = errors.New("the name is taken by the format")
		case seen[t.Name]:
			err = errors.New("the name stands twice")
		case !utf8.ValidString(t.Name):
			err = errors.New("the name is not UTF-8")
		case size > maxInt-at:
			err = errors.New("the file would be too large")
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", clip(t.Name), err)
		}
		seen[t.Name] = true
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendText(b, t.Name)
		b = append(append(append(b, `:{"dtype":"`...), t.DType...), `","shape":`...)
		b = appendInts(b, t.Shape)
		b = append(appendInts(append(b, `,"data_offsets":`...), []int{at, at + size}), '}')
		at += size
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if len(b) > maxHeader {
		return nil, fmt.Errorf("the header would take %d bytes, readers accept %d", len(b), maxHeader)
	}
	return b, nil
}

func appendInts(b []byte, list []int) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(v), 10)
	}
	return append(b, ']')
}

// appendText writes a JSON string as serde_json does, with no escape that JSON
// does not ask for: encoding/json would escape U+2028 and our bytes would differ.
func appendText(b []byte, s string) []byte {
	const short = "btn fr" // after \b = 8; 11 has no short form
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 8 && c <= 13 && c != 11:
			b = append(b, '\\', short[c-8])
		case c < 0x20:
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
