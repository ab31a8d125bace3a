package quantize

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/model/mixtral"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

// dat is imatrix.dat as llama.cpp wrote it until 2025.
func dat(tail bool) []byte {
	var b []byte
	num := func(v ...int32) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, uint32(x))
		}
	}
	entry := func(name string, calls int32, values ...float32) {
		num(int32(len(name)))
		b = append(b, name...)
		num(calls, int32(len(values)))
		for _, v := range values {
			num(int32(math.Float32bits(v)))
		}
	}
	num(2)
	entry("blk.0.attn_q.weight", 4, 8, 0, 2)
	entry("blk.0.ffn_up.weight", 0, 3)
	if tail {
		num(7, 8)
		b = append(b, "wiki.txt"...)
	}
	return b
}

func TestImportanceFiles(t *testing.T) {
	for _, tail := range []bool{false, true} {
		m, err := ParseImportance(dat(tail))
		if err != nil {
			t.Fatal(err)
		}
		means := m.Means()
		if len(means) != 2 || !slices.Equal(means["blk.0.attn_q.weight"], []float32{2, 0, 0.5}) || !slices.Equal(means["blk.0.ffn_up.weight"], []float32{3}) {
			t.Errorf("%v", means)
		}
		if tail && (m.Chunks != 7 || !slices.Equal(m.Datasets, []string{"wiki.txt"})) {
			t.Errorf("%+v", m)
		}
	}
	// The GGUF form: experts have counts of their own, and one that saw nothing weighs its columns alike.
	path := filepath.Join(t.TempDir(), "imatrix.gguf")
	m := &Importance{Datasets: []string{"a", "b"}, Chunks: 3, ChunkSize: 512, ByTensor: map[string]ColumnSums{
		"x": {Sums: []float32{2, 4, 0, 0, 3, 6}, Counts: []float32{2, 0, 3}}, "blk.0.attn_q.weight": {Sums: []float32{5}, Counts: []float32{10}}}}
	if err := WriteImportance(path, m); err != nil {
		t.Fatal(err)
	}
	back, err := ReadImportance(path)
	if err != nil {
		t.Fatal(err)
	}
	if back.Chunks != 3 || back.ChunkSize != 512 || !slices.Equal(back.Datasets, m.Datasets) || !slices.Equal(back.Means()["x"], []float32{1, 2, 1, 1, 1, 2}) ||
		!slices.Equal(back.Means()["blk.0.attn_q.weight"], []float32{0.5}) {
		t.Errorf("%+v, %v", back, back.Means())
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if x, _ := f.Tensor("x.counts"); !slices.Equal(x.Shape, []int{3, 1}) || x.Type != gguf.F32 { // ne = 1, 3 as llama.cpp has it
		t.Errorf("%v %v", x.Shape, x.Type)
	}
}

func TestImportanceErrors(t *testing.T) {
	good := dat(false)
	patch := func(at int, v uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], v)
		return b
	}
	var model bytes.Buffer
	if err := gguf.Encode(&model, nil, gguf.Metadata{{Key: "general.architecture", Value: "llama"}}); err != nil {
		t.Fatal(err)
	}
	for want, b := range map[string][]byte{
		"cut off at byte 0":         {},
		"no entries":                make([]byte, 4),
		"1073741824 entries":        patch(0, 1<<30),
		"bytes of a name at byte 4": patch(4, 1<<31-1),
		"stands there twice":        bytes.Replace(good, []byte("blk.0.ffn_up.weight"), []byte("blk.0.attn_q.weight"), 1),
		"bytes are wanted":          good[:len(good)-2],
		"number 1 is NaN":           patch(4+4+19+8+4, 0x7fc00000),
		"number 0 is -8":            patch(4+4+19+8, math.Float32bits(-8)),
		"is no importance matrix":   model.Bytes(),
		"imatrix: gguf":             []byte("GGUF with nothing behind it"),
	} {
		if _, err := ParseImportance(b); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := ReadImportance(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there")
	}
	m := drawn(t, gguf.F32, map[string][]int{"blk.0.ffn_up.weight": {8, 256}})
	if _, err := Plan(m, Options{Type: fileType(t, "q4_k_m"), Importance: map[string][]float32{"blk.7.ffn_up.weight": make([]float32, 256)}}); err == nil || !strings.Contains(err.Error(), "no tensor has an importance") {
		t.Errorf("importance of other names: %v", err)
	}
	for _, n := range []int{255, 512, 2048} {
		_, err := Plan(m, Options{Type: fileType(t, "q4_k_m"), Importance: map[string][]float32{"blk.0.ffn_up.weight": make([]float32, n)}})
		if err == nil || !strings.Contains(err.Error(), "is it of another model?") {
			t.Errorf("%d numbers for 256 columns: %v", n, err)
		}
	}
}

