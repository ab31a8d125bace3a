package hub

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever a server lists, what is taken of it lies inside the snapshot and the blobs, and a choice is some of it.
func FuzzTree(f *testing.F) {
	for _, s := range []string{
		`[{"type":"file","path":"config.json","oid":"0123456789012345678901234567890123456789","size":3}]`,
		`[{"type":"file","path":"a/m-Q4_K_M-00001-of-00002.gguf","oid":"x","size":3,"lfs":{"oid":"` + strings.Repeat("0", 64) + `","size":9}}, {"type":"file","path":"a/m-Q4_K_M-00002-of-00002.gguf","oid":"x","lfs":{"oid":"` + strings.Repeat("0", 64) + `"}}]`,
		`[{"type":"file","path":"../x"},{"type":"directory","path":"y"},{"path":"model.safetensors"}]`,
		`{}`, `[[]]`,
	} {
		f.Add([]byte(s), "Q4_K_M")
		f.Add([]byte(s), "")
	}
	root := filepath.Join("cache", "snapshots")
	f.Fuzz(func(t *testing.T, b []byte, tag string) {
		var page []treeEntry
		if json.Unmarshal(b, &page) != nil {
			return
		}
		var names []string
		for _, e := range page {
			r, ok := e.remote()
			if !ok {
				continue
			}
			if p := filepath.Join(root, filepath.FromSlash(r.path)); !strings.HasPrefix(p, root+string(filepath.Separator)) || strings.ContainsAny(r.sum, `/\.`) || r.size < 0 {
				t.Fatalf("%+v is taken", r)
			}
			names = append(names, r.path)
		}
		c, err := choose(names, tag, nil)
		if err != nil {
			return
		}
		for _, name := range append(c.files, c.files[0]) {
			if !slices.Contains(names, name) {
				t.Fatalf("%q chosen of %q", name, names)
			}
		}
		if c.open != "" && !slices.Contains(c.files, c.open) {
			t.Fatalf("%q is opened, %q pulled", c.open, c.files)
		}
	})
}

// A name of a model is one folder of the cache, whatever is typed.
func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"acme/tiny", "acme/tiny:Q4_K_M", "../x", "a/b/c", "a--b/c", ":", "a/b:", "a/..", "A/b.c_d-e", "a-/1", "a/-b"} {
		f.Add(s)
	}
	h, err := New(Options{Cache: "cache"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		if r.String() != s {
			t.Fatalf("%q is %q", s, r)
		}
		dir := h.repoDir(r.Repo)
		if filepath.Dir(dir) != "cache" || strings.ReplaceAll(strings.TrimPrefix(filepath.Base(dir), "models--"), "--", "/") != r.Repo {
			t.Fatalf("%q lies in %q", s, dir)
		}
	})
}
