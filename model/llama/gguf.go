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

// isGGUF recognises files without experts.
func isGGUF(meta gguf.Metadata) bool {
	arch, _ := meta.Text("general.architecture")
	experts, _ := meta.Int(arch + ".expert_count")
	return ggufArchitectures[arch] != "" && experts == 0
}

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
	parameters := c.Parameters()
	c.Reserve()
	m, err := FillGGUF(f, parameters, func() *Model { return New(c) }, TensorName)
	if err != nil {
		return nil, err
	}
	m.file = f
	return m, nil
}

// FillGGUF is Fill from an open GGUF file: a model of about so many numbers, whose weights stay in the file's formats; name gives the
// model's name for a file's tensor.
func FillGGUF[M any](f *gguf.File, numbers int64, build func() M, name func(string) string) (m M, err error) {
	if err := weights.EnoughGGUF(f, numbers); err != nil {
		return m, err
	}
	filled := build()
	if err := weights.BindGGUF(filled, f, name); err != nil {
		return m, err
	}
	return filled, nil
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

// TensorName is the model's name for a file's tensor (gguf-py, tensor_mapping.py).
func TensorName(name string) string {
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
	arch, err := f.Metadata().Text("general.architecture")
	if err != nil {
		return Config{}, err
	}
	kind, ok := ggufArchitectures[arch]
	if !ok {
		return Config{}, fmt.Errorf("architecture %q is not of this family; llama, qwen2 and qwen3 are", arch)
	}
	c := DefaultConfig(kind)
	if err := c.ReadGGUF(f); err != nil {
		return c, err
	}
	if experts, err := f.Metadata().Int(arch + ".expert_count"); err == nil && experts > 0 {
		return c, fmt.Errorf("a mixture of %d experts, which is the mixtral family's", experts)
	}
	return c, c.Validate()
}

// ReadGGUF sets what files of this family and of those that build on it have in common; what is missing gets llama.cpp's default. The
// caller validates the whole.
func (c *Config) ReadGGUF(f *gguf.File) error {
	meta := f.Metadata()
	arch, err := meta.Text("general.architecture")
	if err != nil {
		return err
	}
	c.SlidingWindow, c.RopeTheta = nil, 10000
	r := gguf.Keys{Meta: meta, Prefix: arch + "."}
	r.Int(&c.MaxPositions, "context_length", true)
	r.Int(&c.HiddenSize, "embedding_length", true)
	r.Int(&c.IntermediateSize, "feed_forward_length", true)
	r.Int(&c.Layers, "block_count", true)
	r.Int(&c.Heads, "attention.head_count", true)
	c.KVHeads, c.HeadDim = c.Heads, 0
	r.Int(&c.KVHeads, "attention.head_count_kv", false)
	r.Int(&c.HeadDim, "attention.key_length", false)
	r.Float(&c.NormEps, "attention.layer_norm_rms_epsilon", true)
	r.Float(&c.RopeTheta, "rope.freq_base", false)
	window, turned := 0, 0
	r.Int(&window, "attention.sliding_window", false)
	r.Int(&turned, "rope.dimension_count", false)
	if r.Err != nil {
		return r.Err
	}
	embed, ok := f.Tensor("token_embd.weight")
	if !ok || len(embed.Shape) != 2 {
		return errors.New("no token_embd.weight [vocabulary, width]")
	}
	c.VocabSize = embed.Shape[0]
	_, head := f.Tensor("output.weight")
	c.Tied = !head
	_, c.AttentionBias = f.Tensor("blk.0.attn_output.bias")
	_, c.MLPBias = f.Tensor("blk.0.ffn_up.bias")
	c.adjacent = arch == "llama" // its q and k rows are permuted so
	if err := c.ggufTokens(meta); err != nil {
		return err
	}
	if err := c.ggufRope(f, &r); err != nil {
		return err
	}
	if window > 0 {
		if err := c.ggufWindows(&r, window); err != nil {
			return err
		}
	}
	if head := c.HeadDim; turned > 0 {
		if head == 0 && c.Heads > 0 {
			head = c.HiddenSize / c.Heads
		}
		if turned < head {
			c.PartialRotary = float64(turned) / float64(head)
		}
	}
	return nil
}

// ggufWindows reads which layers see a window only: those of a list, or all but one in so many; all where neither is said.
func (c *Config) ggufWindows(r *gguf.Keys, window int) error {
	yes, first := true, 0
	c.SlidingWindow, c.UseSlidingWindow, c.MaxWindowLayers, c.LayerTypes = &window, &yes, &first, nil
	const key = "attention.sliding_window_pattern"
	near, err := r.Meta.Bools(r.Prefix + key)
	switch {
	case errors.Is(err, gguf.ErrNoKey):
		return nil
	case err != nil: // no list
		period := 0
		if r.Int(&period, key, true); r.Err != nil {
			return r.Err
		}
		for i := range min(c.Layers, 1<<10) { // more are none that Validate takes
			near = append(near, period == 0 || i%period < period-1)
		}
	case len(near) < c.Layers:
		return fmt.Errorf("key %q names %d layers of %d", r.Prefix+key, len(near), c.Layers)
	}
	for _, is := range near[:min(c.Layers, len(near))] {
		kind := "full_attention"
		if is {
			kind = "sliding_attention"
		}
		c.LayerTypes = append(c.LayerTypes, kind)
	}
	return nil
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
func (c *Config) ggufRope(f *gguf.File, r *gguf.Keys) error {
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
	kind, err := r.Meta.Text(r.Prefix + "rope.scaling.type")
	if errors.Is(err, gguf.ErrNoKey) || err == nil && kind == "none" {
		return nil
	}
	if err != nil {
		return err
	}
	s := nn.RoPEScaling{Type: kind}
	r.Float(&s.Factor, "rope.scaling.factor", true)
	r.Int(&s.Original, "rope.scaling.original_context_length", false)
	c.RopeScaling = &RopeConfig{RoPEScaling: s}
	return r.Err
}
