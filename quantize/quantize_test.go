package quantize

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/quant"
)

// TestLlamaCpp: every file that llama.cpp made of its F16 file comes out with its tensors, byte for byte, and its size; the one that
// is there as a whole, as a whole.
func TestLlamaCpp(t *testing.T) {
	c := golden.Open(t, "language", "gguf/llama")
	var files map[string]struct {
		Tensors map[string][2]string
		Bytes   int
	}
	c.Decode("types", &files)
	m, err := Open(filepath.Join(c.ModelDir(), "F16.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tensors := 0
	for name, want := range files {
		if want.Tensors == nil {
			continue
		}
		base, imatrix, _ := strings.Cut(name, "+")
		o := Options{}
		if o.Type, err = ParseType(base); err != nil {
			t.Fatal(err)
		}
		if imatrix != "" {
			o.Importance = map[string][]float32{}
			for _, x := range m.Tensors {
				if len(x.Shape) > 1 {
					o.Importance[x.Name] = c.F32("imatrix." + x.Name)
				}
			}
		}
		out := filepath.Join(t.TempDir(), "out.gguf")
		r, err := Run(context.Background(), m, out, o)
		if err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for tensor, w := range want.Tensors {
			x, ok := f.Tensor(tensor)
			if sum := sha256.Sum256(x.Data); !ok || x.Type.String() != w[0] || hex.EncodeToString(sum[:8]) != w[1] {
				t.Errorf("%s: %s as %s: other bytes than llama.cpp's %s", name, tensor, x.Type, w[0])
			}
			tensors++
		}
		if ft, err := f.Metadata().Int("general.file_type"); err != nil || quant.FileType(ft) != o.Type {
			t.Errorf("%s: file type %d, %v", name, ft, err)
		}
		if base != name || base == "F16" { // llama.cpp notes the matrix, and the F16 file is another program's
			continue
		}
		if info, err := os.Stat(out); err != nil || int(info.Size()) != want.Bytes {
			t.Errorf("%s: %d bytes (%v), want %d", name, info.Size(), err, want.Bytes)
		}
		if name == "Q4_K_M" {
			got, err := os.ReadFile(out)
			whole, err2 := os.ReadFile(filepath.Join(c.ModelDir(), "Q4_K_M.gguf"))
			if err != nil || err2 != nil || !bytes.Equal(got, whole) {
				t.Errorf("the file differs from llama.cpp's (%v, %v)", err, err2)
			}
		}
		if *r.Error < 1e-4 || *r.Error > 0.5 || r.BitsWas < 16 || r.Bits > 10 {
			t.Errorf("%s: error %v, bits per weight %v to %v", name, *r.Error, r.BitsWas, r.Bits)
		}
	}
	if tensors < 16*12 {
		t.Errorf("%d tensors", tensors)
	}
}

// drawn writes a GGUF file of drawn weights and opens it.
func drawn(t testing.TB, typ gguf.Type, shapes map[string][]int, more ...gguf.KV) *Model {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	var list []gguf.Tensor
	for name, shape := range shapes {
		as := typ
		if len(shape) < 2 {
			as = gguf.F32
		}
		n := gguf.Tensor{Shape: shape}.Len()
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		size, err := as.Size(shape)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		if err := quant.Quantize(b, x, as, quant.Options{Cols: shape[len(shape)-1]}); err != nil {
			t.Fatal(err)
		}
		list = append(list, gguf.Tensor{Name: name, Type: as, Shape: shape, Data: b})
	}
	meta := append(gguf.Metadata{{Key: "general.architecture", Value: "llama"}, {Key: "llama.block_count", Value: uint32(2)}}, more...)
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := gguf.Write(path, list, meta); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func fileType(t testing.TB, name string) quant.FileType {
	t.Helper()
	f, err := ParseType(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestByHand: a row whose blocks are worked out by hand. Q8_0 of 0…31 and a 127 has scale 1 and loses nothing; halves lose their
// half.
func TestByHand(t *testing.T) {
	x := make([]float32, 64)
	for i := range 32 {
		x[i], x[32+i] = float32(i), 0.5
	}
	x[31], x[32] = 127, 127
	b := make([]byte, 4*64)
	if err := quant.Quantize(b, x, gguf.F32, quant.Options{}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	err := gguf.Write(filepath.Join(dir, "in.gguf"), []gguf.Tensor{{Name: "w.weight", Type: gguf.F32, Shape: []int{2, 32}, Data: b}},
		gguf.Metadata{{Key: "general.file_type", Value: uint32(0)}, {Key: "general.architecture", Value: "llama"}, {Key: "split.count", Value: uint16(1)}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(filepath.Join(dir, "in.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var told []string
	r, err := Run(context.Background(), m, filepath.Join(dir, "out.gguf"), Options{Type: fileType(t, "q8_0"), Progress: func(done, total int) {
		told = append(told, fmt.Sprint(done, "/", total))
	}})
	if err != nil {
		t.Fatal(err)
	}
	// 0.5 becomes 1 (roundf goes away from zero): 31 differences of 0.5.
	norm := 127.0*127*2 + 31*0.25
	for i := range 31 {
		norm += float64(i * i)
	}
	if want := math.Sqrt(31 * 0.25 / norm); math.Abs(*r.Error-want) > 1e-12 || math.Abs(*r.Tensors[0].Error-want) > 1e-12 {
		t.Errorf("error %v and %v, want %v", *r.Error, *r.Tensors[0].Error, want)
	}
	if r.Before != 256 || r.After != 68 || r.Bits != 8.5 || r.BitsWas != 32 || r.Weights != 64 || r.Type != "Q8_0" || fmt.Sprint(told) != "[256/256]" {
		t.Errorf("%+v, told %v", r, told)
	}
	f, err := gguf.Open(filepath.Join(dir, "out.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := gguf.Metadata{{Key: "general.architecture", Value: "llama"}, {Key: "general.quantization_version", Value: uint32(2)}, {Key: "general.file_type", Value: uint32(7)}}
	if fmt.Sprint(f.Metadata()) != fmt.Sprint(want) {
		t.Errorf("metadata %v, want %v", f.Metadata(), want)
	}
}

// TestChunks: a tensor of more than a chunk has the bytes that it has in one piece, whatever its shape.
func TestChunks(t *testing.T) {
	m := drawn(t, gguf.BF16, map[string][]int{"output.weight": {chunk/256 + 3, 256}, "blk.0.ffn_up.weight": {2, chunk/2 + 256}, "blk.1.ffn_down_exps.weight": {2, 3, 256}, "a.weight": {0, 256}})
	out := filepath.Join(t.TempDir(), "out.gguf")
	r, err := Run(context.Background(), m, out, Options{Type: fileType(t, "q4_0"), Overrides: []Override{override(t, "output|up=q5_1")}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, x := range m.Tensors {
		got, ok := f.Tensor(x.Name)
		want := make([]byte, r.Tensors[i].After)
		values := make([]float32, x.Len())
		if err := quant.Dequantize(values, x.Data, x.Type); err != nil {
			t.Fatal(err)
		}
		if err := quant.Quantize(want, values, r.Tensors[i].to, quant.Options{Cols: x.Shape[len(x.Shape)-1]}); err != nil {
			t.Fatal(err)
		}
		if !ok || !bytes.Equal(got.Data, want) {
			t.Errorf("%s differs from the tensor made in one piece", x.Name)
		}
	}
}

func override(t testing.TB, s string) Override {
	t.Helper()
	v, err := ParseOverride(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestOverrides: the first pattern decides; norms, biases and the router keep F32 whatever a pattern says, in every file type.
func TestOverrides(t *testing.T) {
	m := drawn(t, gguf.F32, map[string][]int{"token_embd.weight": {8, 256}, "output.weight": {8, 256}, "blk.0.attn_norm.weight": {256}, "blk.0.ffn_gate_inp.weight": {8, 256},
		"blk.0.ffn_up.weight": {8, 256}, "blk.1.ffn_up.weight": {8, 256}, "blk.1.attn_q.weight": {8, 288}})
	for name, want := range map[string]string{
		"q4_k_m": "output.weight Q6_K token_embd.weight Q4_K blk.0.attn_norm.weight F32 blk.0.ffn_gate_inp.weight F32 blk.0.ffn_up.weight Q8_0 blk.1.attn_q.weight Q5_0 blk.1.ffn_up.weight Q5_K ",
		"f32":    "output.weight F32 token_embd.weight F32 blk.0.attn_norm.weight F32 blk.0.ffn_gate_inp.weight F32 blk.0.ffn_up.weight Q8_0 blk.1.attn_q.weight F32 blk.1.ffn_up.weight Q5_K ",
	} {
		r, err := Plan(m, Options{Type: fileType(t, name), Overrides: []Override{override(t, `^blk\.0\.=q8_0`), override(t, "ffn_up=q5_k")}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, x := range r.Tensors {
			got += x.Name + " " + x.To + " "
			if x.Error != nil {
				t.Errorf("%s: an error of what is only planned", x.Name)
			}
		}
		if got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	for _, bad := range []string{"", "=q8_0", "ffn", "ffn=q9", "(=q8_0"} {
		if _, err := ParseOverride(bad); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
	if a, b := fileType(t, "q4_k"), fileType(t, "Q4_K_M"); a != b {
		t.Errorf("q4_k is %v", a)
	}
}

// TestRequantize: blocks are not quantised again unless asked; what keeps its type is copied without being asked.
func TestRequantize(t *testing.T) {
	m := drawn(t, gguf.Q8_0, map[string][]int{"blk.0.ffn_up.weight": {8, 256}, "blk.0.attn_norm.weight": {256}})
	for _, name := range []string{"q4_k_m", "f16"} {
		if _, err := Plan(m, Options{Type: fileType(t, name)}); err == nil || !strings.Contains(err.Error(), `tensor "blk.0.ffn_up.weight" is Q8_0 already`) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	out := filepath.Join(t.TempDir(), "out.gguf")
	r, err := Run(context.Background(), m, out, Options{Type: fileType(t, "q8_0")})
	if err != nil || *r.Error != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = Run(context.Background(), m, out, Options{Type: fileType(t, "q4_0"), Requantize: true})
	if err != nil || r.Tensors[1].To != "Q4_0" || *r.Tensors[0].Error != 0 || *r.Tensors[1].Error < 0.01 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestErrors: what cannot be done is said before a file is begun, or leaves none.
func TestErrors(t *testing.T) {
	plain := map[string][]int{"blk.0.ffn_up.weight": {8, 256}}
	m := drawn(t, gguf.F32, plain)
	odd := drawn(t, gguf.F32, map[string][]int{"blk.0.ffn_up.weight": {8, 40}})
	nan := drawn(t, gguf.F32, plain)
	nan.Tensors[0].Data = bytes.Repeat([]byte{0xff}, 4*8*256)
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	out := filepath.Join(t.TempDir(), "out.gguf")
	for _, c := range []struct {
		ctx  context.Context
		m    *Model
		o    Options
		want string
	}{
		{nil, m, Options{Type: 99}, "file type 99 is not known"},
		{nil, m, Options{Type: fileType(t, "iq2_xs")}, "needs an importance matrix"},
		{nil, m, Options{Type: fileType(t, "iq3_s")}, "IQ3_S can only be read"},
		{nil, m, Options{Type: fileType(t, "q8_0"), Overrides: []Override{override(t, "attn=q4_0")}}, `matches "attn"`},
		{nil, odd, Options{Type: fileType(t, "q8_0"), Overrides: []Override{override(t, "ffn=q8_0")}}, "rows of 40"},
		{nil, drawn(t, gguf.F32, map[string][]int{"blk.2.ffn_up.weight": {8, 256}}), Options{Type: fileType(t, "q8_0")}, "the model has 2 layers"},
		{nil, drawn(t, gguf.F32, plain, gguf.KV{Key: "llama.expert_count", Value: "many"}), Options{}, `"llama.expert_count" is`},
		{nil, drawn(t, gguf.F32, plain, gguf.KV{Key: "llama.attention.head_count", Value: int32(-1)}), Options{}, "want a number from 0"},
		{nil, nan, Options{Type: fileType(t, "q8_0")}, "NaN; was the model saved after it diverged?"},
		{stopped, m, Options{Type: fileType(t, "q8_0")}, "context canceled"},
	} {
		if c.ctx == nil {
			c.ctx = context.Background()
		}
		_, err := Run(c.ctx, c.m, out, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "quantize: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a file is left (%v)", c.want, err)
		}
	}
	if _, err := Run(context.Background(), m, m.path, Options{}); err == nil || !strings.Contains(err.Error(), "is the source") {
		t.Errorf("onto itself: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
