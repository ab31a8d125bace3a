package weights_test

import (
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/weights"
)

// configurations that others write, what they mean, and what cannot be run.
var configurations = []struct {
	config, beside string
	want           weights.Quantization
	err            string
}{
	{config: `{}`},
	{config: `{"quantization_config": null}`},
	{config: `{"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": true, "sym": true, "checkpoint_format": "gptq", "damp_percent": 0.01}}`,
		want: weights.Quantization{Method: weights.GPTQ, Bits: 4, Group: 128, Symmetric: true}},
	{config: `{"quantization_config": {"quant_method": "gptq", "bits": 8, "group_size": -1, "format": "gptq_v2", "dynamic": {}}}`,
		want: weights.Quantization{Method: weights.GPTQ, Bits: 8, Group: -1, V2: true}},
	{config: `{}`, beside: `{"bits": 3, "group_size": 128, "damp_percent": 0.01, "desc_act": false, "sym": true, "true_sequential": true, "model_name_or_path": null}`,
		want: weights.Quantization{Method: weights.GPTQ, Bits: 3, Group: 128, Symmetric: true}},
	{config: `{"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": true, "version": "gemm", "modules_to_not_convert": null}}`,
		want: weights.Quantization{Method: weights.AWQ, Bits: 4, Group: 128}},
	{config: `{}`, beside: `{"zero_point": true, "q_group_size": 64, "w_bit": 4, "version": "GEMM"}`, want: weights.Quantization{Method: weights.AWQ, Bits: 4, Group: 64}},
	{config: `{"quantization_config": {"quant_method": "compressed-tensors", "format": "int-quantized", "kv_cache_scheme": null, "ignore": ["lm_head"]}}`,
		want: weights.Quantization{Method: weights.Int8, Bits: 8}},
	{config: `[]`, err: "config.json: json"},
	{config: `{"quantization_config": "four bits"}`, err: "config.json: quantization_config: json"},
	{config: `{}`, beside: `{`, err: "quantize_config.json: unexpected end"},
	{config: `{"quantization_config": {"quant_method": "gptq", "bits": 5}}`, err: "bits is 5, want 2, 3, 4 or 8"},
	{config: `{"quantization_config": {"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}}`, err: `checkpoint_format "marlin" is not supported`},
	{config: `{"quantization_config": {"quant_method": "awq", "bits": 4, "version": "gemv"}}`, err: `version "gemv" is not supported`},
	{config: `{"quantization_config": {"quant_method": "awq", "bits": 8}}`, err: "AWQ has bits 8"},
	{config: `{"quantization_config": {"quant_method": "awq", "bits": 4, "zero_point": false}}`, err: "without zero_point"},
	{config: `{"quantization_config": {"quant_method": "compressed-tensors", "format": "float-quantized"}}`, err: `format "float-quantized" is not supported`},
	{config: `{"quantization_config": {"quant_method": "compressed-tensors", "format": "int-quantized", "kv_cache_scheme": {}}}`, err: "kv_cache_scheme"},
	{config: `{"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}}`, err: `quant_method "bitsandbytes" is not supported`},
}

func TestParseQuantization(t *testing.T) {
	for _, c := range configurations {
		var beside []byte
		if c.beside != "" {
			beside = []byte(c.beside)
		}
		q, err := weights.ParseQuantization([]byte(c.config), beside)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), "weights: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error %v, want one with %q", c.config, err, c.err)
			}
		case err != nil:
			t.Errorf("%s %s: %v", c.config, c.beside, err)
		case c.want.Method == "" && q != nil || c.want.Method != "" && (q == nil || *q != c.want):
			t.Errorf("%s %s: %+v, want %+v", c.config, c.beside, q, c.want)
		}
	}
}

func FuzzParseQuantization(f *testing.F) {
	for _, c := range configurations {
		f.Add([]byte(c.config), []byte(c.beside))
	}
	f.Fuzz(func(t *testing.T, config, beside []byte) {
		q, err := weights.ParseQuantization(config, beside)
		if q == nil || err != nil {
			return
		}
		// What is believed binds or complains, whatever the tensors say.
		src := &file{t: map[string]safetensors.Tensor{}}
		for i, name := range []string{"head.qweight", "head.qzeros", "head.scales", "head.g_idx", "head.weight", "head.weight_scale", "head.bias"} {
			b := append(beside, config...)
			b = b[:min(len(b), 40*i)]
			src.order = append(src.order, name)
			src.t[name] = safetensors.Tensor{Name: name, DType: safetensors.I32, Shape: []int{len(b) / 128, 32}, Data: b[:len(b)/128*128]}
		}
		m := &struct{ Head *nn.Linear }{nn.ReserveLinear(32, 32, true)}
		if err := weights.Bind(m, src, weights.Options{Quantized: q}); err == nil {
			t.Error("tensors of one type are a packed layer")
		}
	})
}

