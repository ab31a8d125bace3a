package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Serve answers on a listener until ctx is done; then it takes no new connections, lets running answers end for up to
// DrainTime, and returns nil. An answer that is not whole by then is cut off, which is an error.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(netutil.LimitListener(l, s.o.MaxConnections)) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.DrainTime)
	defer cancel()
	s.closing.Store(true) // requests on open connections are turned away
	err := h.Shutdown(limit)
	if err != nil {
		err = errors.Join(fmt.Errorf("serve: answers were cut off after %v: %w", s.o.DrainTime, err), h.Close())
	} else {
		err = s.Drain(limit)
	}
	s.Close()
	<-failed
	return err
}
