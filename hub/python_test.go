package hub_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/hub"
	"github.com/hanji-ml/hanji/internal/hubtest"
)

// python runs a program of huggingface_hub over a cache and returns the lines that it prints.
func python(t *testing.T, s *hubtest.Server, cache, program string) []string {
	t.Helper()
	cmd := exec.Command(os.Getenv("HANJI_PYTHON"), "-c", program)
	cmd.Env = append(os.Environ(), "HF_HUB_CACHE="+cache, "HF_HOME="+filepath.Dir(cache), "HF_ENDPOINT="+s.URL, "HF_HUB_DISABLE_XET=1", "HF_HUB_DISABLE_PROGRESS_BARS=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// huggingface_hub finds what hanji has pulled without asking a server, thinks the cache sound, and hanji finds what it has pulled.
func TestPythonShares(t *testing.T) {
	if os.Getenv("HANJI_PYTHON") == "" {
		t.Log("HANJI_PYTHON is not set: not compared with huggingface_hub in this run")
		return
	}
	s := hubtest.New(t, models())
	ours := open(t, s, nil)
	m, file := pull(t, ours, "acme/folder"), pull(t, ours, "acme/blocks-GGUF")
	n := len(s.Requests())
	got := python(t, s, ours.Cache(), `
from huggingface_hub import snapshot_download, hf_hub_download, scan_cache_dir
print(snapshot_download("acme/folder", local_files_only=True))
print(hf_hub_download("acme/blocks-GGUF", "m-Q4_K_M.gguf", local_files_only=True))
info = scan_cache_dir()
print(len(info.warnings), sorted(r.repo_id for r in info.repos), sorted(f for r in info.repos for v in r.revisions for f in v.refs))
`)
	want := []string{m.Path, file.Path, "0 ['acme/blocks-GGUF', 'acme/folder'] ['main', 'main']"}
	if !slices.Equal(got, want) {
		t.Errorf("huggingface_hub says %q, want %q", got, want)
	}
	for _, q := range s.Requests()[n:] {
		if strings.Contains(q, "acme") {
			t.Errorf("asked the server: %s", q)
		}
	}

	theirs := open(t, s, nil)
	got = python(t, s, theirs.Cache(), `
from huggingface_hub import snapshot_download, hf_hub_download
print(snapshot_download("acme/folder", ignore_patterns=["*.bin", "onnx/*"]))
print(hf_hub_download("acme/blocks-GGUF", "m-Q8_0.gguf"))
`)
	found, err := theirs.Find(ref(t, "acme/folder"))
	if err != nil || found.Path != got[0] {
		t.Fatalf("%+v, %v; huggingface_hub has it in %s", found, err, got[0])
	}
	same(t, s, theirs, found)
	for _, name := range []string{"acme/blocks-GGUF", "acme/blocks-GGUF:Q8_0"} {
		if found, err := theirs.Find(ref(t, name)); err != nil || found.Path != got[1] {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
	if _, err := theirs.Find(ref(t, "acme/blocks-GGUF:Q4_K_M")); !errors.Is(err, hub.ErrNotCached) {
		t.Error(err)
	}
	n = len(s.Requests())
	pull(t, theirs, "acme/folder")
	for _, q := range s.Requests()[n:] {
		if strings.Contains(q, "/resolve/") {
			t.Errorf("pulled again: %s", q)
		}
	}
	if _, err := theirs.Remove(ref(t, "acme/folder")); err != nil {
		t.Error(err)
	}
}
