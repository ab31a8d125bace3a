package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// DefaultEndpoint is the public hub.
const DefaultEndpoint = "https://huggingface.co"

// Options of New. FromEnv reads them from the variables that huggingface_hub knows.
type Options struct {
	Endpoint string // of the server; "": DefaultEndpoint
	Cache    string // folder; "": no cache, which New refuses
	Token    string // sent to the endpoint's own host and to no other
	Offline  bool   // ask no server: only what is in the cache
	Parallel int    // files pulled at once; 0: 4

	Transport http.RoundTripper // nil: http.DefaultTransport's settings
	Patience  time.Duration     // before the first retry, doubled for each other; 0: 1 s
	Idle      time.Duration     // without a byte after which a connection counts as lost; 0: 60 s

	noLinks bool // as on systems without symbolic links
}

// FromEnv gives the options that the environment asks for: HF_ENDPOINT, HF_HUB_CACHE (default $HF_HOME/hub; HF_HOME is
// ~/.cache/huggingface, or below XDG_CACHE_HOME), HF_TOKEN or the file HF_TOKEN_PATH (default $HF_HOME/token), HF_HUB_OFFLINE.
func FromEnv() Options {
	home := folder("HF_HOME", func() string {
		return filepath.Join(folder("XDG_CACHE_HOME", func() string { return expand("~/.cache") }), "huggingface")
	})
	o := Options{
		Endpoint: os.Getenv("HF_ENDPOINT"),
		Cache:    folder("HF_HUB_CACHE", func() string { return filepath.Join(home, "hub") }),
		Token:    strings.TrimSpace(os.Getenv("HF_TOKEN")),
		Offline:  slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(os.Getenv("HF_HUB_OFFLINE"))),
	}
	if o.Token == "" {
		b, err := os.ReadFile(folder("HF_TOKEN_PATH", func() string { return filepath.Join(home, "token") }))
		if err == nil && len(b) < 4096 {
			o.Token = strings.TrimSpace(string(b))
		}
	}
	return o
}

func folder(variable string, otherwise func() string) string {
	if v := os.Getenv(variable); v != "" {
		return expand(v)
	}
	return otherwise()
}

// expand puts the user's folder in place of a leading ~.
func expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || rest[0] == '/' || rest[0] == filepath.Separator) {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}

// Hub is a server and the cache of what was pulled from it. Its methods may be called from several goroutines, and several
// processes may share a cache.
type Hub struct {
	o        Options
	endpoint *url.URL
	client   *http.Client
}

// New checks the options; it asks no server and makes no folder.
func New(o Options) (*Hub, error) {
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint
	}
	u, err := url.Parse(strings.TrimRight(o.Endpoint, "/"))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("hub: endpoint %q is no address such as %s", o.Endpoint, DefaultEndpoint)
	}
	if o.Cache == "" {
		return nil, errors.New("hub: no cache folder; set HF_HUB_CACHE")
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("hub: the token has characters that no token has; check HF_TOKEN")
	}
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	if o.Patience == 0 {
		o.Patience = time.Second
	}
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	h := &Hub{o: o, endpoint: u}
	base := o.Transport
	if base == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = o.Idle
		base = t
	}
	h.client = &http.Client{Transport: &signer{base, u, o.Token}}
	return h, nil
}

// Cache is the folder of the cache.
func (h *Hub) Cache() string { return h.o.Cache }

// Offline tells whether no server may be asked.
func (h *Hub) Offline() bool { return h.o.Offline }

// signer adds the token to what goes to the endpoint itself. It stands below the client that follows redirects, so that
// the token is not among the headers which a redirect carries on: net/http would keep them for subdomains.
type signer struct {
	base     http.RoundTripper
	endpoint *url.URL
	token    string
}

func (s *signer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", "hanji")
	r.Header.Del("Referer") // may be a signed address
	if s.token != "" && r.URL.Scheme == s.endpoint.Scheme && r.URL.Host == s.endpoint.Host {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	return s.base.RoundTrip(r)
}
