package generate

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/nn"
)

// savedPrefix is a prefix in a file of EngineOptions.PrefixDir: this as a line of JSON, then what nn.Cache.WriteSequence writes.
type savedPrefix struct {
	Version int     `json:"hanji_prefix"`
	Model   string  `json:"model"` // and the kind of cache
	Tokens  []int32 `json:"tokens"`

	path string
	used time.Time
	size int64
	read bool // since the engine began
}

const (
	prefixVersion = 1
	prefixSuffix  = ".prefix"
	leastSaved    = 256 // tokens: to compute fewer is about as fast as to read them
)

// prefixModel is what a file must name to be of use.
func (o *EngineOptions) prefixModel() string {
	return fmt.Sprintf("%s, %v, pages of %d", o.PrefixModel, o.Cache.DType, o.Cache.PageTokens)
}

// savedPrefixes are those that are of use in PrefixDir, which is made where there is none. What else lies there is left alone.
func (o *EngineOptions) savedPrefixes() ([]savedPrefix, error) {
	dir := o.PrefixDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("generate: prefixes: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"+prefixSuffix))
	if err != nil {
		return nil, fmt.Errorf("generate: prefixes: %w", err)
	}
	var list []savedPrefix
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		p, err := readPrefix(bufio.NewReader(f), o.Context)
		if info, e := f.Stat(); err == nil && e == nil && p.Model == o.prefixModel() {
			p.path, p.used, p.size = path, info.ModTime(), info.Size()
			list = append(list, p)
		}
		f.Close()
	}
	return list, nil
}

// readPrefix reads the line that a file begins with and leaves r behind it. Longer ones than context are an error.
func readPrefix(r *bufio.Reader, context int) (p savedPrefix, err error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) > 1024+12*context { // ids have 10 digits at most
			return p, errors.New("generate: no saved prefix")
		}
	}
	if err := json.Unmarshal(line, &p); err != nil || p.Version != prefixVersion || len(p.Tokens) == 0 || len(p.Tokens) > context {
		return p, errors.New("generate: no saved prefix of this version and context")
	}
	return p, nil
}

// restore reads the saved prefix that has most of the tokens, if that is much more than the best in the cache, into the cache, to
// be kept. A file that is damaged is removed.
func (e *Engine) restore(tokens []int32, best int) {
	at, most := -1, best+leastSaved-1
	for i, p := range e.saved {
		if n := common(tokens, p.Tokens); n > most && !p.read {
			at, most = i, n
		}
	}
	if at < 0 || e.free() < len(e.saved[at].Tokens)+e.o.Cache.PageTokens {
		return
	}
	p := e.saved[at]
	for (e.cache.Room() < len(p.Tokens) || len(e.kept) >= e.o.Prefixes) && e.evict() {
	}
	e.saved[at].read = true
	e.last++
	err := func() error {
		f, err := os.Open(p.path)
		if err != nil {
			return err
		}
		defer f.Close()
		r := bufio.NewReaderSize(f, 1<<20)
		if _, err := readPrefix(r, e.o.Context); err != nil {
			return err
		}
		return e.cache.ReadSequence(r, e.last)
	}()
	switch {
	case errors.Is(err, nn.ErrSequence), err == nil && e.cache.Len(e.last) != len(p.Tokens):
		e.cache.Free(e.last)
		e.saved = slices.Delete(e.saved, at, at+1)
		_ = os.Remove(p.path)
	case err == nil:
		e.kept = append(e.kept, prefix{e.last, p.Tokens})
	}
}

// save writes the kept prefixes that are long enough, and removes what they go on with and, the least recently used first, what is
// more than the engine could keep.
func (e *Engine) save() error {
	if e.o.PrefixDir == "" {
		return nil
	}
	var errs []error
	for _, p := range e.kept {
		if len(p.tokens) < leastSaved {
			continue
		}
		e.saved = slices.DeleteFunc(e.saved, func(s savedPrefix) bool {
			shorter := common(s.Tokens, p.tokens) == len(s.Tokens) && len(s.Tokens) < len(p.tokens)
			if shorter {
				_ = os.Remove(s.path)
			}
			return shorter
		})
		s := savedPrefix{Version: prefixVersion, Model: e.o.prefixModel(), Tokens: p.tokens, used: time.Now()}
		s.path = filepath.Join(e.o.PrefixDir, s.name()+prefixSuffix)
		e.saved = slices.DeleteFunc(e.saved, func(old savedPrefix) bool { return old.path == s.path })
		err := atomicfile.Write(s.path, func(w io.Writer) error {
			if err := json.NewEncoder(w).Encode(s); err != nil {
				return err
			}
			return e.cache.WriteSequence(w, p.seq)
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("generate: prefixes: %w", err))
			continue
		}
		if info, err := os.Stat(s.path); err == nil {
			s.size = info.Size()
		}
		e.saved = append(e.saved, s)
	}
	slices.SortStableFunc(e.saved, func(a, b savedPrefix) int { return b.used.Compare(a.used) })
	for i, left := 0, e.cache.MaxBytes(); i < len(e.saved); i++ {
		if left -= e.saved[i].size; i >= e.o.Prefixes || left < 0 {
			_ = os.Remove(e.saved[i].path)
		}
	}
	return errors.Join(errs...)
}

// name of a file: what is in it, so that one prefix has one file.
func (p *savedPrefix) name() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", p.Model)
	_ = binary.Write(h, binary.LittleEndian, p.Tokens)
	return fmt.Sprintf("%x", h.Sum(nil)[:12])
}
