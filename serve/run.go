package serve

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/tokenizer"
)

// request is what every route that generates text comes to: n outputs of each prompt.
type request struct {
	m       *Model
	prompts [][]int32
	n       int
	max     int // tokens of an output; 0: as many as there is room for
	o       generate.Options
	answer  bool     // the output begins a turn: a first blank of SentencePiece is no part of it
	tools   *toolset // whose calls are looked for; nil: the output is text
}

// event is the next piece of an output.
type event struct {
	choice int
	text   string
	calls  []toolCall
	probs  []tokenProb
	finish string // stop, length or tool_calls; only of the last
	stop   string // the stop text that ended it
	err    error
	tokens int // of the output, for the last
	cached int // of its prompt
}

// last tells whether the output has ended.
func (e *event) last() bool { return e.err != nil || e.finish != "" }

// tokenProb is a token with its log-probability, and the most probable ones.
type tokenProb struct {
	id  int32
	lp  float64
	top []generate.LogProb
}

// usage counts tokens: those of each prompt once, however many outputs it has.
type usage struct{ prompt, cached, output int }

// sink takes what a request gives. idle is called while nothing comes.
type sink interface {
	start() error // the outputs are accepted
	event(e event) error
	idle() error
}

// check fills in how long outputs may be: a prompt that leaves no room for what is asked is an error, nothing is cut.
func (s *Server) check(q *request, param string) *fault {
	if q.n < 1 || q.n*len(q.prompts) > s.o.MaxChoices {
		return invalid("n", "%d outputs are asked for, want 1 to %d", q.n*len(q.prompts), s.o.MaxChoices)
	}
	if s.o.MaxTokens > 0 && q.max > s.o.MaxTokens {
		return invalid(param, "%s is %d, this server allows %d", param, q.max, s.o.MaxTokens)
	}
	for _, p := range q.prompts {
		if len(p) == 0 {
			return faultf(http.StatusBadRequest, "invalid_value", "the prompt has no tokens")
		}
		if need := len(p) + max(q.max, 1); need > q.m.context {
			return &fault{http.StatusBadRequest, param, "context_length_exceeded", fmt.Sprintf(
				"this model's context is %d tokens, you asked for %d: %d in the prompt and %d in the answer", q.m.context, need, len(p), max(q.max, 1))}
		}
	}
	return nil
}

// idleTime is how long a stream may be silent before a sign of life is sent, for proxies that would end it.
const idleTime = 15 * time.Second

// run submits the outputs and hands their events to the sink, as they come, until all are done. It returns when nothing of
// the request runs any more.
func (s *Server) run(ctx context.Context, q *request, to sink) (usage, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, expired := context.WithTimeoutCause(ctx, s.o.AnswerTime, errTimeLimit)
	defer expired()
	outs, err := s.submit(ctx, q)
	if err != nil {
		return usage{}, err
	}
	begin := time.Now()
	if err := to.start(); err != nil {
		return usage{}, err
	}
	events := make(chan event)
	for i, out := range outs {
		go s.follow(ctx, q, i, out, events)
	}
	p := pump{s: s, q: q, to: to, begin: begin}
	for _, prompt := range q.prompts {
		p.u.prompt += len(prompt)
	}
	tick := time.NewTicker(idleTime)
	defer tick.Stop()
	for left := len(outs); left > 0; { // each ends with a finish or an error, so that none is left behind
		select {
		case e := <-events:
			tick.Reset(idleTime)
			p.take(e)
			if e.last() {
				left--
			}
		case <-tick.C:
			if p.err == nil {
				p.err = to.idle()
			}
		}
		if p.err != nil {
			cancel(p.err) // the others are of no use any more
		}
	}
	s.metrics.promptTokens.WithLabelValues(q.m.name).Add(float64(p.u.prompt))
	s.metrics.outputTokens.WithLabelValues(q.m.name).Add(float64(p.u.output))
	s.metrics.latency.WithLabelValues(q.m.name).Observe(time.Since(begin).Seconds())
	if p.err != nil && p.err == ctx.Err() {
		p.err = context.Cause(ctx) // the limit, not only that there was one
	}
	return p.u, p.err
}

