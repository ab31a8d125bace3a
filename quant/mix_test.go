package quant_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/quant"
)

// TestMixes: for 29 file types and five models every tensor gets the type that llama.cpp gave it.
func TestMixes(t *testing.T) {
	c := golden.Open(t, "language", "gguf/mixes")
	text, err := os.ReadFile(filepath.Join(c.ModelDir(), "mixes.json"))
	if err != nil {
		t.Fatal(err)
	}
	var models map[string]map[string]json.RawMessage // model → file type → tensor → types, or "refused"
	if err := json.Unmarshal(text, &models); err != nil {
		t.Fatal(err)
	}
	var shapes map[string]struct {
		Layers, KV, FFN, Experts int
		Tied                     bool
	}
	c.Decode("extra.shapes", &shapes)
	tensors, files := 0, map[string]bool{}
	for model, want := range models {
		s := shapes[model]
		m := quant.Mix{Layers: s.Layers, GQA: 4 / max(s.KV, 1), Experts: s.Experts, Tied: s.Tied}
		for file, raw := range want {
			name, imatrix, _ := strings.Cut(file, "+")
			files[name] = true
			if m.FileType, err = quant.ParseFileType(name); err != nil {
				t.Fatal(err)
			}
			m.Importance = imatrix != ""
			var types map[string]string
			if string(raw) == `"refused"` {
				if _, err := m.TypeOf("blk.0.attn_q.weight", []int{256, 256}); err == nil || !strings.Contains(err.Error(), "needs an importance matrix") {
					t.Errorf("%s, %s: error is %v", model, file, err)
				}
				continue
			}
			if err := json.Unmarshal(raw, &types); err != nil {
				t.Fatal(err)
			}
			for part, words := range types {
				for layer := range s.Layers {
					word := strings.Fields(words)[layer%len(strings.Fields(words))]
					full, cols := fmt.Sprintf("blk.%d.%s.weight", layer, part), 256
					if part == "output" || part == "token_embd" {
						full = part + ".weight"
					}
					if strings.HasPrefix(part, "ffn_down") && s.FFN > 0 {
						cols = s.FFN
					}
					got, err := m.TypeOf(full, []int{64, cols})
					if err != nil || got.String() != word {
						t.Errorf("%s, %s: %s is %s (%v), want %s", model, file, full, got, err, word)
					}
					tensors++
				}
			}
		}
	}
	if len(files) != 29 || tensors < 7000 {
		t.Errorf("%d file types, %d tensors", len(files), tensors)
	}
}

// TestMixesBeyond: rules that the fixture does not reach, by the reading of llama-quant.cpp.
func TestMixesBeyond(t *testing.T) {
	file := func(name string) quant.FileType {
		f, err := quant.ParseFileType(name)
		if err != nil || f.String() != strings.ToUpper(name) {
			t.Fatal(f, err)
		}
		return f
	}
	for _, c := range []struct {
		m     quant.Mix
		name  string
		shape []int
		want  string
	}{
		{quant.Mix{FileType: file("q4_k_m"), Layers: 80, GQA: 8}, "blk.12.attn_v.weight", []int{1024, 8192}, "Q6_K"},
		{quant.Mix{FileType: file("Q4_K_M"), Layers: 80, GQA: 8}, "blk.11.attn_v.weight", []int{1024, 8192}, "Q5_K"},
		{quant.Mix{FileType: file("Q4_0"), Layers: 32, Importance: true}, "blk.3.ffn_down.weight", []int{4096, 11008}, "Q4_1"},
		{quant.Mix{FileType: file("Q5_0"), Layers: 32, Importance: true}, "blk.4.ffn_down.weight", []int{4096, 11008}, "Q5_0"},
		{quant.Mix{FileType: file("IQ3_XS"), Layers: 32, Importance: true}, "blk.4.ffn_up.weight", []int{11008, 4096}, "IQ3_XXS"},
		{quant.Mix{FileType: file("IQ3_XS"), Layers: 32, Importance: true}, "blk.28.ffn_gate.weight", []int{11008, 4096}, "IQ3_S"},
		{quant.Mix{FileType: file("Q4_K_M"), Layers: 32}, "blk.0.attn_norm.weight", []int{4096}, "F32"},
		{quant.Mix{FileType: file("Q4_K_M"), Layers: 32}, "blk.0.attn_q.bias", []int{4096}, "F32"},
		{quant.Mix{FileType: file("Q4_K_M"), Layers: 32, Experts: 8}, "blk.0.ffn_gate_inp.weight", []int{8, 4096}, "F32"},
		{quant.Mix{FileType: file("F32"), Layers: 32}, "output.weight", []int{32000, 4096}, "F32"},
		{quant.Mix{FileType: file("Q4_K_M"), Layers: 32}, "output.weight", []int{32000, 4128}, "Q8_0"},
	} {
		if got, err := c.m.TypeOf(c.name, c.shape); err != nil || got.String() != c.want {
			t.Errorf("%s: %s as %s (%v), want %s", c.m.FileType, c.name, got, err, c.want)
		}
	}
	for want, m := range map[string]quant.Mix{
		`tensor "blk.9.attn_q.weight": the model has 4 layers`: {FileType: file("Q4_K_M"), Layers: 4},
		"file type 99 is not known":                            {FileType: 99},
	} {
		if _, err := m.TypeOf("blk.9.attn_q.weight", []int{256, 256}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	if _, err := quant.ParseFileType("Q4_K_XXL"); err == nil || !strings.Contains(err.Error(), `file type "Q4_K_XXL" is not known`) {
		t.Errorf("error is %v", err)
	}
}
