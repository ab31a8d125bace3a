package table

import (
	"errors"
	"fmt"
)

// errUnclosed tells a quoted field that goes on behind the end of the text from other mistakes.
var errUnclosed = errors.New("quote not closed")

// scanner cuts separated text into fields (RFC 4180: a field that starts with a quote ends with one, may hold
// separators and line breaks, and doubles its quotes; a quote elsewhere is an ordinary character). The text ends with
// a line break: read appends one where it is missing.
type scanner struct {
	name   string
	buf    []byte
	sep    byte
	quotes bool

	pos  int
	line int // of pos, from 1

	scratch []byte // text of the last field that held doubled quotes
}

// blankLine skips one empty line.
func (s *scanner) blankLine() bool {
	switch {
	case s.buf[s.pos] == '\n':
		s.pos++
	case s.buf[s.pos] == '\r' && s.buf[s.pos+1] == '\n':
		s.pos += 2
	default:
		return false
	}
	s.line++
	return true
}

// field reads the field at pos and moves behind the separator or line break that ends it; last tells which. The text
// is valid until the next call.
func (s *scanner) field() (text []byte, last bool, err error) {
	buf, i := s.buf, s.pos
	if s.quotes && buf[i] == '"' {
		return s.quoted()
	}
	start, sep := i, s.sep
	for buf[i] != sep && buf[i] != '\n' {
		i++
	}
	s.pos = i + 1
	if buf[i] == sep {
		return buf[start:i], false, nil
	}
	s.line++
	if i > start && buf[i-1] == '\r' {
		i--
	}
	return buf[start:i], true, nil
}

// quoted reads a field that starts with a quote.
func (s *scanner) quoted() (text []byte, last bool, err error) {
	buf, i := s.buf, s.pos+1
	start, first := i, s.line
	plain := true // no doubled quote so far, the text is a part of buf
	for {
		for i < len(buf) && buf[i] != '"' {
			if buf[i] == '\n' {
				s.line++
			}
			i++
		}
		if i == len(buf) {
			return nil, true, &Error{Name: s.name, Line: first, Msg: "a quote opened here is never closed; close it or set NoQuotes", Err: errUnclosed}
		}
		part := buf[start:i]
		doubled := buf[i+1] == '"' // there is a byte: the text ends with a line break
		if plain && !doubled {
			text = part
		} else {
			if plain {
				s.scratch = s.scratch[:0]
			}
			plain = false
			s.scratch = append(s.scratch, part...)
			text = s.scratch
		}
		if !doubled {
			break
		}
		s.scratch = append(s.scratch, '"')
		i += 2
		start = i
	}
	i++
	switch {
	case buf[i] == s.sep:
		s.pos = i + 1
		return text, false, nil
	case buf[i] == '\n':
		s.pos = i + 1
	case buf[i] == '\r' && i+1 < len(buf) && buf[i+1] == '\n':
		s.pos = i + 2
	default:
		return nil, true, &Error{Name: s.name, Line: s.line,
			Msg: fmt.Sprintf("text after the closing quote of %q; double quotes inside a quoted field (\"\") or set NoQuotes", clip(string(text)))}
	}
	s.line++
	return text, true, nil
}

// row reads the fields of one row, skipping blank lines before it; nil at the end. At most limit fields are kept. The
// fields are copies.
func (s *scanner) row(limit int) (fields [][]byte, err error) {
	for s.pos < len(s.buf) && s.blankLine() {
	}
	if s.pos >= len(s.buf) {
		return nil, nil
	}
	begin := s.line
	for {
		text, last, err := s.field()
		if err != nil {
			return nil, err
		}
		if len(fields) == limit {
			return nil, &Error{Name: s.name, Line: begin, Msg: fmt.Sprintf("more than %d columns", limit)}
		}
		fields = append(fields, append([]byte{}, text...))
		if last {
			return fields, nil
		}
	}
}
