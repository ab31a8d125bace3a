package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer = 64 << 20  // of JSON from the server
	maxFiles  = 50_000    // of a repository
	maxTries  = 5         // in a row without a byte of news
	maxWait   = time.Hour // that a server may ask for by Retry-After
)

// remote is a file of a repository at one commit.
type remote struct {
	path   string
	size   int64
	sum    string // sha256 of a file in Git LFS, else git's object id (sha1); its name in blobs
	sha256 bool
}

// commitOf asks which commit a revision is.
func (h *Hub) commitOf(ctx context.Context, r Ref) (string, error) {
	var info struct {
		SHA string `json:"sha"`
	}
	err := h.json(ctx, r, h.endpoint.JoinPath("api/models", r.Repo, "revision", url.PathEscape(r.revision())), &info, nil)
	if err == nil && !commit.MatchString(info.SHA) {
		err = fmt.Errorf("%s says that %s is commit %.60q", h.endpoint.Host, r.revision(), info.SHA)
	}
	return info.SHA, err
}

// tree lists the files of a commit, over as many pages as the server makes of them.
func (h *Hub) tree(ctx context.Context, r Ref, sha string) (files []remote, err error) {
	u := h.endpoint.JoinPath("api/models", r.Repo, "tree", sha)
	u.RawQuery = "recursive=true"
	for u != nil {
		var page []treeEntry
		var next *url.URL
		if err := h.json(ctx, r, u, &page, &next); err != nil {
			return nil, err
		}
		for _, e := range page {
			if e.Type != "file" {
				continue
			}
			f, ok := e.remote()
			if !ok {
				return nil, fmt.Errorf("%s lists a file that cannot be: %.200q of %d bytes, sum %.80q", h.endpoint.Host, f.path, f.size, f.sum)
			}
			files = append(files, f)
		}
		if len(files) > maxFiles {
			return nil, fmt.Errorf("it has more than %d files", maxFiles)
		}
		if next != nil && (next.Host != h.endpoint.Host || next.Scheme != h.endpoint.Scheme || next.String() == u.String()) {
			return nil, fmt.Errorf("%s sends to %.100q for more files", h.endpoint.Host, next)
		}
		u = next
	}
	return files, nil
}

// treeEntry is a file or folder as the hub lists it.
type treeEntry struct {
	Type, Path, OID string
	Size            int64
	LFS             *struct {
		OID  string
		Size int64
	}
}

// remote is the file, if its name and its sums are such as can be put on a disk.
func (e treeEntry) remote() (remote, bool) {
	f := remote{path: e.Path, size: e.Size, sum: e.OID}
	good := commit.MatchString(e.OID)
	if e.LFS != nil {
		f.size, f.sum, f.sha256 = e.LFS.Size, e.LFS.OID, true
		good = sha256ID.MatchString(f.sum)
	}
	return f, good && f.size >= 0 && goodPath(f.path)
}

var nextLink = regexp.MustCompile(`<([^>]*)>;\s*rel="next"`)

