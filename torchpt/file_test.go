package torchpt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/safetensors"
)

func values(t *testing.T, f *File, name string) []float64 {
	t.Helper()
	x, ok := f.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %q; there are %q", name, f.Names())
	}
	v, err := x.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Two real checkpoints of the PatchTST repository: every tensor of the model is
// there (research/forecasting.md §2.1 lists the names), the attention scale is
// head_dim^-0.5, and the head fits the horizon.
func TestPatchTST(t *testing.T) {
	dir := filepath.Join(golden.Shared(t), "data", "patchtst")
	for _, horizon := range []int{96, 336} {
		f, err := Open(filepath.Join(dir, fmt.Sprintf("etth1_336_%d.pth", horizon)))
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("no PatchTST checkpoints in the shared folder")
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		const d, heads, ff, patches = 16, 4, 128, 42 // ETTh1: 336 steps, patches of 16 every 8
		want := map[string][]int{
			"model.backbone.W_pos":      {patches, d},
			"model.backbone.W_P.weight": {d, 16},
			"model.backbone.W_P.bias":   {d},
			"model.head.linear.weight":  {horizon, d * patches},
			"model.head.linear.bias":    {horizon},
		}
		for i := range 3 {
			p := fmt.Sprintf("model.backbone.encoder.layers.%d.", i)
			for _, name := range []string{"self_attn.W_Q", "self_attn.W_K", "self_attn.W_V", "self_attn.to_out.0"} {
				want[p+name+".weight"], want[p+name+".bias"] = []int{d, d}, []int{d}
			}
			want[p+"self_attn.sdp_attn.scale"] = []int{}
			want[p+"ff.0.weight"], want[p+"ff.0.bias"] = []int{ff, d}, []int{ff}
			want[p+"ff.3.weight"], want[p+"ff.3.bias"] = []int{d, ff}, []int{d}
			for _, norm := range []string{"norm_attn.1.", "norm_ffn.1."} {
				for _, name := range []string{"weight", "bias", "running_mean", "running_var"} {
					want[p+norm+name] = []int{d}
				}
				want[p+norm+"num_batches_tracked"] = []int{}
			}
			if got := values(t, f, p+"self_attn.sdp_attn.scale"); got[0] != 1/math.Sqrt(d/heads) {
				t.Errorf("%sscale = %v, want head_dim^-0.5 = %v", p, got, 1/math.Sqrt(d/heads))
			}
			steps, _ := f.Tensor(p + "norm_attn.1.num_batches_tracked")
			if n, err := steps.Int64s(); err != nil || n[0] <= 0 {
				t.Errorf("%s: %v batches tracked, %v", p, n, err)
			}
			for _, v := range values(t, f, p+"norm_ffn.1.running_var") {
				if !(v > 0 && v < 100) {
					t.Errorf("%s: running variance %v", p, v)
				}
			}
		}
		got := map[string][]int{}
		for _, name := range f.Names() {
			x, _ := f.Tensor(name)
			if err := x.Check(); err != nil {
				t.Error(err)
			}
			got[name] = x.Shape
		}
		if len(f.Names()) != 74 || f.Root() != "" {
			t.Errorf("%d tensors at %q, want 74 at the top", len(f.Names()), f.Root())
		}
		// The reference keeps the residual-attention scale and the positions as
		// the table says; the file has nothing beyond it.
		if !reflect.DeepEqual(got, want) {
			for name := range got {
				if want[name] == nil || !slices.Equal(got[name], want[name]) {
					t.Errorf("tensor %q is %v, want %v", name, got[name], want[name])
				}
			}
			for name := range want {
				if _, ok := got[name]; !ok {
					t.Errorf("no tensor %q", name)
				}
			}
		}
	}
}

// The names are those torch itself saw, and the values too: the reference's
// embedding after the positions, less the one before, is W_pos.
func TestPatchTSTAgainstFixture(t *testing.T) {
	for _, name := range golden.Cases(t, "forecasting", "patchtst_orig_etth1_336_*") {
		c := golden.Open(t, "forecasting", name)
		path := filepath.Join(golden.Shared(t), "data", "patchtst", strings.TrimPrefix(name, "patchtst_orig_")+".pth")
		f, err := Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("no PatchTST checkpoints in the shared folder")
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		names := f.Names()
		slices.Sort(names)
		c.CheckValue(t, "extra.checkpoint_keys", names, c.Raw("extra.checkpoint_keys"))

		pos := values(t, f, "model.backbone.W_pos") // [patches, d]
		sum := c.F64("act.W_P")                     // [channels, patches, d]
		for i := range sum {
			sum[i] += pos[i%len(pos)]
		}
		c.Check(t, "act.embed+pos", sum)
	}
}

