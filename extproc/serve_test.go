package extproc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/yellowjack/yellowjack/extproc"
)

// serving starts a server as the command does, with or without TLS, and says where it is.
func serving(t *testing.T, w *world, address string, files *extproc.TLS) (*extproc.Server, string) {
	t.Helper()
	server, err := extproc.NewServer(w.service(t, &lastRecord{}, nil), files)
	if err != nil {
		t.Fatal(err)
	}
	l, err := extproc.Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Drain(ctx)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if l.Addr().Network() == "unix" {
		return server, "unix://" + l.Addr().String()
	}
	return server, l.Addr().String()
}

func dial(t *testing.T, target string, c credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestServer plays a transcript by grpc-go's client: what Envoy's generated code says and hears.
func TestServer(t *testing.T) {
	w := newWorld(t)
	_, target := serving(t, w, "unix://"+filepath.Join(t.TempDir(), "run", "s"), nil)
	conn := dial(t, target, insecure.NewCredentials())
	archive, err := txtar.ParseFile("testdata/allowed-call.txtar")
	if err != nil {
		t.Fatal(err)
	}
	all := messages(t, w, archive)
	for cut := 1; cut <= len(all); cut++ {
		stream, err := extprocv3.NewExternalProcessorClient(conn).Process(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all[:cut] {
			if err := stream.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		var sent []*extprocv3.ProcessingResponse
		for {
			var m *extprocv3.ProcessingResponse
			if m, err = stream.Recv(); err != nil {
				break
			}
			sent = append(sent, m)
		}
		// A stream that ended early must end with an error; only an exchange that was answered ends well.
		if answered := cut == len(all); answered != errors.Is(err, io.EOF) || answered != final(sent[len(sent)-1]) {
			t.Errorf("after %d messages: %v, %d replies", cut, err, len(sent))
		}
	}
	stream, err := extprocv3.NewExternalProcessorClient(conn).Process(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&extprocv3.ProcessingRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a message that says nothing: %v", err)
	}
}

func TestHealth(t *testing.T) {
	server, target := serving(t, newWorld(t), "unix://"+filepath.Join(t.TempDir(), "run", "s"), nil)
	client := healthpb.NewHealthClient(dial(t, target, insecure.NewCredentials()))
	for service, want := range map[string]codes.Code{"": codes.OK, "envoy.service.ext_proc.v3.ExternalProcessor": codes.OK, "another": codes.NotFound} {
		got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if status.Code(err) != want || err == nil && got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", service, got, err)
		}
	}
	server.Drain(t.Context())
	if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("drained: %v", err)
	}
}

// TestTLS: over TCP only who has a certificate of our CA gets a word with the service.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files, client := certificates(t, dir)
	_, target := serving(t, newWorld(t), "127.0.0.1:0", files)
	for _, c := range []struct {
		name string
		with credentials.TransportCredentials
		ok   bool
	}{
		{"our client", credentials.NewTLS(client), true},
		{"a client without a certificate", credentials.NewTLS(&tls.Config{RootCAs: client.RootCAs, ServerName: "localhost"}), false},
		{"no TLS", insecure.NewCredentials(), false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := healthpb.NewHealthClient(dial(t, target, c.with)).Check(ctx, &healthpb.HealthCheckRequest{})
		cancel()
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	plain, err := tls.Dial("tcp", target, &tls.Config{RootCAs: client.RootCAs, ServerName: "localhost", Certificates: client.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if n, err := plain.Read(make([]byte, 1)); err == nil {
		t.Errorf("who does not offer h2 was told %d bytes", n)
	}
}

// certificates makes a CA, a server's files and a client's configuration.
func certificates(t *testing.T, dir string) (*extproc.TLS, *tls.Config) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	must(err)
	issue := func(name string, use x509.ExtKeyUsage) (certificate, key string) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{use},
		}, ca, k.Public(), caKey)
		must(err)
		keyDER, err := x509.MarshalECPrivateKey(k)
		must(err)
		return write(name+".crt", "CERTIFICATE", der), write(name+".key", "EC PRIVATE KEY", keyDER)
	}
	serverCert, serverKey := issue("server", x509.ExtKeyUsageServerAuth)
	clientCert, clientKey := issue("client", x509.ExtKeyUsageClientAuth)
	pair, err := tls.LoadX509KeyPair(clientCert, clientKey)
	must(err)
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(caDER)
	must(err)
	pool.AddCert(parsed)
	return &extproc.TLS{Cert: serverCert, Key: serverKey, ClientCA: write("ca.crt", "CERTIFICATE", caDER)},
		&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, ServerName: "localhost"}
}
