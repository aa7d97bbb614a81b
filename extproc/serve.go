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
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
)

// TLS names the PEM files of a listener that authenticates its clients: without a certificate of ClientCA nobody gets an
// exchange decided, and nobody else's Envoy can use the provider keys.
type TLS struct{ Cert, Key, ClientCA string }

// Server is the gRPC server of a Service: the ext_proc service and gRPC health, nothing else; no reflection.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
}

// NewServer makes the server. files is nil on a Unix socket and on loopback.
func NewServer(s *Service, files *TLS) (*Server, error) {
	transport := insecure.NewCredentials()
	if files != nil {
		cfg, err := files.config()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(cfg)
	}
	const window = 1 << 20
	g := grpc.NewServer(
		grpc.Creds(transport),
		// Above the body limit: grpc-go's default of 4 MiB would cut a body that Envoy was allowed to buffer.
		grpc.MaxRecvMsgSize(s.cfg.Limits.RequestBytes+(8<<20)),
		grpc.MaxConcurrentStreams(uint32(s.cfg.Limits.Exchanges)), //nolint:gosec // a positive limit
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(16*window),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	h := health.NewServer()
	extprocv3.RegisterExternalProcessorServer(g, s)
	healthpb.RegisterHealthServer(g, h)
	return &Server{g, h}, nil
}

// Serve serves until Drain or Close; it returns nil after either.
func (s *Server) Serve(l net.Listener) error {
	err := s.grpc.Serve(l)
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// Drain takes no new exchanges and lets the open ones end, until ctx is over; then it cuts them with an error status.
func (s *Server) Drain(ctx context.Context) {
	s.health.Shutdown()
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
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
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}, nil
}
