package llama

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/weights"
)

// ggufArchitectures are those of GGUF files that this package is, and the model types that they are. Of Mistral's and Vicuna's files
// the architecture is llama.
var ggufArchitectures = map[string]string{"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}

// LoadGGUF reads a GGUF file (or any part of a split one, or a folder with one): weights stay in their format, F16 and BF16 in
// the mapped file. Close the model when it is not needed any more.
func LoadGGUF(path string) (*Model, error) {
	f, err := gguf.OpenModel(path)
	if err != nil {
		return nil, fmt.Errorf("llama: %w", err)
	}
	m, err := FromGGUF(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("llama: %s: %w", path, err)
	}
	return m, nil
}

// FromGGUF makes a model of an open file, which it closes with Close; on an error the file stays open.
func FromGGUF(f *gguf.File) (*Model, error) {
	c, err := ConfigFromGGUF(f)
	if err != nil {
		return nil, err
	}
	if c.reserve = true; len(f.Names()) < 9*c.Layers { // norms, projections and MLP of every layer
		return nil, fmt.Errorf("%d tensors are too few for %d layers; a file cut off?", len(f.Names()), c.Layers)
	}
	m := New(c)
	if err := weights.BindGGUF(m, f, tensorName); err != nil {
		return nil, err
	}
	m.file = f
	return m, nil
}

// Close gives the file's mapping back. A model that was not read from a GGUF file has none.
func (m *Model) Close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}

// parts are the names within a layer, GGUF's and transformers'.
var parts = strings.NewReplacer("attn_norm", "input_layernorm", "attn_q_norm", "self_attn.q_norm", "attn_k_norm", "self_attn.k_norm",
	"attn_output", "self_attn.o_proj", "attn_q", "self_attn.q_proj", "attn_k", "self_attn.k_proj", "attn_v", "self_attn.v_proj",
	"ffn_norm", "post_attention_layernorm", "ffn_gate", "mlp.gate_proj", "ffn_up", "mlp.up_proj", "ffn_down", "mlp.down_proj")

// tensorName is the model's name for a file's tensor (gguf-py, tensor_mapping.py).
func tensorName(name string) string {
	switch name {
	case "token_embd.weight":
		return "model.embed_tokens.weight"
	case "output_norm.weight":
		return "model.norm.weight"
	case "output.weight":
		return "lm_head.weight"
	case ropeFactors: // part of the configuration
		return ""
	}
	if rest, ok := strings.CutPrefix(name, "blk."); ok {
		return "model.layers." + parts.Replace(rest)
	}
	return name
}

// ropeFactors divide the frequencies, where Llama 3.1's scaling was worked out by the converter.
const ropeFactors = "rope_freqs.weight"

// ConfigFromGGUF reads the hyper-parameters from a file's metadata.
func ConfigFromGGUF(f *gguf.File) (Config, error) {
	meta := f.Metadata()
	arch, err := meta.Text("general.architecture")
	if err != nil {
		return Config{}, err
	}
	kind, ok := ggufArchitectures[arch]
	if !ok {
		return Config{}, fmt.Errorf("architecture %q is not supported; there are llama, qwen2 and qwen3", arch)
	}
	c := DefaultConfig(kind)
	c.SlidingWindow = nil
	r := reader{meta: meta, prefix: arch + "."}
	r.integer(&c.MaxPositions, "context_length", true)
	r.integer(&c.HiddenSize, "embedding_length", true)
	r.integer(&c.IntermediateSize, "feed_forward_length", true)
	r.integer(&c.Layers, "block_count", true)
	r.integer(&c.Heads, "attention.head_count", true)
	c.KVHeads, c.HeadDim = c.Heads, 0
	r.integer(&c.KVHeads, "attention.head_count_kv", false)
	r.integer(&c.HeadDim, "attention.key_length", false)
	r.float(&c.NormEps, "attention.layer_norm_rms_epsilon", true)
	r.float(&c.RopeTheta, "rope.freq_base", false)
	window, turned := 0, 0
	r.integer(&window, "attention.sliding_window", false)
	r.integer(&turned, "rope.dimension_count", false)
	if r.err != nil {
		return c, r.err
	}
	if window > 0 {
		c.SlidingWindow = &window
		yes, first := true, 0
		c.UseSlidingWindow, c.MaxWindowLayers = &yes, &first
	}
	if experts, err := meta.Int(arch + ".expert_count"); err == nil && experts > 0 {
		return c, fmt.Errorf("a mixture of %d experts, which this reader does not know yet", experts)
	}
	embed, ok := f.Tensor("token_embd.weight")
	if !ok || len(embed.Shape) != 2 {
		return c, errors.New("no token_embd.weight [vocabulary, width]")
	}
	c.VocabSize = embed.Shape[0]
	_, head := f.Tensor("output.weight")
	c.Tied = !head
	if _, bias := f.Tensor("blk.0.attn_output.bias"); bias {
		c.AttentionBias = true
	}
	if _, bias := f.Tensor("blk.0.ffn_up.bias"); bias {
		c.MLPBias = true
	}
	c.adjacent = arch == "llama" // its q and k rows are permuted so
	if err := c.ggufTokens(meta); err != nil {
		return c, err
	}
	if err := c.ggufRope(f, &r); err != nil {
		return c, err
	}
	if err := c.Validate(); err != nil {
		return c, err
	}
	if turned > 0 && turned < c.HeadDim {
		c.PartialRotary = float64(turned) / float64(c.HeadDim)
	}
	return c, c.Validate()
}

