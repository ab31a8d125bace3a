package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

// Server is an http.Handler for language models. It is safe for concurrent use.
type Server struct {
	o       Options
	routes  map[string]route
	models  atomic.Pointer[models]
	metrics *metrics
	keys    keys
	origins *http.CrossOriginProtection // nil: any may call
	busy    chan struct{}               // one for each request that is worked on
	closing atomic.Bool

	forecasts chan struct{} // one for each that is under way
}

// route is what a path does.
type route struct {
	method string
	do     func(w http.ResponseWriter, r *http.Request) *fault
	open   bool // needs no key
	work   bool // needs a model, and counts among MaxRequests
}

// New makes a server. It is an error if the options are not valid or two models have one name.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{o: o.withDefaults(), keys: newKeys(o.Keys)}
	s.busy = make(chan struct{}, s.o.MaxRequests)
	s.forecasts = make(chan struct{}, maxForecasts)
	s.metrics = newMetrics(s)
	if err := s.trust(); err != nil {
		return nil, err
	}
	s.routes = map[string]route{
		"/health":                   {method: http.MethodGet, do: s.health, open: true},
		"/v1/health":                {method: http.MethodGet, do: s.health, open: true},
		"/metrics":                  {method: http.MethodGet, do: s.serveMetrics},
		"/v1/models":                {method: http.MethodGet, do: s.listModels},
		"/v1/models/{id}":           {method: http.MethodGet, do: s.showModel},
		"/v1/chat/completions":      {method: http.MethodPost, do: s.chatCompletions, work: true},
		"/v1/completions":           {method: http.MethodPost, do: s.completions, work: true},
		"/v1/embeddings":            {method: http.MethodPost, do: s.embeddings, work: true},
		"/v1/responses":             {method: http.MethodPost, do: s.responses, work: true},
		"/v1/messages":              {method: http.MethodPost, do: s.messages, work: true},
		"/v1/messages/count_tokens": {method: http.MethodPost, do: s.countTokens, work: true},
		"/tokenize":                 {method: http.MethodPost, do: s.tokenize, work: true},
		"/detokenize":               {method: http.MethodPost, do: s.detokenize, work: true},
		"/apply-template":           {method: http.MethodPost, do: s.applyTemplate, work: true},
		"/v1/forecast":              {method: http.MethodPost, do: s.forecast, work: true},
	}
	for path := range pages {
		s.routes[path] = route{method: http.MethodGet, do: s.page, open: true}
	}
	if o.Models != nil {
		return s, s.Use(o.Models...)
	}
	return s, nil
}

// Use gives a server the models that it was made without; it is ready then.
func (s *Server) Use(list ...*Model) error {
	set, err := newModels(list)
	if err != nil {
		return err
	}
	if !s.models.CompareAndSwap(nil, set) {
		return errors.New("serve: the server has its models already")
	}
	return nil
}

// Drain takes no new requests for models and waits until the running ones are done, or ctx.
func (s *Server) Drain(ctx context.Context) error {
	s.closing.Store(true)
	var errs []error
	if set := s.models.Load(); set != nil {
		for _, m := range set.list {
			errs = append(errs, m.engine.Drain(ctx))
		}
	}
	return errors.Join(errs...)
}

// Close ends what runs and gives the engines' memory back. The models' files are their openers'.
func (s *Server) Close() {
	s.closing.Store(true)
	if set := s.models.Load(); set != nil {
		for _, m := range set.list {
			m.engine.Close()
		}
	}
}

// find gives the route of a path, and the name under which it is counted.
func (s *Server) find(path string) (route, string) {
	if r, ok := s.routes[path]; ok && !strings.Contains(path, "{") {
		return r, path
	}
	if id, ok := strings.CutPrefix(path, "/v1/models/"); ok && id != "" {
		return s.routes["/v1/models/{id}"], "/v1/models/{id}"
	}
	return route{}, "other"
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	route, name := s.find(r.URL.Path)
	out := &recorder{ResponseWriter: w}
	id := newID("req_")
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.panicked(p, debug.Stack())
			if out.status == 0 {
				errPanic.write(out, r)
			}
		}
		s.metrics.requests.WithLabelValues(name, fmt.Sprint(out.status)).Inc()
		s.o.Log.Info("request", "id", id, "method", r.Method, "route", name, "status", out.status, "bytes", out.bytes, "seconds", time.Since(begin).Seconds())
	}()
	_ = http.NewResponseController(w).SetWriteDeadline(begin.Add(s.o.AnswerTime + writeTime)) // that of the connection's last request may have passed
	h := out.Header()
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	f := s.admit(out, r, route)
	if f == nil && r.Method != http.MethodOptions {
		f = s.work(out, r, route)
	}
	switch {
	case f == nil:
	case f.status == statusGone:
		if out.status == 0 {
			out.status = statusGone
		}
	case out.status == 0:
		f.write(out, r)
	}
}

// work does what the route is for, if there is room.
func (s *Server) work(w http.ResponseWriter, r *http.Request, route route) *fault {
	if !route.work {
		return route.do(w, r)
	}
	if s.closing.Load() {
		return faultf(http.StatusServiceUnavailable, "unavailable", "the server is shutting down")
	}
	if s.models.Load() == nil {
		return faultf(http.StatusServiceUnavailable, "unavailable", "Loading model")
	}
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	default:
		return faultf(http.StatusTooManyRequests, "rate_limit_exceeded", "%d requests are being worked on, which is this server's limit; try again", cap(s.busy))
	}
	return route.do(w, r)
}

// panicked notes a mistake of ours. What it was is for the log only.
func (s *Server) panicked(p any, stack []byte) {
	s.metrics.panics.Inc()
	s.o.Log.Error("panic", "value", fmt.Sprint(p), "stack", string(stack))
}

// recorder notes what was sent.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (s *Server) health(w http.ResponseWriter, _ *http.Request) *fault {
	switch {
	case s.closing.Load():
		return faultf(http.StatusServiceUnavailable, "unavailable", "the server is shutting down")
	case s.models.Load() == nil:
		return faultf(http.StatusServiceUnavailable, "unavailable", "Loading model")
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) *fault {
	s.metrics.handler().ServeHTTP(w, r)
	return nil
}
