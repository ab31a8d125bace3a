package serve_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hanji-ml/hanji/serve"
)

// eventually waits for what another goroutine has to do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func metric(t testing.TB, s http.Handler, line string) bool {
	t.Helper()
	return strings.Contains(send(s, "GET", "/metrics", "").Body.String(), "\n"+line+"\n")
}

// A client that hangs up in the middle of a stream frees its slot, and nothing of the request is left.
func TestClientLeaves(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("github.com/hanji-ml/hanji/internal/par.(*worker).live"))
	model, err := serve.NewModel("tiny", tiny(100_000), serve.ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(serve.Options{Models: []*serve.Model{model}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, stream := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "POST", web.URL+"/v1/completions", strings.NewReader(fmt.Sprintf(`{"prompt": "x", "max_tokens": 90000, "ignore_eos": true, "stream": %v}`, stream)))
		if err != nil {
			t.Fatal(err)
		}
		if stream {
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
				t.Fatal(line, err)
			}
			resp.Body.Close()
		} else {
			go func() {
				if resp, err := client.Do(req); err == nil {
					resp.Body.Close()
				}
			}()
			eventually(t, "the output runs", func() bool { return metric(t, s, `hanji:num_requests_running{model_name="tiny"} 1`) })
		}
		cancel()
		eventually(t, "the slot is free", func() bool { return metric(t, s, `hanji:num_requests_running{model_name="tiny"} 0`) })
	}
	eventually(t, "both are counted", func() bool {
		return metric(t, s, `hanji:http_requests_total{route="/v1/completions",status="200"} 1`) && metric(t, s, `hanji:http_requests_total{route="/v1/completions",status="499"} 1`)
	})
}

// An answer that takes too long ends, in a stream with a last event that says so.
func TestTimeLimit(t *testing.T) {
	for _, stream := range []bool{false, true} {
		e := &script{say: []string{"a", "b"}, wait: make(chan struct{})}
		s := start(t, serve.Options{AnswerTime: 30 * time.Millisecond}, serve.ModelOptions{Engine: e})
		status, text := post(t, s, "/v1/chat/completions", chatWith(fmt.Sprintf(`, "stream": %v`, stream)))
		if stream {
			data := sse(t, text)
			checkFault(t, 408, data[len(data)-1], 408, "", "request_timeout")
			continue
		}
		checkFault(t, status, text, 408, "", "request_timeout")
	}
}

// A mistake of the server's own ends the request, not the process, and tells the client nothing of it.
func TestPanic(t *testing.T) {
	var log strings.Builder
	e := &script{say: []string{"a"}, panics: true}
	s := start(t, serve.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, serve.ModelOptions{Engine: e})
	status, text := post(t, s, "/v1/chat/completions", chatWith(""))
	checkFault(t, status, text, 500, "", "internal_error")
	if strings.Contains(text, "tired") || !strings.Contains(log.String(), "tired") {
		t.Errorf("the client hears %s, the log %s", text, log.String())
	}
	if !metric(t, s, "hanji:panics_total 1") {
		t.Error("the panic is not counted")
	}
	if strings.Contains(log.String(), `"x"`) {
		t.Errorf("the log holds what was said: %s", log.String())
	}
}

// Requests beyond the limit are turned away at once.
func TestTooManyRequests(t *testing.T) {
	e := &script{say: []string{"a", "b"}, wait: make(chan struct{}), began: make(chan struct{})}
	s := start(t, serve.Options{MaxRequests: 1}, serve.ModelOptions{Engine: e})
	done := make(chan int)
	go func() {
		w := send(s, "POST", "/v1/chat/completions", chatWith(""))
		done <- w.Code
	}()
	<-e.began
	w := send(s, "POST", "/tokenize", `{"content": "x"}`)
	checkFault(t, w.Code, w.Body.String(), 429, "", "rate_limit_exceeded")
	if w := send(s, "GET", "/health", ""); w.Code != 200 {
		t.Errorf("/health is %d", w.Code)
	}
	close(e.wait)
	if code := <-done; code != 200 {
		t.Errorf("the first was answered with %d", code)
	}
}