// ggufTokens reads the ids that begin and end a sequence.
func (c *Config) ggufTokens(meta gguf.Metadata) error {
	for key, set := range map[string]func(int32){
		"tokenizer.ggml.bos_token_id": func(id int32) { c.BOS = &id },
		"tokenizer.ggml.eos_token_id": func(id int32) { c.EOS = append(c.EOS, id) },
		"tokenizer.ggml.eot_token_id": func(id int32) { c.EOS = append(c.EOS, id) },
	} {
		id, err := meta.Int(key)
		if errors.Is(err, gguf.ErrNoKey) {
			continue
		}
		if err != nil {
			return err
		}
		if id < 0 || id >= int64(c.VocabSize) {
			return fmt.Errorf("key %q is %d, the vocabulary has %d tokens", key, id, c.VocabSize)
		}
		set(int32(id))
	}
	return nil
}

// ggufRope reads the scaling of positions.
func (c *Config) ggufRope(f *gguf.File, r *reader) error {
	if t, ok := f.Tensor(ropeFactors); ok {
		if len(t.Shape) != 1 || t.Shape[0] > 1<<16 {
			return fmt.Errorf("tensor %q is %v, want one factor for each frequency", ropeFactors, t.Shape)
		}
		v := make([]float32, t.Shape[0])
		if err := quant.Dequantize(v, t.Data, t.Type); err != nil {
			return fmt.Errorf("tensor %q: %w", ropeFactors, err)
		}
		wide := make([]float64, len(v))
		for i, x := range v {
			wide[i] = float64(x)
		}
		// LongRoPE divides each frequency by a factor of its own; with factor 1 it does nothing else.
		c.RopeScaling = &RopeConfig{RoPEScaling: nn.RoPEScaling{Type: "longrope", Factor: 1, Original: c.MaxPositions, Short: wide, Long: wide}}
		return nil
	}
	kind, err := r.meta.Text(r.prefix + "rope.scaling.type")
	if errors.Is(err, gguf.ErrNoKey) || err == nil && kind == "none" {
		return nil
	}
	if err != nil {
		return err
	}
	s := nn.RoPEScaling{Type: kind}
	r.float(&s.Factor, "rope.scaling.factor", true)
	r.integer(&s.Original, "rope.scaling.original_context_length", false)
	c.RopeScaling = &RopeConfig{RoPEScaling: s}
	return r.err
}

// reader reads metadata until the first error.
type reader struct {
	meta   gguf.Metadata
	prefix string
	err    error
}

func (r *reader) integer(to *int, key string, must bool) {
	v, err := r.meta.Int(r.prefix + key)
	switch {
	case r.err != nil || !must && errors.Is(err, gguf.ErrNoKey):
	case err != nil:
		r.err = err
	case v < 0 || v > 1<<31-1:
		r.err = fmt.Errorf("key %q is %d", r.prefix+key, v)
	default:
		*to = int(v)
	}
}

func (r *reader) float(to *float64, key string, must bool) {
	v, err := r.meta.Float(r.prefix + key)
	switch {
	case r.err != nil || !must && errors.Is(err, gguf.ErrNoKey):
	case err != nil:
		r.err = err
	default:
		*to = v
	}
}
