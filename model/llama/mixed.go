package llama

import (
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/quant"
)

// ggufLayers are layers' names in transformers, and in GGUF files.
var ggufLayers = map[string]string{"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
	"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}

// MixedType implements model.Mixed: the type that a layer has in a file that hanji quantize writes.
func (m *Model) MixedType(recipe quant.FileType, layer string, shape []int) (quant.Type, error) {
	mix := quant.Mix{FileType: recipe, Layers: m.Config.Layers, GQA: m.Config.Heads / m.Config.KVHeads, Tied: m.Head == nil}
	switch layer {
	case "model.embed_tokens":
		return mix.TypeOf("token_embd.weight", shape)
	case "lm_head":
		return mix.TypeOf("output.weight", shape)
	}
	var i int
	if _, err := fmt.Sscanf(layer, "model.layers.%d.", &i); err != nil {
		return 0, fmt.Errorf("llama: layer %q has no name in GGUF files", layer)
	}
	return mix.TypeOf(fmt.Sprintf("blk.%d.%s.weight", i, ggufLayers[layer[strings.LastIndexByte(layer, '.')+1:]]), shape)
}