// Views of one storage: transposed, strided, expanded, scalar, empty, tail.
func TestStrides(t *testing.T) {
	const n = 12
	var data []float32
	for i := range n {
		data = append(data, float32(i))
	}
	view := func(offset int, shape, stride []int) string {
		return rebuilt("FloatStorage", "0", n, offset, nums(shape...), nums(stride...))
	}
	f, err := Parse(checkpoint(t, ordered(
		"plain", view(0, []int{3, 4}, []int{4, 1}),
		"transposed", view(0, []int{4, 3}, []int{1, 4}),
		"column", view(1, []int{3}, []int{4}),
		"expanded", view(5, []int{2, 2}, []int{0, 0}),
		"scalar", view(7, nil, nil),
		"empty", view(99, []int{2, 0}, []int{1, 1}),
		"tail", view(8, []int{1, 2, 2}, []int{77, 2, 1}), // a dimension of 1 has any stride
		"swapped", view(0, []int{2, 3, 2}, []int{1, 2, 6}),
	), f32(data...)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]float64{
		"plain":      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
		"transposed": {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11},
		"column":     {1, 5, 9},
		"expanded":   {5, 5, 5, 5},
		"scalar":     {7},
		"empty":      {},
		"tail":       {8, 9, 10, 11},
		"swapped":    {0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11},
	} {
		if got := values(t, f, name); !slices.Equal(got, want) {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if x, _ := f.Tensor("scalar"); x.Shape == nil || len(x.Shape) != 0 {
		t.Errorf("scalar has shape %#v", x.Shape)
	}
	want := []string{"plain", "transposed", "column", "expanded", "scalar", "empty", "tail", "swapped"}
	if !slices.Equal(f.Names(), want) {
		t.Errorf("names %q", f.Names())
	}
}

func TestDTypes(t *testing.T) {
	v3 := func(dtype string, bytes int, n int) string {
		return call("torch._utils\n_rebuild_tensor_v3", "("+"("+text("storage")+"ctorch.storage\nUntypedStorage\n"+text("0")+text("cpu")+num(bytes)+"tQ"+num(0)+nums(n)+nums(1)+"\x89}ctorch\n"+dtype+"\nt")
	}
	for class, c := range map[string]struct {
		pickle, data string
		dtype        safetensors.DType
		want         []float64
	}{
		"bf16":    {rebuilt("BFloat16Storage", "0", 2, 0, nums(2), nums(1)), "\x80\x3f\x20\xc0", safetensors.BF16, []float64{1, -2.5}},
		"half":    {rebuilt("HalfStorage", "0", 1, 0, nums(1), nums(1)), "\x00\x3e", safetensors.F16, []float64{1.5}},
		"long":    {rebuilt("LongStorage", "0", 1, 0, nums(1), nums(1)), "\xfe\xff\xff\xff\xff\xff\xff\xff", safetensors.I64, []float64{-2}},
		"int":     {rebuilt("IntStorage", "0", 1, 0, nums(1), nums(1)), "\xfe\xff\xff\xff", safetensors.I32, []float64{-2}},
		"short":   {rebuilt("ShortStorage", "0", 1, 0, nums(1), nums(1)), "\xfe\xff", safetensors.I16, []float64{-2}},
		"char":    {rebuilt("CharStorage", "0", 1, 0, nums(1), nums(1)), "\xfe", safetensors.I8, []float64{-2}},
		"byte":    {rebuilt("ByteStorage", "0", 1, 0, nums(1), nums(1)), "\xfe", safetensors.U8, []float64{254}},
		"bool":    {rebuilt("BoolStorage", "0", 3, 0, nums(3), nums(1)), "\x00\x01\x01", safetensors.Bool, []float64{0, 1, 1}},
		"double":  {rebuilt("DoubleStorage", "0", 1, 0, nums(1), nums(1)), "\x00\x00\x00\x00\x00\x00\xf0\x3f", safetensors.F64, []float64{1}},
		"float8":  {v3("float8_e4m3fn", 2, 2), "\x38\x7e", safetensors.F8E4M3, []float64{1, 448}},
		"uint16":  {v3("uint16", 2, 1), "\xff\xff", safetensors.U16, []float64{65535}},
		"v1":      {call("torch._utils\n_rebuild_tensor", "("+store("FloatStorage", "0", 1)+num(0)+nums(1)+nums(1)+"t"), f32(3), safetensors.F32, []float64{3}},
		"larger":  {rebuilt("FloatStorage", "0", 1, 0, nums(1), nums(1)), f32(3, 4), safetensors.F32, []float64{3}}, // record longer than its elements
		"sized":   {rebuilt("FloatStorage", "0", 2, 0, call("torch\nSize", "("+nums(2)+"t"), nums(1)), f32(3, 4), safetensors.F32, []float64{3, 4}},
		"as list": {rebuilt("FloatStorage", "0", 2, 0, "]"+num(2)+"a", "]"+num(1)+"a"), f32(3, 4), safetensors.F32, []float64{3, 4}},
	} {
		f, err := Parse(checkpoint(t, ordered("x", call("torch._utils\n_rebuild_parameter", "("+c.pickle+"\x88"+call("collections\nOrderedDict", ")")+"t")), c.data))
		if err != nil {
			t.Errorf("%s: %v", class, err)
			continue
		}
		x, _ := f.Tensor("x")
		if got := values(t, f, "x"); x.DType != c.dtype || !slices.Equal(got, c.want) {
			t.Errorf("%s: %s %v, want %s %v", class, x.DType, got, c.dtype, c.want)
		}
	}
}

// Weights are found where training programs put them.
func TestRoots(t *testing.T) {
	x := rebuilt("FloatStorage", "0", 1, 0, nums(1), nums(1))
	for name, c := range map[string]struct {
		pickle string
		root   string
		names  []string
	}{
		"flat":          {ordered("a.w", x, "a.b", x), "", []string{"a.w", "a.b"}},
		"attributes":    {ordered("a", x) + "}" + text("_metadata") + ordered("a", "N") + "sb", "", []string{"a"}},
		"state_dict":    {plainDict("epoch", num(3), "state_dict", ordered("a", x), "optimizer_states", "]"+plainDict("m", x)+"a"), "state_dict", []string{"a"}},
		"model":         {plainDict("model", ordered("a", x), "args", plainDict("lr", num(1))), "model", []string{"a"}},
		"two deep":      {plainDict("model", plainDict("state_dict", ordered("a", x))), "model.state_dict", []string{"a"}},
		"whisper":       {plainDict("dims", plainDict("n_mels", num(80)), "model_state_dict", ordered("a", x)), "model_state_dict", []string{"a"}},
		"model is text": {plainDict("model", text("resnet"), "weights", ordered("a", x)), "weights", []string{"a"}},
		"no root":       {plainDict("encoder", ordered("a", x), "decoder", ordered("a", x), "n", num(1)), "", []string{"encoder.a", "decoder.a"}},
		"lists":         {"](" + x + "}" + num(7) + x + "s(" + x + text("s") + "te", "", []string{"0", "1.7", "2.0"}},
		"tensor":        {x, "", []string{"tensor"}},
		"top wins":      {plainDict("w", x, "state_dict", ordered("a", x)), "", []string{"w", "state_dict.a"}},
		"nothing":       {plainDict("a", num(1)), "", nil},
	} {
		f, err := Parse(checkpoint(t, c.pickle, f32(1)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Root() != c.root || !slices.Equal(f.Names(), c.names) {
			t.Errorf("%s: %q at %q, want %q at %q", name, f.Names(), f.Root(), c.names, c.root)
		}
	}
	f, err := Parse(checkpoint(t, plainDict("dims", plainDict("n_mels", num(80), "list", nums(1, 2), "none", "N", "f", "G\x3f\xf8\x00\x00\x00\x00\x00\x00", "dev", call("torch\ndevice", "("+text("cuda")+num(1)+"t"), "t", "ctorch\nfloat16\n", "big", "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01")), ""))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := f.Value("dims")
	if !ok || fmt.Sprint(got) != "map[big:18446744073709551616 dev:cuda:1 f:1.5 list:[1 2] n_mels:80 none:<nil> t:torch.float16]" {
		t.Errorf("dims = %v, %v", got, ok)
	}
	if _, ok := f.Value("dims", "none", "x"); ok {
		t.Error("a value under None")
	}
}

func ExampleParse() {
	// What torch.save({"state_dict": {"w": torch.tensor([[1, 2], [3, 4]]).T}}) writes.
	file := exampleFile()

	f, err := Parse(file)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Println("root:", f.Root())
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		v, err := t.Float32s()
		fmt.Println(t.Name, t.DType, t.Shape, v, err)
	}
	// Output:
	// root: state_dict
	// w F32 [2 2] [1 3 2 4] <nil>
}

func exampleFile() []byte {
	return checkpoint(nil, "}"+text("state_dict")+ordered("w", rebuilt("FloatStorage", "0", 4, 0, nums(2, 2), nums(1, 2)))+"s", f32(1, 2, 3, 4))
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pth")
	if err := os.WriteFile(path, exampleFile(), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := values(t, f, "w"); !slices.Equal(got, []float64{1, 3, 2, 4}) {
		t.Errorf("w = %v", got)
	}
	for range 2 { // closing twice is harmless
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	os.WriteFile(path, bytes.Repeat([]byte("<html>"), 100), 0o644)
	if _, err := Open(path); err == nil || !strings.HasPrefix(err.Error(), "torchpt: "+path+": this is no zip archive") {
		t.Errorf("error is %v", err)
	}
}
