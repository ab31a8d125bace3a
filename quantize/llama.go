package quantize

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tokenizer"
)

// openFolder reads a Llama or Mistral checkpoint (config.json, safetensors, the tokenizer's files) as the GGUF model of architecture
// llama that it is: names and metadata as llama.cpp's convert_hf_to_gguf.py gives them.
func openFolder(dir string) (*Model, error) {
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	c, err := llama.ParseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if c.ModelType != "llama" && c.ModelType != "mistral" {
		return nil, fmt.Errorf("%s: a folder of model_type %q cannot be written as GGUF, those of llama and mistral can", dir, c.ModelType)
	}
	file, err := safetensors.OpenModel(dir)
	if err != nil {
		return nil, err
	}
	m := &Model{path: dir, close: file.Close, heads: map[string]int{}}
	for _, add := range []func() error{
		func() error { return m.addTensors(file, &c) },
		func() error { return m.addLlama(&c, filepath.Base(filepath.Clean(dir))) },
		func() error { return m.addTokenizer(dir, c.VocabSize) },
	} {
		if err := add(); err != nil {
			file.Close()
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	m.sort()
	return m, nil
}

// part is one tensor of a checkpoint.
type part struct {
	name  string // in GGUF
	shape []int
	heads int // > 0: rows to permute
}

// checkpoint lists what a Llama of this configuration has, by the checkpoint's names.
func checkpoint(c *llama.Config) map[string]part {
	C, F, q, kv := c.HiddenSize, c.IntermediateSize, c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	want := map[string]part{
		"model.embed_tokens.weight": {"token_embd.weight", []int{c.VocabSize, C}, 0},
		"model.norm.weight":         {"output_norm.weight", []int{C}, 0},
	}
	if !c.Tied {
		want["lm_head.weight"] = part{"output.weight", []int{c.VocabSize, C}, 0}
	}
	for i := range c.Layers {
		for _, p := range []struct {
			name, gguf string
			shape      []int
			heads      int
			bias       bool
		}{
			{"input_layernorm", "attn_norm", []int{C}, 0, false}, {"post_attention_layernorm", "ffn_norm", []int{C}, 0, false},
			{"self_attn.q_proj", "attn_q", []int{q, C}, c.Heads, c.AttentionBias}, {"self_attn.k_proj", "attn_k", []int{kv, C}, c.KVHeads, c.AttentionBias},
			{"self_attn.v_proj", "attn_v", []int{kv, C}, 0, c.AttentionBias}, {"self_attn.o_proj", "attn_output", []int{C, q}, 0, c.AttentionBias},
			{"mlp.gate_proj", "ffn_gate", []int{F, C}, 0, c.MLPBias}, {"mlp.up_proj", "ffn_up", []int{F, C}, 0, c.MLPBias}, {"mlp.down_proj", "ffn_down", []int{C, F}, 0, c.MLPBias},
		} {
			from, to := fmt.Sprintf("model.layers.%d.%s", i, p.name), fmt.Sprintf("blk.%d.%s", i, p.gguf)
			want[from+".weight"] = part{to + ".weight", p.shape, p.heads}
			if p.bias {
				want[from+".bias"] = part{to + ".bias", p.shape[:1], p.heads}
			}
		}
	}
	return want
}

var plainTypes = map[safetensors.DType]quant.Type{safetensors.F32: quant.F32, safetensors.F16: quant.F16, safetensors.BF16: quant.BF16}

func (m *Model) addTensors(file *safetensors.File, c *llama.Config) error {
	want := checkpoint(c)
	for _, name := range file.Names() {
		t, _ := file.Tensor(name)
		p, ok := want[name]
		switch {
		case !ok && (strings.HasSuffix(name, ".rotary_emb.inv_freq") || c.Tied && name == "lm_head.weight"):
			continue // worked out from the configuration; the embedding again
		case !ok:
			return fmt.Errorf("tensor %.80q is no part of a Llama of this config.json", name)
		case !slices.Equal(t.Shape, p.shape):
			return fmt.Errorf("tensor %q is %v, want %v by config.json", name, t.Shape, p.shape)
		}
		typ, ok := plainTypes[t.DType]
		if !ok {
			return fmt.Errorf("tensor %q is %s, want F32, F16 or BF16", name, t.DType)
		}
		if p.heads > 0 {
			m.heads[p.name] = p.heads
		}
		m.Tensors = append(m.Tensors, gguf.Tensor{Name: p.name, Type: typ, Shape: t.Shape, Data: t.Data})
		delete(want, name)
	}
	if len(want) > 0 {
		return fmt.Errorf("%d tensors are missing, such as %q", len(want), slices.Min(slices.Collect(maps.Keys(want))))
	}
	return nil
}

// addLlama adds the hyper-parameters.
func (m *Model) addLlama(c *llama.Config, name string) error {
	add := func(key string, v any) { m.Metadata = append(m.Metadata, gguf.KV{Key: key, Value: v}) }
	add("general.architecture", "llama")
	add("general.name", name)
	scaling, theta := ropeOf(c)
	add("llama.context_length", uint32(c.MaxPositions))
	add("llama.embedding_length", uint32(c.HiddenSize))
	add("llama.block_count", uint32(c.Layers))
	add("llama.feed_forward_length", uint32(c.IntermediateSize))
	add("llama.attention.head_count", uint32(c.Heads))
	add("llama.attention.head_count_kv", uint32(c.KVHeads))
	add("llama.rope.freq_base", float32(theta))
	add("llama.attention.layer_norm_rms_epsilon", float32(c.NormEps))
	if c.HeadDim*c.Heads != c.HiddenSize {
		add("llama.attention.key_length", uint32(c.HeadDim))
		add("llama.attention.value_length", uint32(c.HeadDim))
	}
	if c.PartialRotary > 0 && c.PartialRotary < 1 {
		return errors.New("a partial_rotary_factor is not supported: the rows of q and k would be ordered otherwise")
	}
	add("llama.rope.dimension_count", uint32(c.HeadDim))
	add("llama.vocab_size", uint32(c.VocabSize))
	if w := c.Windows(); w != nil { // ours; llama.cpp lets a Mistral see everything
		if slices.Min(w) != slices.Max(w) {
			return errors.New("sliding windows in some layers only are not supported")
		}
		add("llama.attention.sliding_window", uint32(w[0]))
	}
	switch scaling.Type {
	case "", "default":
	case "linear":
		add("llama.rope.scaling.type", "linear")
		add("llama.rope.scaling.factor", float32(scaling.Factor))
	case "llama3":
		t, err := llama3Factors(scaling, theta, c.HeadDim)
		if err != nil {
			return fmt.Errorf("factors of RoPE: %w", err)
		}
		m.Tensors = append(m.Tensors, t)
	default:
		return fmt.Errorf("rope_type %q is not supported, linear and llama3 are", scaling.Type)
	}
	return nil
}

// ropeOf is the scaling and the base, wherever the configuration has them.
func ropeOf(c *llama.Config) (s nn.RoPEScaling, theta float64) {
	theta = c.RopeTheta
	for _, r := range []*llama.RopeConfig{c.RopeScaling, c.RopeParameters} {
		if r == nil {
			continue
		}
		if s = r.RoPEScaling; s.Type == "" {
			s.Type = r.OldType
		}
		if r.Theta > 0 {
			theta = r.Theta
		}
	}
	return s, theta
}

// llama3Factors divide the frequencies as Llama 3.1 does: long waves by the factor, short ones by 1, those between by what lies between.
func llama3Factors(s nn.RoPEScaling, theta float64, dim int) (gguf.Tensor, error) {
	x := make([]float32, dim/2)
	original := float64(s.Original)
	for i := range x {
		wave := 2 * math.Pi * math.Pow(theta, float64(2*i)/float64(dim))
		switch {
		case wave < original/s.HighFreq:
			x[i] = 1
		case wave > original/s.LowFreq:
			x[i] = float32(s.Factor)
		default:
			smooth := (original/wave - s.LowFreq) / (s.HighFreq - s.LowFreq)
			x[i] = float32(1 / ((1-smooth)/s.Factor + smooth))
		}
	}
	b := make([]byte, 4*len(x))
	err := quant.Quantize(b, x, quant.F32, quant.Options{})
	return gguf.Tensor{Name: "rope_freqs.weight", Type: quant.F32, Shape: []int{len(x)}, Data: b}, err
}

// addTokenizer adds the vocabulary and the chat template; a folder without one gives a file without one.
func (m *Model) addTokenizer(dir string, tokens int) error {
	v, err := tokenizer.OpenVocabulary(dir)
	if errors.Is(err, fs.ErrNotExist) {
		m.Metadata = append(m.Metadata, gguf.KV{Key: "tokenizer.ggml.model", Value: "no_vocab"})
		return nil
	}
	if err != nil {
		return err
	}
	if err := v.PadTo(tokens); err != nil {
		return err
	}
	m.Metadata = append(m.Metadata, v.Metadata()...)
	switch t, err := chat.OpenDir(dir); {
	case err == nil:
		m.Metadata = append(m.Metadata, gguf.KV{Key: "tokenizer.chat_template", Value: t.Source()})
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// gather copies rows of a tensor whose heads have their rotary pairs in two halves, and puts the pairs side by side: row 2j+p of a
// head is row p·d/2+j of the checkpoint. from and n count elements.
func gather(dst []byte, t gguf.Tensor, heads, from, n int) []byte {
	row := 1 // element of a bias
	if len(t.Shape) > 1 {
		row = t.Shape[1]
	}
	d, size := t.Shape[0]/heads, row*t.Type.BlockBytes()
	dst = dst[:0]
	for r := from / row; r < (from+n)/row; r++ {
		head, k := r/d, r%d
		at := (head*d + k%2*(d/2) + k/2) * size
		dst = append(dst, t.Data[at:at+size]...)
	}
	return dst
}
