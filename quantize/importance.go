package quantize

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/quant"
)

// Importance is an importance matrix, llama.cpp's imatrix: for weights by GGUF's names, sums of squares of what each column multiplied
// in some text.
type Importance struct {
	Datasets  []string // where the text came from
	Chunks    int      // pieces of text that were read; 0: not known
	ChunkSize int      // tokens of one; 0: not known
	ByTensor  map[string]ColumnSums
}

// ColumnSums are a weight's: for each of its matrices (one, or one an expert) Cols sums of squares and the number of rows that were
// summed up.
type ColumnSums struct {
	Sums   []float32 // [matrices, columns]
	Counts []float32 // [matrices]
}

// Means are the mean squares by which Options.Importance weighs columns; 1 for the columns of a matrix that saw nothing, as in
// llama.cpp.
func (m *Importance) Means() map[string][]float32 {
	means := map[string][]float32{}
	for name, t := range m.ByTensor {
		v, cols := make([]float32, len(t.Sums)), len(t.Sums)/len(t.Counts)
		for i, s := range t.Sums {
			if n := t.Counts[i/cols]; n > 0 {
				v[i] = s / n
			} else {
				v[i] = 1
			}
		}
		means[name] = v
	}
	return means
}

// Names in llama.cpp's files (tools/imatrix).
const (
	imatrixSums, imatrixCounts         = ".in_sum2", ".counts"
	imatrixDatasets                    = "imatrix.datasets"
	imatrixChunkCount, imatrixChunkLen = "imatrix.chunk_count", "imatrix.chunk_size"
)

// ReadImportance reads a file of llama.cpp's imatrix: a GGUF file of type imatrix, or the older imatrix.dat.
func ReadImportance(path string) (*Importance, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	m, err := ParseImportance(b)
	if err != nil {
		return nil, fmt.Errorf("quantize: %s: %w", path, err)
	}
	return m, nil
}

// ParseImportance is ReadImportance of a file's bytes.
func ParseImportance(b []byte) (m *Importance, err error) {
	if bytes.HasPrefix(b, []byte("GGUF")) {
		m, err = importanceFromGGUF(b)
	} else {
		m, err = importanceFromDat(b)
	}
	if err != nil {
		return nil, fmt.Errorf("imatrix: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(m.ByTensor)) {
		if err := m.ByTensor[name].check(); err != nil {
			return nil, fmt.Errorf("imatrix: tensor %.80q: %w", name, err)
		}
	}
	return m, nil
}

func (t ColumnSums) check() error {
	if len(t.Counts) == 0 || len(t.Sums) == 0 || len(t.Sums)%len(t.Counts) != 0 {
		return fmt.Errorf("%d sums for %d matrices", len(t.Sums), len(t.Counts))
	}
	for _, list := range [][]float32{t.Sums, t.Counts} {
		for i, v := range list {
			if !(v >= 0) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("number %d is %v, want one from 0", i, v)
			}
		}
	}
	return nil
}

func importanceFromGGUF(b []byte) (*Importance, error) {
	f, err := gguf.Parse(b)
	if err != nil {
		return nil, err
	}
	meta := f.Metadata()
	if kind, err := meta.Text("general.type"); err != nil || kind != "imatrix" {
		return nil, fmt.Errorf("a GGUF file of type %.40q is no importance matrix", kind)
	}
	m := &Importance{ByTensor: map[string]ColumnSums{}}
	if m.Datasets, err = meta.Texts(imatrixDatasets); err != nil && !errors.Is(err, gguf.ErrNoKey) {
		return nil, err
	}
	for key, to := range map[string]*int{imatrixChunkCount: &m.Chunks, imatrixChunkLen: &m.ChunkSize} {
		n, err := meta.Int(key)
		if err != nil && !errors.Is(err, gguf.ErrNoKey) {
			return nil, err
		}
		*to = int(n)
	}
	floats := func(name string) ([]float32, error) {
		t, ok := f.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("no tensor %.80q", name)
		}
		if t.Type != gguf.F32 {
			return nil, fmt.Errorf("tensor %.80q is %s, want F32", name, t.Type)
		}
		v := make([]float32, t.Len())
		return v, quant.Dequantize(v, t.Data, t.Type)
	}
	for _, full := range f.Names() {
		name, ok := strings.CutSuffix(full, imatrixSums)
		if !ok {
			continue // counts, and whatever else a program keeps there
		}
		sums, err := floats(full)
		if err != nil {
			return nil, err
		}
		counts, err := floats(name + imatrixCounts)
		if err != nil {
			return nil, err
		}
		m.ByTensor[name] = ColumnSums{sums, counts}
	}
	return m, nil
}

