package llama

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// layout is a way in which others store a layer: pack gives its tensors and the weight that they mean.
type layout struct {
	config, beside string // config.json's quantization_config; quantize_config.json, of AWQ quant_config.json
	pack           func(t *testing.T, base string, w []float32, rows, cols int) ([]safetensors.Tensor, []float32)
}

func gptq(bits, group int, actOrder, v2, symmetric bool) func(*testing.T, string, []float32, int, int) ([]safetensors.Tensor, []float32) {
	return func(t *testing.T, base string, w []float32, rows, cols int) ([]safetensors.Tensor, []float32) {
		t.Helper()
		grid := quant.Grid{Bits: bits, Group: min(group, cols), Symmetric: symmetric}
		g, err := quant.RoundToNearest(w, cols, grid)
		if err != nil {
			t.Fatal(err)
		}
		if actOrder { // any order of the columns will do; integers and groups that do not fit the weight are a weight too
			for c := range g.GroupOf {
				g.GroupOf[c] = int32((c*7 + 3) % cols / min(group, cols))
			}
		}
		for i, z := range g.Zero {
			g.Zero[i] = max(z, 1)
		}
		p, err := quant.PackGPTQ(g, v2)
		if err != nil {
			t.Fatal(err)
		}
		back, err := p.Unpack()
		if err != nil {
			t.Fatal(err)
		}
		list := []safetensors.Tensor{ints(base+".qweight", p.QWeight, rows), ints(base+".qzeros", p.QZeros, rows*bits/32), halves(base+".scales", p.Scales, rows),
			{Name: base + ".g_idx", DType: safetensors.I32, Shape: []int{cols}, Data: ints("", p.GroupOf, 1).Data}}
		if strings.Contains(base, "q_proj") { // as AutoGPTQ writes of layers that have none
			list = append(list, safetensors.Tensor{Name: base + ".bias", DType: safetensors.F16, Shape: []int{rows}, Data: make([]byte, 2*rows)})
		}
		return list, back.Values()
	}
}

func awq(t *testing.T, base string, w []float32, rows, cols int) ([]safetensors.Tensor, []float32) {
	t.Helper()
	g, err := quant.AWQRound(w, cols, quant.AWQOptions{Group: 32})
	if err != nil {
		t.Fatal(err)
	}
	p, err := quant.PackAWQ(g)
	if err != nil {
		t.Fatal(err)
	}
	back, err := p.Unpack()
	if err != nil {
		t.Fatal(err)
	}
	return []safetensors.Tensor{ints(base+".qweight", p.QWeight, rows/8), ints(base+".qzeros", p.QZeros, rows/8), halves(base+".scales", p.Scales, rows)}, back.Values()
}

func int8s(perTensor bool) func(*testing.T, string, []float32, int, int) ([]safetensors.Tensor, []float32) {
	return func(t *testing.T, base string, w []float32, rows, cols int) ([]safetensors.Tensor, []float32) {
		t.Helper()
		q, scale, err := quant.Int8Rows(w, cols, perTensor)
		if err != nil {
			t.Fatal(err)
		}
		b, back, shape := make([]byte, len(q)), make([]float32, len(q)), []int{rows, 1}
		for i, v := range q {
			b[i], back[i] = byte(v), float32(v)*scale[i/cols]
		}
		if perTensor {
			scale, shape = scale[:1], []int{1}
		}
		return []safetensors.Tensor{{Name: base + ".weight", DType: safetensors.I8, Shape: []int{rows, cols}, Data: b},
			floats(base+".weight_scale", scale, shape...)}, back
	}
}

func ints(name string, v []int32, cols int) safetensors.Tensor {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return safetensors.Tensor{Name: name, DType: safetensors.I32, Shape: []int{len(v) / cols, cols}, Data: b}
}

func halves(name string, v []uint16, cols int) safetensors.Tensor {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint16(b, x)
	}
	return safetensors.Tensor{Name: name, DType: safetensors.F16, Shape: []int{len(v) / cols, cols}, Data: b}
}

func floats(name string, v []float32, shape ...int) safetensors.Tensor {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: b}
}

var layouts = map[string]layout{
	"gptq 4 bits":         {`{"quant_method": "gptq", "bits": 4, "group_size": 32}`, "", gptq(4, 32, false, false, false)},
	"gptq act-order":      {`{"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": true, "checkpoint_format": "gptq"}`, "", gptq(4, 32, true, false, false)},
	"gptq 3 bits":         {"", `{"bits": 3, "group_size": -1, "desc_act": false}`, gptq(3, 1<<20, false, false, false)},
	"gptq 2 bits":         {"", `{"bits": 2, "group_size": 16}`, gptq(2, 16, true, false, false)},
	"gptq 8 bits":         {`{"quant_method": "gptq", "bits": 8, "group_size": 32, "sym": true}`, "", gptq(8, 32, false, false, true)},
	"gptq v2":             {`{"quant_method": "gptq", "bits": 4, "group_size": 32, "format": "gptq_v2"}`, "", gptq(4, 32, false, true, false)},
	"gptq, v2 called v1":  {`{"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": true, "checkpoint_format": "gptq"}`, "", gptq(4, 32, false, true, true)},
	"gptq, v1 called v2":  {`{"quant_method": "gptq", "bits": 2, "group_size": 32, "sym": true, "checkpoint_format": "gptq_v2"}`, "", gptq(2, 32, false, false, true)},
	"awq":                 {`{"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "gemm"}`, "", awq},
	"awq of 2023":         {"", `{"zero_point": true, "q_group_size": 32, "w_bit": 4, "version": "GEMM"}`, awq},
	"int8 by row":         {`{"quant_method": "compressed-tensors", "format": "int-quantized"}`, "", int8s(false)},
	"int8 a whole tensor": {`{"quant_method": "compressed-tensors", "format": "int-quantized"}`, "", int8s(true)},
}

