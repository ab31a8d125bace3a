package npy_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/npy"
	"github.com/hanji-ml/hanji/safetensors"
)

func u8(name string, v ...byte) npy.Tensor {
	return npy.Tensor{Name: name, DType: safetensors.U8, Shape: []int{len(v)}, Data: v}
}

func TestNPZ(t *testing.T) {
	list := []npy.Tensor{u8("b", 1, 2), u8("layer/0.w", 3), u8("a", bytes.Repeat([]byte{7}, 5000)...)}
	dir := t.TempDir()
	for name, write := range map[string]func(string, []npy.Tensor) error{"stored": npy.WriteNPZ, "deflated": npy.WriteNPZCompressed} {
		path := filepath.Join(dir, name)
		if err := write(path, list); err != nil {
			t.Fatal(err)
		}
		once, _ := os.ReadFile(path)
		if err := write(path, list); err != nil {
			t.Fatal(err)
		}
		if twice, _ := os.ReadFile(path); !bytes.Equal(once, twice) {
			t.Errorf("%s: two files of the same arrays differ", name)
		}
		if small := len(once) < 5000; small != (name == "deflated") {
			t.Errorf("%s: takes %d bytes", name, len(once))
		}
		a, err := npy.OpenNPZ(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Names(); !slices.Equal(got, []string{"b", "layer/0.w", "a"}) {
			t.Errorf("%s: names %q", name, got)
		}
		for _, want := range list {
			if got, err := a.Tensor(want.Name); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %q came back as %v, %v", name, want.Name, got, err)
			}
		}
		if _, err := a.Tensor("none"); err == nil || !strings.Contains(err.Error(), name+`: array "none": is not in the archive`) {
			t.Errorf("%s: missing array: %v", name, err)
		}
		for range 2 { // closing twice is harmless
			if err := a.Close(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
		bad := bytes.Clone(once) // one bit of an array, or of its compressed form
		bad[len(bad)/3] ^= 4
		if a, err := npy.ReadNPZ(bytes.NewReader(bad), int64(len(bad))); err == nil {
			failed := false
			for _, n := range a.Names() {
				_, err := a.Tensor(n)
				failed = failed || err != nil
			}
			if !failed {
				t.Errorf("%s: a flipped bit goes unnoticed", name)
			}
		}
		if _, err := npy.ReadNPZ(bytes.NewReader(once), int64(len(once)-30)); err == nil || !strings.Contains(err.Error(), "and whole?") {
			t.Errorf("%s: truncated: %v", name, err)
		}
	}
	if _, err := npy.OpenNPZ(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	for want, list := range map[string][]npy.Tensor{
		`array "a" stands twice`:    {u8("a"), u8("a")},
		`array name "" is empty`:    {u8("")},
		"not UTF-8":                 {u8("\xff")},
		`array "a": numpy has no`:   {{Name: "a", DType: safetensors.BF16, Shape: []int{0}}},
		`array "a": tensor "a": U8`: {{Name: "a", DType: safetensors.U8, Shape: []int{1}}},
	} {
		path := filepath.Join(dir, "bad")
		if err := npy.WriteNPZ(path, list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("a failed write left a file")
		}
	}
}

// zipped makes an archive of anything.
func zipped(t testing.TB, method uint16, files ...string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: files[i], Method: method})
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(files[i+1]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestNPZErrors(t *testing.T) {
	array := string(file(dict("'|u1'", "False", "(1,)"), 7))
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"twice":    {zipped(t, zip.Store, "a.npy", array, "a.npy", array), `array "a" stands twice`},
		"empty":    {zipped(t, zip.Store, "a.npy", ""), "is empty"},
		"trailing": {zipped(t, zip.Store, "a.npy", array+"x"), "something follows"},
		"short":    {zipped(t, zip.Deflate, "a.npy", array[:len(array)-1]), "0 are there"},
		"petabyte": {zipped(t, zip.Deflate, "a.npy", string(file(dict("'<f8'", "False", "(100000000000000,)"), 7))), "1 are there"},
		"method":   {zipped(t, zip.Store, "a.npy", array), ""},
	} {
		if name == "method" { // one that no one has registered
			c.file = bytes.ReplaceAll(c.file, []byte("PK\x01\x02\x14\x00\x14\x00\x08\x00\x00\x00"), []byte("PK\x01\x02\x14\x00\x14\x00\x08\x00\x63\x00"))
			c.want = "unsupported compression"
		}
		a, err := npy.ReadNPZ(bytes.NewReader(c.file), int64(len(c.file)))
		if err == nil {
			_, err = a.Tensor("a")
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %s", name, err, c.want)
		}
	}
	readme := zipped(t, zip.Store, "README", "text", "a.npy", array)
	a, err := npy.ReadNPZ(bytes.NewReader(readme), int64(len(readme)))
	if err != nil || !slices.Equal(a.Names(), []string{"a"}) {
		t.Errorf("archive with another file: %v, %v", a.Names(), err)
	}
}

func ExampleWriteNPZ() {
	dir, err := os.MkdirTemp("", "hanji")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x.npz")
	err = npy.WriteNPZ(path, []npy.Tensor{{Name: "labels", DType: safetensors.U8, Shape: []int{3}, Data: []byte{2, 0, 1}}})
	if err != nil {
		panic(err)
	}

	a, err := npy.OpenNPZ(path)
	if err != nil {
		panic(err)
	}
	defer a.Close()
	for _, name := range a.Names() {
		t, err := a.Tensor(name)
		if err != nil {
			panic(err)
		}
		values, err := t.Int64s()
		fmt.Println(name, t.Shape, values, err)
	}
	// Output: labels [3] [2 0 1] <nil>
}

func FuzzNPZ(f *testing.F) {
	array := string(file(dict("'>f4'", "True", "(1, 2)"), 1, 2, 3, 4, 5, 6, 7, 8))
	f.Add(zipped(f, zip.Store, "a.npy", array, "b", "x"))
	f.Add(zipped(f, zip.Deflate, "a.npy", array, "c/d.npy", array))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := npy.ReadNPZ(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, name := range a.Names() {
			x, err := a.Tensor(name)
			if err != nil {
				continue
			}
			if err := x.Check(); err != nil || x.Name != name {
				t.Fatalf("%q: %v", name, err)
			}
		}
	})
}
