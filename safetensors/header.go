package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxHeader is the reference's bound on the header (tensor.rs, MAX_HEADER_SIZE).
// It also bounds what a damaged length makes us allocate.
const maxHeader = 100_000_000

// entry is one tensor of a header: where it lies in the data that follows.
type entry struct {
	Tensor     // without Data
	begin, end int
}

// parseHeader reads the JSON header of a file whose tensor data has dataSize
// bytes, starting at byte dataStart. Entries come back in the order of their
// data. As in the reference, the data of all tensors must cover everything after
// the header without gap or overlap: so a file can hide nothing.
func parseHeader(header []byte, dataStart, dataSize int64) ([]entry, map[string]string, error) {
	if !utf8.Valid(header) {
		return nil, nil, errors.New("header is not UTF-8; is this a safetensors file?")
	}
	if len(header) == 0 || header[0] != '{' {
		return nil, nil, errors.New("header does not begin with {; is this a safetensors file?")
	}
	p := &headerParser{dec: json.NewDecoder(bytes.NewReader(header)), replaced: bytes.ContainsRune(header, utf8.RuneError)}
	p.dec.UseNumber()
	entries, meta, err := p.header()
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("JSON ends early")
		}
		return nil, nil, fmt.Errorf("header: byte %d: %w", p.dec.InputOffset(), err)
	}
	if rest := bytes.Trim(header[p.dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, nil, fmt.Errorf("header: byte %d: something follows the JSON object", p.dec.InputOffset())
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	return entries, meta, checkLayout(entries, dataStart, dataSize)
}

// checkLayout holds the entries, in order, against their shapes and the file.
func checkLayout(entries []entry, dataStart, dataSize int64) error {
	at := 0
	for i, e := range entries {
		size, err := e.DType.Size(e.Shape)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", clip(e.Name), err)
		}
		switch {
		case e.end < e.begin:
			return fmt.Errorf("tensor %q: data ends at %d, before its begin %d", clip(e.Name), e.end, e.begin)
		case e.end-e.begin != size:
			return fmt.Errorf("tensor %q: %s %s takes %d bytes, its data_offsets span %d", clip(e.Name), e.DType, clipShape(e.Shape), size, e.end-e.begin)
		case int64(e.end) > dataSize:
			return fmt.Errorf("tensor %q: data ends at %d, file has %d bytes; truncated download?", clip(e.Name), uint64(dataStart)+uint64(e.end), dataStart+dataSize)
		case e.begin < at:
			return fmt.Errorf("tensor %q: data begins at %d, inside tensor %q that ends at %d", clip(e.Name), e.begin, clip(entries[i-1].Name), at)
		case e.begin > at:
			return fmt.Errorf("tensor %q: data begins at %d, but nothing describes the %d bytes before it", clip(e.Name), e.begin, e.begin-at)
		}
		at = e.end
	}
	if int64(at) != dataSize {
		return fmt.Errorf("tensors end at %d, file has %d bytes; two files in one?", dataStart+int64(at), dataStart+dataSize)
	}
	return nil
}

// headerParser goes through the JSON token by token, because encoding/json's
// structs take the last of several equal keys, and a name that stands twice in
// a header means that two readers may see two different models.
type headerParser struct {
	dec      *json.Decoder
	replaced bool // the text itself has U+FFFD, so one in a key proves nothing
}

func (p *headerParser) header() (entries []entry, meta map[string]string, err error) {
	err = p.object(func(name string) error {
		if name == "__metadata__" {
			meta, err = p.metadata()
			return err
		}
		e := entry{begin: -1, end: -1}
		e.Name = name
		if err := p.entry(&e); err != nil {
			return fmt.Errorf("tensor %q: %w", clip(name), err)
		}
		entries = append(entries, e)
		return nil
	})
	return entries, meta, err
}

// metadata reads the free text; null counts as none, as in the reference.
func (p *headerParser) metadata() (map[string]string, error) {
	var raw json.RawMessage
	if err := p.dec.Decode(&raw); err != nil {
		return nil, err
	}
	if string(raw) == "null" {
		return nil, nil
	}
	q := &headerParser{dec: json.NewDecoder(bytes.NewReader(raw)), replaced: p.replaced}
	meta := map[string]string{}
	err := q.object(func(key string) error {
		tok, err := q.dec.Token()
		if err != nil {
			return err
		}
		text, ok := tok.(string)
		if !ok {
			return fmt.Errorf("%q is no text", clip(key))
		}
		meta[key] = text
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("__metadata__: %w", err)
	}
	return meta, nil
}

func (p *headerParser) entry(e *entry) error {
	err := p.object(func(key string) error {
		switch key {
		case "dtype":
			tok, err := p.dec.Token()
			if err != nil {
				return err
			}
			text, ok := tok.(string)
			if !ok {
				return errors.New("dtype is no text")
			}
			e.DType = DType(text)
			if e.DType.rank() < 0 {
				return fmt.Errorf("dtype %q is not known", clip(text))
			}
			return nil
		case "shape":
			shape, err := p.ints("shape")
			e.Shape = shape
			return err
		case "data_offsets":
			at, err := p.ints("data_offsets")
			if err != nil {
				return err
			}
			if len(at) != 2 {
				return fmt.Errorf("data_offsets has %d numbers, want begin and end", len(at))
			}
			e.begin, e.end = at[0], at[1]
			return nil
		}
		var skip json.RawMessage // keys of a later format, as the reference does
		return p.dec.Decode(&skip)
	})
	switch {
	case err != nil:
		return err
	case e.DType == "":
		return errors.New("has no dtype")
	case e.Shape == nil:
		return errors.New("has no shape")
	case e.begin < 0:
		return errors.New("has no data_offsets")
	}
	return nil
}

// object calls member for each key of an object; member reads the value.
func (p *headerParser) object(member func(key string) error) error {
	tok, err := p.dec.Token()
	if err != nil {
		return err
	}
	if tok != json.Delim('{') {
		return fmt.Errorf("found %v, want an object", clip(fmt.Sprint(tok)))
	}
	seen := map[string]bool{}
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return err
		}
		key := tok.(string) // the decoder lets nothing else be a key
		if strings.ContainsRune(key, utf8.RuneError) && !p.replaced {
			return fmt.Errorf("key %q has an escape that is no character", clip(key))
		}
		if seen[key] {
			return fmt.Errorf("%q stands twice", clip(key))
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	_, err = p.dec.Token() // the closing brace
	return err
}

func (p *headerParser) ints(what string) ([]int, error) {
	tok, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	if tok != json.Delim('[') {
		return nil, fmt.Errorf("%s is no list", what)
	}
	out := []int{}
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return nil, err
		}
		number, ok := tok.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%s holds %v, want a number", what, clip(fmt.Sprint(tok)))
		}
		v, err := strconv.ParseUint(number.String(), 10, strconv.IntSize-1)
		if err != nil {
			return nil, fmt.Errorf("%s: %s is no length of this machine", what, clip(number.String()))
		}
		out = append(out, int(v))
	}
	_, err = p.dec.Token()
	return out, err
}
