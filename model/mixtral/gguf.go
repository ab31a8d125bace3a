package mixtral

import (
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model/llama"
)

// isGGUF recognises Mixtral's files: architecture llama, with experts.
func isGGUF(meta gguf.Metadata) bool {
	arch, _ := meta.Text("general.architecture")
	experts, _ := meta.Int("llama.expert_count")
	return arch == "llama" && experts > 0
}

// FromGGUF makes a model of an open file, which it closes with Close; on an error the file stays open. Weights stay in their format,
// F16 and BF16 in the mapped file; each layer's experts are parts of its three stacked tensors, or tensors of their own as in files
// of 2023.
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

// ConfigFromGGUF reads the hyper-parameters from a file's metadata.
func ConfigFromGGUF(f *gguf.File) (Config, error) {
	c := DefaultConfig()
	if err := c.ReadGGUF(f); err != nil {
		return c, err
	}
	r := gguf.Keys{Meta: f.Metadata(), Prefix: "llama."}
	r.Int(&c.Experts, "expert_count", true)
	r.Int(&c.ExpertsPerToken, "expert_used_count", true)
	if r.Err != nil {
		return c, r.Err
	}
	return c, c.Validate()
}

// experts are the names of a layer's, stacked.
var experts = map[string]string{"ffn_gate_exps.weight": "gate_proj", "ffn_up_exps.weight": "up_proj", "ffn_down_exps.weight": "down_proj"}

// tensorName is the model's name for a file's tensor, with a * where a stack of experts is taken apart.
func tensorName(name string) string {
	layer, part, ok := strings.Cut(strings.TrimPrefix(name, "blk."), ".")
	if !ok || !strings.HasPrefix(name, "blk.") {
		return llama.TensorName(name)
	}
	moe := "model.layers." + layer + ".block_sparse_moe."
	if part == "ffn_gate_inp.weight" {
		return moe + "gate.weight"
	}
	if to := experts[part]; to != "" {
		return moe + "experts.*." + to + ".weight"
	}
	if kind, i, ok := strings.Cut(strings.TrimSuffix(part, ".weight"), "."); ok { // ffn_gate.3.weight
		if to := experts[kind+"_exps.weight"]; to != "" {
			return moe + "experts." + i + "." + to + ".weight"
		}
	}
	return llama.TensorName(name)
}

// GGUFArchitecture implements model.GGUFLayers.
func (m *Model) GGUFArchitecture() string { return m.Config.GGUFArchitecture() }

// GGUFName implements model.GGUFLayers; experts have none, being parts of a stack.
func (m *Model) GGUFName(layer string) string { return m.Config.GGUFName(layer) }

// GGUFRows implements model.GGUFLayers.
func (m *Model) GGUFRows(layer string) []int { return m.Config.GGUFRows(layer) }

// RowOrder implements model.RowOrderer.
func (m *Model) RowOrder(layer string) []int { return m.Config.RowOrder(layer) }
