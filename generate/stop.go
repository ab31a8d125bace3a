package generate

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// output turns the tokens' bytes into text that may be shown: it holds back what may still become a stop text, and the
// beginning of a character whose other bytes are not there yet. Where stops overlap, the one that ends first counts,
// so the text does not depend on where tokens begin.
type output struct {
	stops []string
	held  []byte
}

// write takes the next token's text and returns what may be shown of all so far. Once stop is not "", the output is over.
func (o *output) write(piece string) (text, stop string) {
	if len(o.held) == 0 && !o.mayStop(piece) && partialRune([]byte(lastBytes(piece))) == 0 {
		return valid(piece), "" // the usual case, which allocates nothing
	}
	o.held = append(o.held, piece...)
	start, end := len(o.held), len(o.held)+1
	for _, s := range o.stops {
		if i := bytes.Index(o.held, []byte(s)); i >= 0 && (i+len(s) < end || i+len(s) == end && i < start) {
			start, end, stop = i, i+len(s), s
		}
	}
	if stop != "" {
		text = string(o.held[:start])
		o.held = o.held[:0]
		return valid(text), stop
	}
	n := len(o.held) - max(o.partialStop(o.held), partialRune(o.held))
	text = string(o.held[:n])
	o.held = append(o.held[:0], o.held[n:]...)
	return valid(text), ""
}

// flush returns what was held back, when the output ended for another reason.
func (o *output) flush() string {
	text := string(o.held)
	o.held = o.held[:0]
	return valid(text)
}

// mayStop tells whether a stop text is in s or may begin at its end.
func (o *output) mayStop(s string) bool {
	for _, stop := range o.stops {
		if strings.Contains(s, stop) {
			return true
		}
		for n := min(len(stop)-1, len(s)); n > 0; n-- {
			if s[len(s)-n:] == stop[:n] {
				return true
			}
		}
	}
	return false
}

// partialStop is the length of the longest end of b with which a stop text begins.
func (o *output) partialStop(b []byte) int {
	longest := 0
	for _, stop := range o.stops {
		for n := min(len(stop)-1, len(b)); n > longest; n-- {
			if string(b[len(b)-n:]) == stop[:n] {
				longest = n
			}
		}
	}
	return longest
}

// partialRune is the number of bytes at the end of b that begin a character and do not finish it.
func partialRune(b []byte) int {
	for n := 1; n <= min(utf8.UTFMax-1, len(b)); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

func lastBytes(s string) string { return s[max(0, len(s)-utf8.UTFMax):] }

// valid replaces bytes that are no UTF-8, as tokenizers do when they decode.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
