package gguf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/gguf"
)

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every tensor begins at a multiple of the alignment, whatever that is.
func TestAlignment(t *testing.T) {
	for _, align := range []uint32{1, 8, 32, 4096} {
		var b bytes.Buffer
		list := []gguf.Tensor{u8("a", 1), u8("b", 2), u8("c", 3)}
		if err := gguf.Encode(&b, list, gguf.Metadata{{Key: "general.alignment", Value: align}}); err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Parse(b.Bytes())
		if err != nil || f.Alignment() != int(align) {
			t.Fatalf("alignment %d: %v", align, err)
		}
		if b.Len()%int(align) != 0 {
			t.Errorf("alignment %d: the file has %d bytes", align, b.Len())
		}
		for i, name := range []string{"a", "b", "c"} {
			x, _ := f.Tensor(name)
			at := bytes.Index(b.Bytes(), bytes.Repeat([]byte{0xe0 + byte(i) + 1}, 3))
			if at%int(align) != 0 || !bytes.Equal(x.Data, list[i].Data) {
				t.Errorf("alignment %d: %s lies at %d", align, name, at)
			}
		}
	}
}

func u8(name string, v byte) gguf.Tensor {
	return gguf.Tensor{Name: name, Type: gguf.I8, Shape: []int{3}, Data: bytes.Repeat([]byte{0xe0 + v}, 3)}
}

func TestWriteErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := gguf.Write(path, []gguf.Tensor{u8("a", 1)}, nil); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, path)
	for want, list := range map[string][]gguf.Tensor{
		`x.gguf: tensor "a": the name stands twice`: {u8("a", 1), u8("a", 2)},
		"64 bytes, at most 63":                      {u8(strings.Repeat("n", 64), 1)},
		"zero byte":                                 {u8("a\x00", 1)},
		"takes 6 bytes, has 1":                      {{Name: "a", Type: gguf.F16, Shape: []int{3}, Data: []byte{1}}},
		"no multiple of the 32 elements":            {{Name: "a", Type: gguf.Q4_0, Shape: []int{32, 3}}},
		"at most 4 are allowed":                     {{Name: "a", Type: gguf.I8, Shape: []int{1, 1, 1, 1, 1}}},
		"negative dimension":                        {{Name: "a", Type: gguf.I8, Shape: []int{-1, 3}}},
		"type 5 is not known":                       {{Name: "a", Type: 5}},
	} {
		if err := gguf.Write(path, list, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	for want, meta := range map[string]gguf.Metadata{
		`key "": the key is empty`:   {{Key: "", Value: "x"}},
		`key "a": the key stands`:    {{Key: "a", Value: "x"}, {Key: "a", Value: "y"}},
		"int is no type of the":      {{Key: "a", Value: 1}},
		"[][]string is no type":      {{Key: "a", Value: [][]string{}}},
		"<nil> is no type":           {{Key: "a"}},
		"is 33, want a power of two": {{Key: "general.alignment", Value: uint32(33)}},
	} {
		if err := gguf.Write(path, nil, meta); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	spec := []gguf.Tensor{{Name: "s", Type: gguf.F32, Shape: []int{3}}}
	for want, n := range map[string]int{"1 bytes more": 13, "2 of 12 bytes were not written": 10} {
		err := gguf.WriteFunc(path, spec, nil, func(w io.Writer, _ gguf.Tensor) error {
			_, err := w.Write(make([]byte, n))
			return err
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); !bytes.Equal(before, readFile(t, path)) || len(entries) != 1 {
		t.Errorf("a failed write left %d files, or changed the old one", len(entries))
	}
}

// The streaming writer gives the same bytes as the one with all tensors at hand.
func TestWriteFunc(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	spec := slices.Clone(tensors)
	for i := range spec {
		spec[i].Data = nil
	}
	i := 0
	err := gguf.WriteFunc(path, spec, samples, func(w io.Writer, x gguf.Tensor) error {
		for _, b := range tensors[i].Data { // in the smallest pieces
			if _, err := w.Write([]byte{b}); err != nil {
				return err
			}
		}
		i++
		return nil
	})
	if err != nil || !bytes.Equal(readFile(t, path), encoded(t)) {
		t.Errorf("%v, or other bytes", err)
	}
}

// part writes one file of a split model.
func part(t *testing.T, path string, no, count uint16, total int32, list ...gguf.Tensor) {
	t.Helper()
	err := gguf.Write(path, list, gguf.Metadata{
		{Key: "name", Value: fmt.Sprint("part ", no)}, {Key: "split.no", Value: no}, {Key: "split.count", Value: count}, {Key: "split.tensors.count", Value: total},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSplitModel(t *testing.T) {
	dir := t.TempDir()
	file := func(i int) string { return filepath.Join(dir, fmt.Sprintf("m-%05d-of-00003.gguf", i)) }
	part(t, file(1), 0, 3, 3) // the first may hold metadata only
	part(t, file(2), 1, 3, 3, u8("b", 2), u8("a", 1))
	part(t, file(3), 2, 3, 3, u8("c", 3))
	for _, name := range []string{dir, file(1), file(2), file(3)} {
		f, err := gguf.OpenModel(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := f.Metadata().Text("name"); !slices.Equal(f.Names(), []string{"b", "a", "c"}) || got != "part 0" {
			t.Errorf("%s: tensors %v, metadata of %s", name, f.Names(), got)
		}
		if c, _ := f.Tensor("c"); !bytes.Equal(c.Data, []byte{0xe3, 0xe3, 0xe3}) {
			t.Errorf("c is %v", c.Data)
		}
		if err := errors.Join(f.Close(), f.Close()); err != nil {
			t.Error(err)
		}
	}
	if f, err := gguf.Open(file(3)); err != nil || !slices.Equal(f.Names(), []string{"c"}) {
		t.Errorf("one part: %v", err)
	} else {
		f.Close()
	}

	bad := func(want string) {
		t.Helper()
		if _, err := gguf.OpenModel(file(1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	part(t, file(3), 2, 3, 3, u8("a", 3))
	bad(`m-00003-of-00003.gguf: tensor "a" is in an earlier file too`)
	part(t, file(3), 2, 3, 3)
	bad(`3 files hold 2 tensors, key "split.tensors.count" says 3`)
	part(t, file(3), 1, 3, 3, u8("c", 3))
	bad(`m-00003-of-00003.gguf: key "split.no" is 1, want 2`)
	os.Remove(file(3))
	bad("the model is in 3 files, one is not here; download it too")
	if err := gguf.Write(file(1), nil, gguf.Metadata{{Key: "split.count", Value: int64(1 << 40)}}); err != nil {
		t.Fatal(err)
	}
	bad("is no number of parts")
	other := filepath.Join(t.TempDir(), "renamed.gguf")
	part(t, other, 0, 2, 0)
	if _, err := gguf.OpenModel(other); err == nil || !strings.Contains(err.Error(), "not named NAME-00001-of-00002.gguf") {
		t.Errorf("renamed part: %v", err)
	}
	if _, err := gguf.OpenModel(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no .gguf file") {
		t.Errorf("empty folder: %v", err)
	}
	part(t, filepath.Join(filepath.Dir(other), "two.gguf"), 0, 1, 0)
	if _, err := gguf.OpenModel(filepath.Dir(other)); err == nil || !strings.Contains(err.Error(), "2 models (renamed.gguf, two.gguf, ...): name one") {
		t.Errorf("two models: %v", err)
	}
}

func TestGetters(t *testing.T) {
	m := samples
	for key, want := range map[string]int64{"u8": 200, "i8": -3, "u16": 65535, "i16": -300, "u32": 1 << 31, "i32": -1 << 31, "i64": -1 << 63} {
		if got, err := m.Int(key); err != nil || got != want {
			t.Errorf("%s: %d, %v", key, got, err)
		}
	}
	if v, err := m.Float("f32"); err != nil || v != float64(float32(1e-5)) {
		t.Errorf("f32: %v, %v", v, err)
	}
	if v, err := m.Float("u64"); err != nil || v != 1<<63 {
		t.Errorf("u64 as float: %v, %v", v, err)
	}
	if v, err := m.Bool("bool"); err != nil || !v {
		t.Errorf("bool: %v, %v", v, err)
	}
	if v, err := m.Ints("a.u32"); err != nil || !slices.Equal(v, []int64{1, 2, 3}) {
		t.Errorf("a.u32: %v, %v", v, err)
	}
	if v, err := m.Floats("a.i32"); err != nil || !slices.Equal(v, []float64{-1, 1}) {
		t.Errorf("a.i32: %v, %v", v, err)
	}
	if v, err := m.Texts("a.text"); err != nil || !slices.Equal(v, []string{"<s>", "", "▁"}) {
		t.Errorf("a.text: %v, %v", v, err)
	}
	if v, err := m.Bools("a.bool"); err != nil || !slices.Equal(v, []bool{true, false, true}) {
		t.Errorf("a.bool: %v, %v", v, err)
	}
	for want, get := range map[string]func() error{
		`key "none": no such key`:                                    func() error { _, err := m.Int("none"); return err },
		`key "u64" is 9223372036854775808 (uint64), want an integer`: func() error { _, err := m.Int("u64"); return err },
		`key "general.architecture" is the string "llama", want a`:   func() error { _, err := m.Float("general.architecture"); return err },
		`key "u8" is 200 (uint8), want a string`:                     func() error { _, err := m.Text("u8"); return err },
		`key "u8" is 200 (uint8), want an array of integers`:         func() error { _, err := m.Ints("u8"); return err },
		`"a.text" is an array of 3 strings, want an array of`:        func() error { _, err := m.Ints("a.text"); return err },
		`"a.u64" is an array of 1 uint64s, want an array of`:         func() error { _, err := m.Ints("a.u64"); return err },
	} {
		if err := get(); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, gguf.ErrNoKey) != strings.Contains(want, "no such") {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// Names go both ways, and a block of every type is as large as the sum of its parts.
func TestTypes(t *testing.T) {
	n := 0
	for id := range gguf.Type(64) {
		if !id.Known() {
			if id.Block() != 0 || id.BlockBytes() != 0 || id.String() != fmt.Sprintf("type %d", int(id)) {
				t.Errorf("%v is half known", id)
			}
			continue
		}
		n++
		if back, err := gguf.ParseType(strings.ToLower(id.String())); err != nil || back != id {
			t.Errorf("%v: %v, %v", id, back, err)
		}
		if size, err := id.Size([]int{2, 3, id.Block()}); err != nil || size != 6*id.BlockBytes() {
			t.Errorf("%v: %d, %v", id, size, err)
		}
	}
	if n != 35 {
		t.Errorf("%d types", n)
	}
	if _, err := gguf.ParseType("Q9_Z"); err == nil {
		t.Error("Q9_Z is no type")
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "hanji")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.gguf")
	ones := binary.LittleEndian.AppendUint16(nil, 0x3c00)
	err = gguf.Write(path, []gguf.Tensor{
		{Name: "output.weight", Type: gguf.F16, Shape: []int{2, 3}, Data: bytes.Repeat(ones, 6)},
	}, gguf.Metadata{
		{Key: "general.architecture", Value: "llama"},
		{Key: "llama.block_count", Value: uint32(0)},
	})
	if err != nil {
		panic(err)
	}

	f, err := gguf.OpenModel(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	layers, err := f.Metadata().Int("llama.block_count")
	fmt.Println(layers, err)
	t, _ := f.Tensor("output.weight")
	fmt.Println(t.Name, t.Type, t.Shape, len(t.Data))
	// Output:
	// 0 <nil>
	// output.weight F16 [2 3] 12
}
