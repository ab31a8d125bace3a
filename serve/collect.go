package serve

import (
	"net/http"
	"strings"
)

// outcome is a whole output.
type outcome struct {
	text         strings.Builder
	calls        []toolCall
	probs        []tokenProb
	finish, stop string
}

// collector is the sink of answers that are sent whole.
type collector []outcome

func (c collector) start() error { return nil }
func (c collector) idle() error  { return nil }

func (c collector) event(e event) error {
	o := &c[e.choice]
	o.text.WriteString(e.text)
	o.calls = append(o.calls, e.calls...)
	o.probs = append(o.probs, e.probs...)
	o.finish, o.stop = e.finish, e.stop
	return nil
}

// collect runs a request to its end.
func (s *Server) collect(r *http.Request, q *request) (collector, usage, *fault) {
	c := make(collector, q.n*len(q.prompts))
	u, err := s.run(r.Context(), q, c)
	if err != nil {
		return nil, u, s.failure(r, nil, false, err)
	}
	return c, u, nil
}

// pour runs a request whose outputs go to a stream as they come.
func (s *Server) pour(r *http.Request, st *stream, q *request, to sink) (usage, *fault) {
	began := &beginning{sink: to}
	u, err := s.run(r.Context(), q, began)
	if err != nil {
		return u, s.failure(r, st, began.yes, err)
	}
	return u, nil
}

// beginning notes that an answer's status is sent.
type beginning struct {
	sink
	yes bool
}

func (b *beginning) start() error {
	b.yes = true
	return b.sink.start()
}

// wireUsage is OpenAI's.
type wireUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
	Details    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

func (u usage) wire() *wireUsage {
	w := &wireUsage{Prompt: u.prompt, Completion: u.output, Total: u.prompt + u.output}
	w.Details.Cached = u.cached
	return w
}
