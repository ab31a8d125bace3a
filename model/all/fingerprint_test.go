package all_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/model/all"
)

// The same content in another place is the same model; another weight, wherever it lies, and another adapter are not.
func TestFingerprint(t *testing.T) {
	write := func(dir, name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	of := func(paths ...string) string {
		t.Helper()
		s, err := all.Fingerprint(paths...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := t.TempDir(), t.TempDir()
	weights := make([]byte, 5<<20)
	for _, dir := range []string{a, b} {
		write(dir, "config.json", []byte(`{}`))
		write(dir, "model.safetensors", weights)
	}
	write(b, "README.md", []byte("a note"))
	if of(a) != of(b) {
		t.Error("a copy has another fingerprint")
	}
	if of(a) == of(a, b) || of(a) == of(filepath.Join(a, "model.safetensors")) {
		t.Error("what is added does not count")
	}
	for _, at := range []int{0, 1<<20 - 1, 5 << 19, 5<<20 - 1} {
		weights[at] = 1
		write(b, "model.safetensors", weights)
		if of(a) == of(b) {
			t.Errorf("byte %d does not count", at)
		}
		weights[at] = 0
	}
	write(b, "model.safetensors", weights[1:])
	if of(a) == of(b) {
		t.Error("the size does not count")
	}
	write(b, "model.safetensors", weights)
	write(b, "config.json", []byte(`{"rope_theta": 1}`))
	if of(a) == of(b) {
		t.Error("the configuration does not count")
	}
	if _, err := all.Fingerprint(filepath.Join(a, "none")); err == nil {
		t.Error("what is not there has a fingerprint")
	}
}
