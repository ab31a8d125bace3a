package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Load is traffic to measure a server with: clients that each send requests one after the other.
type Load struct {
	URL      string // of the server, without path
	Model    string // default: the only one
	Key      string
	Clients  int // default 32
	Requests int // of each; default 20
	// Prompt and MaxTokens of a request. Client and request are written in front, so that no two are alike. Default: a sentence, 32.
	Prompt    string
	MaxTokens int
	// Leave is one of how many requests is given up after its first piece, WrongKey one of how many comes with a wrong key.
	// Default (0): none.
	Leave, WrongKey int

	HTTP *http.Client // default: one that keeps a connection for each client
}

// LoadReport is how a server bore it.
type LoadReport struct {
	Done, Left, Refused, Busy int // answered to the end, given up by the client, turned away for their key, turned away for lack of room
	Wrong                     []string
	Tokens                    int // of whole answers
	Seconds                   float64
	First, Whole              []float64 // seconds to the first piece and to the end, of whole answers, rising
}

// Percentile of what is rising, 0 to 100, by the nearest rank; 0 of nothing.
func Percentile(rising []float64, p float64) float64 {
	if len(rising) == 0 {
		return 0
	}
	return rising[min(len(rising)-1, max(0, int(float64(len(rising))*p/100+0.999999)-1))]
}

func (l Load) withDefaults() Load {
	if l.Clients == 0 {
		l.Clients = 32
	}
	if l.Requests == 0 {
		l.Requests = 20
	}
	if l.Prompt == "" {
		l.Prompt = "Tell me of paper that is made by hand."
	}
	if l.MaxTokens == 0 {
		l.MaxTokens = 32
	}
	if l.HTTP == nil {
		l.HTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.Clients}}
	}
	return l
}

// Run sends the requests and looks at every answer: one that is neither whole nor refused for its reason is in Wrong.
func (l Load) Run(ctx context.Context) LoadReport {
	l = l.withDefaults()
	defer l.HTTP.CloseIdleConnections()
	var r LoadReport
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now()
	for c := range l.Clients {
		wg.Go(func() {
			for i := range l.Requests {
				one := l.ask(ctx, c, i)
				mu.Lock()
				r.add(one)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	r.Seconds = time.Since(begin).Seconds()
	slices.Sort(r.First)
	slices.Sort(r.Whole)
	return r
}

// asked is what became of one request.
type asked struct {
	what         string // done, left, refused, busy, or what is wrong
	tokens       int
	first, whole float64
}

func (r *LoadReport) add(a asked) {
	switch a.what {
	case "done":
		r.Done++
		r.Tokens += a.tokens
		r.First, r.Whole = append(r.First, a.first), append(r.Whole, a.whole)
	case "left":
		r.Left++
	case "refused":
		r.Refused++
	case "busy":
		r.Busy++
	default:
		r.Wrong = append(r.Wrong, a.what)
	}
}

// every tells whether a request is one of those n.
func every(n, client, i int) bool { return n > 0 && (client+i)%n == 0 }

func (l Load) ask(ctx context.Context, client, i int) asked {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	wrongKey, leaves := every(l.WrongKey, client, i+1), every(l.Leave, client, i)
	body, err := json.Marshal(map[string]any{"model": l.Model, "prompt": fmt.Sprintf("%d.%d %s", client, i, l.Prompt), "max_tokens": l.MaxTokens,
		"seed": client*1000 + i, "ignore_eos": true, "stream": true, "stream_options": map[string]bool{"include_usage": true}})
	if err != nil {
		return asked{what: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(l.URL, "/")+"/v1/completions", bytes.NewReader(body))
	if err != nil {
		return asked{what: err.Error()}
	}
	req.Header.Set("Content-Type", "application/json")
	if key := l.Key; key != "" {
		if wrongKey {
			key += "?"
		}
		req.Header.Set("Authorization", "Bearer "+key)
	}
	begin := time.Now()
	resp, err := l.HTTP.Do(req)
	if err != nil {
		return asked{what: err.Error()}
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusUnauthorized && wrongKey && l.Key != "":
		return asked{what: "refused"}
	case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "":
		return asked{what: "busy"}
	case resp.StatusCode != http.StatusOK || wrongKey && l.Key != "":
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return asked{what: fmt.Sprintf("status %d: %s", resp.StatusCode, b)}
	}
	return l.listen(resp.Body, begin, leaves)
}

// listen reads a stream to its end, or leaves after the first piece.
func (l Load) listen(body io.Reader, begin time.Time, leaves bool) (a asked) {
	finished := false
	for lines := bufio.NewReader(body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return asked{what: fmt.Sprintf("the stream broke off: %v", err)}
		}
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		switch {
		case !ok:
			continue
		case data == "[DONE]":
			if a.what = "done"; !finished || a.tokens != l.MaxTokens {
				a.what = fmt.Sprintf("%d tokens, finished %v; want %d", a.tokens, finished, l.MaxTokens)
			}
			a.whole = time.Since(begin).Seconds()
			return a
		}
		if a.first == 0 {
			a.first = time.Since(begin).Seconds()
		}
		if leaves {
			return asked{what: "left"}
		}
		var c struct {
			Choices []struct {
				Finish *string `json:"finish_reason"`
			}
			Usage *struct {
				Tokens int `json:"completion_tokens"`
			}
			Error *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			return asked{what: errors.Join(errors.New("an event is no JSON"), err).Error()}
		}
		if c.Error != nil {
			return asked{what: c.Error.Message}
		}
		if len(c.Choices) > 0 && c.Choices[0].Finish != nil {
			finished = true
		}
		if c.Usage != nil {
			a.tokens = c.Usage.Tokens
		}
	}
}
