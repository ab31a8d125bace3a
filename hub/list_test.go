package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/hub"
	"github.com/hanji-ml/hanji/internal/hubtest"
)

func lines(t *testing.T, h *hub.Hub) (list []string) {
	t.Helper()
	found, err := h.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		list = append(list, c.Ref.String()+" "+strings.Join(c.Revisions, " "))
		if !c.Unfinished && (time.Since(c.Used) > time.Minute || time.Since(c.Used) < -time.Minute) {
			t.Errorf("%s was used at %v", c.Ref, c.Used)
		}
	}
	return list
}

// blobs counts the files that hold content.
func blobs(t *testing.T, h *hub.Hub) (n int) {
	t.Helper()
	err := filepath.WalkDir(h.Cache(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Base(filepath.Dir(path)) == "blobs" {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What goes frees what nothing else uses, and no more.
func TestListAndRemove(t *testing.T) {
	s := hubtest.New(t, models())
	h := open(t, s, nil)
	if got := lines(t, h); got != nil {
		t.Errorf("an empty cache has %q", got)
	}
	for _, name := range []string{"acme/blocks-GGUF", "acme/blocks-GGUF:F16", "acme/folder"} {
		pull(t, h, name)
	}
	if got, want := lines(t, h), []string{"acme/blocks-GGUF:F16 main", "acme/blocks-GGUF:Q4_K_M main", "acme/folder main"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	freed, err := h.Remove(ref(t, "acme/blocks-GGUF:F16"))
	if err != nil || freed < 200_010 || freed > 200_100 {
		t.Errorf("%d bytes freed, %v", freed, err)
	}
	kept, err := h.Find(ref(t, "acme/blocks-GGUF"))
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-1000 * time.Hour)
	if err := os.Chtimes(kept.Path, long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Use(kept.Ref); err != nil { // lines looks at the time
		t.Fatal(err)
	}
	if info, err := os.Stat(kept.Path); err != nil || info.ModTime().Sub(long).Abs() > time.Second {
		t.Errorf("use changed when it was written: %v, %v", info.ModTime(), err)
	}

	// A second commit shares all but one file with the first.
	first := s.Commit("acme/folder")
	s.Repos["acme/folder"]["model-00001-of-00002.safetensors"] = content(77, 300_000)
	pull(t, h, "acme/folder")
	if got, want := lines(t, h), []string{"acme/blocks-GGUF:Q4_K_M main", "acme/folder ", "acme/folder main"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("%q, want %q", got, want)
	}
	n := blobs(t, h)
	if freed, err := h.Remove(hub.Ref{Repo: "acme/folder", Revision: first}); err != nil || freed < 300_000 || freed > 300_100 || blobs(t, h) != n-1 {
		t.Errorf("%d bytes, %d files freed, %v", freed, n-blobs(t, h), err)
	}
	m, err := h.Find(ref(t, "acme/folder"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, s, h, m)
	if freed, err := h.Remove(hub.Ref{Repo: "acme/folder", Revision: "main"}); err != nil || freed < 500_000 {
		t.Errorf("%d bytes freed, %v", freed, err)
	}
	if _, err := h.Remove(ref(t, "acme/blocks-GGUF")); err != nil {
		t.Error(err)
	}
	if n := blobs(t, h); n != 0 {
		t.Errorf("%d files are left", n)
	}
	for _, gone := range []string{"acme/blocks-GGUF", "acme/folder:Q8_0", "acme/none"} {
		if _, err := h.Remove(ref(t, gone)); !errors.Is(err, hub.ErrNotCached) {
			t.Errorf("%s: %v", gone, err)
		}
	}
}

// A pull that goes on elsewhere is not disturbed, one that was stopped can be seen and taken away.
func TestRemoveWhilePulling(t *testing.T) {
	s := hubtest.New(t, models())
	s.Store = func(w http.ResponseWriter, r *http.Request) bool {
		b := s.Repos["acme/folder"]["model-00001-of-00002.safetensors"]
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Write(b[:len(b)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	h := open(t, s, func(o *hub.Options) { o.Parallel = 1 })
	ctx, cancel := context.WithCancel(context.Background())
	tried := false
	_, err := h.Pull(ctx, ref(t, "acme/folder"), hub.PullOptions{Progress: func(done, _ int64) {
		if done > 100_000 && !tried {
			tried = true
			if _, err := h.Remove(ref(t, "acme/folder")); err == nil || !strings.Contains(err.Error(), "another process is pulling acme/folder") {
				t.Errorf("removed: %v", err)
			}
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || !tried {
		t.Fatal(err)
	}
	found, err := h.List()
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(found, func(c hub.Cached) bool { return c.Unfinished }); i < 0 || found[i].Bytes == 0 {
		t.Errorf("%+v", found)
	}
	if _, err := h.Remove(ref(t, "acme/folder")); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(h.Cache(), "models--*")); len(left) != 0 {
		t.Errorf("%q is left", left)
	}
}

// Without symbolic links the files themselves are the snapshot, as huggingface_hub does it.
func TestNoLinks(t *testing.T) {
	s := hubtest.New(t, models())
	h := open(t, s, hub.NoLinks)
	m := pull(t, h, "acme/folder")
	same(t, s, h, m)
	info, err := os.Lstat(filepath.Join(m.Path, "config.json"))
	if err != nil || !info.Mode().IsRegular() || blobs(t, h) != 0 {
		t.Errorf("%v, %v, %d blobs", info, err, blobs(t, h))
	}
	n := len(s.Requests())
	pull(t, h, "acme/folder")
	if got := len(s.Requests()) - n; got != 2 {
		t.Errorf("asked %d times", got)
	}
	if freed, err := h.Remove(hub.Ref{Repo: "acme/folder", Revision: "main"}); err != nil || freed < 500_000 {
		t.Errorf("%d freed, %v", freed, err)
	}
	if got := lines(t, h); got != nil {
		t.Errorf("%q is left", got)
	}
}

// The catalogue's sums are held against the hub's before a byte is pulled.
func TestCatalogueSums(t *testing.T) {
	e, _, ok := hub.Lookup("Qwen3-0.6B")
	if !ok || e.Repo != "Qwen/Qwen3-0.6B-GGUF" {
		t.Fatalf("%+v, %v", e, ok)
	}
	s := hubtest.New(t, map[string]map[string][]byte{e.Repo: {"Qwen3-0.6B-Q8_0.gguf": content(1, 1000)}})
	h := open(t, s, nil)
	if _, err := h.Pull(context.Background(), e.Ref(""), hub.PullOptions{}); err == nil || !strings.Contains(err.Error(), "is not the file that the catalogue knows") || !strings.Contains(err.Error(), "name it Qwen/Qwen3-0.6B-GGUF:Q8_0") {
		t.Errorf("%v", err)
	}
	if _, err := h.Pull(context.Background(), e.Ref("Q8_0"), hub.PullOptions{}); err != nil {
		t.Errorf("named by its tag: %v", err)
	}
}

// Entries are such as can be: bits a weight of their type, a repository's name, sums.
func TestCatalogue(t *testing.T) {
	// Some of Qwen's files hold the tied output matrix once more.
	bits := map[string][2]float64{"Q8_0": {8.4, 11}, "Q4_K_M": {4.5, 6.5}, "": {15.9, 16.1}}
	seen := map[string]bool{}
	for _, e := range hub.Catalogue() {
		if err := e.Ref("").Check(); err != nil || seen[e.Name] || e.Name != strings.ToLower(e.Name) || e.Licence == "" {
			t.Errorf("%s: %v", e.Name, err)
		}
		seen[e.Name] = true
		if b := 8 * float64(e.Bytes) / float64(e.Params); b < bits[e.Tag][0] || b > bits[e.Tag][1] {
			t.Errorf("%s: %.2f bits a weight of %q", e.Name, b, e.Tag)
		}
		for _, sum := range e.SHA256 {
			if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
				t.Errorf("%s: sum %q", e.Name, sum)
			}
		}
		if e.About && e.SHA256 != nil {
			t.Errorf("%s: a sum and no size", e.Name)
		}
		if e.Read() > e.Resident(0) || e.Resident(100) <= e.Resident(10) || e.Resident(1<<30) != e.Resident(e.Context) {
			t.Errorf("%s: reads %d, takes %d", e.Name, e.Read(), e.Resident(0))
		}
	}
	for _, name := range []string{"none", "", "qwen3-0.6b:", "qwen3-0.6b:a/b", "smollm2-135m-instruct:Q8_0"} {
		if e, _, ok := hub.Lookup(name); ok {
			t.Errorf("%q is %+v", name, e)
		}
	}
	if e, tag, ok := hub.Lookup("qwen3-4b:Q8_0"); !ok || e.Ref(tag).String() != "Qwen/Qwen3-4B-GGUF:Q8_0" {
		t.Errorf("%+v, %q, %v", e, tag, ok)
	}
}

func TestFromEnv(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"HF_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE", "XDG_CACHE_HOME", "HF_HOME"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	if o := hub.FromEnv(); o.Cache != filepath.Join(home, ".cache", "huggingface", "hub") || o.Token != "" || o.Offline {
		t.Errorf("%+v", o)
	}
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "x"))
	if o := hub.FromEnv(); o.Cache != filepath.Join(home, "x", "huggingface", "hub") {
		t.Errorf("%+v", o)
	}
	t.Setenv("HF_HOME", "~/hf")
	if err := os.MkdirAll(filepath.Join(home, "hf"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "hf", "token"), []byte("hf_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := hub.FromEnv(); o.Cache != filepath.Join(home, "hf", "hub") || o.Token != "hf_file" {
		t.Errorf("%+v", o)
	}
	t.Setenv("HF_TOKEN", "hf_env")
	t.Setenv("HF_HUB_CACHE", "/elsewhere")
	t.Setenv("HF_ENDPOINT", "https://mirror.example/")
	t.Setenv("HF_HUB_OFFLINE", "yes")
	if o := hub.FromEnv(); o.Cache != "/elsewhere" || o.Token != "hf_env" || o.Endpoint != "https://mirror.example/" || !o.Offline {
		t.Errorf("%+v", o)
	}
	for _, bad := range []hub.Options{{}, {Cache: "x", Endpoint: "mirror"}, {Cache: "x", Endpoint: "ftp://x"}, {Cache: "x", Endpoint: "https://u:p@x"}, {Cache: "x", Token: "a\nb"}} {
		if _, err := hub.New(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