// json asks for a JSON answer, again while that may help. next is the page after it, where one is announced.
func (h *Hub) json(ctx context.Context, r Ref, u *url.URL, into any, next **url.URL) error {
	return h.retry(ctx, func() (bool, error) {
		res, err := h.get(ctx, r, u, nil)
		if err != nil {
			return false, err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
		if err != nil {
			return false, &lost{err}
		}
		if len(b) > maxAnswer {
			return false, fmt.Errorf("%s answers with more than %d MB", u.Redacted(), maxAnswer>>20)
		}
		if err := json.Unmarshal(b, into); err != nil {
			return false, fmt.Errorf("%s is no answer of a hub: %w; check HF_ENDPOINT", u.Redacted(), err)
		}
		if m := nextLink.FindStringSubmatch(res.Header.Get("Link")); m != nil && next != nil {
			if *next, err = u.Parse(m[1]); err != nil {
				return false, fmt.Errorf("%s names %.100q as its next page", u.Redacted(), m[1])
			}
		}
		return false, nil
	})
}

// get asks once. An answer other than 2xx is an error.
func (h *Hub) get(ctx context.Context, r Ref, u *url.URL, header http.Header) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, v := range header {
		q.Header[name] = v
	}
	res, err := h.client.Do(q)
	if err != nil {
		var full *url.Error
		if errors.As(err, &full) { // its address may be signed
			err = fmt.Errorf("%s: %w", u.Host, full.Err)
		}
		return nil, &lost{err}
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	res.Body.Close()
	return nil, h.refusal(r, u, res)
}

// lost is a connection that failed or broke: worth another try.
type lost struct{ err error }

func (e *lost) Error() string { return e.err.Error() }
func (e *lost) Unwrap() error { return e.err }

// StatusError is a server's refusal.
type StatusError struct {
	Code  int // HTTP
	after time.Duration
	text  string
}

func (e *StatusError) Error() string { return e.text }

// refusal says what a status means and what helps. The hub gives 401 for a repository that does not exist, too, lest its answer tell
// which private ones do; X-Error-Code says more (huggingface_hub, utils/_http.py).
func (h *Hub) refusal(r Ref, u *url.URL, res *http.Response) error {
	e := &StatusError{Code: res.StatusCode}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		e.after = min(time.Duration(s)*time.Second, maxWait)
	}
	page := h.endpoint.JoinPath(r.Repo).Redacted()
	token := "set HF_TOKEN to a token of that account"
	if h.o.Token != "" {
		token = "HF_TOKEN must be of that account"
	}
	switch code := res.Header.Get("X-Error-Code"); {
	case code == "GatedRepo", res.StatusCode == http.StatusForbidden:
		e.text = fmt.Sprintf("%s is gated: accept its licence at %s, and %s", r.Repo, page, token)
	case code == "RevisionNotFound":
		e.text = fmt.Sprintf("%s has no revision %q", r.Repo, r.revision())
	case code == "EntryNotFound":
		e.text = fmt.Sprintf("%s has no %s any more", r.Repo, u.Path)
	case res.StatusCode == http.StatusUnauthorized && h.o.Token == "":
		e.text = fmt.Sprintf("%s has no %s to show without a token: check the name; if it is private or gated, set HF_TOKEN", h.endpoint.Host, r.Repo)
	case res.StatusCode == http.StatusUnauthorized:
		e.text = fmt.Sprintf("%s does not take this token for %s: check the name and HF_TOKEN", h.endpoint.Host, r.Repo)
	case res.StatusCode == http.StatusNotFound:
		e.text = fmt.Sprintf("%s has no %s: check the name and the revision", h.endpoint.Host, r.Repo)
	case res.StatusCode == http.StatusTooManyRequests:
		e.text = fmt.Sprintf("%s gets too many requests (429): try later", h.endpoint.Host)
	default:
		e.text = fmt.Sprintf("%s: %s", u.Redacted(), http.StatusText(res.StatusCode))
		if http.StatusText(res.StatusCode) == "" {
			e.text = fmt.Sprintf("%s: status %d", u.Redacted(), res.StatusCode)
		}
	}
	return e
}

// temporary tells what another try may mend, and how long the server wants to be left alone.
func temporary(err error) (bool, time.Duration) {
	var e *StatusError
	if errors.As(err, &e) {
		return e.Code == http.StatusRequestTimeout || e.Code == http.StatusTooManyRequests || e.Code >= 500, e.after
	}
	var l *lost
	return errors.As(err, &l), 0
}

// retry tries until it goes well, an error will not go away, or nothing has come in maxTries tries in a row; try tells whether
// something has come.
func (h *Hub) retry(ctx context.Context, try func() (bool, error)) error {
	for n := 1; ; n++ {
		news, err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if news {
			n = 1
		}
		again, wait := temporary(err)
		if !again {
			return err
		}
		if n >= maxTries {
			return fmt.Errorf("given up after %d tries: %w", n, err)
		}
		// Half of it by chance, so that many who were refused together do not come back together.
		pause := h.o.Patience << (n - 1)
		pause = pause/2 + time.Duration(rand.Int64N(int64(pause/2)+1))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(max(pause, wait)):
		}
	}
}

// addressOf is where a file of a commit is served.
func (h *Hub) addressOf(r Ref, sha, name string) *url.URL {
	return h.endpoint.JoinPath(r.Repo, "resolve", sha, strings.ReplaceAll(url.PathEscape(name), "%2F", "/"))
}
