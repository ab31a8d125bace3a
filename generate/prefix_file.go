package generate

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hanji-ml/hanji/nn"
)

// storedPrefixes is the first line of prefixes on disk, JSON. Behind it come, of each, its tokens as int32, their CRC-32C, and the keys
// and values (nn.Cache.WriteSequence); the most recently used comes first.
type storedPrefixes struct {
	Version int    `json:"hanji_prefixes"`
	Model   string `json:"model"`
	Lengths []int  `json:"lengths"` // in tokens
}

const prefixesVersion = 1

// maxPrefixLine bounds the line.
const maxPrefixLine = 1 << 20

var prefixSums = crc32.MakeTable(crc32.Castagnoli)

// WritePrefixes writes the prefixes that an engine has kept, for ReadPrefixes of another one: so a server that is started again knows the
// beginnings of its prompts. model names what computed them, as model/all.Fingerprint does. The engine must have ended: Drain or
// Close has returned.
func (e *Engine) WritePrefixes(w io.Writer, model string) error {
	select {
	case <-e.ended:
	default:
		return errors.New("generate: prefixes are written once the engine has ended")
	}
	h := storedPrefixes{Version: prefixesVersion, Model: model, Lengths: []int{}}
	for i := len(e.kept) - 1; i >= 0; i-- {
		h.Lengths = append(h.Lengths, len(e.kept[i].tokens))
	}
	if err := json.NewEncoder(w).Encode(h); err != nil {
		return err
	}
	for i := len(e.kept) - 1; i >= 0; i-- {
		var b bytes.Buffer
		binary.Write(&b, binary.LittleEndian, e.kept[i].tokens)
		binary.Write(&b, binary.LittleEndian, crc32.Checksum(b.Bytes(), prefixSums))
		if _, err := w.Write(b.Bytes()); err != nil {
			return err
		}
		if err := e.cache.WriteSequence(w, e.kept[i].seq); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
	}
	return nil
}

// ReadPrefixes gives an engine that has had no request yet the prefixes that another one has written, as many as it keeps and
// has room for, and returns how many. What is of another model, of a cache of another kind, or damaged is an error that wraps
// nn.ErrSequence; the prefixes before it are kept.
func (e *Engine) ReadPrefixes(r io.Reader, model string) (n int, err error) {
	in := bufio.NewReaderSize(r, maxPrefixLine)
	line, err := in.ReadSlice('\n')
	var h storedPrefixes
	if err != nil || json.Unmarshal(line, &h) != nil || h.Version != prefixesVersion {
		return 0, fmt.Errorf("generate: prefixes: %w: the first line is none of theirs", nn.ErrSequence)
	}
	if h.Model != model {
		return 0, fmt.Errorf("generate: prefixes: %w: they are of another model", nn.ErrSequence)
	}
	for _, length := range h.Lengths {
		if n == e.o.Prefixes {
			break
		}
		p, err := e.readPrefix(in, length)
		if errors.Is(err, nn.ErrCacheFull) {
			break
		}
		if err != nil {
			return n, fmt.Errorf("generate: prefixes: %w", err)
		}
		e.kept = append([]prefix{p}, e.kept...)
		n++
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.CacheFree, e.stats.Prefixes = e.cache.Room(), len(e.kept)
	return n, nil
}

func (e *Engine) readPrefix(r io.Reader, length int) (prefix, error) {
	if length < 1 || length > e.o.Cache.MaxTokens {
		return prefix{}, fmt.Errorf("%w: one of %d tokens", nn.ErrSequence, length)
	}
	b := make([]byte, 4*length+4)
	if _, err := io.ReadFull(r, b); err != nil {
		return prefix{}, fmt.Errorf("%w: it ends too early", nn.ErrSequence)
	}
	if crc32.Checksum(b[:4*length], prefixSums) != binary.LittleEndian.Uint32(b[4*length:]) {
		return prefix{}, fmt.Errorf("%w: the tokens are damaged", nn.ErrSequence)
	}
	tokens := make([]int32, length)
	for i := range tokens {
		tokens[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	e.last++
	if err := e.cache.ReadSequence(r, e.last); err != nil {
		return prefix{}, err
	}
	if n := e.cache.Len(e.last); n != length {
		e.cache.Free(e.last)
		return prefix{}, fmt.Errorf("%w: keys and values of %d tokens, not %d", nn.ErrSequence, n, length)
	}
	return prefix{e.last, tokens}, nil
}
