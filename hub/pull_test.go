package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/hub"
	"github.com/hanji-ml/hanji/internal/hubtest"
)

// content is n bytes that differ from file to file.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// models are a folder of two shards with copies in other formats, and a repository of GGUF files.
func models() map[string]map[string][]byte {
	return map[string]map[string][]byte{
		"acme/folder": {
			"config.json":                      []byte(`{"model_type": "llama"}`),
			"tokenizer.json":                   []byte(`{}`),
			"tokenizer.model":                  content(1, 3000),
			"chat_template.jinja":              []byte(`x`),
			"empty.json":                       {},
			"model-00001-of-00002.safetensors": content(2, 300_000),
			"model-00002-of-00002.safetensors": content(3, 200_000),
			"model.safetensors.index.json":     []byte(`{"weight_map": {}}`),
			"consolidated.safetensors":         content(4, 100),
			"pytorch_model.bin":                content(5, 100),
			"pytorch_model.bin.index.json":     []byte(`{}`),
			"README.md":                        []byte(`# no`),
			"onnx/model.safetensors":           content(6, 100),
		},
		"acme/blocks-GGUF": {
			"README.md":                            []byte(`# no`),
			"mmproj-F16.gguf":                      content(7, 100),
			"m-Q8_0.gguf":                          content(8, 90_000),
			"m-Q4_K_M.gguf":                        content(9, 50_000),
			"m-Q4_K_S.gguf":                        content(10, 40_000),
			"F16/m-F16-00001-of-00003.gguf":        content(11, 100_000),
			"F16/m-F16-00002-of-00003.gguf":        content(12, 100_000),
			"F16/m-F16-00003-of-00003.gguf":        content(13, 10),
			"broken/m-Q6_K-00001-of-00002.gguf":    content(14, 10),
			"m-imatrix.gguf":                       content(15, 10),
			"IQ/m.IQ4_XS.gguf":                     content(16, 10),
			"a/very/deep/folder/m-UD-Q2_K_XL.gguf": content(17, 10),
		},
		"acme/pickles": {"config.json": []byte(`{}`), "pytorch_model.bin": content(18, 10)},
		"acme/words":   {"README.md": []byte(`# no`)},
	}
}

