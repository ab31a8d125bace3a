package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/hanji-ml/hanji/model"
)

// Options of a Server. The zero value serves no model yet, answers to loopback names only, asks for no key and has the limits
// below.
type Options struct {
	// Models to serve. Default (nil): every route but /health, /metrics and the page answers 503 until Use brings some.
	Models []*Model
	// Forecaster is one more candidate of /v1/forecast, as forecast.Options.Embedded. Default (nil): classical methods.
	Forecaster model.Forecaster

	// Hosts are names, without port, that a request's Host header may have beside IP addresses and localhost; "*" allows any.
	// A name that somebody else's DNS points here is refused otherwise, for a page of theirs could then read answers.
	Hosts []string
	// Origins are those whose pages may call (CORS), as https://example.org; "*" is any. Default: the server's own page only.
	Origins []string
	// Keys open the server: one of them must come as "Authorization: Bearer KEY" or "x-api-key: KEY". Default: no key is asked
	// for. /health and the page are open always.
	Keys []string

	MaxBody        int64         // bytes of a request; default 8 MiB
	MaxTokens      int           // of one answer; default: the model's context
	MaxChoices     int           // n, and prompts × n of completions; default 16
	MaxInputs      int           // texts of one request for embeddings; default 256
	MaxRequests    int           // worked on or waiting at once, beyond which 429; default 256
	MaxConnections int           // of Serve, beyond which new ones wait; default 1024
	BodyTime       time.Duration // for a request's body to arrive; default 30 s
	AnswerTime     time.Duration // for an answer to be whole; default 10 min
	DrainTime      time.Duration // of Serve, for running answers when it is to stop; default 30 s

	// Log gets a line a request, never what was said in it. Default (nil): nothing is logged.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.MaxChoices, 16)
	def(&o.MaxInputs, 256)
	def(&o.MaxRequests, 256)
	def(&o.MaxConnections, 1024)
	if o.MaxBody == 0 {
		o.MaxBody = 8 << 20
	}
	for _, d := range []struct {
		p *time.Duration
		v time.Duration
	}{{&o.BodyTime, 30 * time.Second}, {&o.AnswerTime, 10 * time.Minute}, {&o.DrainTime, 30 * time.Second}} {
		if *d.p == 0 {
			*d.p = d.v
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate reports every problem at once; nil if there is none.
func (o Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("serve: "+format, args...)) }
	for _, n := range []struct {
		name string
		v    int64
	}{
		{"MaxBody", o.MaxBody}, {"MaxTokens", int64(o.MaxTokens)}, {"MaxChoices", int64(o.MaxChoices)}, {"MaxInputs", int64(o.MaxInputs)},
		{"MaxRequests", int64(o.MaxRequests)}, {"MaxConnections", int64(o.MaxConnections)}, {"BodyTime", int64(o.BodyTime)},
		{"AnswerTime", int64(o.AnswerTime)}, {"DrainTime", int64(o.DrainTime)},
	} {
		if n.v < 0 {
			bad("%s is %d, want 0 (the default) or more", n.name, n.v)
		}
	}
	for _, k := range o.Keys {
		if len(k) < minKey {
			bad("a key of %d bytes can be guessed; give at least %d", len(k), minKey)
		}
	}
	for _, h := range o.Hosts {
		if _, _, err := net.SplitHostPort(h); h == "" || err == nil {
			bad("host %q: give a name without scheme and port", h)
		}
	}
	for _, origin := range o.Origins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "") {
			bad("origin %q: give scheme and host, as https://example.org, or *", origin)
		}
	}
	return errors.Join(errs...)
}

// minKey is the fewest bytes of a key.
const minKey = 8