// Until the models are there, and once it is to stop, only /health and the page answer, with 503 where they must.
func TestLoading(t *testing.T) {
	s, err := serve.New(serve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/health", "/v1/models/x"} {
		w := send(s, "GET", path, "")
		checkFault(t, w.Code, w.Body.String(), 503, "", "unavailable")
	}
	expectFault(t, s, "/v1/chat/completions", chatWith(""), 503, "", "unavailable")
	if w := send(s, "GET", "/", ""); w.Code != 200 {
		t.Errorf("the page is %d", w.Code)
	}
	m, err := serve.NewModel("tiny", tiny(64), serve.ModelOptions{Engine: &script{say: []string{"a"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Use(m); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(m); err == nil {
		t.Error("models come twice")
	}
	if w := send(s, "GET", "/health", ""); w.Code != 200 {
		t.Errorf("/health is %d", w.Code)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectFault(t, s, "/v1/chat/completions", chatWith(""), 503, "", "unavailable")
	if w := send(s, "GET", "/health", ""); w.Code != 503 {
		t.Errorf("/health is %d", w.Code)
	}
}

// When Serve is told to stop, what runs ends in peace; what does not end in time is cut off, and that is an error.
func TestDrain(t *testing.T) {
	for _, patient := range []bool{true, false} {
		e := &script{say: []string{"a", "b"}, wait: make(chan struct{}), began: make(chan struct{})}
		drainTime := 5 * time.Second
		if !patient {
			drainTime = 20 * time.Millisecond
		}
		m, err := serve.NewModel("tiny", tiny(64), serve.ModelOptions{Engine: e})
		if err != nil {
			t.Fatal(err)
		}
		s, err := serve.New(serve.Options{Models: []*serve.Model{m}, DrainTime: drainTime})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx, l) }()
		text := make(chan string, 1)
		go func() {
			resp, err := http.Post("http://"+l.Addr().String()+"/v1/chat/completions", "application/json", strings.NewReader(chatWith(`, "stream": true`)))
			if err != nil {
				text <- err.Error()
				return
			}
			defer resp.Body.Close()
			text <- drain(resp.Body)
		}()
		<-e.began
		stop()
		eventually(t, "no new connection is taken", func() bool {
			c, err := net.Dial("tcp", l.Addr().String())
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		if patient {
			close(e.wait)
		}
		err, got := <-ended, <-text
		if patient && (err != nil || !strings.Contains(got, `"content":"b"`) || !strings.HasSuffix(got, "[DONE]\n\n")) {
			t.Errorf("with time: %v, %q", err, got)
		}
		if !patient && (!errors.Is(err, context.DeadlineExceeded) || strings.Contains(got, "[DONE]")) {
			t.Errorf("without time: %v, %q", err, got)
		}
	}
}

// A listener that fails is an error, not silence.
func TestServeFails(t *testing.T) {
	s, err := serve.New(serve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := s.Serve(t.Context(), l); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

func TestMetrics(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: &script{say: []string{"a", "b", ""}}})
	answer[completion](t, s, "/v1/chat/completions", chatWith(`, "n": 2`))
	expectFault(t, s, "/v1/chat/completions", "{", 400, "", "")
	send(s, "GET", "/a/path/that/nobody/knows", "")
	for _, line := range []string{
		`hanji:num_requests_running{model_name="tiny"} 3`, `hanji:kv_cache_usage_perc{model_name="tiny"} 0.75`,
		`hanji:prompt_tokens_total{model_name="tiny"} 6`, `hanji:generation_tokens_total{model_name="tiny"} 6`,
		`hanji:request_success_total{finished_reason="stop",model_name="tiny"} 2`, `hanji:time_to_first_token_seconds_count{model_name="tiny"} 1`,
		`hanji:e2e_request_latency_seconds_count{model_name="tiny"} 1`, `hanji:http_requests_total{route="/v1/chat/completions",status="200"} 1`,
		`hanji:http_requests_total{route="/v1/chat/completions",status="400"} 1`, `hanji:http_requests_total{route="other",status="404"} 1`, `hanji:panics_total 0`,
	} {
		if !metric(t, s, line) {
			t.Errorf("no %s", line)
		}
	}
}

// The page is whole by itself: three files, none from elsewhere, and a policy that says so.
func TestPageFiles(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: &script{}})
	for path, kind := range map[string]string{"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css"} {
		w := send(s, "GET", path, "")
		text := strings.ReplaceAll(w.Body.String(), "http://www.w3.org/2000/svg", "")
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || len(text) < 500 || strings.Contains(text, "://") || strings.Contains(text, "innerHTML") {
			t.Errorf("%s: %d, %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), len(text))
		}
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
}
