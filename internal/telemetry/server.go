package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkWait bounds one readiness check.
const checkWait = 2 * time.Second

// Check is one thing that must be so for traffic to be served.
type Check struct {
	Name string
	// Ready is nil when it is so. Its error is shown to whoever asks /readyz: it must hold no secret.
	Ready func(context.Context) error
}

// ServerConfig says what the server shows.
type ServerConfig struct {
	Address  string // IP:port
	Gatherer prometheus.Gatherer
	Checks   []Check
	Log      *slog.Logger
}

// Server serves /metrics, /healthz and /readyz.
type Server struct {
	http  *http.Server
	addr  net.Addr
	ended chan error
}

// Serve listens and serves until Close. /healthz says that the process answers; /readyz asks every check, at the same
// time, and is 503 with the names and reasons of those that fail.
func Serve(ctx context.Context, cfg ServerConfig) (*Server, error) {
	if cfg.Gatherer == nil || cfg.Log == nil {
		return nil, errors.New("telemetry: the server's configuration has a part missing")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("telemetry.metrics: %w", err)
	}
	s := &Server{
		http: &http.Server{
			Handler: Handler(cfg), ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
			ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
			MaxHeaderBytes: 16 << 10,
		},
		addr: l.Addr(), ended: make(chan error, 1),
	}
	go func() {
		err := s.http.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		s.ended <- err
	}()
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.addr }

// Close stops the server: open answers may end until ctx is over.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	ended := <-s.ended
	s.ended <- nil // a second Close finds it ended
	return errors.Join(err, ended)
}

// Handler is the server's handler by itself.
func Handler(cfg ServerConfig) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: 4, Timeout: 20 * time.Second,
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready(w, r, cfg.Checks) })
	return mux
}

// readiness is the body of /readyz.
type readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"` // "ok" or what is wrong
}

func ready(w http.ResponseWriter, r *http.Request, checks []Check) {
	answers := make([]error, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { answers[i] = ask(r.Context(), c) })
	}
	wg.Wait()
	body := readiness{Ready: true, Checks: map[string]string{}}
	for i, c := range checks {
		body.Checks[c.Name] = "ok"
		if answers[i] != nil {
			body.Ready, body.Checks[c.Name] = false, answers[i].Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !body.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body)
}

// ask runs a check; one that panics or overstays is not ready.
func ask(ctx context.Context, c Check) (err error) {
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the check failed to run")
		}
	}()
	if err := c.Ready(ctx); err != nil {
		return err
	}
	return ctx.Err()
}
