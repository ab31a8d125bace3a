package gemma

import (
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model/llama"
)

// isGGUF recognises Gemma 3's files.
func isGGUF(meta gguf.Metadata) bool {
	arch, _ := meta.Text("general.architecture")
	return arch == "gemma3"
}

// FromGGUF makes a model of an open file, which it closes with Close; on an error the file stays open. Weights stay in their format,
// F16 and BF16 in the mapped file.
func FromGGUF(f *gguf.File) (*Model, error) {
	c, err := ConfigFromGGUF(f)
	if err != nil {
		return nil, err
	}
	parameters := c.Parameters()
	c.Reserve()
	m, err := llama.FillGGUF(f, parameters, func() *Model { return New(c) }, tensorName)
	if err != nil {
		return nil, err
	}
	m.file = f
	return m, nil
}

// ConfigFromGGUF reads the hyper-parameters from a file's metadata, as llama.cpp understands them (models/gemma3.cpp).
func ConfigFromGGUF(f *gguf.File) (Config, error) {
	c := DefaultConfig()
	c.wholeGains = true
	if err := c.ReadGGUF(f); err != nil {
		return c, err
	}
	r := gguf.Keys{Meta: f.Metadata(), Prefix: "gemma3."}
	r.Float(&c.LocalTheta, "rope.freq_base_swa", false)
	var softcap float64
	r.Float(&softcap, "final_logit_softcapping", false)
	if r.Err != nil {
		return c, r.Err
	}
	if softcap != 0 {
		return c, fmt.Errorf("key %q is %v; the logits of this family are not capped", "gemma3.final_logit_softcapping", softcap)
	}
	if c.SlidingWindow == nil { // all layers are global, whatever their number
		c.WindowPattern = 1
	}
	if c.Heads < 1 {
		return c, c.Validate()
	}
	if c.HeadDim == 0 {
		c.HeadDim = c.HiddenSize / c.Heads
	}
	c.QueryScalar = c.HeadDim
	if c.Layers == 62 { // the 27B model
		c.QueryScalar = c.HiddenSize / c.Heads
	}
	return c, c.Validate()
}

// norms are the names of a layer's that Llama has not, or has for others.
var norms = map[string]string{"post_attention_norm.weight": "post_attention_layernorm.weight",
	"ffn_norm.weight": "pre_feedforward_layernorm.weight", "post_ffw_norm.weight": "post_feedforward_layernorm.weight"}

// tensorName is the model's name for a file's tensor.
func tensorName(name string) string {
	if layer, part, ok := strings.Cut(strings.TrimPrefix(name, "blk."), "."); ok && strings.HasPrefix(name, "blk.") {
		if to := norms[part]; to != "" {
			return "model.layers." + layer + "." + to
		}
	}
	return llama.TensorName(name)
}
