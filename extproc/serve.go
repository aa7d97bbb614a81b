package extproc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/yellowjack/yellowjack/internal/bidi"
	"github.com/yellowjack/yellowjack/internal/headers"
)

// TLS names the PEM files of a listener that authenticates its clients: without a certificate of ClientCA nobody gets an
// exchange decided, and nobody else's Envoy can use the provider keys.
type TLS struct{ Cert, Key, ClientCA string }

// Server is the gRPC server of a Service: the ext_proc service and gRPC health, nothing else; no reflection.
type Server struct {
	wire    *bidi.Server
	serving atomic.Bool
}

// The methods that are served.
const (
	processMethod  = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
	processService = "envoy.service.ext_proc.v3.ExternalProcessor"
	healthMethod   = "/grpc.health.v1.Health/Check"
)

// NewServer makes the server. files is nil on a Unix socket and on loopback.
func NewServer(s *Service, files *TLS) (*Server, error) {
	out := &Server{}
	out.serving.Store(true)
	cfg := bidi.Config{
		Methods: map[string]bidi.Handler{
			processMethod: func(call *bidi.Stream) error { return s.Process(envoyStream{call}) },
			healthMethod:  out.check,
		},
		Metadata: []string{headers.Listener},
		// Above the body limit: Envoy may buffer a little more, and the service says then which limit was passed.
		MaxMessage: s.cfg.Limits.RequestBytes + (8 << 20),
		MaxStreams: s.cfg.Limits.Exchanges + s.cfg.Limits.InternalExchanges,
		Stall:      s.cfg.Limits.StreamIdle,
		Log:        s.cfg.Log,
	}
	if files != nil {
		var err error
		if cfg.TLS, err = files.config(); err != nil {
			return nil, err
		}
	}
	var err error
	if out.wire, err = bidi.New(cfg); err != nil {
		return nil, err
	}
	return out, nil
}

// envoyStream is a call as the exchange sees it.
type envoyStream struct{ *bidi.Stream }

func (e envoyStream) Listener() []string         { return e.Metadata(headers.Listener) }
func (e envoyStream) Send(replies []Reply) error { return bidi.Send(e.Stream, replies) }

// check is gRPC's health check (grpc.health.v1): what asks for nothing in particular, or for the service, is told whether
// new exchanges are taken.
func (s *Server) check(call *bidi.Stream) error {
	const serving, notServing = 1, 2
	b, err := call.Recv(healthWait)
	if err != nil {
		return status.Error(codes.Internal, "no question came")
	}
	service := ""
	w := wireOf(b)
	for w.next() {
		if w.is(1) {
			service = string(w.bytes())
		}
	}
	switch {
	case w.broken:
		return status.Error(codes.InvalidArgument, "the question cannot be read")
	case service != "" && service != processService:
		return status.Error(codes.NotFound, "unknown service")
	}
	answer := health(notServing)
	if s.serving.Load() {
		answer = serving
	}
	return bidi.Send(call, []health{answer})
}

// healthWait is how long a health check may take to ask.
const healthWait = 10 * time.Second

// health is a HealthCheckResponse.
type health int

func (h health) Append(b []byte) []byte { return appendNumber(b, 1, int(h)) }

// Serve serves until Drain; it returns nil then.
func (s *Server) Serve(l net.Listener) error { return s.wire.Serve(l) }

// Drain takes no new exchanges and lets the open ones end, until ctx is over; then it cuts them with an error status.
func (s *Server) Drain(ctx context.Context) {
	s.serving.Store(false)
	s.wire.Drain(ctx)
}

// Listen opens address: unix:///path, in a folder made with mode 0700 and the socket with 0600, or host:port.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, "unix://")
	var lc net.ListenConfig
	if !isUnix {
		return lc.Listen(ctx, "tcp", address)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s is in use by another process; stop it or set extproc.listen", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (f *TLS) config() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("extproc.tls: %w", err)
	}
	pem, err := os.ReadFile(f.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("extproc.tls.client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("extproc.tls.client_ca: %s holds no certificate", f.ClientCA)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"},
	}, nil
}
