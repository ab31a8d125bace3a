package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/safetensors"
)

// file puts a header and data together, the length being the header's own.
func file(header string, data ...byte) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), data...)
}

const one = `{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`

// What the reference refuses is refused, with the reason and what to do.
func TestBadFiles(t *testing.T) {
	eight := make([]byte, 8)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":             {nil, "has 0 bytes, too few for a header; truncated download?"},
		"seven bytes":       {make([]byte, 7), "too few for a header"},
		"no header":         {file(""), "does not begin with {"},
		"huge header":       {binary.LittleEndian.AppendUint64(nil, 1<<63), "header length is 9223372036854775808, at most 100000000"},
		"header too long":   {binary.LittleEndian.AppendUint64(nil, 1e8), "header ends at 100000008, file has 8 bytes; truncated download?"},
		"html":              {[]byte("<!DOCTYPE html><html>"), "is this a safetensors file?"},
		"not utf-8":         {file("{\"\xff\":{}}"), "not UTF-8"},
		"lone surrogate":    {file(`{"\ud800":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 0, 0, 0, 0), "no character"},
		"space first":       {file(" "+one, eight...), "does not begin with {"},
		"JSON ends":         {file(`{"x":{"dtype":"F32"`), "JSON ends early"},
		"two objects":       {file(one+"{}", eight...), "something follows"},
		"list":              {file(`{"x":[]}`), `tensor "x": found [, want an object`},
		"name twice":        {file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 1, 2), `"x" stands twice`},
		"name twice hidden": {file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0078":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 1, 2), `"x" stands twice`},
		"dtype twice":       {file(`{"x":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}`, 1), `tensor "x": "dtype" stands twice`},
		"metadata twice":    {file(`{"__metadata__":{"a":"1","a":"2"}}`), `"a" stands twice`},
		"metadata number":   {file(`{"__metadata__":{"a":1}}`), `"a" is no text`},
		"truncated":         {file(one, eight[:5]...), `tensor "x": data ends at 70, file has 67 bytes; truncated download?`},
		"trailing":          {file(one, make([]byte, 9)...), "tensors end at 70, file has 71 bytes"},
		"only trailing":     {file("{}", 1), "tensors end at 10, file has 11 bytes"},
		"overlap":           {file(`{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}}`, eight[:7]...), `tensor "y": data begins at 3, inside tensor "x" that ends at 4`},
		"same place":        {file(`{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, eight[:4]...), `inside tensor "x"`},
		"gap":               {file(`{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}}`, eight...), "nothing describes the 1 bytes before it"},
		"backwards":         {file(`{"x":{"dtype":"U8","shape":[0],"data_offsets":[8,0]}}`, eight...), "before its begin"},
		"wrong size":        {file(`{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, eight...), `tensor "x": F32 [3] takes 12 bytes, its data_offsets span 8`},
		"shape overflows":   {file(`{"x":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}}`, eight...), "overflows"},
		"bytes overflow":    {file(`{"x":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}}`, eight...), "overflows"},
		"bits do not fit":   {file(`{"x":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}`, 1), "does not fill whole bytes"},
		"negative shape":    {file(`{"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}`, 1), "shape: -1 is no length"},
		"float shape":       {file(`{"x":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}`, 1), "shape: 1.0 is no length"},
		"text shape":        {file(`{"x":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}`, 1), "shape holds 1, want a number"},
		"offset of 2^64":    {file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551616]}}`, 1), "is no length"},
		"three offsets":     {file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}`, 1), "data_offsets has 3 numbers"},
		"no shape":          {file(`{"x":{"dtype":"U8","data_offsets":[0,1]}}`, 1), "has no shape"},
		"no dtype":          {file(`{"x":{"shape":[1],"data_offsets":[0,1]}}`, 1), "has no dtype"},
		"no offsets":        {file(`{"x":{"dtype":"U8","shape":[1]}}`, 1), "has no data_offsets"},
		"strange dtype":     {file(`{"x":{"dtype":"Q4","shape":[1],"data_offsets":[0,1]}}`, 1), `dtype "Q4" is not known`},
		"deep JSON":         {file(`{"x":{"new":` + strings.Repeat("[", 20000)), "depth"},
	} {
		_, err := safetensors.Parse(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "safetensors: ") {
			t.Errorf("%s: error is %v, want ... %s", name, err, c.want)
		}
		_, other := safetensors.Decode(bytes.NewReader(c.file), int64(len(c.file)))
		if fmt.Sprint(other) != fmt.Sprint(err) {
			t.Errorf("%s: Decode says %v, Parse %v", name, other, err)
		}
	}
}

