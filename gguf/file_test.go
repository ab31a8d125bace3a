package gguf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/internal/golden"
)

// raw builds files byte by byte, right and wrong ones.
type raw struct{ bytes.Buffer }

func file(version uint32, tensors, kvs uint64) *raw {
	r := &raw{}
	r.WriteString("GGUF")
	return r.u32(version).u64(tensors).u64(kvs)
}

func (r *raw) u32(v ...uint32) *raw { binary.Write(r, binary.LittleEndian, v); return r }
func (r *raw) u64(v ...uint64) *raw { binary.Write(r, binary.LittleEndian, v); return r }
func (r *raw) text(s string) *raw   { r.u64(uint64(len(s))).WriteString(s); return r }
func (r *raw) zeros(n int) *raw     { r.Write(make([]byte, n)); return r }
func (r *raw) data(n int) *raw      { return r.zeros((32-r.Len()%32)%32 + n) }

// tensor appends a tensor's entry; ne has the fastest dimension first.
func (r *raw) tensor(name string, typ gguf.Type, offset uint64, ne ...uint64) *raw {
	return r.text(name).u32(uint32(len(ne))).u64(ne...).u32(uint32(typ)).u64(offset)
}

// What the reference refuses is refused, with the reason and the place.
func TestBadFiles(t *testing.T) {
	for name, c := range map[string]struct {
		file *raw
		want string
	}{
		"empty":              {&raw{}, "byte 0: 4 bytes are wanted, 0 are left; truncated download?"},
		"other":              {file(3, 0, 0).zeros(4), ""}, // trailing bytes are let be
		"html":               {&raw{*bytes.NewBufferString("<!DOCTYPE html>")}, `begins with "<!DO", want "GGUF"; is this a GGUF file?`},
		"version 0":          {file(0, 0, 0), "GGUF version 0"},
		"version 1":          {file(1, 0, 0), "GGUF version 1, which no reader supports"},
		"version 4":          {file(4, 0, 0), "GGUF version 4, 2 and 3 are known"},
		"big-endian":         {file(3<<24, 0, 0), "is a big-endian file"},
		"many tensors":       {file(3, 1<<60, 0).zeros(40), "byte 8: 1152921504606846976 tensors do not fit the 48 bytes"},
		"many keys":          {file(3, 0, 1<<60).zeros(40), "byte 16: 1152921504606846976 metadata entries do not fit the 40 bytes"},
		"negative count":     {file(3, math.MaxUint64, 0), "18446744073709551615 tensors do not fit"},
		"empty key":          {file(3, 0, 1).text("").u32(4, 1), "metadata key at byte 24 is empty"},
		"key twice":          {file(3, 0, 2).text("a").u32(4, 1).text("a").u32(4, 2), `key "a" stands twice, again before byte 58`},
		"huge key":           {file(3, 0, 1).u64(1 << 40).zeros(20), "metadata key: byte 24: a string of 1099511627776 bytes, at most 1073741824"},
		"key of half a GB":   {file(3, 0, 1).u64(1 << 29).zeros(20), "byte 32: 536870912 bytes are wanted, 20 are left"},
		"value type 13":      {file(3, 0, 1).text("a").u32(13, 0), `key "a": byte 33: value type 13 is not known`},
		"truncated value":    {file(3, 0, 1).text("abc").u32(4).zeros(1), `key "abc": byte 39: 4 bytes are wanted, 1 are left`},
		"nested array":       {file(3, 0, 1).text("a").u32(9, 9).u64(1).zeros(20), `key "a": byte 37: an array of arrays`},
		"array type 99":      {file(3, 0, 1).text("a").u32(9, 99).u64(1), `key "a": byte 37: element type 99 is not known`},
		"long array":         {file(3, 0, 1).text("a").u32(9, 10).u64(1 << 61).zeros(8), `key "a": byte 41: 2305843009213693952 array elements do not fit the 8 bytes`},
		"many strings":       {file(3, 0, 1).text("a").u32(9, 8).u64(1 << 60).zeros(8), `1152921504606846976 strings do not fit`},
		"string in array":    {file(3, 0, 1).text("a").u32(9, 8).u64(2).text("x").u64(99), `key "a": element 1: byte 66: 99 bytes are wanted, 0 are left`},
		"alignment 0":        {file(3, 0, 1).text("general.alignment").u32(4, 0), `key "general.alignment" is 0, want a power of two up to 1048576`},
		"alignment 24":       {file(3, 0, 1).text("general.alignment").u32(4, 24), "is 24, want a power of two"},
		"alignment 2^31":     {file(3, 0, 1).text("general.alignment").u32(4, 1<<31), "is 2147483648, want a power of two"},
		"alignment i32":      {file(3, 0, 1).text("general.alignment").u32(5, 32), "is 32 (int32), want a uint32"},
		"name twice":         {file(3, 2, 0).tensor("x", gguf.F32, 0, 8).tensor("x", gguf.F32, 32, 8).data(64), `tensor "x" stands twice`},
		"long name":          {file(3, 1, 0).tensor(strings.Repeat("n", 64), gguf.F32, 0, 8).data(32), "the name has 64 bytes, at most 63"},
		"zero in name":       {file(3, 1, 0).tensor("a\x00b", gguf.F32, 0, 8).data(32), "zero byte"},
		"five dimensions":    {file(3, 1, 0).tensor("x", gguf.F32, 0, 1, 1, 1, 1, 1).data(32), `tensor "x": byte 33: has 5 dimensions, at most 4`},
		"2^31 dimensions":    {file(3, 1, 0).text("x").u32(1 << 31).zeros(99), "has 2147483648 dimensions"},
		"negative dimension": {file(3, 1, 0).tensor("x", gguf.F32, 0, 8, math.MaxUint64).data(32), "dimension 1 is 18446744073709551615, no length"},
		"shape overflows":    {file(3, 1, 0).tensor("x", gguf.I8, 0, 1<<31, 1<<31, 1<<31).data(32), "overflows"},
		"elements overflow":  {file(3, 1, 0).tensor("x", gguf.Q4_0, 0, 1<<32, 1<<31).data(32), "overflows"},
		"bytes overflow":     {file(3, 1, 0).tensor("x", gguf.F32, 0, 1<<62).data(32), "overflows"},
		"type 4":             {file(3, 1, 0).tensor("x", 4, 0, 32).data(32), `tensor "x": before byte 49: type 4 is not known`},
		"half a block":       {file(3, 1, 0).tensor("x", gguf.Q4_K, 0, 128, 2).data(144), "shape [2 128]: rows of 128 are no multiple of the 256 elements of a Q4_K block"},
		"truncated data":     {file(3, 1, 0).tensor("w", gguf.F32, 0, 8).data(31), `tensor "w": data ends at 96, file has 95 bytes; truncated download?`},
		"far too large":      {file(3, 1, 0).tensor("w", gguf.F32, 0, 1<<40).data(31), `tensor "w": data ends at 4398046511168, file has`},
		"no data":            {file(3, 1, 0).tensor("w", gguf.F32, 0), `tensor "w": data ends at 68, file has 49 bytes`},
		"overlap":            {file(3, 2, 0).tensor("a", gguf.F32, 0, 8).tensor("b", gguf.F32, 16, 8).data(64), `tensor "b": byte 82: data begins at offset 16, want 32, where the tensor before it ends`},
		"gap":                {file(3, 2, 0).tensor("a", gguf.F32, 0, 8).tensor("b", gguf.F32, 64, 8).data(128), "begins at offset 64, want 32"},
		"unordered":          {file(3, 2, 0).tensor("a", gguf.F32, 32, 8).tensor("b", gguf.F32, 0, 8).data(64), `tensor "a": byte 49: data begins at offset 32, want 0`},
		"unpadded":           {file(3, 2, 0).tensor("a", gguf.F32, 0, 1).tensor("b", gguf.F32, 4, 1).data(64), "begins at offset 4, want 32"},
		"offset 2^64-1":      {file(3, 1, 0).tensor("a", gguf.F32, math.MaxUint64, 8).data(64), "begins at offset 18446744073709551615"},
		"tensor cut":         {&raw{*bytes.NewBuffer(file(3, 1, 0).tensor("abc", gguf.F32, 0, 8).Bytes()[:48])}, `tensor "abc": byte 47: 4 bytes are wanted, 1 are left`},
	} {
		_, err := gguf.Parse(c.file.Bytes())
		_, other := gguf.Decode(bytes.NewReader(c.file.Bytes()), int64(c.file.Len()))
		if fmt.Sprint(other) != fmt.Sprint(err) {
			t.Errorf("%s: Decode says %v, Parse %v", name, other, err)
		}
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "gguf: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error is %v, want ... %s", name, err, c.want)
		}
	}
}

