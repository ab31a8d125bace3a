package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strings"

	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/serve"
)

// benchServe measures a server under load: one that runs (--url), or one of its own on a model (--model). The key is that of
// HANJI_API_KEYS.
func benchServe(o benchOptions) error {
	if (o.model == "") == (o.url == "") {
		return usagef("bench serve needs --model, a GGUF file or folder to serve, or --url of a server that runs")
	}
	key, _, _ := strings.Cut(os.Getenv("HANJI_API_KEYS"), ",")
	load := serve.Load{URL: o.url, Key: key, Clients: o.clients, Requests: o.requests, MaxTokens: o.tokens, Leave: o.leave}
	ctx := context.Background()
	if o.model != "" {
		url, stop, err := serveForBench(ctx, o.model, o.clients)
		if err != nil {
			return err
		}
		defer stop()
		load.URL, load.Key = url, ""
	}
	r := load.Run(ctx)
	for _, l := range []struct {
		name  string
		value float64
		unit  string
	}{
		{"serve-tokens", float64(r.Tokens) / r.Seconds, "tokens/s"}, {"serve-requests", float64(r.Done) / r.Seconds, "requests/s"},
		{"serve-first-p50", serve.Percentile(r.First, 50), "s"}, {"serve-first-p99", serve.Percentile(r.First, 99), "s"},
		{"serve-whole-p50", serve.Percentile(r.Whole, 50), "s"}, {"serve-whole-p99", serve.Percentile(r.Whole, 99), "s"},
		{"serve-done", float64(r.Done), "requests"}, {"serve-left", float64(r.Left), "requests"}, {"serve-busy", float64(r.Busy), "requests"},
	} {
		if err := o.report(l.name, math.Round(l.value*1e5)/1e5, l.unit); err != nil {
			return err
		}
	}
	if n := len(r.Wrong); n > 0 {
		return fmt.Errorf("%d of %d answers were wrong, the first: %s", n, load.Clients*load.Requests, r.Wrong[0])
	}
	return nil
}

// serveForBench serves a model on a free port of this machine, with room for all clients to wait.
func serveForBench(ctx context.Context, path string, clients int) (url string, stop func(), err error) {
	l, err := all.OpenLanguage(path)
	if err != nil {
		return "", nil, err
	}
	var o serve.ModelOptions
	o.Context = min(l.Decoder.Spec().Context, 8192)
	o.Queue = clients
	m, err := serve.NewModel("bench", l, o)
	if err != nil {
		return "", nil, errors.Join(err, l.Close())
	}
	s, err := serve.New(serve.Options{Models: []*serve.Model{m}, MaxRequests: clients + 1})
	if err != nil {
		return "", nil, errors.Join(err, l.Close())
	}
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Close()
		return "", nil, errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, at) }()
	return "http://" + at.Addr().String(), func() {
		cancel()
		if err := errors.Join(<-ended, l.Close()); err != nil {
			slog.Warn("bench serve", "error", err)
		}
	}, nil
}
