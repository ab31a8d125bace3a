package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/npy"
	"github.com/hanji-ml/hanji/safetensors"
)

// hanji runs the program in this process and gives its exit code and outputs.
func hanji(args ...string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	code = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// TestInspectTensors: the same two tensors, told from the content in three formats.
func TestInspectTensors(t *testing.T) {
	dir := t.TempDir()
	w := safetensors.Tensor{Name: "w", DType: "F32", Shape: []int{2, 3}, Data: make([]byte, 24)}
	n := safetensors.Tensor{Name: "n", DType: "I64", Data: make([]byte, 8)}
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		safetensors.Write(file("model.safetensors"), []safetensors.Tensor{w, n}, map[string]string{"format": "pt"}),
		npy.WriteNPZ(file("z"), []safetensors.Tensor{w, n}),
		npy.WriteFile(file("one"), w, npy.Options{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ path, format string }{
		{dir, "safetensors"}, {file("model.safetensors"), "safetensors"}, {file("z"), "npz"},
	} {
		code, out, errs := hanji("inspect", c.path)
		if code != 0 {
			t.Fatalf("%s: %s", c.path, errs)
		}
		for _, want := range []string{c.path + ": " + c.format + ", 2 tensors, 7 values, 32 bytes\n", "w       F32    [2 3]     24\n", "n       I64    []         8\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is missing in\n%s", c.path, want, out)
			}
		}
	}
	if code, out, _ := hanji("inspect", "--json", file("one")); code != 0 || !strings.HasSuffix(out, `"format":"npy","values":6,"bytes":24,"tensors":[{"name":"","dtype":"F32","shape":[2,3],"bytes":24}]}`+"\n") {
		t.Errorf("npy: %d %s", code, out)
	}
}

// TestInspectBad: whatever the bytes, one line on standard error, exit code 1, nothing else.
func TestInspectBad(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"jpeg":        "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01",
		"truncated":   "\x40\x00\x00\x00\x00\x00\x00\x00{\"w\":{\"dtype\"",
		"huge":        "\xff\xff\xff\xff\x00\x00\x00\x00{",
		"zip":         "PK\x03\x04 and no archive",
		"numpy":       "\x93NUMPY\x01\x00\xff\xff{",
		"old pickle":  "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
		"system":      "\x80\x04cposix\nsystem\n(S'touch pwned'\ntR.",
		"ragged":      "a,b\n1,2\n3\n",
		"tsf no data": "@relation x\n",
		"gguf v1":     "GGUF\x01\x00\x00\x00" + strings.Repeat("\x00", 16),
		"gguf huge":   "GGUF\x03\x00\x00\x00" + strings.Repeat("\xff", 16),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		code, out, errs := hanji("inspect", path)
		if code != exitFailed || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, name) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", name, code, out, errs)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1000: "1.00 kB", 3_220_000: "3.22 MB", 1 << 62: "4611686.02 TB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -123456: "-123,456", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
