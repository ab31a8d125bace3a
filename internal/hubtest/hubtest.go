// Package hubtest is a Hugging Face hub for tests, on this machine: it answers what package hub and huggingface_hub ask, and
// misbehaves on demand. Large files are redirected to a second server, as the hub does to its storage.
package hubtest

import (
	"bytes"
	"crypto/sha1" // git names objects by it
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is the hub. Fields are set before the first request, or by Set.
type Server struct {
	URL     string // what HF_ENDPOINT is to be
	Storage string // address of the server that large files are redirected to

	Repos  map[string]map[string][]byte // OWNER/NAME → file → content
	Token  string                       // that is asked for, if any
	Gated  map[string]bool              // repositories that Token does not open
	Page   int                          // files on a page of the tree; 0: all
	Listed func(e map[string]any)       // may change an entry of the tree

	// Hub and Store see each request first and tell whether they have answered it.
	Hub, Store func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []string
}

// New starts a server that ends with the test; repos are its models.
func New(t testing.TB, repos map[string]map[string][]byte) *Server {
	s, stop := Start(repos)
	t.Cleanup(stop)
	return s
}

// Start is New without a test; stop ends it.
func Start(repos map[string]map[string][]byte) (s *Server, stop func()) {
	s = &Server{Repos: repos}
	main := httptest.NewUnstartedServer(s.logged("hub", func() func(http.ResponseWriter, *http.Request) bool { return s.Hub }, s.serve))
	store := httptest.NewUnstartedServer(s.logged("storage", func() func(http.ResponseWriter, *http.Request) bool { return s.Store }, s.store))
	s.URL, s.Storage = "http://"+main.Listener.Addr().String(), "http://"+store.Listener.Addr().String()
	main.Start()
	store.Start()
	return s, func() { main.Close(); store.Close() }
}

// Set changes fields while requests may still be under way.
func (s *Server) Set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// Requests are those that came, as "hub GET /path range authorization".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) logged(who string, first func() func(http.ResponseWriter, *http.Request) bool, then http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, strings.TrimSpace(fmt.Sprint(who, " ", r.Method, " ", r.URL.Path, " ", r.Header.Get("Range"), " ", r.Header.Get("Authorization"))))
		f := first()
		s.mu.Unlock()
		if f != nil && f(w, r) {
			return
		}
		then(w, r)
	})
}

// Commit is the one commit of a repository, made of its content.
func (s *Server) Commit(repo string) string {
	h := sha1.New()
	for _, name := range slices.Sorted(maps.Keys(s.Repos[repo])) {
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(s.Repos[repo][name]))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// large tells what lies in Git LFS.
func large(name string) bool {
	return slices.Contains([]string{".gguf", ".safetensors", ".bin", ".model"}, path.Ext(name))
}

func gitID(b []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(b))
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Error-Code", code)
	w.Header().Set("X-Error-Message", "no way")
	http.Error(w, `{"error":"no"}`, status)
}

// serve answers GET and HEAD of /api/models/REPO/revision/REV, …/tree/REV and /REPO/resolve/REV/FILE.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	token, gated := s.Token, s.Gated
	s.mu.Unlock()
	api, isAPI := strings.CutPrefix(r.URL.EscapedPath(), "/api/models/")
	parts := strings.SplitN(strings.TrimPrefix(api, "/"), "/", 4)
	if len(parts) < 3 {
		refuse(w, http.StatusNotFound, "RepoNotFound")
		return
	}
	repo := parts[0] + "/" + parts[1]
	files := s.Repos[repo]
	switch {
	case files == nil, token != "" && r.Header.Get("Authorization") == "":
		refuse(w, http.StatusUnauthorized, "RepoNotFound")
		return
	case gated[repo], token != "" && r.Header.Get("Authorization") != "Bearer "+token:
		refuse(w, http.StatusForbidden, "GatedRepo")
		return
	}
	rest := ""
	if len(parts) == 4 {
		rest = parts[3]
	}
	sha := s.Commit(repo)
	rev, name, _ := strings.Cut(rest, "/")
	if rev, _ = url.PathUnescape(rev); rev != sha && rev != "main" && rev != "refs/pr/1" {
		refuse(w, http.StatusNotFound, "RevisionNotFound")
		return
	}
	switch {
	case isAPI && parts[2] == "revision":
		type sibling struct {
			Name string `json:"rfilename"`
		}
		list := []sibling{}
		for _, f := range slices.Sorted(maps.Keys(files)) {
			list = append(list, sibling{f})
		}
		answer(w, map[string]any{"_id": "0", "id": repo, "modelId": repo, "sha": sha, "private": false, "gated": false, "downloads": 0, "likes": 0, "tags": []string{}, "siblings": list})
	case isAPI && parts[2] == "tree":
		s.tree(w, r, files)
	case !isAPI && parts[2] == "resolve":
		name, _ = url.PathUnescape(name)
		s.file(w, r, repo, name, sha)
	default:
		refuse(w, http.StatusNotFound, "EntryNotFound")
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (s *Server) tree(w http.ResponseWriter, r *http.Request, files map[string][]byte) {
	s.mu.Lock()
	listed := s.Listed
	s.mu.Unlock()
	list := []map[string]any{{"type": "directory", "oid": gitID(nil), "size": 0, "path": "folder"}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b := files[name]
		e := map[string]any{"type": "file", "oid": gitID(b), "size": len(b), "path": name}
		if large(name) {
			sum := sha256.Sum256(b)
			e["lfs"] = map[string]any{"oid": hex.EncodeToString(sum[:]), "size": len(b), "pointerSize": 130}
			e["oid"] = gitID(sum[:])
		}
		if listed != nil {
			listed(e)
		}
		list = append(list, e)
	}
	if s.Page > 0 {
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		list = list[min(from, len(list)):]
		if len(list) > s.Page {
			list = list[:s.Page]
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&cursor=%d>; rel="next"`, s.URL, r.URL.EscapedPath(), from+s.Page))
		}
	}
	answer(w, list)
}

func (s *Server) file(w http.ResponseWriter, r *http.Request, repo, name, sha string) {
	w.Header().Set("X-Repo-Commit", sha)
	b, ok := s.Repos[repo][name]
	if !ok {
		refuse(w, http.StatusNotFound, "EntryNotFound")
		return
	}
	if !large(name) {
		w.Header().Set("Etag", strconv.Quote(gitID(b)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
		return
	}
	w.Header().Set("X-Linked-Etag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(b))))
	w.Header().Set("X-Linked-Size", strconv.Itoa(len(b)))
	http.Redirect(w, r, s.Storage+"/"+repo+"/"+name+"?signature=secret", http.StatusFound)
}

func (s *Server) store(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	if len(parts) < 3 || r.URL.RawQuery != "signature=secret" {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	b, ok := s.Repos[parts[0]+"/"+parts[1]][parts[2]]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Etag", `"d41d8cd98f00b204e9800998ecf8427e"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}