func open(t *testing.T, s *hubtest.Server, change func(*hub.Options)) *hub.Hub {
	t.Helper()
	o := hub.Options{Endpoint: s.URL, Cache: filepath.Join(t.TempDir(), "hub"), Patience: time.Millisecond, Idle: 2 * time.Second}
	if change != nil {
		change(&o)
	}
	h, err := hub.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func pull(t *testing.T, h *hub.Hub, name string) hub.Model {
	t.Helper()
	m, err := h.Pull(context.Background(), ref(t, name), hub.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ref(t *testing.T, name string) hub.Ref {
	t.Helper()
	r, err := hub.ParseRef(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// same compares a model's files with the server's.
func same(t *testing.T, s *hubtest.Server, h *hub.Hub, m hub.Model) {
	t.Helper()
	root := filepath.Join(h.Cache(), "models--"+strings.ReplaceAll(m.Ref.Repo, "/", "--"), "snapshots", m.Commit)
	for _, name := range m.Files {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(b, s.Repos[m.Ref.Repo][name]) {
			t.Errorf("%s has other bytes", name)
		}
	}
}

// What is pulled is what a model needs, is found again without the server, and is not asked for twice.
func TestPull(t *testing.T) {
	folder := []string{"chat_template.jinja", "config.json", "empty.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
		"model.safetensors.index.json", "tokenizer.json", "tokenizer.model"}
	for name, want := range map[string][]string{
		"acme/folder":              folder,
		"acme/blocks-GGUF":         {"m-Q4_K_M.gguf"},
		"acme/blocks-GGUF:q8_0":    {"m-Q8_0.gguf"},
		"acme/blocks-GGUF:iq4_xs":  {"IQ/m.IQ4_XS.gguf"},
		"acme/blocks-GGUF:Q2_K_XL": {"a/very/deep/folder/m-UD-Q2_K_XL.gguf"},
		"acme/blocks-GGUF:F16":     {"F16/m-F16-00001-of-00003.gguf", "F16/m-F16-00002-of-00003.gguf", "F16/m-F16-00003-of-00003.gguf"},
	} {
		s := hubtest.New(t, models())
		s.Page = 3
		h := open(t, s, nil)
		r := ref(t, name)
		if _, err := h.Find(r); !errors.Is(err, hub.ErrNotCached) {
			t.Errorf("%s: found before it was pulled: %v", name, err)
		}
		var done, total int64
		m, err := h.Pull(context.Background(), r, hub.PullOptions{Progress: func(d, n int64) { done, total = d, n }})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := slices.Sorted(slices.Values(m.Files)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if done != total || total != m.Bytes || m.Bytes == 0 {
			t.Errorf("%s: %d of %d bytes, of %d", name, done, total, m.Bytes)
		}
		same(t, s, h, m)
		n := len(s.Requests())
		again, err := h.Find(r)
		if err != nil || again.Path != m.Path || again.Commit != s.Commit(r.Repo) || again.Bytes != m.Bytes {
			t.Errorf("%s: found as %+v, %v", name, again, err)
		}
		if len(s.Requests()) != n {
			t.Errorf("%s: Find asked the server", name)
		}
		pull(t, h, name)
		for _, q := range s.Requests()[n:] {
			if strings.Contains(q, "/resolve/") {
				t.Errorf("%s: asked again for %s", name, q)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(h.Cache(), "*/blobs/*.incomplete")); len(left) > 0 {
			t.Errorf("%s: left %q", name, left)
		}
	}
}

// A connection that breaks again and again: each try goes on where the last ended, also in another process.
func TestPullResumes(t *testing.T) {
	s := hubtest.New(t, models())
	var cut, tries atomic.Int64
	s.Store = func(w http.ResponseWriter, r *http.Request) bool {
		var from int64
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		b := s.Repos["acme/blocks-GGUF"]["m-Q4_K_M.gguf"]
		if tries.Add(1); from+cut.Load() >= int64(len(b)) {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(int64(len(b))-from))
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(b)-1, len(b)))
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(b[from : from+cut.Load()])
		panic(http.ErrAbortHandler)
	}
	cut.Store(7000)
	h := open(t, s, nil)
	same(t, s, h, pull(t, h, "acme/blocks-GGUF"))
	if n := tries.Load(); n != 8 {
		t.Errorf("%d tries of 7000 bytes for 50000", n)
	}

	h = open(t, s, nil)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := h.Pull(ctx, ref(t, "acme/blocks-GGUF"), hub.PullOptions{Progress: func(done, _ int64) {
		if done >= 20_000 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	if _, err := h.Find(ref(t, "acme/blocks-GGUF")); !errors.Is(err, hub.ErrNotCached) {
		t.Errorf("half a model is found: %v", err)
	}
	cut.Store(50_000)
	n := len(s.Requests())
	same(t, s, h, pull(t, h, "acme/blocks-GGUF"))
	if q := strings.Join(s.Requests()[n:], "\n"); !strings.Contains(q, "bytes=2") {
		t.Errorf("begun again:\n%s", q)
	}

	// What lies there may be no part of the file.
	h = open(t, s, nil)
	part := filepath.Join(h.Cache(), "models--acme--blocks-GGUF", "blobs", "*")
	pull(t, h, "acme/blocks-GGUF")
	blobs, err := filepath.Glob(part)
	if err != nil || len(blobs) != 1 {
		t.Fatal(blobs, err)
	}
	for _, junk := range [][]byte{content(99, 1000), content(98, 50_000), content(97, 60_000)} {
		if err := os.RemoveAll(filepath.Join(h.Cache(), "models--acme--blocks-GGUF", "snapshots")); err != nil {
			t.Fatal(err)
		}
		os.Remove(blobs[0])
		if err := os.WriteFile(blobs[0]+".incomplete", junk, 0o666); err != nil {
			t.Fatal(err)
		}
		same(t, s, h, pull(t, h, "acme/blocks-GGUF"))
	}
}

// A server without ranges gives all again, and one that stops sending is left.
func TestPullStubborn(t *testing.T) {
	s := hubtest.New(t, models())
	var n atomic.Int64
	s.Store = func(w http.ResponseWriter, r *http.Request) bool {
		b := s.Repos["acme/blocks-GGUF"]["m-Q4_K_M.gguf"]
		if n.Add(1) == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			w.Write(b[:10_000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}
		w.Write(b)
		return true
	}
	h := open(t, s, func(o *hub.Options) { o.Idle = 200 * time.Millisecond })
	same(t, s, h, pull(t, h, "acme/blocks-GGUF"))
}

// Damaged bytes are not kept; too many are refused early.
func TestPullChecksums(t *testing.T) {
	s := hubtest.New(t, models())
	flip := func(w http.ResponseWriter, name string, more int) {
		b := bytes.Clone(s.Repos["acme/folder"][name])
		b[len(b)/2] ^= 1
		w.Write(append(b, make([]byte, more)...))
	}
	for _, name := range []string{"model-00002-of-00002.safetensors", "tokenizer.json"} {
		for more, want := range map[int]string{0: "came with checksum", 5: "gives more than"} {
			onHub := func(w http.ResponseWriter, r *http.Request) bool {
				bad := name == "tokenizer.json" && strings.HasSuffix(r.URL.Path, "/tokenizer.json")
				if bad {
					flip(w, name, more)
				}
				return bad
			}
			onStore := func(w http.ResponseWriter, r *http.Request) bool {
				bad := strings.HasSuffix(r.URL.Path, name)
				if bad {
					flip(w, name, more)
				}
				return bad
			}
			s.Set(func() { s.Hub, s.Store = onHub, onStore })
			h := open(t, s, nil)
			if _, err := h.Pull(context.Background(), ref(t, "acme/folder"), hub.PullOptions{}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, %d bytes more: %v", name, more, err)
			}
			if _, err := h.Find(ref(t, "acme/folder")); !errors.Is(err, hub.ErrNotCached) {
				t.Errorf("found: %v", err)
			}
			s.Set(func() { s.Hub, s.Store = nil, nil })
			same(t, s, h, pull(t, h, "acme/folder"))
		}
	}
	other := func(w http.ResponseWriter, r *http.Request) bool {
		bad := strings.HasSuffix(r.URL.Path, "/tokenizer.json")
		if bad {
			w.Header().Set("Etag", `"`+strings.Repeat("ab", 20)+`"`)
			w.Write(s.Repos["acme/folder"]["tokenizer.json"])
		}
		return bad
	}
	s.Set(func() { s.Hub = other })
	if _, err := open(t, s, nil).Pull(context.Background(), ref(t, "acme/folder"), hub.PullOptions{}); err == nil || !strings.Contains(err.Error(), "serves another file than it lists") {
		t.Errorf("another tag: %v", err)
	}
}

// The token goes to the hub and nowhere else, neither by a redirect nor in an error.
func TestPullToken(t *testing.T) {
	s := hubtest.New(t, models())
	s.Token = "hf_secret"
	h := open(t, s, func(o *hub.Options) { o.Token = "hf_secret" })
	same(t, s, h, pull(t, h, "acme/blocks-GGUF"))
	stored := 0
	for _, q := range s.Requests() {
		if has := strings.Contains(q, "Bearer hf_secret"); has != strings.HasPrefix(q, "hub ") {
			t.Errorf("token %v in %q", has, q)
		}
		if strings.HasPrefix(q, "storage ") {
			stored++
		}
	}
	if stored == 0 {
		t.Error("nothing was redirected")
	}
	refuse := func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "no", http.StatusBadRequest)
		return true
	}
	s.Set(func() { s.Store = refuse })
	h = open(t, s, func(o *hub.Options) { o.Token = "hf_secret" })
	if _, err := h.Pull(context.Background(), ref(t, "acme/blocks-GGUF"), hub.PullOptions{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// Each refusal says what to do, in one line, at once.
func TestPullRefused(t *testing.T) {
	s := hubtest.New(t, models())
	s.Gated = map[string]bool{"acme/folder": true}
	for _, c := range []struct {
		name, rev, token, want string
		code                   int
	}{
		{"acme/folder", "", "", "is gated: accept its licence at " + s.URL + "/acme/folder, and set HF_TOKEN", 403},
		{"acme/folder", "", "hf_other", "is gated: accept its licence at " + s.URL + "/acme/folder, and HF_TOKEN must be of that account", 403},
		{"acme/none", "", "", "has no acme/none to show without a token: check the name", 401},
		{"acme/none", "", "hf_other", "does not take this token for acme/none", 401},
		{"acme/blocks-GGUF", "v9", "", `acme/blocks-GGUF has no revision "v9"`, 404},
	} {
		h := open(t, s, func(o *hub.Options) { o.Token = c.token })
		r := ref(t, c.name)
		r.Revision = c.rev
		n := len(s.Requests())
		_, err := h.Pull(context.Background(), r, hub.PullOptions{})
		var status *hub.StatusError
		if !errors.As(err, &status) || status.Code != c.code || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if more := len(s.Requests()) - n; more != 1 {
			t.Errorf("%s: asked %d times", c.name, more)
		}
	}
	for name, want := range map[string]string{
		"acme/pickles":          "pytorch_model.bin alone; look for a repository with safetensors",
		"acme/words":            "none of its 1 files are weights",
		"acme/blocks-GGUF:Q5_0": `no GGUF file of tag "Q5_0"; it has F16, IQ4_XS, UD-Q2_K_XL, Q4_K_M, Q4_K_S, Q8_0`,
		"acme/blocks-GGUF:Q4_K": `no GGUF file of tag "Q4_K"`,
		"acme/blocks-GGUF:Q6_K": `no GGUF file of tag "Q6_K"`, // a part is missing
		"acme/words:Q4_0":       "no GGUF files",
	} {
		if _, err := open(t, s, nil).Pull(context.Background(), ref(t, name), hub.PullOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// A busy or broken server is asked again, as late as it wants; one that stays so is given up.
func TestPullRetries(t *testing.T) {
	s := hubtest.New(t, models())
	var n atomic.Int64
	busy := func(w http.ResponseWriter, _ *http.Request) bool {
		switch n.Add(1) % 4 {
		case 1:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "later", http.StatusTooManyRequests)
		case 2:
			http.Error(w, "broken", http.StatusBadGateway)
		case 3:
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	}
	s.Hub = busy
	h := open(t, s, nil)
	start := time.Now()
	same(t, s, h, pull(t, h, "acme/blocks-GGUF"))
	if d := time.Since(start); d < 2*time.Second {
		t.Errorf("done after %v, with several waits of a second", d)
	}
	broken := func(w http.ResponseWriter, _ *http.Request) bool {
		n.Add(1)
		http.Error(w, "broken", http.StatusInternalServerError)
		return true
	}
	s.Set(func() { s.Hub = broken })
	n.Store(0)
	if _, err := open(t, s, nil).Pull(context.Background(), ref(t, "acme/blocks-GGUF"), hub.PullOptions{}); err == nil || !strings.Contains(err.Error(), "given up after 5 tries") || n.Load() != 5 {
		t.Errorf("%v after %d tries", err, n.Load())
	}
}

func TestPullOffline(t *testing.T) {
	s := hubtest.New(t, models())
	online := open(t, s, nil)
	pull(t, online, "acme/folder")
	n := len(s.Requests())
	h := open(t, s, func(o *hub.Options) { o.Offline, o.Cache = true, online.Cache() })
	same(t, s, h, pull(t, h, "acme/folder"))
	if _, err := h.Pull(context.Background(), ref(t, "acme/blocks-GGUF"), hub.PullOptions{}); !errors.Is(err, hub.ErrNotCached) || !strings.Contains(err.Error(), "HF_HUB_OFFLINE") {
		t.Errorf("%v", err)
	}
	if len(s.Requests()) != n {
		t.Error("the server was asked")
	}
}

// A server cannot make hanji write elsewhere.
func TestPullNames(t *testing.T) {
	s := hubtest.New(t, models())
	for _, bad := range []map[string]any{
		{"path": "../../../outside.json"}, {"path": "/etc/outside.json"}, {"path": "a/../../x.json"}, {"path": `..\x.json`}, {"path": "C:x.json"}, {"path": ""},
		{"path": "a\x00.json"}, {"path": "./x.json"}, {"path": strings.Repeat("x", 600)}, {"oid": "../../../x"}, {"oid": "zz"}, {"size": -1},
		{"lfs": map[string]any{"oid": "../../x", "size": 1}}, {"lfs": map[string]any{"oid": strings.Repeat("a", 64), "size": -1}},
	} {
		change := func(e map[string]any) {
			if e["path"] == "tokenizer.json" {
				for k, v := range bad {
					e[k] = v
				}
			}
		}
		s.Set(func() { s.Listed = change })
		h := open(t, s, nil)
		if _, err := h.Pull(context.Background(), ref(t, "acme/folder"), hub.PullOptions{}); err == nil || !strings.Contains(err.Error(), "lists a file that cannot be") {
			t.Errorf("%v: %v", bad, err)
		}
		if found, _ := filepath.Glob(filepath.Join(h.Cache(), "*")); len(found) > 0 {
			t.Errorf("%v: wrote %q", bad, found)
		}
	}
	for _, bad := range []string{"", "name", "a/b/c", "../b", "a/..", "a/b..c", "a--b/c", "/a", "a/", "a/b:", "a/b:../x", "a b/c", "a/b.git", "a/" + strings.Repeat("x", 100), "a\\b/c", ".a/b", "a-/b", "a/-b", "a/b."} {
		if r, err := hub.ParseRef(bad); err == nil {
			t.Errorf("%q is %+v", bad, r)
		}
	}
	for _, bad := range []string{"../x", "a/../../b", "/x", "a//b", "x.lock", "a b", "\x00"} {
		if _, err := open(t, s, nil).Pull(context.Background(), hub.Ref{Repo: "acme/folder", Revision: bad}, hub.PullOptions{}); err == nil || !strings.Contains(err.Error(), "is no revision") {
			t.Errorf("revision %q: %v", bad, err)
		}
	}
}

// Many at once bring each file once and whole.
func TestPullTogether(t *testing.T) {
	s := hubtest.New(t, models())
	cache := filepath.Join(t.TempDir(), "hub")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			h := open(t, s, func(o *hub.Options) { o.Cache = cache })
			m, err := h.Pull(context.Background(), ref(t, "acme/folder"), hub.PullOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			same(t, s, h, m)
		})
	}
	wait.Wait()
	got := map[string]int{}
	for _, q := range s.Requests() {
		if strings.HasPrefix(q, "storage ") {
			got[q]++
		}
	}
	for q, n := range got {
		if n != 1 {
			t.Errorf("%d times %s", n, q)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d large files came", len(got))
	}
}

// Branches, pull requests and commits.
func TestPullRevisions(t *testing.T) {
	s := hubtest.New(t, models())
	h := open(t, s, nil)
	for _, rev := range []string{"main", "refs/pr/1", s.Commit("acme/folder")} {
		r := hub.Ref{Repo: "acme/folder", Revision: rev}
		m, err := h.Pull(context.Background(), r, hub.PullOptions{})
		if err != nil {
			t.Fatalf("%s: %v", rev, err)
		}
		same(t, s, h, m)
		if again, err := h.Find(r); err != nil || again.Path != m.Path {
			t.Errorf("%s: %+v, %v", rev, again, err)
		}
	}
	old, first := pull(t, h, "acme/folder"), s.Commit("acme/folder")
	s.Repos["acme/folder"]["tokenizer.json"] = []byte(`{"new": 1}`)
	if m := pull(t, h, "acme/folder"); m.Commit == first || m.Path == old.Path {
		t.Errorf("still %+v", m)
	} else {
		same(t, s, h, m)
	}
	if _, err := h.Find(hub.Ref{Repo: "acme/folder", Revision: first}); err != nil {
		t.Errorf("the old commit: %v", err)
	}
}

func TestPullGlobs(t *testing.T) {
	s := hubtest.New(t, models())
	h := open(t, s, nil)
	m, err := h.Pull(context.Background(), ref(t, "acme/blocks-GGUF"), hub.PullOptions{Globs: []string{"*Q4_K_S.gguf"}})
	if err != nil || !slices.Equal(m.Files, []string{"m-Q4_K_S.gguf"}) || !strings.HasSuffix(m.Path, "m-Q4_K_S.gguf") {
		t.Errorf("%+v, %v", m, err)
	}
	if again, err := h.Find(ref(t, "acme/blocks-GGUF")); err != nil || again.Path != m.Path {
		t.Errorf("found %+v, %v", again, err)
	}
	for _, bad := range []string{"*.none", "[", "../*"} {
		if _, err := h.Pull(context.Background(), ref(t, "acme/blocks-GGUF"), hub.PullOptions{Globs: []string{bad}}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
