package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A decoder writes tokens as text. ids are in the vocabulary.
type decoder interface {
	decode(t *Tokenizer, ids []int32) string
}

// byteDecoder joins the bytes that tokens stand for.
type byteDecoder struct{ bytes []string }

func newByteDecoder(tokens []string) *byteDecoder {
	d := &byteDecoder{make([]string, len(tokens))}
	for id, token := range tokens {
		d.bytes[id] = byteLevelBytes(token)
	}
	return d
}

func (d *byteDecoder) decode(_ *Tokenizer, ids []int32) string {
	n := 0
	for _, id := range ids {
		n += len(d.bytes[id])
	}
	b := make([]byte, 0, n)
	for _, id := range ids {
		b = append(b, d.bytes[id]...)
	}
	return lossy(b)
}

// byteRunes spells each byte as a printable rune: itself, or one from U+0100 on
// (openai/gpt-2, src/encoder.py, bytes_to_unicode).
var byteRunes = func() (r [256]rune) {
	next := rune(256)
	for b := range r {
		r[b] = rune(b)
		if b < '!' || b > '~' && b < 0xa1 || b == 0xad {
			r[b] = next
			next++
		}
	}
	return r
}()

var runeBytes = func() map[rune]byte {
	m := map[rune]byte{}
	for b, r := range byteRunes {
		m[r] = byte(b)
	}
	return m
}()

// byteLevelBytes gives the bytes that a token spells; one with other runes in it, as added
// tokens may be, stands for itself.
func byteLevelBytes(token string) string {
	b := make([]byte, 0, len(token))
	for _, r := range token {
		c, ok := runeBytes[r]
		if !ok {
			return token
		}
		b = append(b, c)
	}
	return string(b)
}

// byteLevelSpelling is the other way round.
func byteLevelSpelling(b string) string {
	var w strings.Builder
	for i := range len(b) {
		w.WriteRune(byteRunes[b[i]])
	}
	return w.String()
}

// chain is decoders of tokenizer.json one after the other; without any, tokens are joined by
// spaces. Rules are those of tokenizers/src/decoders.
type chain []step

type step func(tokens []string) []string

func (c chain) decode(t *Tokenizer, ids []int32) string {
	tokens := make([]string, len(ids))
	for i, id := range ids {
		tokens[i] = t.tokens[id]
	}
	if c == nil {
		return strings.Join(tokens, " ")
	}
	for _, s := range c {
		tokens = s(tokens)
	}
	return strings.Join(tokens, "")
}

func eachToken(f func(i int, token string) string) step {
	return func(tokens []string) []string {
		for i, token := range tokens {
			tokens[i] = f(i, token)
		}
		return tokens
	}
}

func byteLevelStep(tokens []string) []string {
	var b []byte
	for _, token := range tokens {
		b = append(b, byteLevelBytes(token)...)
	}
	return []string{lossy(b)}
}

func wordPieceStep(prefix string, cleanup bool) step {
	return eachToken(func(i int, token string) string {
		if i > 0 {
			rest, inside := strings.CutPrefix(token, prefix)
			if inside {
				token = rest
			} else {
				token = " " + token
			}
		}
		if cleanup {
			token = cleanUp.Replace(token)
		}
		return token
	})
}

// cleanUp undoes the most common damage of cutting at punctuation. The reference makes one
// pass a pattern; none of these makes a match for another within one token.
var cleanUp = strings.NewReplacer(" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'", " n't", "n't",
	" 'm", "'m", " do not", " don't", " 's", "'s", " 've", "'ve", " 're", "'re")

func metaspaceStep(replacement string, prepended bool) step {
	return eachToken(func(i int, token string) string {
		if i == 0 && prepended {
			return strings.ReplaceAll(token, replacement, "")
		}
		return strings.ReplaceAll(token, replacement, " ")
	})
}

func bpeStep(suffix string) step {
	return func(tokens []string) []string {
		for i, token := range tokens {
			by := " "
			if i == len(tokens)-1 {
				by = ""
			}
			tokens[i] = strings.ReplaceAll(token, suffix, by)
		}
		return tokens
	}
}

// byteFallbackStep reads runs of <0xNN>: as text if they are UTF-8, else as one U+FFFD a byte.
func byteFallbackStep(tokens []string) []string {
	out := make([]string, 0, len(tokens))
	var run []byte
	flush := func() {
		if utf8.Valid(run) {
			out = append(out, string(run))
		} else {
			out = append(out, strings.Repeat("\uFFFD", len(run)))
		}
		run = run[:0]
	}
	for _, token := range tokens {
		if b, ok := byteToken(token); ok {
			run = append(run, b)
			continue
		}
		if len(run) > 0 {
			flush()
		}
		out = append(out, token)
	}
	if len(run) > 0 {
		flush()
	}
	return out
}

func byteToken(token string) (b byte, ok bool) {
	if len(token) != 6 || token[:3] != "<0x" || token[5] != '>' {
		return 0, false
	}
	n, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(n), err == nil
}

func fuseStep(tokens []string) []string { return []string{strings.Join(tokens, "")} }

func stripStep(content string, start, stop int) step {
	return eachToken(func(_ int, token string) string {
		for range start {
			rest, ok := strings.CutPrefix(token, content)
			if !ok {
				break
			}
			token = rest
		}
		for range stop {
			rest, ok := strings.CutSuffix(token, content)
			if !ok {
				break
			}
			token = rest
		}
		return token
	})
}

func replaceStep(p pattern, content string) step {
	return eachToken(func(_ int, token string) string {
		return replace{p, content}.normalize(text{s: token}).s
	})
}
