package quantize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Samples cuts at most n pieces of length tokens out of a text's tokens, evenly spread; a shorter text is one piece.
func Samples(tokens []int32, n, length int) [][]int32 {
	if len(tokens) == 0 || n <= 0 || length <= 0 {
		return nil
	}
	if len(tokens) <= length {
		return [][]int32{tokens}
	}
	pieces := len(tokens) / length
	n = min(n, pieces)
	list := make([][]int32, n)
	for i := range list {
		at := i * pieces / n * length
		list[i] = tokens[at : at+length]
	}
	return list
}

// Context is how many tokens the model at path (GGUF or a folder) was made for.
func Context(path string) (int, error) {
	if b, err := os.ReadFile(filepath.Join(path, "config.json")); err == nil {
		var c struct {
			Positions int `json:"max_position_embeddings"`
		}
		if err := json.Unmarshal(b, &c); err != nil {
			return 0, fmt.Errorf("quantize: %s: config.json: %w", path, err)
		}
		if c.Positions <= 0 { // left to the default, which no model has below this
			return 2048, nil
		}
		return c.Positions, nil
	}
	m, err := Open(path)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	n, err := m.integer("context_length")
	if err == nil && n == 0 {
		err = errors.New("the file does not say how many tokens its context has")
	}
	if err != nil {
		return 0, fmt.Errorf("quantize: %s: %w", path, err)
	}
	return n, nil
}

// CollectImportance runs the model at path (GGUF or a folder) over samples of text and sums up what the weights of its layers multiply.
// As in llama.cpp, embedding and output layer are left out. told may be nil.
func CollectImportance(ctx context.Context, path string, samples [][]int32, told func(done, total int)) (*Importance, error) {
	m, err := openForInference(path)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	if c, ok := m.(io.Closer); ok {
		defer c.Close()
	}
	out, err := collect(ctx, m, samples, told)
	if err != nil {
		return nil, fmt.Errorf("quantize: %s: %w", path, err)
	}
	return out, nil
}

// openForInference opens a model, with its weights in the mapped file where the family can.
func openForInference(path string) (model.Decoder, error) {
	if b, err := os.ReadFile(filepath.Join(path, "config.json")); err == nil {
		if _, err := llama.ParseConfig(b); err == nil {
			return llama.Map(path)
		}
	}
	return all.OpenDecoder(path, nil)
}

// meter is a weight that sums up the squares of what it multiplies.
type meter struct {
	tensor.Matrix
	sums  []float64
	count int
}

func (m *meter) Mul(dst []float32, ldd int, x []float32, rows, ldx int) {
	for i := range rows {
		for c, v := range x[i*ldx:][:len(m.sums)] {
			m.sums[c] += float64(v) * float64(v)
		}
	}
	m.count += rows
	m.Matrix.Mul(dst, ldd, x, rows, ldx)
}

var (
	layerWeight  = regexp.MustCompile(`^model\.layers\.(\d+)\.(.*)\.weight$`)
	expertWeight = regexp.MustCompile(`\.experts\.(\d+)\.(.*)$`)
	// published are the names in checkpoints of what a mixture's experts call as a plain layer does.
	published = map[string]string{"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}
)

// ggufName is GGUF's name for a layer's weight, and which of its matrices it is; "" for other weights.
func ggufName(name string) (to string, expert int) {
	m := layerWeight.FindStringSubmatch(name)
	if m == nil {
		return "", 0
	}
	place := m[2]
	if e := expertWeight.FindStringSubmatch(place); e != nil {
		expert, _ = strconv.Atoi(e[1])
		place = strings.TrimSuffix(place, e[0]) + ".experts.*." + published[e[2]]
	}
	for _, r := range slices.Concat(attention, dense, experts) {
		if r.from == place && len(r.shape) == 2 {
			return "blk." + m[1] + "." + r.to + ".weight", expert
		}
	}
	return "", 0
}

func collect(ctx context.Context, m model.Decoder, samples [][]int32, told func(done, total int)) (*Importance, error) {
	meters := map[string][]*meter{} // by GGUF's name: one an expert
	opaque := nn.Opaque(m)
	for _, p := range nn.Walk(m) {
		name, expert := ggufName(p.Name)
		at := opaque[p.Tensor]
		if name == "" || at == nil {
			continue
		}
		was, run := *at, *at
		if run == nil {
			run = &wide{p.Tensor.Read(), p.Tensor.Dim(1)}
		}
		t := &meter{Matrix: run, sums: make([]float64, p.Tensor.Dim(1))}
		for len(meters[name]) <= expert {
			meters[name] = append(meters[name], nil)
		}
		*at, meters[name][expert] = t, t
		defer func() { *at = was }()
	}
	if len(meters) == 0 {
		return nil, fmt.Errorf("a %s has no layers whose weights are known here", m.Spec().Family)
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("no text to run the model on")
	}
	if err := runSamples(ctx, m, samples, told); err != nil {
		return nil, err
	}
	out := &Importance{Chunks: len(samples), ChunkSize: len(samples[0]), ByTensor: map[string]ColumnSums{}}
	for name, list := range meters {
		var t ColumnSums
		for _, x := range list {
			t.Counts = append(t.Counts, float32(x.count))
			for _, s := range x.sums {
				t.Sums = append(t.Sums, float32(s))
			}
		}
		out.ByTensor[name] = t
	}
	return out, nil
}

// runSamples runs the model over each, and wants one row of logits, since a call must want some.
func runSamples(ctx context.Context, m model.Decoder, samples [][]int32, told func(done, total int)) error {
	cache, err := m.NewCache(nn.CacheOptions{})
	if err != nil {
		return err
	}
	c := tensor.New(tensor.Options{})
	defer c.Close()
	for i, s := range samples {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		cache.Free(0)
		c.Next(0)
		want := make([]bool, len(s))
		want[len(s)-1] = true
		if _, err := m.Forward(c, model.Batch{Tokens: s, Want: want}, cache); err != nil {
			return err
		}
		if told != nil {
			told(i+1, len(samples))
		}
	}
	return nil
}
