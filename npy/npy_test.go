package npy_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/npy"
	"github.com/hanji-ml/hanji/safetensors"
)

// file puts a header of version 1 and data together, without padding: readers
// must not depend on it.
func file(header string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
	return append(append(b, header...), data...)
}

// versioned is file in version 2 or 3, whose header length has four bytes.
func versioned(major byte, header string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{0x93, 'N', 'U', 'M', 'P', 'Y', major, 0}, uint32(len(header)))
	return append(append(b, header...), data...)
}

func dict(descr, fortran, shape string) string {
	return "{'descr': " + descr + ", 'fortran_order': " + fortran + ", 'shape': " + shape + "}"
}

// Bytes that numpy 1 and 2 write, in both orders, for [[1, 2, 3], [4, 5, 6]] and
// other small arrays.
func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		file  []byte
		dtype safetensors.DType
		shape []int
		want  []float64
	}{
		"bool":          {file(dict("'|b1'", "False", "(3,)"), 0, 1, 1), safetensors.Bool, []int{3}, []float64{0, 1, 1}},
		"u1":            {file(dict("'|u1'", "False", "(2,)"), 0, 255), safetensors.U8, []int{2}, []float64{0, 255}},
		"i1":            {file(dict("'|i1'", "False", "(2,)"), 1, 255), safetensors.I8, []int{2}, []float64{1, -1}},
		"u2":            {file(dict("'<u2'", "False", "(1,)"), 1, 2), safetensors.U16, []int{1}, []float64{513}},
		"u2 big":        {file(dict("'>u2'", "False", "(1,)"), 1, 2), safetensors.U16, []int{1}, []float64{258}},
		"i2 big":        {file(dict("'>i2'", "False", "(1,)"), 255, 254), safetensors.I16, []int{1}, []float64{-2}},
		"u4 big":        {file(dict("'>u4'", "False", "(1,)"), 0, 0, 1, 0), safetensors.U32, []int{1}, []float64{256}},
		"i4":            {file(dict("'<i4'", "False", "(1,)"), 254, 255, 255, 255), safetensors.I32, []int{1}, []float64{-2}},
		"u8 big":        {file(dict("'>u8'", "False", "(1,)"), 0, 0, 0, 0, 0, 0, 1, 0), safetensors.U64, []int{1}, []float64{256}},
		"i8":            {file(dict("'<i8'", "False", "(1,)"), 254, 255, 255, 255, 255, 255, 255, 255), safetensors.I64, []int{1}, []float64{-2}},
		"f2":            {file(dict("'<f2'", "False", "(1,)"), 0, 0x3e), safetensors.F16, []int{1}, []float64{1.5}},
		"f2 big":        {file(dict("'>f2'", "False", "(1,)"), 0x3e, 0), safetensors.F16, []int{1}, []float64{1.5}},
		"f4 big":        {file(dict("'>f4'", "False", "(1,)"), 0xc0, 0x20, 0, 0), safetensors.F32, []int{1}, []float64{-2.5}},
		"f8 scalar":     {file(dict("'<f8'", "False", "()"), 0, 0, 0, 0, 0, 0, 0xf0, 0x3f), safetensors.F64, []int{}, []float64{1}},
		"fortran":       {file(dict("'|u1'", "True", "(2, 3)"), 1, 4, 2, 5, 3, 6), safetensors.U8, []int{2, 3}, []float64{1, 2, 3, 4, 5, 6}},
		"fortran big":   {file(dict("'>u2'", "True", "(2, 2)"), 0, 1, 0, 3, 0, 2, 0, 4), safetensors.U16, []int{2, 2}, []float64{1, 2, 3, 4}},
		"fortran 3":     {file(dict("'|u1'", "True", "(2, 1, 3)"), 1, 4, 2, 5, 3, 6), safetensors.U8, []int{2, 1, 3}, []float64{1, 2, 3, 4, 5, 6}},
		"fortran empty": {file(dict("'|u1'", "True", "(2, 0, 3)")), safetensors.U8, []int{2, 0, 3}, []float64{}},
		"python 2":      {file("{'shape': (2L,3L), \"fortran_order\": False,'descr':'|u1',}  \n", 1, 2, 3, 4, 5, 6), safetensors.U8, []int{2, 3}, []float64{1, 2, 3, 4, 5, 6}},
		"version 2":     {versioned(2, dict("'|u1'", "False", "(1,)")+"  \n", 7), safetensors.U8, []int{1}, []float64{7}},
		"version 3":     {versioned(3, dict("'|u1'", "False", "(1,)")+"  \n", 7), safetensors.U8, []int{1}, []float64{7}},
	} {
		x, err := npy.Read(bytes.NewReader(c.file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := x.Float64s()
		if err != nil || x.DType != c.dtype || !slices.Equal(x.Shape, c.shape) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %s %v %v (%v), want %s %v %v", name, x.DType, x.Shape, got, err, c.dtype, c.shape, c.want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	ok := dict("'|u1'", "False", "(2,)")
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"magic":          {[]byte("PK\x03\x04........"), "is this a .npy file?"},
		"short":          {[]byte("\x93NUM"), "truncated download?"},
		"version 4":      {[]byte("\x93NUMPY\x04\x00........"), "version 4.0"},
		"version 1.1":    {[]byte("\x93NUMPY\x01\x01........"), "version 1.1"},
		"no length":      {[]byte("\x93NUMPY\x02\x00\x01"), "header length: unexpected EOF"},
		"huge header":    {[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "header length is 4294967295"},
		"header ends":    {file(ok)[:30], "header: unexpected EOF"},
		"data end":       {file(ok, 1), "U8 [2] takes 2 bytes, 1 are there: unexpected EOF; truncated download?"},
		"no data":        {file(ok), "0 are there"},
		"petabytes":      {file(dict("'<f8'", "False", "(1000000000000000,)"), 1), "1 are there"},
		"overflow":       {file(dict("'<f8'", "False", "(4611686018427387904, 4)"), 1), "overflows"},
		"2^64":           {file(dict("'<f8'", "False", "(18446744073709551616,)"), 1), "no length of this machine"},
		"negative":       {file(dict("'<f8'", "False", "(-1,)"), 1), "no length of this machine"},
		"dimensions":     {file(dict("'|u1'", "False", "("+strings.Repeat("1,", 65)+")"), 1), "no length of this machine, or the 65th"},
		"no tuple":       {file(dict("'|u1'", "False", "(1)"), 1), "no tuple"},
		"list shape":     {file(dict("'|u1'", "False", "[1]"), 1), "want ("},
		"object":         {file(dict("'|O'", "False", "(1,)"), 1), "object arrays are pickles, which are not run"},
		"text":           {file(dict("'<U5'", "False", "(1,)"), 1), `type "<U5" is none of`},
		"long double":    {file(dict("'<f16'", "False", "(1,)"), 1), `type "<f16" is none of`},
		"no order":       {file(dict("'f4'", "False", "(1,)"), 1), "does not say its byte order"},
		"native order":   {file(dict("'=f4'", "False", "(1,)"), 1), "does not say its byte order"},
		"empty type":     {file(dict("''", "False", "(1,)"), 1), "none of"},
		"record":         {file(dict("[('a', '<f4')]", "False", "(1,)"), 1), "records are not read"},
		"fortran":        {file(dict("'|u1'", "Maybe", "(1,)"), 1), "neither True nor False"},
		"key twice":      {file("{'descr': '|u1', 'descr': '|i1'}"), "stands twice"},
		"unknown key":    {file("{'align': True}"), "not known"},
		"missing shape":  {file("{'descr': '|u1', 'fortran_order': False}"), "has no shape"},
		"empty dict":     {file("{}"), "has no descr"},
		"after the dict": {file(ok + "+1"), "follows the dict"},
		"call":           {file("{'descr': __import__('os').system('id')}"), "want a string"},
		"escape":         {file(`{'des\x63r': 1}`), "not plain"},
		"not utf-8":      {file("{'\xff': 1}"), "not UTF-8"},
		"no dict":        {file(""), "want {"},
	} {
		_, err := npy.Read(bytes.NewReader(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "npy: ") {
			t.Errorf("%s: error is %v, want %s", name, err, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "x.npy")
	os.WriteFile(path, file(ok, 1, 2, 3), 0o644)
	if _, err := npy.ReadFile(path); err == nil || !strings.Contains(err.Error(), "x.npy: something follows") {
		t.Errorf("trailing byte: %v", err)
	}
	os.WriteFile(path, nil, 0o644)
	if _, err := npy.ReadFile(path); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("empty file: %v", err)
	}
}

// Arrays one after another, as repeated numpy.save to one handle leaves them.
func TestReadSeveral(t *testing.T) {
	var b bytes.Buffer
	for i := range 3 {
		if err := npy.Write(&b, npy.Tensor{DType: safetensors.U8, Shape: []int{1}, Data: []byte{byte(i)}}, npy.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if x, err := npy.Read(&b); err != nil || x.Data[0] != byte(i) {
			t.Errorf("array %d: %v, %v", i, x, err)
		}
	}
	if _, err := npy.Read(&b); err != io.EOF {
		t.Errorf("after the last: %v", err)
	}
}

// Every type, shape and order comes back as it went out, and what is written
// does not change what it was written from.
func TestRoundTrip(t *testing.T) {
	for _, dtype := range []safetensors.DType{"BOOL", "U8", "I8", "U16", "I16", "F16", "U32", "I32", "F32", "C64", "U64", "I64", "F64"} {
		for _, shape := range [][]int{{}, {5}, {0}, {2, 3}, {3, 2, 4}, {1, 7, 1}, {4, 0, 2}} {
			for _, o := range []npy.Options{{}, {BigEndian: true}, {Fortran: true}, {BigEndian: true, Fortran: true}} {
				size, err := dtype.Size(shape)
				if err != nil {
					t.Fatal(err)
				}
				x := npy.Tensor{DType: dtype, Shape: shape, Data: make([]byte, size)}
				for i := range x.Data {
					x.Data[i] = byte(i*37 + 1)
				}
				before := slices.Clone(x.Data)
				var b bytes.Buffer
				if err := npy.Write(&b, x, o); err != nil {
					t.Fatal(err)
				}
				if start := b.Len() - size; start%64 != 0 {
					t.Errorf("%s %v: data begin at %d", dtype, shape, start)
				}
				y, err := npy.Read(&b)
				if err != nil || !reflect.DeepEqual(x, y) || !bytes.Equal(before, x.Data) {
					t.Errorf("%s %v %+v: came back as %v, %v", dtype, shape, o, y, err)
				}
			}
		}
	}
	for want, x := range map[string]npy.Tensor{
		"numpy has no type for BF16":  {DType: safetensors.BF16, Shape: []int{1}, Data: make([]byte, 2)},
		"F32 [2] takes 8 bytes":       {DType: safetensors.F32, Shape: []int{2}, Data: make([]byte, 2)},
		`dtype "x" is not known`:      {DType: "x"},
		"shape [-1] has a negative d": {DType: safetensors.U8, Shape: []int{-1}},
	} {
		if err := npy.Write(io.Discard, x, npy.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// What numpy.save wrote (numpy 2): the header byte for byte.
func TestNumpyBytes(t *testing.T) {
	for want, c := range map[string]struct {
		x npy.Tensor
		o npy.Options
	}{
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }": {npy.Tensor{DType: safetensors.F32, Shape: []int{2, 3}, Data: make([]byte, 24)}, npy.Options{}},
		"{'descr': '>i8', 'fortran_order': True, 'shape': (2, 1), }":  {npy.Tensor{DType: safetensors.I64, Shape: []int{2, 1}, Data: make([]byte, 16)}, npy.Options{BigEndian: true, Fortran: true}},
		"{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }":   {npy.Tensor{DType: safetensors.Bool, Shape: []int{3}, Data: make([]byte, 3)}, npy.Options{BigEndian: true, Fortran: true}},
		"{'descr': '<f8', 'fortran_order': False, 'shape': (), }":     {npy.Tensor{DType: safetensors.F64, Data: make([]byte, 8)}, npy.Options{}},
	} {
		var b bytes.Buffer
		if err := npy.Write(&b, c.x, c.o); err != nil {
			t.Fatal(err)
		}
		full := "\x93NUMPY\x01\x00\x76\x00" + want + strings.Repeat(" ", 117-len(want)) + "\n"
		if got := b.String()[:128]; got != full {
			t.Errorf("header is\n%q, want\n%q", got, full)
		}
	}
	big := npy.Tensor{DType: safetensors.U8, Shape: slices.Repeat([]int{1}, 64), Data: []byte{1}}
	var b bytes.Buffer
	if err := npy.Write(&b, big, npy.Options{}); err != nil {
		t.Fatal(err)
	}
	if x, err := npy.Read(&b); err != nil || len(x.Shape) != 64 {
		t.Errorf("64 dimensions: %v, %v", x, err)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "hanji")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x.npy")

	var data []byte
	for _, v := range []float32{1, 2, 3, 4, 5, 6} {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	// numpy.save("x.npy", np.asfortranarray([[1, 2, 3], [4, 5, 6]]).astype("<f4"))
	err = npy.WriteFile(path, npy.Tensor{DType: safetensors.F32, Shape: []int{2, 3}, Data: data}, npy.Options{Fortran: true})
	if err != nil {
		panic(err)
	}
	t, err := npy.ReadFile(path)
	if err != nil {
		panic(err)
	}
	values, err := t.Float32s()
	fmt.Println(t.DType, t.Shape, values, err)
	// Output: F32 [2 3] [1 2 3 4 5 6] <nil>
}

func FuzzNPY(f *testing.F) {
	f.Add(file(dict("'>f4'", "True", "(1, 2)"), 1, 2, 3, 4, 5, 6, 7, 8))
	f.Add(file("{'shape': (2L,3L), \"fortran_order\": False,'descr':'|u1',}  \n", 1, 2, 3, 4, 5, 6))
	f.Add(versioned(3, dict("'<c8'", "False", "()")+"  \n", 1, 2, 3, 4, 5, 6, 7, 8))
	f.Add(file(dict("'|O'", "False", "(1,)"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := npy.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if err := x.Check(); err != nil {
			t.Fatal(err)
		}
		for _, o := range []npy.Options{{}, {BigEndian: true, Fortran: true}} {
			var b bytes.Buffer
			if err := npy.Write(&b, x, o); err != nil {
				t.Fatal(err)
			}
			if y, err := npy.Read(&b); err != nil || !reflect.DeepEqual(x, y) {
				t.Fatalf("%v became %v (%v)", x, y, err)
			}
		}
	})
}
