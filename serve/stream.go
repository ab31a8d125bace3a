package serve

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// stream sends server-sent events (WHATWG HTML, §9.2).
type stream struct {
	w http.ResponseWriter
	c *http.ResponseController
	b bytes.Buffer
}

// writeTime is how long a client may take for an event; one that takes longer is gone.
const writeTime = 30 * time.Second

func newStream(w http.ResponseWriter) *stream {
	return &stream{w: w, c: http.NewResponseController(w)}
}

func (s *stream) open() {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // or nginx keeps it back
	s.w.WriteHeader(http.StatusOK)
}

// send writes an event with v as its data, or as it is where v is text; name may be empty.
func (s *stream) send(name string, v any) error {
	s.b.Reset()
	if name != "" {
		s.b.WriteString("event: " + name + "\n")
	}
	s.b.WriteString("data: ")
	if text, ok := v.(string); ok {
		s.b.WriteString(text + "\n")
	} else {
		e := json.NewEncoder(&s.b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return err
		}
	}
	s.b.WriteByte('\n')
	return s.flush()
}

// idle sends a comment, which clients pass over.
func (s *stream) idle() error {
	s.b.Reset()
	s.b.WriteString(": still here\n\n")
	return s.flush()
}

func (s *stream) flush() error {
	_ = s.c.SetWriteDeadline(time.Now().Add(writeTime)) // not there in tests without a connection
	if _, err := s.w.Write(s.b.Bytes()); err != nil {
		return err
	}
	return s.c.Flush()
}

// finish ends a stream of OpenAI's, with a last event before the mark, nil for none. A client that left has no use for either.
func (s *stream) finish(last any) {
	if last == nil || s.send("", last) == nil {
		_ = s.send("", "[DONE]")
	}
}

// end sends what went wrong in the middle of an answer, when its status is sent already.
func (s *stream) end(r *http.Request, f *fault) {
	name := ""
	if isMessages(r.URL.Path) || strings.HasPrefix(r.URL.Path, "/v1/responses") {
		name = "error"
	}
	_ = s.send(name, f.body(r.URL.Path)) // whoever is gone does not hear it
}

// failure is what a route answers when its outputs failed: an error with its status, or, when the answer has begun, its last event.
func (s *Server) failure(r *http.Request, st *stream, began bool, err error) *fault {
	f := asFault(err)
	if r.Context().Err() != nil {
		f = &fault{status: statusGone, message: "the client left"}
	}
	if f == nil {
		s.o.Log.Error("failed", "route", r.URL.Path, "error", err)
		f = faultf(http.StatusInternalServerError, "internal_error", "the answer failed; the server's log says why")
	}
	if began && f.status != statusGone {
		st.end(r, f)
	}
	return f
}