// What the reference accepts is accepted.
func TestOddFiles(t *testing.T) {
	f, err := safetensors.Parse(file(`{"b":{"data_offsets":[1,3],"shape":[2],"dtype":"I8","later":{"a":[1]}},"":{"dtype":"F64","shape":[3,0],"data_offsets":[1,1]},"é\n":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"__metadata__":null}  `+"\n", 9, 255, 1))
	if err != nil || f.Metadata() != nil {
		t.Fatalf("metadata null: %v, %v", err, f.Metadata())
	}
	f, err = safetensors.Parse(file(`{"b":{"data_offsets":[1,3],"shape":[2],"dtype":"I8","later":{"a":[1]}},"":{"dtype":"F64","shape":[3,0],"data_offsets":[1,1]},"é\n":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"__metadata__":{"k":"v"}}  `+"\n", 9, 255, 1))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Names(); !slices.Equal(got, []string{"é\n", "", "b"}) {
		t.Errorf("names %q", got)
	}
	b, _ := f.Tensor("b")
	if v, err := b.Int64s(); err != nil || !slices.Equal(v, []int64{-1, 1}) {
		t.Errorf("b = %v, %v", v, err)
	}
	scalar, _ := f.Tensor("é\n")
	if v, err := scalar.Float32s(); err != nil || !slices.Equal(v, []float32{9}) || scalar.Len() != 1 || scalar.Shape == nil {
		t.Errorf("scalar = %v, %v", v, err)
	}
	if _, ok := f.Tensor("none"); ok {
		t.Error("a tensor that is not there")
	}
	if m := f.Metadata(); !reflect.DeepEqual(m, map[string]string{"k": "v"}) {
		t.Errorf("metadata %v", m)
	}
}

// A size that the reader does not have is an error and costs no memory.
func TestDecodeBelievesNoSize(t *testing.T) {
	b := file(`{"x":{"dtype":"U8","shape":[1000000000000],"data_offsets":[0,1000000000000]}}`, 1, 2, 3)
	_, err := safetensors.Decode(bytes.NewReader(b), int64(len(b))-3+1e12)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v", err)
	}
	if _, err = safetensors.Decode(bytes.NewReader(nil), 100); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v", err)
	}
}

// The reference library wrote the fixtures: reading one and writing it again
// must give its bytes, whatever order the tensors come in.
func TestReferenceBytes(t *testing.T) {
	root := filepath.Join(golden.Shared(t), "golden")
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".safetensors") {
			return err
		}
		n++
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := safetensors.Open(path)
		if err != nil {
			t.Error(err)
			return nil
		}
		defer f.Close()
		var list []safetensors.Tensor
		names := f.Names()
		slices.Reverse(names)
		for _, name := range names {
			x, _ := f.Tensor(name)
			list = append(list, x)
		}
		var got bytes.Buffer
		if err := safetensors.Encode(&got, list, f.Metadata()); err != nil {
			t.Errorf("%s: %v", path, err)
		} else if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: bytes differ from the reference's", path)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files: %v", n, err)
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add(file(one, make([]byte, 8)...))
	f.Add(file(`{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},"b":{"dtype":"BOOL","shape":[],"data_offsets":[4,5]}}  `, 1, 2, 3, 4, 5))
	f.Add(file(`{"x":{"dtype":"F4","shape":[2,0],"data_offsets":[0,0]},"y":{"dtype":"U64","shape":[1],"data_offsets":[0,8],"z":[{}]}}`, make([]byte, 8)...))
	f.Add(file(`{}`))
	f.Add(binary.LittleEndian.AppendUint64(nil, 1<<63))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := safetensors.Parse(data)
		y, err2 := safetensors.Decode(bytes.NewReader(data), int64(len(data)))
		if fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("Parse says %v, Decode %v", err, err2)
		}
		if err != nil {
			return
		}
		var list []safetensors.Tensor
		for _, name := range x.Names() {
			a, _ := x.Tensor(name)
			if err := a.Check(); err != nil {
				t.Fatal(err)
			}
			if b, ok := y.Tensor(name); !ok || !reflect.DeepEqual(a, b) {
				t.Fatalf("%q: Decode and Parse differ", name)
			}
			a.Float32s()
			a.Int64s()
			list = append(list, a)
		}
		var out bytes.Buffer
		if err := safetensors.Encode(&out, list, x.Metadata()); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		z, err := safetensors.Parse(out.Bytes())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		for _, a := range list {
			if b, ok := z.Tensor(a.Name); !ok || !reflect.DeepEqual(a, b) {
				t.Fatalf("%q: changed on its way", a.Name)
			}
		}
		if !reflect.DeepEqual(x.Metadata(), z.Metadata()) {
			t.Fatal("metadata changed on their way")
		}
	})
}
