package llama

import (
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/quant"
)

// ggufLayers are layers' names in transformers, and in GGUF files.
var ggufLayers = map[string]string{"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
	"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}

// GGUFName is a layer's name in GGUF files, without .weight; "" where it has none.
func (m *Model) GGUFName(layer string) string {
	switch layer {
	case "model.embed_tokens":
		return "token_embd"
	case "lm_head":
		return "output"
	}
	var i int
	part := ggufLayers[layer[strings.LastIndexByte(layer, '.')+1:]]
	if _, err := fmt.Sscanf(layer, "model.layers.%d.", &i); err != nil || part == "" {
		return ""
	}
	return fmt.Sprintf("blk.%d.%s", i, part)
}

// MixedType implements model.Mixed: the type that a layer has in a file that hanji quantize writes.
func (m *Model) MixedType(recipe quant.FileType, layer string, shape []int) (quant.Type, error) {
	name := m.GGUFName(layer)
	if name == "" {
		return 0, fmt.Errorf("llama: layer %q has no name in GGUF files", layer)
	}
	mix := quant.Mix{FileType: recipe, Layers: m.Config.Layers, GQA: m.Config.Heads / m.Config.KVHeads, Tied: m.Head == nil}
	return mix.TypeOf(name+".weight", shape)
}
