package safetensors_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hanji-ml/hanji/safetensors"
)

func u8(name string, v byte) safetensors.Tensor {
	return safetensors.Tensor{Name: name, DType: safetensors.U8, Shape: []int{1}, Data: []byte{v}}
}

func encoded(t *testing.T, tensors ...safetensors.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Encode(&b, tensors, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Each layout opens from disk and from an fs.FS, or fails with the same reason.
func TestOpenModel(t *testing.T) {
	shard1, shard2 := encoded(t, u8("a", 1), u8("b", 2)), encoded(t, u8("c", 3), u8("b", 9))
	index := `{"metadata":{"total_size":3},"weight_map":{"c":"s-2.safetensors","a":"s-1.safetensors","b":"s-1.safetensors"}}`
	for name, c := range map[string]struct {
		files map[string]string
		open  string // within the folder
		names []string
		err   string
	}{
		"one file":       {map[string]string{"model.safetensors": string(shard1), "model.safetensors.index.json": "broken"}, "", []string{"a", "b"}, ""},
		"shards":         {map[string]string{"model.safetensors.index.json": index, "s-1.safetensors": string(shard1), "s-2.safetensors": string(shard2)}, "", []string{"a", "b", "c"}, ""},
		"index by name":  {map[string]string{"x.json": index, "s-1.safetensors": string(shard1), "s-2.safetensors": string(shard2)}, "x.json", []string{"a", "b", "c"}, ""},
		"another name":   {map[string]string{"adapter.safetensors": string(shard2)}, "", []string{"b", "c"}, ""},
		"file":           {map[string]string{"q": string(shard2)}, "q", []string{"b", "c"}, ""},
		"nothing":        {map[string]string{"config.json": "{}"}, "", nil, "no model.safetensors"},
		"two others":     {map[string]string{"x.safetensors": "", "y.safetensors": ""}, "", nil, "name one"},
		"shard missing":  {map[string]string{"model.safetensors.index.json": index, "s-1.safetensors": string(shard1)}, "", nil, "model.safetensors.index.json names a file that is not here"},
		"tensor missing": {map[string]string{"model.safetensors.index.json": index, "s-1.safetensors": string(shard1), "s-2.safetensors": string(shard1)}, "", nil, `tensor "c" is not in s-2.safetensors; files of two versions?`},
		"shard broken":   {map[string]string{"model.safetensors.index.json": index, "s-1.safetensors": string(shard1), "s-2.safetensors": string(shard2[:20])}, "", nil, "s-2.safetensors: header ends at"},
		"escape":         {map[string]string{"model.safetensors.index.json": `{"weight_map":{"a":"../../etc/passwd"}}`}, "", nil, "no plain file name"},
		"absolute":       {map[string]string{"model.safetensors.index.json": `{"weight_map":{"a":"/etc/passwd"}}`}, "", nil, "no plain file name"},
		"windows drive":  {map[string]string{"model.safetensors.index.json": `{"weight_map":{"a":"c:x"}}`}, "", nil, "no plain file name"},
		"folder":         {map[string]string{"model.safetensors.index.json": `{"weight_map":{"a":"."}}`}, "", nil, "no plain file name"},
		"no map":         {map[string]string{"model.safetensors.index.json": `{}`}, "", nil, "weight_map is missing"},
		"bad index":      {map[string]string{"model.safetensors.index.json": `{`}, "", nil, "model.safetensors.index.json: unexpected end"},
	} {
		dir, mem := t.TempDir(), fstest.MapFS{}
		for file, content := range c.files {
			mem["m/"+file] = &fstest.MapFile{Data: []byte(content)}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		disk, err1 := safetensors.OpenModel(filepath.Join(dir, c.open))
		memory, err2 := safetensors.OpenModelFS(mem, strings.TrimSuffix("m/"+c.open, "/"))
		for _, err := range []error{err1, err2} {
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), " safetensors: ") || !strings.HasPrefix(err.Error(), "safetensors: ")) {
				t.Errorf("%s: error is %v, want %q", name, err, c.err)
			}
		}
		if err1 != nil || err2 != nil {
			continue
		}
		for _, f := range []*safetensors.File{disk, memory} {
			if got := f.Names(); !slices.Equal(got, c.names) {
				t.Errorf("%s: names %q", name, got)
			}
			if x, _ := f.Tensor(c.names[len(c.names)-1]); !bytes.Equal(x.Data, []byte{3}) && len(c.names) != 2 {
				t.Errorf("%s: c = %v", name, x.Data)
			}
			if name == "shards" { // b of the second file is not the one the index means
				if x, _ := f.Tensor("b"); x.Data[0] != 2 {
					t.Errorf("%s: b = %v", name, x.Data)
				}
			}
			if f.Metadata()["format"] != "pt" {
				t.Errorf("%s: metadata %v", name, f.Metadata())
			}
			if err := f.Close(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
	}
	if _, err := safetensors.OpenModel(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing model: %v", err)
	}
}