// Cut anywhere, a file is an error and nothing worse; so is one that claims to go on.
func TestTruncated(t *testing.T) {
	whole := encoded(t)
	for n := range len(whole) - 28 { // less the last tensor's padding, which may be missing
		_, err := gguf.Parse(whole[:n])
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Fatalf("cut at %d of %d: %v", n, len(whole), err)
		}
		if _, err = gguf.Decode(bytes.NewReader(whole[:n]), int64(len(whole))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d of %d, told otherwise: %v", n, len(whole), err)
		}
	}
}

// A size that the reader does not have is an error and costs no memory.
func TestDecodeBelievesNoSize(t *testing.T) {
	b := file(3, 1, 0).tensor("w", gguf.I8, 0, 1e12).data(3)
	for _, size := range []int64{1e12 + 1000, math.MaxInt64, -1} {
		if _, err := gguf.Decode(bytes.NewReader(b.Bytes()), size); err == nil {
			t.Errorf("size %d was believed", size)
		}
	}
}

// samples has a value of every type, as scalar and as array.
var samples = gguf.Metadata{
	{Key: "general.architecture", Value: "llama"},
	{Key: "u8", Value: uint8(200)}, {Key: "i8", Value: int8(-3)}, {Key: "u16", Value: uint16(65535)}, {Key: "i16", Value: int16(-300)},
	{Key: "u32", Value: uint32(1 << 31)}, {Key: "i32", Value: int32(-1 << 31)}, {Key: "f32", Value: float32(1e-5)}, {Key: "bool", Value: true},
	{Key: "u64", Value: uint64(1 << 63)}, {Key: "i64", Value: int64(-1 << 63)}, {Key: "f64", Value: math.Inf(-1)}, {Key: "한글", Value: "값\x00"},
	{Key: "a.u8", Value: []uint8{1, 2}}, {Key: "a.i8", Value: []int8{-1}}, {Key: "a.u16", Value: []uint16{7}}, {Key: "a.i16", Value: []int16{}},
	{Key: "a.u32", Value: []uint32{1, 2, 3}}, {Key: "a.i32", Value: []int32{-1, 1}}, {Key: "a.f32", Value: []float32{0.5, -2}}, {Key: "a.bool", Value: []bool{true, false, true}},
	{Key: "a.u64", Value: []uint64{1 << 63}}, {Key: "a.i64", Value: []int64{-1, 1 << 62}}, {Key: "a.f64", Value: []float64{0.1}}, {Key: "a.text", Value: []string{"<s>", "", "▁"}},
}

