package model

import (
	"math"
	"strings"
	"testing"
)

// The first pattern that matches a layer's name, or its end from a dot on, decides; without one r and lora_alpha do.
func TestLoRAConfig(t *testing.T) {
	c, err := ParseLoRAConfig([]byte(`{"peft_type": "LORA", "r": 4, "lora_alpha": 6, "lora_dropout": 0.5, "target_modules": ["q_proj"], "bias": "none", "use_dora": false,
		"rank_pattern": {"b.q_proj": 8, "q_proj": 2}, "alpha_pattern": {"layers\\.[01]\\..*": 16, "o_proj": 3, "x": 0}, "future": {"a": 1}}`))
	if err != nil {
		t.Fatal(err)
	}
	for layer, want := range map[string]struct {
		rank  int
		scale float64
	}{
		"a.q_proj": {2, 3}, "a.b.q_proj": {8, 0.75}, "ab.q_proj": {2, 3}, "aq_proj": {4, 1.5}, "m.layers.1.o_proj": {4, 4}, "m.layers.2.o_proj": {4, 0.75}, "x": {4, 0},
	} {
		if rank, scale := c.layer(layer); rank != want.rank || math.Abs(scale-want.scale) > 1e-15 {
			t.Errorf("%s: rank %d, scale %v, want %+v", layer, rank, scale, want)
		}
	}
	if c.Dropout != 0.5 || len(c.Targets) != 1 {
		t.Errorf("%+v", c)
	}
	c.RSLoRA = true
	if _, scale := c.layer("k"); scale != 3 {
		t.Errorf("scale %v with use_rslora, want alpha/√r = 3", scale)
	}
	for config, want := range map[string]string{
		`{`:                     "unexpected end",
		`{"peft_type": "LORA"}`: "r and lora_alpha",
		`{"peft_type": "LORA", "r": 4, "lora_alpha": 1e999}`:                                    "lora_alpha",
		`{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "lora_dropout": 1}`:                     "lora_dropout is 1",
		`{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "rank_pattern": {"(": 2}}`:              "missing closing )",
		`{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "rank_pattern": {"a": "b"}}`:            "string",
		`{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "modules_to_save": ["lm_head"]}`:        `modules_to_save is ["lm_head"]`,
		`{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "layer_replication": [[0, 4], [2, 5]]}`: "layer_replication",
	} {
		if _, err := ParseLoRAConfig([]byte(config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}

func FuzzLoRAConfig(f *testing.F) {
	f.Add([]byte(`{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "rank_pattern": {"a": 2}, "alpha_pattern": {"b.*": 0.5}}`))
	f.Add([]byte(`{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": "all-linear", "use_rslora": true, "lora_dropout": 0.1}`))
	f.Add([]byte(`{"peft_type": "LORA", "r": 1e9, "lora_alpha": -1, "rank_pattern": null, "layers_to_transform": [1]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseLoRAConfig(b)
		if err != nil {
			return
		}
		rank, scale := c.layer("model.layers.0.self_attn.q_proj")
		if rank < 1 || math.IsNaN(scale) {
			t.Errorf("rank %d, scale %v", rank, scale)
		}
		if len(c.Targets) == 0 {
			return
		}
		written, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseLoRAConfig(written)
		if err != nil {
			t.Fatalf("what is written is not read: %v\n%s", err, written)
		}
		if r, s := again.layer("model.layers.0.self_attn.q_proj"); r != rank || s != scale {
			t.Errorf("rank %d and scale %v come back as %d and %v", rank, scale, r, s)
		}
	})
}