func FuzzParseImportance(f *testing.F) {
	f.Add(dat(true))
	f.Add(dat(false))
	path := filepath.Join(f.TempDir(), "m")
	if err := WriteImportance(path, &Importance{ByTensor: map[string]ColumnSums{"x": {[]float32{1, 2}, []float32{1}}}}); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseImportance(b)
		if err != nil {
			return
		}
		for name, v := range m.Means() {
			if len(v) == 0 || slices.ContainsFunc(v, func(x float32) bool { return !(x >= 0) }) {
				t.Errorf("%q: %v", name, v)
			}
		}
	})
}

// TestCollect: the sums are those of what the layers multiply, which layer 0 tells by hand, for all rows; the model is as before.
func TestCollect(t *testing.T) {
	dir := golden.Open(t, "language", "llama/gqa").ModelDir()
	text := samples(3, 20)
	m, err := CollectImportance(context.Background(), dir, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.ByTensor) != 3*7 || m.Chunks != 3 || m.ChunkSize != 20 {
		t.Errorf("%d tensors, %d chunks of %d", len(m.ByTensor), m.Chunks, m.ChunkSize)
	}
	l, err := llama.Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	want := make([]float64, l.Config.HiddenSize)
	for _, s := range text {
		ids := make([]int64, len(s))
		for i, id := range s {
			ids[i] = int64(id)
		}
		for i, v := range l.Blocks[0].AttnNorm.Forward(l.Embed.Forward(ctx.Ints(ids, len(ids)))).Read() {
			want[i%len(want)] += float64(v) * float64(v)
		}
	}
	q, k := m.ByTensor["blk.0.attn_q.weight"], m.ByTensor["blk.0.attn_k.weight"]
	if q.Counts[0] != 60 || !slices.Equal(q.Sums, k.Sums) {
		t.Errorf("%v rows, or q and k see other inputs", q.Counts)
	}
	for i, v := range q.Sums {
		if !(math.Abs(float64(v)-want[i]) <= 1e-5*want[i]) { // float32
			t.Errorf("column %d: %v, want %v", i, v, want[i])
		}
	}
	// Experts are counted one by one; each row goes to two of them, and the layer sees every row.
	config, err := mixtral.ParseConfig([]byte(`{"model_type": "mixtral", "num_local_experts": 4, "router_aux_loss_coef": 0, ` + strings.Replace(tiny, "%KV%", "2", 1) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	moe := mixtral.New(config)
	moe.Init(1)
	folder := t.TempDir()
	if err := moe.Save(folder); err != nil {
		t.Fatal(err)
	}
	d, err := all.OpenDecoder(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := logitsOf(t, d, text[0])
	if m, err = collect(context.Background(), d, text, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, logitsOf(t, d, text[0])) {
		t.Error("the model is another afterwards")
	}
	up := m.ByTensor["blk.1.ffn_up_exps.weight"]
	total := float32(0)
	for _, n := range up.Counts {
		total += n
	}
	if len(up.Counts) != 4 || total != 120 || len(up.Sums) != 4*64 || m.ByTensor["blk.0.ffn_gate_inp.weight"].Counts[0] != 60 {
		t.Errorf("%d experts saw %v rows", len(up.Counts), up.Counts)
	}
}

// TestExpertImportance: each expert is rounded by its own importance.
func TestExpertImportance(t *testing.T) {
	const name = "blk.0.ffn_up_exps.weight"
	m := drawn(t, gguf.F32, map[string][]int{name: {3, 5, 256}})
	importance := make([]float32, 3*256)
	for i := range importance {
		importance[i] = float32(i%7) + float32(i/256*(i%3))
	}
	out := filepath.Join(t.TempDir(), "out.gguf")
	if _, err := Run(context.Background(), m, out, Options{Type: fileType(t, "q4_k_s"), Importance: map[string][]float32{name: importance}}); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, _ := f.Tensor(name)
	values := make([]float32, 3*5*256)
	if err := quant.Dequantize(values, m.Tensors[0].Data, gguf.F32); err != nil {
		t.Fatal(err)
	}
	var want []byte
	for e := range 3 {
		b := make([]byte, 5*144)
		if err := quant.Quantize(b, values[e*5*256:(e+1)*5*256], got.Type, quant.Options{Cols: 256, Importance: importance[e*256 : (e+1)*256]}); err != nil {
			t.Fatal(err)
		}
		want = append(want, b...)
	}
	if got.Type != gguf.Q4_K || !bytes.Equal(got.Data, want) {
		t.Error("other bytes than those of one expert after another")
	}
}

func TestSamples(t *testing.T) {
	tokens := make([]int32, 103)
	for i := range tokens {
		tokens[i] = int32(i)
	}
	list := Samples(tokens, 3, 10)
	if len(list) != 3 || list[0][0] != 0 || list[1][0] != 30 || list[2][0] != 60 || len(list[2]) != 10 {
		t.Errorf("%v", list)
	}
	if n := len(Samples(tokens, 100, 10)); n != 10 {
		t.Errorf("%d pieces of ten in 103 tokens", n)
	}
	if list := Samples(tokens, 3, 500); len(list) != 1 || len(list[0]) != 103 {
		t.Errorf("%v", list)
	}
	if Samples(nil, 3, 5) != nil {
		t.Error("pieces of nothing")
	}
}
