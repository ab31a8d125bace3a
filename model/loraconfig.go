package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/hanji-ml/hanji/nn"
)

// LoRAConfig is the part of peft's adapter_config.json that says what the adapters are.
type LoRAConfig struct {
	nn.LoRAOptions
	RankPattern  Pattern `json:"rank_pattern"`  // ranks of layers that have another than r
	AlphaPattern Pattern `json:"alpha_pattern"` // of layers that have another lora_alpha
	Base         string  `json:"base_model_name_or_path"`
}

// Pattern gives layers a value: the first whose regular expression matches a name, or its end from a dot on, decides
// (peft/utils/other.py, get_pattern_key).
type Pattern []struct {
	Name  string
	Value float64
}

// Of is the layer's value, or else other.
func (p Pattern) Of(layer string, other float64) float64 {
	for _, e := range p {
		if re, err := regexp.Compile(`^(.*\.)?(` + e.Name + `)$`); err == nil && re.MatchString(layer) {
			return e.Value
		}
	}
	return other
}

// UnmarshalJSON keeps the order of the object's keys.
func (p *Pattern) UnmarshalJSON(b []byte) error {
	*p = nil
	if string(b) == "null" {
		return nil
	}
	var values map[string]float64
	if err := json.Unmarshal(b, &values); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.Token()
		if err != nil {
			return nil // io.EOF: b was sound
		}
		if name, ok := t.(string); ok {
			if _, err := regexp.Compile(name); err != nil {
				return err
			}
			*p = append(*p, struct {
				Name  string
				Value float64
			}{name, values[name]})
		}
	}
}

// MarshalJSON writes the object, keys in order.
func (p Pattern) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, e := range p {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(e.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e.Value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// ParseLoRAConfig reads adapter_config.json. Adapters that add anything but B·A to layers are an error.
func ParseLoRAConfig(b []byte) (c LoRAConfig, err error) {
	var file struct {
		Kind    string          `json:"peft_type"`
		Targets json.RawMessage `json:"target_modules"`
		Layers  json.RawMessage `json:"layers_to_transform"`
		Exclude json.RawMessage `json:"exclude_modules"`
		Bias    string          `json:"bias"`
		LoRAConfig
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return c, err
	}
	c = file.LoRAConfig
	if file.Kind != "LORA" {
		return c, fmt.Errorf("peft_type is %.40q, want LORA", file.Kind)
	}
	if file.Bias != "" && file.Bias != "none" {
		return c, fmt.Errorf("bias is %.40q: trained biases are not supported", file.Bias)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return c, err
	}
	for _, key := range []string{"use_dora", "fan_in_fan_out", "lora_bias", "use_qalora", "use_bdlora", "modules_to_save", "layer_replication",
		"trainable_token_indices", "target_parameters", "alora_invocation_tokens", "arrow_config", "megatron_config", "kasa_config", "monteclora_config", "velora_config"} {
		if v := string(all[key]); !slices.Contains([]string{"", "null", "false", "[]", "{}"}, v) {
			return c, fmt.Errorf("%s is %.40s, which is not supported", key, v)
		}
	}
	c.Targets = nil
	if none(file.Layers) && none(file.Exclude) {
		if err := json.Unmarshal(file.Targets, &c.Targets); err != nil {
			c.Targets = nil // text: a regular expression
		}
	}
	if c.Rank == 0 || c.Alpha == 0 {
		return c, errors.New("r and lora_alpha are needed")
	}
	return c, c.Validate()
}

func none(v json.RawMessage) bool { return len(v) == 0 || string(v) == "null" || string(v) == "[]" }

// encode is adapter_config.json.
func (c *LoRAConfig) encode() ([]byte, error) {
	o := c.LoRAOptions.WithDefaults()
	var base any // null where it is not known
	if c.Base != "" {
		base = c.Base
	}
	return json.MarshalIndent(map[string]any{
		"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "inference_mode": true,
		"r": o.Rank, "lora_alpha": o.Alpha, "lora_dropout": o.Dropout, "target_modules": o.Targets, "use_rslora": o.RSLoRA,
		"rank_pattern": c.RankPattern, "alpha_pattern": c.AlphaPattern, "bias": "none", "fan_in_fan_out": false, "init_lora_weights": true,
	}, "", "  ")
}

// layer is the rank and the scale that a layer has by the configuration.
func (c *LoRAConfig) layer(name string) (rank int, scale float64) {
	o := c.LoRAOptions
	if r := c.RankPattern.Of(name, 0); r > 0 && r == math.Trunc(r) && r < math.MaxInt32 {
		o.Rank = int(r)
	}
	o.Alpha = 1
	return o.Rank, c.AlphaPattern.Of(name, c.Alpha) * o.Scale()
}
