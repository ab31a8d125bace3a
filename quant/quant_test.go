package quant_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/quant"
)

// TestLlamaTensors: quantising llama.cpp's F16 file gives the tensors of its quantised files.
func TestLlamaTensors(t *testing.T) {
	c := golden.Open(t, "language", "gguf/llama")
	src, err := gguf.Open(filepath.Join(c.ModelDir(), "F16.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var files map[string]struct{ Tensors map[string][2]string }
	c.Decode("types", &files)
	tensors := 0
	for file, want := range files {
		for name, w := range want.Tensors {
			x, ok := src.Tensor(name)
			typ, err := gguf.ParseType(w[0])
			if !ok || err != nil {
				t.Fatalf("%s: %q: %v", file, name, err)
			}
			values := make([]float32, x.Len())
			if err := quant.Dequantize(values, x.Data, x.Type); err != nil {
				t.Fatal(err)
			}
			o := quant.Options{Cols: x.Shape[len(x.Shape)-1]}
			if strings.Contains(file, "imatrix") && len(x.Shape) > 1 {
				o.Importance = c.F32("imatrix." + name)
			}
			size, _ := typ.Size(x.Shape)
			got := make([]byte, size)
			if err := quant.Quantize(got, values, typ, o); err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(got); hex.EncodeToString(sum[:8]) != w[1] {
				t.Errorf("%s: %s as %s: other bytes than llama.cpp's", file, name, typ)
			}
			tensors++
		}
	}
	if tensors < 16*12 {
		t.Errorf("%d tensors", tensors)
	}
}

var writable = []quant.Type{
	quant.F16, quant.BF16, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q8_0, quant.Q2_K, quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K,
	quant.IQ4_NL, quant.IQ4_XS, quant.TQ1_0, quant.TQ2_0, quant.MXFP4, quant.NVFP4, quant.Q1_0, quant.Q8_1, quant.Q8_K,
}

func normal(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func roundTrip(t testing.TB, x []float32, typ quant.Type, o quant.Options) (data []byte, back []float32) {
	t.Helper()
	data, back = make([]byte, len(x)/typ.Block()*typ.BlockBytes()), make([]float32, len(x))
	if err := quant.Quantize(data, x, typ, o); err != nil {
		t.Fatal(err)
	}
	if err := quant.Dequantize(back, data, typ); err != nil {
		t.Fatal(err)
	}
	return data, back
}

func rmse(x, y, weight []float32) float64 {
	sum, total := 0.0, 0.0
	for i := range x {
		w, d := 1.0, float64(x[i]-y[i])
		if weight != nil {
			w = float64(weight[i%len(weight)])
		}
		sum += w * d * d
		total += w
	}
	return math.Sqrt(sum / total)
}

// TestError: the root mean square error of standard normal weights, type by type, as it was when
// the bytes were first equal to llama.cpp's. It is what tells a wrong scale from a right one in types
// that no fixture file is made of, and in rows of more than one block.
func TestError(t *testing.T) {
	x := normal(64*512, 1)
	for typ, want := range map[quant.Type]float64{
		quant.F16: 0.000209, quant.BF16: 0.001672, quant.Q8_0: 0.005368, quant.Q6_K: 0.017712, quant.Q5_K: 0.036184, quant.Q5_1: 0.038062, quant.Q5_0: 0.042812,
		quant.Q4_K: 0.071400, quant.Q4_1: 0.078214, quant.Q4_0: 0.086273, quant.IQ4_NL: 0.076161, quant.IQ4_XS: 0.076773, quant.MXFP4: 0.115452, quant.NVFP4: 0.095307,
		quant.Q3_K: 0.151436, quant.Q2_K: 0.297256, quant.TQ2_0: 0.804516, quant.TQ1_0: 0.804516, quant.Q1_0: 0.603266,
	} {
		_, y := roundTrip(t, x, typ, quant.Options{Cols: 512})
		if e := rmse(x, y, nil); math.Abs(e-want) > 0.003*want {
			t.Errorf("%s: rmse %.6f, was %.6f", typ, e, want)
		}
	}
}

// TestImportance: columns that count more are kept better, in the measure that counts.
func TestImportance(t *testing.T) {
	x := normal(32*512, 2)
	importance := make([]float32, 512)
	for i := range importance {
		importance[i] = 0.05
		if i%7 == 0 {
			importance[i] = 20
		}
	}
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q2_K, quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.IQ4_NL, quant.IQ4_XS} {
		_, plain := roundTrip(t, x, typ, quant.Options{Cols: 512})
		_, better := roundTrip(t, x, typ, quant.Options{Cols: 512, Importance: importance})
		if a, b := rmse(x, better, importance), rmse(x, plain, importance); a > 0.95*b {
			t.Errorf("%s: weighted rmse %.4f with importance, %.4f without", typ, a, b)
		}
	}
}

// TestThreads: bytes do not depend on the number of threads, nor rows on their neighbours.
func TestThreads(t *testing.T) {
	x := normal(33*1024, 3)
	defer par.SetThreads(0)
	for _, typ := range writable {
		par.SetThreads(1)
		one, _ := roundTrip(t, x, typ, quant.Options{Cols: 1024})
		par.SetThreads(4)
		four, _ := roundTrip(t, x, typ, quant.Options{Cols: 1024})
		row, _ := roundTrip(t, x[5*1024:6*1024], typ, quant.Options{})
		if !bytes.Equal(one, four) || !bytes.Equal(row, one[5*len(row):6*len(row)]) {
			t.Errorf("%s: other bytes", typ)
		}
	}
}

// TestExtremes: numbers at the ends of float32, and blocks of nothing, do no harm.
func TestExtremes(t *testing.T) {
	for name, v := range map[string]float32{"zero": 0, "subnormal": 1e-45, "1e-41": 1e-41, "tiny": 1e-30, "huge": 1e30, "largest": math.MaxFloat32, "negative zero": float32(math.Copysign(0, -1))} {
		x := make([]float32, 512)
		for i := range x {
			x[i] = v * float32(1-2*(i%2)) / float32(1+i%3)
		}
		for _, typ := range writable {
			if typ == quant.F16 && v > 65504 {
				continue // an error, see TestErrors
			}
			if _, y := roundTrip(t, x, typ, quant.Options{}); v == 0 && y[0] != 0 {
				t.Errorf("%s %s: 0 became %v", typ, name, y[0])
			}
			roundTrip(t, x, typ, quant.Options{Importance: make([]float32, 512)})
		}
	}
}

func TestErrors(t *testing.T) {
	data, x := make([]byte, 288), make([]float32, 512)
	nan := make([]float32, 512)
	nan[300] = float32(math.NaN())
	for want, err := range map[string]error{
		"quant: quantize: 500 elements are no multiple of the 256 of a Q4_K block": quant.Quantize(data, x[:500], quant.Q4_K, quant.Options{}),
		"quant: quantize: 512 elements of Q4_K take 288 bytes, got 287":            quant.Quantize(data[:287], x, quant.Q4_K, quant.Options{}),
		"quant: quantize: 512 elements are no rows of 300":                         quant.Quantize(data, x, quant.Q4_K, quant.Options{Cols: 300}),
		"rows of 128 are no multiple of the 256 elements of a Q4_K block":          quant.Quantize(data, x, quant.Q4_K, quant.Options{Cols: 128}),
		"no rows of -256":                                      quant.Quantize(data, x, quant.Q4_K, quant.Options{Cols: -256}),
		"importance has 3 elements, rows have 256":             quant.Quantize(data, x, quant.Q4_K, quant.Options{Cols: 256, Importance: x[:3]}),
		"element 44 of row 1 is NaN; was the model saved":      quant.Quantize(data, nan, quant.Q4_K, quant.Options{Cols: 256}),
		"importance of column 300 is NaN, want a number from":  quant.Quantize(data, x, quant.Q4_K, quant.Options{Importance: nan}),
		"IQ2_XXS can only be read; Q4_K, Q6_K or Q8_0 can be":  quant.Quantize(data[:132], x, quant.IQ2_XXS, quant.Options{}),
		"element 1 of row 0 is 65520, F16 ends at 65504; take": quant.Quantize(data[:4], []float32{65519, 65520}, quant.F16, quant.Options{}),
		"quant: quantize: type 5 is not known":                 quant.Quantize(data, x, 5, quant.Options{}),
		"quant: dequantize: type 31 is not known":              quant.Dequantize(x, data, 31),
		"quant: dequantize: 512 elements of Q4_K take 288 byt": quant.Dequantize(x, data[:144], quant.Q4_K),
		"quant: dequantize: 33 elements are no multiple of th": quant.Dequantize(x[:33], data, quant.Q8_0),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	if err := quant.Quantize(nil, nil, quant.Q4_K, quant.Options{}); err != nil {
		t.Errorf("nothing: %v", err)
	}
	for _, f := range []func(){
		func() { quant.Dot(quant.F16, nil, nil) },
		func() { quant.Dot(quant.Q4_K, data[:144], data[:144]) },
		func() { quant.Dot(quant.Q4_K, data[:100], data[:292]) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a product that does not fit did not panic")
				}
			}()
			f()
		}()
	}
}

// TestPlainTypes: numbers are numbers.
func TestPlainTypes(t *testing.T) {
	for _, c := range []struct {
		typ  quant.Type
		data []byte
		want float32
	}{
		{quant.F64, []byte{0, 0, 0, 0, 0, 0, 4, 0xc0}, -2.5},
		{quant.I8, []byte{0x80}, -128},
		{quant.I16, []byte{0, 0x80}, -32768},
		{quant.I32, []byte{0xff, 0xff, 0xff, 0xff}, -1},
		{quant.I64, []byte{0, 0, 0, 0, 0, 0, 0, 0x80}, -1 << 63},
		{quant.F32, []byte{0, 0, 0x20, 0xc0}, -2.5},
		{quant.F16, []byte{1, 0}, 0x1p-24},
		{quant.F16, []byte{0, 0xfc}, float32(math.Inf(-1))},
		{quant.BF16, []byte{0x20, 0xc0}, -2.5},
	} {
		got := []float32{9}
		if err := quant.Dequantize(got, c.data, c.typ); err != nil || got[0] != c.want {
			t.Errorf("%s: %v (%v), want %v", c.typ, got[0], err, c.want)
		}
	}
	for v, want := range map[float32]uint16{1: 0x3c00, 65519: 0x7bff, -65504: 0xfbff, 0x1p-25: 0, 0x1.8p-24: 2, -2.5: 0xc100, 1 + 0x1p-11: 0x3c00, 1 + 0x3p-11: 0x3c02} {
		got := make([]byte, 2)
		if err := quant.Quantize(got, []float32{v}, quant.F16, quant.Options{}); err != nil || got[0] != byte(want) || got[1] != byte(want>>8) {
			t.Errorf("%v as F16: %x (%v), want %04x", v, got, err, want)
		}
	}
}

// FuzzBlocks: any bytes are blocks, and any numbers become blocks of the right size whose values
// are within the range of what went in.
func FuzzBlocks(f *testing.F) {
	f.Add(uint32(quant.Q4_K), bytes.Repeat([]byte{1, 0x3c, 0x7f}, 400))
	f.Add(uint32(quant.IQ1_M), bytes.Repeat([]byte{0xff, 0x80}, 600))
	f.Add(uint32(quant.NVFP4), bytes.Repeat([]byte{0x7e, 0xc3, 0x55, 0x40}, 300))
	f.Add(uint32(99), []byte{})
	f.Fuzz(func(t *testing.T, id uint32, data []byte) {
		typ := quant.Type(id % 48)
		if !typ.Known() {
			return
		}
		n := min(len(data)/typ.BlockBytes(), 4)
		values := make([]float32, n*typ.Block())
		if err := quant.Dequantize(values, data[:n*typ.BlockBytes()], typ); err != nil {
			t.Fatal(err)
		}
		if with, ok := quant.DotWith(typ); ok && n > 0 {
			a := make([]byte, n*typ.Block()/with.Block()*with.BlockBytes())
			copy(a, data)
			quant.Dot(typ, data[:n*typ.BlockBytes()], a)
		}
		x := make([]float32, len(data)/4/256*256)
		if err := quant.Dequantize(x, data[:4*len(x)], quant.F32); err != nil {
			t.Fatal(err)
		}
		if !quant.CanQuantize(typ) {
			return
		}
		var importance []float32
		if id >= 48 {
			importance = make([]float32, len(x))
			for i, v := range x {
				importance[i] = float32(math.Abs(float64(v)))
			}
		}
		out := make([]byte, len(x)/typ.Block()*typ.BlockBytes())
		if err := quant.Quantize(out, x, typ, quant.Options{Importance: importance}); err != nil {
			return // not finite
		}
		peak := 0.0
		for _, v := range x {
			peak = max(peak, math.Abs(float64(v)))
		}
		back := make([]float32, len(x))
		if err := quant.Dequantize(back, out, typ); err != nil {
			t.Fatal(err)
		}
		if peak > 6e4 || peak < 1e-3 || importance != nil {
			return // f16 scales overflow, or lose their digits; odd weights give odd fits
		}
		for i, v := range back {
			if a := math.Abs(float64(v)); a > 2.1*peak || a != a {
				t.Fatalf("%s: element %d is %v, the largest was %v", typ, i, v, peak)
			}
		}
	})
}

func BenchmarkQuantize(b *testing.B) {
	x := normal(16*4096, 1)
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q6_K, quant.IQ4_NL} {
		b.Run(fmt.Sprintf("%s/16x4096", typ), func(b *testing.B) {
			out := make([]byte, len(x)/typ.Block()*typ.BlockBytes())
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				if err := quant.Quantize(out, x, typ, quant.Options{Cols: 4096}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDequantize(b *testing.B) {
	x := normal(16*4096, 1)
	for _, typ := range []quant.Type{quant.F16, quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q6_K} {
		b.Run(fmt.Sprintf("%s/16x4096", typ), func(b *testing.B) {
			data, _ := roundTrip(b, x, typ, quant.Options{Cols: 4096})
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := quant.Dequantize(x, data, typ); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDot(b *testing.B) {
	x := normal(4096, 1)
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q6_K} {
		b.Run(fmt.Sprintf("%s/4096", typ), func(b *testing.B) {
			with, _ := quant.DotWith(typ)
			w, _ := roundTrip(b, x, typ, quant.Options{})
			a, _ := roundTrip(b, x, with, quant.Options{})
			b.SetBytes(int64(len(w)))
			for b.Loop() {
				quant.Dot(typ, w, a)
			}
		})
	}
}

func Example() {
	weights := make([]float32, 256)
	for i := range weights {
		weights[i] = float32(i)/128 - 1
	}
	data := make([]byte, quant.Q4_K.BlockBytes())
	if err := quant.Quantize(data, weights, quant.Q4_K, quant.Options{}); err != nil {
		panic(err)
	}
	if err := quant.Dequantize(weights, data, quant.Q4_K); err != nil {
		panic(err)
	}
	fmt.Println(len(data), "bytes for", len(weights), "weights")
	fmt.Printf("%.3f %.3f %.3f\n", weights[0], weights[100], weights[255])
	// Output:
	// 144 bytes for 256 weights
	// -0.996 -0.222 0.968
}
