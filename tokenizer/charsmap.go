package tokenizer

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// charsMap is SentencePiece's precompiled normalisation: a double array (darts-clone) whose
// values are places in a blob of zero-ended strings (normalizer.cc, DecodePrecompiledCharsMap).
type charsMap struct {
	units   []uint32
	strings string
}

// readCharsMap reads u32 size of the array in bytes, the array, the strings. No bytes: no map.
func readCharsMap(b []byte) (*charsMap, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < 4 {
		return nil, fmt.Errorf("precompiled_charsmap has %d bytes", len(b))
	}
	size := uint64(binary.LittleEndian.Uint32(b))
	if b = b[4:]; size > uint64(len(b)) || size%4 != 0 {
		return nil, fmt.Errorf("precompiled_charsmap: array of %d bytes in %d", size, len(b))
	}
	m := &charsMap{units: make([]uint32, size/4), strings: string(b[size:])}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	for s := range strings.SplitSeq(m.strings, "\x00") {
		if len(s) > maxMapped {
			return nil, fmt.Errorf("precompiled_charsmap: a text of %d bytes in the place of a character, the limit is %d", len(s), maxMapped)
		}
	}
	return m, nil
}

// maxMapped bounds what a key may become; of NFKC's 33 bytes are the longest.
const maxMapped = 256

// lookup gives what the begin of s becomes: for the longest key that s begins with, or the
// shortest. n is the key's length, 0 where there is none. A damaged array finds nothing.
func (m *charsMap) lookup(s string, longest bool) (to string, n int) {
	unit := func(at uint32) (uint32, bool) {
		if uint64(at) >= uint64(len(m.units)) {
			return 0, false
		}
		return m.units[at], true
	}
	offset := func(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
	u, ok := unit(0)
	if !ok {
		return "", 0
	}
	at, value := offset(u), uint32(0)
	for i := range len(s) {
		at ^= uint32(s[i])
		if u, ok = unit(at); !ok || u&(1<<31|0xff) != uint32(s[i]) {
			break
		}
		at ^= offset(u)
		if u&(1<<8) != 0 {
			leaf, ok := unit(at)
			if !ok {
				break
			}
			if value, n = leaf&^(1<<31), i+1; !longest {
				break
			}
		}
	}
	if n == 0 || uint64(value) >= uint64(len(m.strings)) {
		return "", 0
	}
	to, _, _ = strings.Cut(m.strings[value:], "\x00")
	return to, n
}

// precompiled is the map as tokenizers applies it: to graphemes of less than six bytes whole,
// by the shortest key they begin with; else rune by rune (spm_precompiled).
type precompiled struct{ m *charsMap }

func (p precompiled) normalize(t text) text {
	w := t.builder()
	seg := graphemes.FromString(t.s)
	lo := 0
	for seg.Next() {
		g := seg.Value()
		if len(g) < 6 {
			if to, n := p.m.lookup(g, false); n > 0 {
				w.instead(t, lo, g, to)
				lo += len(g)
				continue
			}
		}
		for i := 0; i < len(g); {
			_, size := utf8.DecodeRuneInString(g[i:])
			if to, n := p.m.lookup(g[i:i+size], false); n > 0 {
				w.instead(t, lo+i, g[i:i+size], to)
			} else {
				w.keep(t, lo+i, lo+i+size)
			}
			i += size
		}
		lo += len(g)
	}
	return w.text()
}

// instead writes to for the runes old at byte lo: rune for rune, the rest with the last.
func (w *builder) instead(t text, lo int, old, to string) {
	i := 0
	for _, r := range to {
		at := lo + i
		if i >= len(old) { // more runes than before: they stand for the last
			_, size := utf8.DecodeLastRuneInString(old)
			at = lo + len(old) - size
		} else {
			_, size := utf8.DecodeRuneInString(old[i:])
			i += size
		}
		w.rune(t, at, r)
	}
}