// A packed layer's tensors are held against its shape, each named with what is wrong.
func TestPackedProblems(t *testing.T) {
	tensorOf := func(name string, d safetensors.DType, shape ...int) safetensors.Tensor {
		n, err := d.Size(shape)
		if err != nil {
			t.Fatal(err)
		}
		return safetensors.Tensor{Name: name, DType: d, Shape: shape, Data: make([]byte, n)}
	}
	good := func() map[string]safetensors.Tensor {
		return map[string]safetensors.Tensor{
			"head.qweight": tensorOf("head.qweight", safetensors.I32, 8, 32), "head.qzeros": tensorOf("head.qzeros", safetensors.I32, 2, 4),
			"head.scales": tensorOf("head.scales", safetensors.F16, 2, 32), "head.g_idx": tensorOf("head.g_idx", safetensors.I32, 64),
			"head.bias": tensorOf("head.bias", safetensors.F16, 32),
		}
	}
	for _, c := range []struct {
		change func(m map[string]safetensors.Tensor)
		want   string
	}{
		{func(map[string]safetensors.Tensor) {}, ""},
		{func(m map[string]safetensors.Tensor) {
			m["head.scales"] = tensorOf("head.scales", safetensors.BF16, 2, 32)
		}, ""},
		{func(m map[string]safetensors.Tensor) { delete(m, "head.g_idx") }, ""},
		{func(m map[string]safetensors.Tensor) { delete(m, "head.qzeros") }, `tensor "head.qweight" has no qzeros and scales`},
		{func(m map[string]safetensors.Tensor) {
			m["head.scales"] = tensorOf("head.scales", safetensors.F16, 3, 32)
		}, `tensor "head.qzeros" is I32 [2 4], want I32 [3 4]`},
		{func(m map[string]safetensors.Tensor) {
			m["head.qweight"] = tensorOf("head.qweight", safetensors.I64, 8, 32)
		}, `"head.qweight" is I64 [8 32], want I32 [8 32]`},
		{func(m map[string]safetensors.Tensor) { m["head.g_idx"] = tensorOf("head.g_idx", safetensors.I32, 63) }, `"head.g_idx" is I32 [63], want I32 [64]`},
		{func(m map[string]safetensors.Tensor) { m["head.g_idx"].Data[8] = 2 }, "column 2 is of group 2, there are 2"},
		{func(m map[string]safetensors.Tensor) {
			x := m["head.scales"]
			x.Data = x.Data[:5]
			m["head.scales"] = x
		}, `"head.scales"`},
		{func(m map[string]safetensors.Tensor) {
			x := tensorOf("head.scales", safetensors.F32, 2, 32)
			x.Data[1] = 1
			m["head.scales"] = x
		}, "which is no float16"},
		{func(m map[string]safetensors.Tensor) { delete(m, "head.bias") }, `missing "head.bias"`},
	} {
		src := &file{t: good()}
		c.change(src.t)
		for name := range src.t {
			src.order = append(src.order, name)
		}
		m := &struct{ Head *nn.Linear }{nn.ReserveLinear(64, 32, true)}
		nn.Name(m)
		err := weights.Bind(m, src, weights.Options{Quantized: &weights.Quantization{Method: weights.GPTQ, Bits: 4}})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	// A bias that the layer does not have: zeros may be there, as old files have them.
	for _, b := range []byte{0, 1} {
		src := &file{t: good()}
		src.t["head.bias"].Data[3] = b
		for name := range src.t {
			src.order = append(src.order, name)
		}
		err := weights.Bind(&struct{ Head *nn.Linear }{nn.ReserveLinear(64, 32, false)}, src, weights.Options{Quantized: &weights.Quantization{Method: weights.GPTQ, Bits: 4}})
		if (err == nil) != (b == 0) {
			t.Errorf("a bias with %d in it: %v", b, err)
		}
	}
}
