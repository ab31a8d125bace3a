package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// keys are the sums of what opens the server: of equal length, so that comparing them takes the same time for all.
type keys [][sha256.Size]byte

func newKeys(list []string) keys {
	var k keys
	for _, key := range list {
		k = append(k, sha256.Sum256([]byte(key)))
	}
	return k
}

// fits compares with every key, whichever it is.
func (k keys) fits(key string) bool {
	sum, ok := sha256.Sum256([]byte(key)), 0
	for i := range k {
		ok |= subtle.ConstantTimeCompare(sum[:], k[i][:])
	}
	return ok == 1
}

// trust makes the check of origins.
func (s *Server) trust() error {
	if slices.Contains(s.o.Origins, "*") {
		return nil
	}
	s.origins = http.NewCrossOriginProtection()
	for _, o := range s.o.Origins {
		if err := s.origins.AddTrustedOrigin(o); err != nil {
			return err
		}
	}
	return nil
}

// admit decides whether a request may come in at all; a preflight is answered here.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, route route) *fault {
	if !s.hostAllowed(r.Host) {
		return faultf(http.StatusForbidden, "host_not_allowed", "this server is not called %q: start it with --host to allow the name", clip(r.Host))
	}
	shared := s.share(w, r)
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && shared {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if s.origins != nil {
		if err := s.origins.Check(r); err != nil {
			return faultf(http.StatusForbidden, "origin_not_allowed", "pages of other origins may not call this server: start it with --cors to allow one")
		}
	}
	if route.do == nil {
		return faultf(http.StatusNotFound, "not_found", "there is no %s; docs/serve.md lists the routes", clip(r.URL.Path))
	}
	if r.Method != route.method && (r.Method != http.MethodHead || route.method != http.MethodGet) {
		w.Header().Set("Allow", route.method)
		return faultf(http.StatusMethodNotAllowed, "method_not_allowed", "%s takes %s", clip(r.URL.Path), route.method)
	}
	if len(s.keys) > 0 && !route.open && !s.keys.fits(sentKey(r)) {
		return faultf(http.StatusUnauthorized, "invalid_api_key", "no valid key: send it as Authorization: Bearer KEY, or as x-api-key")
	}
	return nil
}

// sentKey is the key that came with a request.
func sentKey(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && key != "" {
		return strings.TrimSpace(key)
	}
	return r.Header.Get("X-Api-Key")
}

// hostAllowed: a browser can be made to take any name for this machine's address, by whoever owns the name, but not an address.
// None at all is a probe that speaks HTTP/1.0; browsers do not.
func (s *Server) hostAllowed(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil || host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	return slices.ContainsFunc(s.o.Hosts, func(h string) bool { return h == "*" || strings.EqualFold(h, host) })
}

// share tells the browser that a page of an allowed origin may read the answer.
func (s *Server) share(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || len(s.o.Origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !slices.Contains(s.o.Origins, "*") && !slices.Contains(s.o.Origins, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key, Anthropic-Version")
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, X-Hanji-Ignored, Retry-After")
	h.Set("Access-Control-Max-Age", "600")
	return true
}
