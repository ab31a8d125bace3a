package lm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/table"
	"github.com/hanji-ml/hanji/tokenizer"
)

// maxText bounds a file of plain text.
const maxText = 2 << 30

// DocumentOptions of Documents.
type DocumentOptions struct {
	Column    string // of a table; "": text, where the file begins as a JSON object, is compressed or is Parquet, else it is plain text
	Separator string // between the documents of a plain text; "": it is one
}

// Documents reads the texts of a file: those of a column of a table (CSV, TSV, JSON lines or Parquet, also compressed), or plain text. Empty ones
// are left out.
func Documents(path string, o DocumentOptions) ([]string, error) {
	column, separator := o.Column, o.Separator
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("lm: %w", err)
	}
	defer f.Close()
	if column == "" {
		var head [64]byte
		n, err := f.ReadAt(head[:], 0)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("lm: %w", err)
		}
		if isTable(head[:n]) {
			column = "text"
		}
	}
	var list []string
	if column != "" {
		list, err = columnOf(f, path, column)
	} else {
		list, err = plain(f, separator)
	}
	if err != nil {
		return nil, fmt.Errorf("lm: %s: %w", path, err)
	}
	return slices.DeleteFunc(list, func(s string) bool { return strings.TrimSpace(s) == "" }), nil
}

// isTable knows JSON objects, gzip, zstd and Parquet by their first bytes.
func isTable(head []byte) bool {
	for _, magic := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "PAR1"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(head, "\ufeff \t\r\n"), []byte("{"))
	return ok && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"`))
}

func columnOf(f *os.File, name, column string) ([]string, error) {
	t, err := table.Read(f, name, table.Options{Columns: []string{column}, Types: map[string]table.Kind{column: table.String}, Missing: []string{}})
	if err != nil {
		return nil, err
	}
	return t.Column(column).Strings, nil
}

func plain(r io.Reader, separator string) ([]string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxText+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxText:
		return nil, fmt.Errorf("more than %d bytes of text; cut it into several files", maxText)
	case !utf8.Valid(b):
		at := 0
		for at < len(b) {
			r, n := utf8.DecodeRune(b[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return nil, fmt.Errorf("byte %d is not UTF-8: this is no plain text", at)
	case separator == "":
		return []string{string(b)}, nil
	}
	return strings.Split(string(b), separator), nil
}

// split takes a share of items away to be held out, chosen by seed; at least one, and never all.
func split[T any](items []T, fraction float64, seed uint64) (train, val []T) {
	n := len(items)
	order := rand.New(rand.NewPCG(seed, ^uint64(0))).Perm(n)
	held := min(n-1, max(1, int(float64(n)*fraction+0.5)))
	for i, at := range order {
		if i < held {
			val = append(val, items[at])
		} else {
			train = append(train, items[at])
		}
	}
	return train, val
}

// splitText holds out the end of a single text, from a line's beginning if there is one near.
func splitText(s string, fraction float64) (train, val []string) {
	at := int(float64(len(s)) * (1 - fraction))
	if line := strings.LastIndexByte(s[:at], '\n'); line > at/2 {
		at = line + 1
	}
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return []string{s[:at]}, []string{s[at:]}
}

// heldOut splits documents; fraction 0 holds out none.
func heldOut(docs []string, fraction float64, seed uint64) (train, val []string, err error) {
	switch {
	case fraction == 0:
		return docs, nil, nil
	case len(docs) == 0:
		return nil, nil, errors.New("lm: recipe: data.text has no text")
	case len(docs) == 1:
		train, val = splitText(docs[0], fraction)
	default:
		train, val = split(docs, fraction, seed)
	}
	return train, val, nil
}

// encode turns documents into tokens, each between the model's begin and end tokens where it has them. What is spelled like a special token
// is text.
func encode(t *tokenizer.Tokenizer, docs []string) []sample {
	r, list := t.Roles(), make([]sample, len(docs))
	par.For(len(docs), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			var tokens []int32
			if r.BOS >= 0 {
				tokens = append(tokens, r.BOS)
			}
			from := len(tokens)
			tokens = t.AppendEncode(tokens, docs[i], tokenizer.EncodeOptions{NoSpecial: true, Verbatim: true})
			words := len(tokens) - from
			if r.EOS >= 0 {
				tokens = append(tokens, r.EOS)
			}
			list[i] = sample{tokens: tokens, words: words, bytes: len(docs[i])}
		}
	})
	return list
}
