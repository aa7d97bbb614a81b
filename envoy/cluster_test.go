package envoy_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/yellowjack/yellowjack/envoy"
	"github.com/yellowjack/yellowjack/envoy/envoytest"
)

// newTLSUpstream is an upstream with HTTP/2 over TLS, and the provider that names it.
func newTLSUpstream(t *testing.T, trusted *authority, cert tls.Certificate) (*upstream, envoy.Provider) {
	t.Helper()
	u := &upstream{seen: map[string][]*http.Request{}}
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(u.answer))
	u.EnableHTTP2 = true
	u.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	u.StartTLS()
	t.Cleanup(u.Close)
	p := u.provider()
	p.Scheme, p.Host, p.CAFile = "https", "localhost", filepath.Join(trusted.files(t), "ca.pem")
	return u, p
}

// TestProviderTLS: a provider is reached only with a certificate of a trusted root that names the host.
func TestProviderTLS(t *testing.T) {
	t.Parallel()
	trusted, stranger := newAuthority(t), newAuthority(t)
	for name, test := range map[string]struct {
		host string
		cert tls.Certificate
		ok   bool
	}{
		"good":         {"localhost", trusted.certificate(t, "localhost"), true},
		"by address":   {"127.0.0.1", trusted.certificate(t, "127.0.0.1"), true},
		"wrong name":   {"localhost", trusted.certificate(t, "example.com"), false},
		"only address": {"localhost", trusted.certificate(t, "127.0.0.1"), false},
		"unknown root": {"localhost", stranger.certificate(t, "localhost"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up, provider := newTLSUpstream(t, trusted, test.cert)
			provider.Host = test.host
			g := startWith(t, up, provider)
			a := g.ask(t, name, chatPath, "")
			got := up.requests(name)
			switch {
			case !test.ok:
				if a.status != http.StatusServiceUnavailable || len(got) != 0 {
					t.Errorf("got %d %q, and the provider %d requests", a.status, a.body, len(got))
				}
			case a.status != http.StatusOK || len(got) != 1:
				t.Errorf("got %d %q (%v)", a.status, a.body, a.err)
			case got[0].ProtoMajor != 2 || (test.host == "localhost" && got[0].TLS.ServerName != "localhost"):
				t.Errorf("the provider saw %s and the name %q", got[0].Proto, got[0].TLS.ServerName)
			}
		})
	}
}

// TestExtProcTLS: over TCP, both ends prove who they are; a service that cannot is no service.
func TestExtProcTLS(t *testing.T) {
	t.Parallel()
	ours, stranger := newAuthority(t), newAuthority(t)
	files := ours.files(t)
	for name, test := range map[string]struct {
		cert tls.Certificate
		ca   *authority // whose clients the service takes
		ok   bool
	}{
		"good":           {ours.certificate(t, "extproc.internal"), ours, true},
		"another's name": {ours.certificate(t, "other.internal"), ours, false},
		"another's root": {stranger.certificate(t, "extproc.internal"), ours, false},
		"not our client": {ours.certificate(t, "extproc.internal"), stranger, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t)
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = serve(t, l, grpc.Creds(credentials.NewTLS(&tls.Config{
				Certificates: []tls.Certificate{test.cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: test.ca.pool(), MinVersion: tls.VersionTLS13,
			})))
			config := chaosConfig(envoytest.Dir(t), up.provider())
			config.ExtProc = l.Addr().String()
			config.ExtProcTLS = &envoy.ClientTLS{
				Cert: filepath.Join(files, "client.pem"), Key: filepath.Join(files, "client.key"), CA: filepath.Join(files, "ca.pem"), ServerName: "extproc.internal",
			}
			g := &chaosGateway{envoytest.Start(t, config), up}
			a := g.ask(t, name, chatPath, "")
			if test.ok {
				if a.status != http.StatusOK || a.body != answerBody {
					t.Errorf("got %d %q (%v)", a.status, a.body, a.err)
				}
				return
			}
			a.wantUnchecked(t, name)
			if n := len(up.requests(name)); n > 0 {
				t.Errorf("the provider got %d requests", n)
			}
		})
	}
}