var tensors = []gguf.Tensor{
	{Name: "w", Type: gguf.Q8_0, Shape: []int{3, 64}, Data: bytes.Repeat([]byte{1, 2}, 3*34)},
	{Name: "none", Type: gguf.F32, Shape: []int{0, 7}, Data: []byte{}},
	{Name: "cube", Type: gguf.I8, Shape: []int{2, 1, 2, 3}, Data: []byte("abcdefghijkl")},
	{Name: "scalar", Type: gguf.F32, Shape: []int{}, Data: []byte{0, 0, 0x80, 0x3f}},
}

func encoded(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gguf.Encode(&b, tensors, samples); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	f, err := gguf.Parse(encoded(t))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(f.Metadata(), samples) {
		t.Errorf("metadata came back as %v", f.Metadata())
	}
	if want := []string{"w", "none", "cube", "scalar"}; !slices.Equal(f.Names(), want) || f.Version() != 3 || f.Alignment() != 32 {
		t.Errorf("names %v, version %d, alignment %d", f.Names(), f.Version(), f.Alignment())
	}
	for _, want := range tensors {
		if got, _ := f.Tensor(want.Name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s came back as %v", want.Name, got)
		}
	}
	if _, ok := f.Tensor("other"); ok {
		t.Error("a tensor that is not there")
	}
	// The file's own order of dimensions is the other one.
	if want := file(3, 1, 0).tensor("w", gguf.Q8_0, 0, 64, 3).Bytes()[24:]; !bytes.Contains(encoded(t), want) {
		t.Error("ne of w is not [64 3]")
	}
}