// submit asks the engine for all outputs of a request. Where one is refused, the end of ctx takes the others back.
func (s *Server) submit(ctx context.Context, q *request) (outs []Output, err error) {
	for i := range q.n * len(q.prompts) {
		prompt := q.prompts[i/q.n]
		o := q.o
		o.Seed += uint64(i)
		if o.MaxTokens = q.max; o.MaxTokens == 0 {
			o.MaxTokens = q.m.context - len(prompt)
			if s.o.MaxTokens > 0 {
				o.MaxTokens = min(o.MaxTokens, s.o.MaxTokens)
			}
		}
		out, err := q.m.engine.Submit(ctx, prompt, o)
		if err != nil {
			return nil, err
		}
		outs = append(outs, out)
	}
	return outs, nil
}

// pump hands events on and counts. After an error nothing is handed on.
type pump struct {
	s     *Server
	q     *request
	to    sink
	begin time.Time
	began bool
	u     usage
	err   error
}

func (p *pump) take(e event) {
	model := p.q.m.name
	if !p.began && e.err == nil {
		p.began = true
		p.s.metrics.firstToken.WithLabelValues(model).Observe(time.Since(p.begin).Seconds())
	}
	if e.last() {
		p.u.output += e.tokens
		if e.choice%p.q.n == 0 {
			p.u.cached += e.cached
		}
	}
	if e.finish != "" {
		p.s.metrics.finished.WithLabelValues(model, e.finish).Inc()
	}
	if p.err != nil {
		return
	}
	if p.err = e.err; p.err == nil {
		p.err = p.to.event(e)
	}
}

// follow turns one output into events; the last has a finish or an error.
func (s *Server) follow(ctx context.Context, q *request, choice int, out Output, to chan<- event) {
	last := event{choice: choice}
	defer func() {
		if p := recover(); p != nil {
			s.panicked(p, debug.Stack())
			last.err = errPanic
		}
		last.cached = out.CachedTokens()
		to <- last
	}()
	var split *splitter
	if q.tools != nil && len(q.tools.tools) > 0 {
		split = &splitter{tools: q.tools}
	}
	said, called := false, false
	for t, err := range out.Tokens() {
		if err != nil {
			last.err = err
			return
		}
		last.tokens++
		e := event{choice: choice, text: q.text(t, !said, split != nil)}
		said = said || t.Text != ""
		if split != nil {
			e.text, e.calls = split.write(e.text)
		}
		called = called || len(e.calls) > 0
		if ended := slices.Contains(q.m.language.End, t.ID); (q.o.LogProbs || q.o.TopLogProbs > 0) && !ended {
			e.probs = []tokenProb{{t.ID, t.LogProb, t.Top}}
		}
		if t.Finish != "" {
			if split != nil {
				text, calls := split.flush()
				e.text, e.calls = e.text+text, append(e.calls, calls...)
				called = called || len(calls) > 0
			}
			e.finish, e.stop = string(t.Finish), t.Stop
			if called && t.Finish == generate.FinishStop {
				e.finish = "tool_calls"
			}
			e.tokens, e.choice = last.tokens, choice
			last = e
			return
		}
		if e.text == "" && e.calls == nil && e.probs == nil {
			continue
		}
		to <- e
	}
	if last.err = context.Cause(ctx); last.err == nil {
		last.err = fmt.Errorf("serve: the engine ended an output without a reason")
	}
}

// text is what a token says, first of an output or not.
func (q *request) text(t generate.Token, first, calls bool) string {
	text := t.Text
	if q.answer && first && strings.HasPrefix(text, " ") && !strings.HasPrefix(q.m.language.Tokenizer.Decode([]int32{t.ID}, tokenizer.DecodeOptions{}), " ") {
		text = text[1:]
	}
	if tok := q.m.language.Tokenizer; calls && text == "" && tok.IsSpecial(t.ID) { // Mistral's marks of a call are special tokens
		if spelled, _ := tok.Token(t.ID); slices.Contains(markers, spelled) || spelled == mistralArgs || spelled == hermesClose {
			return spelled
		}
	}
	return text
}

var errPanic = faultf(http.StatusInternalServerError, "internal_error", "the server failed; its log says where")