// write saves m as a folder with its projections packed, and gives m the weights that they mean.
func (l layout) write(t *testing.T, m *Model) string {
	t.Helper()
	dir := t.TempDir()
	var config map[string]any
	b, err := json.Marshal(m.Config)
	if err == nil {
		err = json.Unmarshal(b, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	if l.config != "" {
		config["quantization_config"] = json.RawMessage(l.config)
	}
	if b, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o666); err != nil {
		t.Fatal(err)
	}
	if l.beside != "" {
		name := "quantize_config.json"
		if strings.Contains(l.beside, "w_bit") {
			name = "quant_config.json"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(l.beside), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var list []safetensors.Tensor
	for _, p := range nn.Walk(m) {
		base, isWeight := strings.CutSuffix(p.Name, ".weight")
		if !isWeight || !strings.HasSuffix(base, "_proj") {
			list = append(list, floats(p.Name, p.Tensor.Read(), p.Tensor.Shape()...))
			continue
		}
		parts, means := l.pack(t, base, p.Tensor.Read(), p.Tensor.Dim(0), p.Tensor.Dim(1))
		list = append(list, parts...)
		p.Tensor.SetF32(means)
	}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), list, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

func decode(t *testing.T, m *Model, ids []int32, step int) []float32 {
	t.Helper()
	cache, err := m.NewCache(nn.CacheOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	var all []float32
	for at := 0; at < len(ids); at += step {
		out, err := m.Forward(ctx, model.Batch{Tokens: ids[at:min(at+step, len(ids))]}, cache)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out.Read()...)
	}
	return all
}

// TestQuantizedCheckpoints: a folder in any layout that others write holds the weights that the layout means, to the last bit, and gives
// the logits of the model with these weights in float32 but for inputs rounded to 8 bits; one token at a time as all at once.
func TestQuantizedCheckpoints(t *testing.T) {
	ids := make([]int32, 45)
	for i := range ids {
		ids[i] = int32(i * i * 7 % 50)
	}
	source := golden.Open(t, "language", "llama/gqa").ModelDir()
	for name, l := range layouts {
		float, err := Load(source, nil)
		if err != nil {
			t.Fatal(err)
		}
		dir := l.write(t, float)
		golden.Paths(t, func(t *testing.T) {
			m, err := Load(dir, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			defer m.Close()
			row, bare := make([]float32, m.Config.HiddenSize), float.Blocks[1].MLP.Up.Weight.Read()
			m.Blocks[1].MLP.Up.Matrix.Row(row, 33)
			for i, v := range row {
				if v != bare[33*len(row)+i] {
					t.Fatalf("%s: a weight is %v, want %v", name, v, bare[33*len(row)+i])
				}
			}
			want, got, single := decode(t, float, ids, len(ids)), decode(t, m, ids, len(ids)), decode(t, m, ids, 1)
			// An input rounded to 127 steps of its block's largest is off by 0.6 % of its root mean square, and each of the 21 layers of this
			// random model adds that much anew: √21·0.6 % is 2.7 %.
			if d := distance(got, want); !(d < 0.05) {
				t.Errorf("%s: logits differ by %.4f of their size", name, d)
			}
			// The same integers, but float sums in another order, whose last bits may tip an input over to the next integer.
			if d := distance(single, got); !(d < 1e-3) {
				t.Errorf("%s: token by token by %.5f", name, d)
			}
			t.Logf("%s: %.4f, %.6f", name, distance(got, want), distance(single, got))
		})
	}
}

// distance is the root mean square of the difference over that of b.
func distance(a, b []float32) float64 {
	d, s := 0.0, 0.0
	for i, v := range b {
		x := float64(a[i]) - float64(v)
		d, s = d+x*x, s+float64(v)*float64(v)
	}
	return math.Sqrt(d / s)
}

// Adapters over packed weights have the gradients that they have over the weights which these mean: in float64, where no input is rounded.
func TestAdaptersOnQuantized(t *testing.T) {
	source := golden.Open(t, "language", "llama/gqa").ModelDir()
	for name, l := range layouts {
		float, err := Load(source, nil)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := Load(l.write(t, float), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer packed.Close()
		var grads [2][]nn.Param
		for i, m := range []*Model{float, packed} {
			if _, err := nn.AddLoRA(m, nn.LoRAOptions{Targets: []string{"all-linear"}}); err != nil {
				t.Fatal(err)
			}
			for _, p := range nn.Adapters(m) {
				p.Tensor.FillUniform(nn.Hash(p.Name), -0.1, 0.1)
			}
			nn.Cast(m, tensor.F64)
			ctx := tensor.New(tensor.Options{Grad: true, Train: true})
			defer ctx.Close()
			ids := ctx.Ints([]int64{3, 7, 9, 3, 7, 9, 3, 7, 9, 3, 7, 9, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4}, 2, 12)
			m.Loss(ctx, ids, ids).Backward()
			grads[i] = nn.Trainable(m)
		}
		if len(grads[0]) != len(grads[1]) || len(grads[0]) == 0 {
			t.Fatalf("%s: %d and %d parameters are trained", name, len(grads[0]), len(grads[1]))
		}
		for i, p := range grads[0] {
			got := grads[1][i].Tensor.Grad().ReadF64()
			for k, want := range p.Tensor.Grad().ReadF64() {
				if !(math.Abs(got[k]-want) <= 1e-10) { // some hundred roundings of numbers below 100
					t.Fatalf("%s: %s: gradient %d is %v, want %v", name, p.Name, k, got[k], want)
				}
			}
		}
	}
}