// importanceFromDat reads imatrix.dat: little-endian int32 and float32; a count, then name, calls and values of each tensor; then,
// perhaps, chunks and the name of the text. A value over its tensor's calls is a mean square; experts lie one after another.
func importanceFromDat(b []byte) (*Importance, error) {
	r := datReader{b: b}
	entries := r.count(1<<20, "entries")
	m := &Importance{ByTensor: map[string]ColumnSums{}}
	for range entries {
		name := string(r.take(r.count(1<<12, "bytes of a name")))
		calls := r.count(math.MaxInt32, "calls")
		raw := r.take(4 * r.count(1<<28, "values"))
		if r.err != nil {
			return nil, r.err
		}
		if _, twice := m.ByTensor[name]; twice || name == "" {
			return nil, fmt.Errorf("tensor %.80q stands there twice, or has no name", name)
		}
		v := make([]float32, len(raw)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		m.ByTensor[name] = ColumnSums{v, []float32{float32(max(calls, 1))}}
	}
	if r.err == nil && len(r.b) > 0 {
		m.Chunks = r.count(math.MaxInt32, "chunks")
		if len(r.b) > 0 {
			m.Datasets = []string{string(r.take(r.count(1<<16, "bytes of a name")))}
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if len(m.ByTensor) == 0 {
		return nil, errors.New("no entries; a file of llama.cpp's imatrix is wanted")
	}
	return m, nil
}

// datReader reads until the first error.
type datReader struct {
	b   []byte
	at  int
	err error
}

func (r *datReader) take(n int) []byte {
	if r.err == nil && n > len(r.b) {
		r.err = fmt.Errorf("cut off at byte %d: %d bytes are wanted, %d are left", r.at, n, len(r.b))
	}
	if r.err != nil {
		return nil
	}
	out := r.b[:n]
	r.b, r.at = r.b[n:], r.at+n
	return out
}

// count is an int32 from 0 to most.
func (r *datReader) count(most int64, what string) int {
	at := r.at
	b := r.take(4)
	if b == nil {
		return 0
	}
	n := int64(int32(binary.LittleEndian.Uint32(b)))
	if n < 0 || n > most {
		r.err = fmt.Errorf("%d %s at byte %d: no file of llama.cpp's imatrix, or a damaged one", n, what, at)
		return 0
	}
	return int(n)
}

// WriteImportance writes the GGUF form of llama.cpp's imatrix.
func WriteImportance(path string, m *Importance) error {
	var list []gguf.Tensor
	for _, name := range slices.Sorted(maps.Keys(m.ByTensor)) {
		t := m.ByTensor[name]
		if err := t.check(); err != nil {
			return fmt.Errorf("quantize: imatrix: tensor %q: %w", name, err)
		}
		n := len(t.Counts)
		list = append(list, gguf.Tensor{Name: name + imatrixSums, Type: gguf.F32, Shape: []int{n, len(t.Sums) / n}, Data: float32Bytes(t.Sums)},
			gguf.Tensor{Name: name + imatrixCounts, Type: gguf.F32, Shape: []int{n, 1}, Data: float32Bytes(t.Counts)})
	}
	err := gguf.Write(path, list, gguf.Metadata{{Key: "general.type", Value: "imatrix"}, {Key: imatrixDatasets, Value: m.Datasets},
		{Key: imatrixChunkCount, Value: uint32(m.Chunks)}, {Key: imatrixChunkLen, Value: uint32(m.ChunkSize)}})
	if err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	return nil
}
