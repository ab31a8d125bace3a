package llama

import (
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/quant"
)

// ggufLayers are layers' names in transformers, and in GGUF files.
var ggufLayers = map[string]string{"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
	"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}

// The methods of Config are those of models that build on it, too.

// GGUFArchitecture is what GGUF files call the model; Mistral and Mixtral are Llamas there.
func (c *Config) GGUFArchitecture() string {
	if ggufArchitectures[c.ModelType] != "" {
		return c.ModelType
	}
	return "llama"
}

// GGUFRows tells which row of a checkpoint each row of q and k is in a GGUF file: those of architecture llama have the two rows of a
// rotary pair side by side, transformers a half of the head apart. nil: the same.
func (c *Config) GGUFRows(layer string) []int {
	heads := 0
	switch {
	case c.GGUFArchitecture() != "llama":
	case strings.HasSuffix(layer, ".q_proj"):
		heads = c.Heads
	case strings.HasSuffix(layer, ".k_proj"):
		heads = c.KVHeads
	}
	if heads == 0 {
		return nil
	}
	d := c.HeadDim
	rows := make([]int, heads*d)
	for i := range rows {
		head, k := i/d, i%d
		rows[i] = head*d + k%2*(d/2) + k/2
	}
	return rows
}

// RowOrder implements model.RowOrderer: a model that was read from a GGUF file keeps its rows.
func (c *Config) RowOrder(layer string) []int {
	if !c.adjacent {
		return nil
	}
	return c.GGUFRows(layer)
}

// GGUFName is a layer's name in GGUF files, without .weight; "" where it has none, or is a part of a stack.
func (c *Config) GGUFName(layer string) string {
	switch layer {
	case "model.embed_tokens":
		return "token_embd"
	case "lm_head":
		return "output"
	}
	var i int
	part := ggufLayers[layer[strings.LastIndexByte(layer, '.')+1:]]
	if _, err := fmt.Sscanf(layer, "model.layers.%d.", &i); err != nil || part == "" || strings.Contains(layer, ".experts.") {
		return ""
	}
	return fmt.Sprintf("blk.%d.%s", i, part)
}

// GGUFArchitecture implements model.GGUFLayers.
func (m *Model) GGUFArchitecture() string { return m.Config.GGUFArchitecture() }

// GGUFName implements model.GGUFLayers.
func (m *Model) GGUFName(layer string) string { return m.Config.GGUFName(layer) }

// GGUFRows implements model.GGUFLayers.
func (m *Model) GGUFRows(layer string) []int { return m.Config.GGUFRows(layer) }

// RowOrder implements model.RowOrderer.
func (m *Model) RowOrder(layer string) []int { return m.Config.RowOrder(layer) }

// MixedType implements model.Mixed: the type that a layer has in a file that hanji quantize writes.
func (m *Model) MixedType(recipe quant.FileType, layer string, shape []int) (quant.Type, error) {
	name := m.GGUFName(layer)
	if name == "" {
		return 0, fmt.Errorf("llama: layer %q has no name in GGUF files", layer)
	}
	mix := quant.Mix{FileType: recipe, Layers: m.Config.Layers, GQA: m.Config.Heads / m.Config.KVHeads, Tied: m.Head == nil}
	return mix.TypeOf(name+".weight", shape)
}