// Version 2 differs from 3 in nothing but the number.
func TestVersion2(t *testing.T) {
	b := encoded(t)
	b[4] = 2
	f, err := gguf.Parse(b)
	if err != nil || f.Version() != 2 || len(f.Names()) != 4 {
		t.Errorf("%v, %v", f, err)
	}
}

// llama.cpp wrote the fixtures: names, shapes, types and hyper-parameters are there, and
// reading and writing again gives its bytes.
func TestReferenceBytes(t *testing.T) {
	c := golden.Open(t, "language", "gguf/llama")
	for _, name := range []string{"F16.gguf", "Q4_K_M.gguf"} {
		f, err := gguf.OpenModel(c.ModelDir() + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var list []gguf.Tensor
		for _, name := range f.Names() {
			x, _ := f.Tensor(name)
			list = append(list, x)
		}
		var got bytes.Buffer
		if err := gguf.Encode(&got, list, f.Metadata()); err != nil {
			t.Fatal(err)
		}
		if want := readFile(t, c.ModelDir()+"/"+name); !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: %d bytes, the reference's %d differ", name, got.Len(), len(want))
		}
		if width, err := f.Metadata().Int("llama.embedding_length"); err != nil || width != 256 {
			t.Errorf("embedding length %d, %v", width, err)
		}
		// One kv head of four: attn_k has 64 rows of 256.
		if k, ok := f.Tensor("blk.0.attn_k.weight"); !ok || !slices.Equal(k.Shape, []int{64, 256}) || k.Len() != 64*256 {
			t.Errorf("attn_k is %v", k.Shape)
		}
	}
}

func FuzzGGUF(f *testing.F) {
	f.Add(encoded(f))
	f.Add(file(2, 1, 1).text("general.alignment").u32(4, 1).tensor("x", gguf.Q4_0, 0, 32, 2).zeros(40).Bytes())
	f.Add(file(3, 2, 1).text("a").u32(9, 8).u64(2).text("b").text("").tensor("x", gguf.I8, 0, 3).tensor("", gguf.F16, 32).data(64).Bytes())
	f.Add(file(3, 1<<60, 1<<60).zeros(64).Bytes())
	f.Add(file(3, 1, 0).tensor("w", gguf.F32, 0, 1<<31, 1<<31).data(32).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := gguf.Parse(data)
		y, err2 := gguf.Decode(bytes.NewReader(data), int64(len(data)))
		if fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("Parse says %v, Decode %v", err, err2)
		}
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than a line: %v", err)
			}
			return
		}
		var list []gguf.Tensor
		for _, name := range x.Names() {
			a, _ := x.Tensor(name)
			if err := a.Check(); err != nil {
				t.Fatal(err)
			}
			if b, ok := y.Tensor(name); !ok || !reflect.DeepEqual(a, b) {
				t.Fatalf("%q: Decode and Parse differ", name)
			}
			list = append(list, a)
		}
		for _, kv := range x.Metadata() {
			x.Metadata().Ints(kv.Key)
			x.Metadata().Float(kv.Key)
		}
		var out, again bytes.Buffer
		if err := gguf.Encode(&out, list, x.Metadata()); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		z, err := gguf.Parse(out.Bytes())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		list = list[:0]
		for _, name := range z.Names() {
			a, _ := z.Tensor(name)
			list = append(list, a)
		}
		if err := gguf.Encode(&again, list, z.Metadata()); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
			t.Fatalf("changed on its way (%v)", err)
		}
	})
}
