package safetensors_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/safetensors"
)

// Every dtype goes out and comes back, widest first, each at an address that is
// a multiple of its size.
func TestWrite(t *testing.T) {
	all := []safetensors.DType{
		safetensors.U64, safetensors.I64, safetensors.F64, safetensors.Complex, safetensors.F32, safetensors.U32, safetensors.I32,
		safetensors.BF16, safetensors.F16, safetensors.U16, safetensors.I16, safetensors.F8E8M0, safetensors.F8E4M3, safetensors.F8E5M2,
		safetensors.I8, safetensors.U8, safetensors.F6E3M2, safetensors.F6E2M3, safetensors.F4, safetensors.Bool,
	}
	var list []safetensors.Tensor
	for i, d := range all {
		size, err := d.Size([]int{4, 3})
		if err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{"b", "a"} {
			list = append(list, safetensors.Tensor{Name: string(d) + suffix, DType: d, Shape: []int{4, 3}, Data: bytes.Repeat([]byte{byte(i)}, size)})
		}
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := safetensors.Write(path, list, map[string]string{"b": "2", "a": "\"\\\n\x01\u2028<"}); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	if n := bytes.IndexByte(text, '{'); n != 8 || !strings.HasPrefix(string(text[8:]), `{"__metadata__":{"a":"\"\\\n\u0001`+"\u2028"+`<","b":"2"},"U64a":`) {
		t.Errorf("file begins with %.100q", text)
	}
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var order []string
	for _, d := range all {
		order = append(order, string(d)+"a", string(d)+"b")
	}
	if !slices.Equal(f.Names(), order) {
		t.Errorf("order %v", f.Names())
	}
	for _, want := range list {
		got, _ := f.Tensor(want.Name)
		if got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s came back as %v", want.Name, got)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := safetensors.Write(path, []safetensors.Tensor{u8("a", 1)}, nil); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	for want, list := range map[string][]safetensors.Tensor{
		`"a": the name stands twice`: {u8("a", 1), u8("a", 2)},
		"not UTF-8":                  {u8("\xff", 1)},
		"taken by the format":        {u8("__metadata__", 1)},
		"takes 2 bytes, has 1":       {{Name: "a", DType: safetensors.F16, Shape: []int{1}, Data: []byte{1}}},
	} {
		if err := safetensors.Write(path, list, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	if err := safetensors.Write(path, nil, map[string]string{"a": "\xff"}); err == nil {
		t.Error("metadata that are not UTF-8 were written")
	}
	spec := []safetensors.Tensor{{Name: "s", DType: safetensors.F32, Shape: []int{3}}}
	for want, n := range map[string]int{"1 bytes more": 13, "2 of 12 bytes were not written": 10} {
		err := safetensors.WriteFunc(path, spec, nil, func(w io.Writer, x safetensors.Tensor) error {
			_, err := w.Write(make([]byte, n))
			return err
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	after, _ := os.ReadFile(path)
	if entries, _ := os.ReadDir(filepath.Dir(path)); !bytes.Equal(before, after) || len(entries) != 1 {
		t.Errorf("a failed write left %d files, changed: %v", len(entries), !bytes.Equal(before, after))
	}
}

// The streaming writer gives the same bytes as the one with all tensors at hand.
func TestWriteFunc(t *testing.T) {
	want := encoded(t, u8("b", 2), u8("a", 1))
	path := filepath.Join(t.TempDir(), "x.safetensors")
	spec := []safetensors.Tensor{{Name: "b", DType: safetensors.U8, Shape: []int{1}}, {Name: "a", DType: safetensors.U8, Shape: []int{1}}}
	err := safetensors.WriteFunc(path, spec, map[string]string{"format": "pt"}, func(w io.Writer, x safetensors.Tensor) error {
		_, err := w.Write([]byte{x.Name[0] - 'a' + 1})
		return err
	})
	if got, _ := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("wrote %q (%v), want %q", got, err, want)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "hanji")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.safetensors")
	err = safetensors.Write(path, []safetensors.Tensor{
		{Name: "bias", DType: safetensors.BF16, Shape: []int{2}, Data: []byte{0x80, 0x3f, 0x20, 0xc0}},
	}, map[string]string{"format": "pt"})
	if err != nil {
		panic(err)
	}

	f, err := safetensors.Open(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		values, err := t.Float32s()
		fmt.Println(t.Name, t.DType, t.Shape, values, err)
	}
	// Output: bias BF16 [2] [1 -2.5] <nil>
}
