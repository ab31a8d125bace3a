package quantize

import (
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model/llama"
)

// family is how the checkpoints of a model_type go into GGUF: llama.cpp's architecture, and the tensors of a layer (gguf-py,
// tensor_mapping.py; the converter's classes in conversion/{llama,qwen,gemma}.py).
type family struct {
	arch    string
	layer   [][]row
	centred bool // norms are stored less 1 in the checkpoint, whole in GGUF
}

// row is one tensor of a layer: its name in the checkpoint and in GGUF, less .weight and .bias, and its shape in letters: C width, F
// hidden width of the MLP, Q all heads of the queries, K of the keys, D one head, E experts. A * stands for an expert: all of them are
// stacked in one tensor.
type row struct{ from, to, shape string }

var (
	attention = []row{{"input_layernorm", "attn_norm", "C"}, {"self_attn.q_proj", "attn_q", "QC"}, {"self_attn.k_proj", "attn_k", "KC"},
		{"self_attn.v_proj", "attn_v", "KC"}, {"self_attn.o_proj", "attn_output", "CQ"}}
	headNorms = []row{{"self_attn.q_norm", "attn_q_norm", "D"}, {"self_attn.k_norm", "attn_k_norm", "D"}}
	oneNorm   = []row{{"post_attention_layernorm", "ffn_norm", "C"}}
	postNorms = []row{{"post_attention_layernorm", "post_attention_norm", "C"}, {"pre_feedforward_layernorm", "ffn_norm", "C"},
		{"post_feedforward_layernorm", "post_ffw_norm", "C"}}
	dense   = []row{{"mlp.gate_proj", "ffn_gate", "FC"}, {"mlp.up_proj", "ffn_up", "FC"}, {"mlp.down_proj", "ffn_down", "CF"}}
	experts = []row{{"block_sparse_moe.gate", "ffn_gate_inp", "EC"}, {"block_sparse_moe.experts.*.w1", "ffn_gate_exps", "FC"},
		{"block_sparse_moe.experts.*.w3", "ffn_up_exps", "FC"}, {"block_sparse_moe.experts.*.w2", "ffn_down_exps", "CF"}}
)

var families = map[string]family{
	"llama":       {arch: "llama", layer: [][]row{attention, oneNorm, dense}},
	"mistral":     {arch: "llama", layer: [][]row{attention, oneNorm, dense}},
	"mixtral":     {arch: "llama", layer: [][]row{attention, oneNorm, experts}},
	"qwen2":       {arch: "qwen2", layer: [][]row{attention, oneNorm, dense}},
	"qwen3":       {arch: "qwen3", layer: [][]row{attention, headNorms, oneNorm, dense}},
	"gemma3_text": {arch: "gemma3", layer: [][]row{attention, headNorms, postNorms, dense}, centred: true},
}

// part is where a tensor of the checkpoint goes.
type part struct {
	name   string // in GGUF
	shape  []int
	heads  int     // > 0: of the rows, whose rotary pairs are brought together
	expert int     // its number in the stack,
	of     int     // of so many; 0: it is no expert
	gain   float64 // > 0: it is stored less 1, and multiplied by this
}

// checkpoint lists what a folder of this configuration has, by the checkpoint's names.
func (d *folder) checkpoint() map[string]part {
	c := d.config
	size := map[rune]int{'C': c.HiddenSize, 'F': c.IntermediateSize, 'Q': c.Heads * c.HeadDim, 'K': c.KVHeads * c.HeadDim, 'D': c.HeadDim, 'E': d.experts}
	want := map[string]part{"model.embed_tokens.weight": {name: "token_embd.weight", shape: []int{c.VocabSize, c.HiddenSize}}}
	if !c.Tied {
		want["lm_head.weight"] = part{name: "output.weight", shape: []int{c.VocabSize, c.HiddenSize}}
	}
	add := func(from, to string, r row) {
		p := part{name: to + ".weight"}
		for _, letter := range r.shape {
			p.shape = append(p.shape, size[letter])
		}
		switch {
		case d.arch == "llama" && r.to == "attn_q":
			p.heads = c.Heads
		case d.arch == "llama" && r.to == "attn_k":
			p.heads = c.KVHeads
		case d.centred && len(r.shape) == 1:
			p.gain = 1
			if r.to == "attn_q_norm" {
				p.gain = d.queries
			}
		}
		if strings.Contains(from, "*") {
			for p.of = d.experts; p.expert < p.of; p.expert++ {
				want[strings.Replace(from, "*", fmt.Sprint(p.expert), 1)+".weight"] = p
			}
			return
		}
		want[from+".weight"] = p
		if biased(c, r) {
			p.name, p.shape = to+".bias", p.shape[:1]
			want[from+".bias"] = p
		}
	}
	add("model.norm", "output_norm", row{shape: "C"})
	for i := range c.Layers {
		for _, rows := range d.layer {
			for _, r := range rows {
				add(fmt.Sprintf("model.layers.%d.%s", i, r.from), fmt.Sprintf("blk.%d.%s", i, r.to), r)
			}
		}
	}
	return want
}

func biased(c *llama.Config, r row) bool {
	switch r.to {
	case "attn_q", "attn_k", "attn_v":
		return c.AttentionBias || c.ModelType == "qwen2"
	case "attn_output":
		return c.AttentionBias && c.ModelType != "qwen2"
	case "ffn_gate", "ffn_up", "ffn_down":
		return c.MLPBias
	}
	return false
}

// reader appends n elements of a tensor, from one on, to dst[:0]: it is put together as it is read.
type reader func(dst []byte, from, n int) []byte

// pairs gives the rows of a tensor whose heads have their rotary pairs in two halves, with the pairs side by side: row 2j+p of a head
// is row p·d/2+j of the checkpoint.
func pairs(t gguf.Tensor, heads int) reader {
	row := 1 // element of a bias
	if len(t.Shape) > 1 {
		row = t.Shape[1]
	}
	d, size := t.Shape[0]/heads, row*t.Type.BlockBytes()
	return func(dst []byte, from, n int) []byte {
		dst = dst[:0]
		for r := from / row; r < (from+n)/row; r++ {
			head, k := r/d, r%d
			at := (head*d + k%2*(d/2) + k/2) * size
			dst = append(dst, t.Data[at:at+size]...)
		}
		return dst
	}
}

// stacked gives tensors of one size one after another.
func stacked(list []gguf.Tensor) reader {
	each, size := list[0].Len(), list[0].Type.BlockBytes()
	return func(dst []byte, from, n int) []byte {
		dst = dst[:0]
		for n > 0 {
			at := from % each
			count := min(n, each-at)
			dst = append(dst, list[from/each].Data[at*size:(at+count)*size]...)
			from, n = from+count, n-count
		}
		return dst
	}
}
