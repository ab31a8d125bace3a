package serve

import (
	_ "embed"
	"net/http"
	"strings"
	"time"
)

// The page is three files of its own; it loads nothing else, and its policy forbids it to.
var (
	//go:embed page/index.html
	pageHTML string
	//go:embed page/page.js
	pageJS string
	//go:embed page/page.css
	pageCSS string
)

var pages = map[string]struct{ kind, text string }{
	"/":         {"text/html; charset=utf-8", pageHTML},
	"/page.js":  {"text/javascript; charset=utf-8", pageJS},
	"/page.css": {"text/css; charset=utf-8", pageCSS},
}

const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Server) page(w http.ResponseWriter, r *http.Request) *fault {
	p := pages[r.URL.Path]
	h := w.Header()
	h.Set("Content-Type", p.kind)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(p.text))
	return nil
}
