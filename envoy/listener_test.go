package envoy_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/yellowjack/yellowjack/envoy"
	"github.com/yellowjack/yellowjack/envoy/envoytest"
	"github.com/yellowjack/yellowjack/internal/headers"
)

// TestForgeryWithoutTheStrip shows that TestRequestHalf can fail: without the early mutation, a client that sends the
// routing header gets through to the provider as soon as the service closes cleanly.
func TestForgeryWithoutTheStrip(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	dir := envoytest.Dir(t)
	_, _ = serveSocket(t, dir)
	config := chaosConfig(dir, up.provider())
	config.Listen, config.ExtProc = "127.0.0.1:0", "unix://"+envoytest.ExtProcSocket(dir)
	boot, err := envoy.Bootstrap(config)
	if err != nil {
		t.Fatal(err)
	}
	packed := boot.GetStaticResources().GetListeners()[0].GetFilterChains()[0].GetFilters()[0].GetTypedConfig()
	hcm := &hcmv3.HttpConnectionManager{}
	if err := packed.UnmarshalTo(hcm); err != nil {
		t.Fatal(err)
	}
	hcm.EarlyHeaderMutationExtensions = nil
	if err := packed.MarshalFrom(hcm); err != nil {
		t.Fatal(err)
	}
	process, err := envoy.Start(t.Context(), envoy.ProcessConfig{Binary: envoytest.Binary(t), Bootstrap: boot, RunDir: dir, Concurrency: 1, Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	g := &chaosGateway{&envoytest.Gateway{URL: "http://" + process.Addr()}, up}
	_ = g.ask(t, "forged", chatPath, "close@request headers", headers.Cluster, "provider_up")
	if n := len(up.requests("forged")); n != 1 {
		t.Errorf("the provider got %d requests, want the forged one", n)
	}
}

// TestNotTaken: what is no proper request gets an answer in shape, from Envoy alone, and no exchange begins.
func TestNotTaken(t *testing.T) {
	t.Parallel()
	g := newChaosGateway(t)
	for name, test := range map[string]struct {
		raw    string
		status int
	}{
		"garbage":           {"GARBAGE\r\n\r\n", 400},
		"no host":           {"GET /v1/models HTTP/1.1\r\n\r\n", 400},
		"HTTP/1.0":          {"GET /v1/models HTTP/1.0\r\nhost: a\r\n\r\n", 426},
		"underscore":        {"GET /v1/models HTTP/1.1\r\nhost: a\r\nx-yellowjack_cluster: provider_up\r\n\r\n", 400},
		"smuggling":         {"POST /v1/models HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"header too large":  {"GET /v1/models HTTP/1.1\r\nhost: a\r\nx-a: " + strings.Repeat("y", 70_000) + "\r\n\r\n", 431},
		"too many headers":  {"GET /v1/models HTTP/1.1\r\nhost: a\r\n" + strings.Repeat("x-a: y\r\n", 120) + "\r\n", 431},
		"escaped slash":     {"GET /v1%2fmodels HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 400},
		"escaped backslash": {"GET /v1%5cmodels HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 400},
		"websocket":         {"GET /v1/realtime HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 403},
		"too large":         {"POST " + chatPath + " HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2000000\r\n\r\n" + strings.Repeat("x", 2_000_000), 413},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := g.raw(t, test.raw)
			if code := a.code(); a.status != test.status || (code != "bad_request" && code != "too_large") {
				t.Errorf("got %d %q (%v), want %d in shape", a.status, a.body, a.err, test.status)
			}
		})
	}
}

// raw sends bytes and reads one answer.
func (g *chaosGateway) raw(t *testing.T, request string) answered {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() // a test's connection
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, request) }() // Envoy may answer, and close, before it has read everything
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answered{err: err}
	}
	defer resp.Body.Close() // a test's connection
	body, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, resp.Header, string(body), err}
}

// TestHygiene: what a client says of itself and to Envoy stays here, and so does what Envoy adds.
func TestHygiene(t *testing.T) {
	t.Parallel()
	g := newChaosGateway(t)
	a := g.ask(t, "hygiene", chatPath, "", headers.DecisionID, "forged", headers.ProviderKey, "sk-byok", "x-envoy-retry-on", "5xx",
		"x-envoy-upstream-rq-timeout-ms", "1", "x-envoy-original-path", "/x", "x-forwarded-for", "10.0.0.1", "forwarded", "for=10.0.0.1", "x-forwarded-host", "h",
		"x-forwarded-proto", "https", "te", "trailers")
	if a.status != http.StatusOK || a.err != nil {
		t.Fatalf("got %d (%v)", a.status, a.err)
	}
	for name := range g.up.requests("hygiene")[0].Header {
		switch name {
		case "Accept-Encoding", "Content-Length", "Content-Type", "User-Agent", "X-Case", "X-Chaos", "X-Request-Id", "Te":
		default:
			t.Errorf("the provider got %s", name)
		}
	}
	for name := range a.header {
		if strings.HasPrefix(name, "X-") {
			t.Errorf("the client got %s", name)
		}
	}
	if server := a.header.Get("server"); server != "yellowjack" {
		t.Errorf("server is %q", server)
	}
}

// TestH2C: clients may speak HTTP/2 without TLS, and trailers that no step has looked at go nowhere.
func TestH2C(t *testing.T) {
	t.Parallel()
	certs := newAuthority(t)
	up, provider := newTLSUpstream(t, certs, certs.certificate(t, "localhost"))
	g := startWith(t, up, provider)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+chatPath, io.MultiReader(strings.NewReader("{}"))) // no length: trailers may follow
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-case", "h2c")
	r.Trailer = http.Header{"X-Trailer": {"secret"}}
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Protocols: &h2c}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() // read below
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != answerBody || resp.ProtoMajor != 2 {
		t.Errorf("got %s %q (%v)", resp.Proto, body, err)
	}
	got := up.requests("h2c")
	if len(got) != 1 || got[0].ProtoMajor != 2 {
		t.Fatalf("the provider got %v", got)
	}
	if got[0].Trailer.Get("X-Trailer") != "" { // the name alone is there: the chaos service lets the header "trailer" by
		t.Errorf("the provider got the trailers %v", got[0].Trailer)
	}
}

// TestAccessLog: one JSON line per exchange, with what was decided and without what a client's headers and query hold.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	g := newChaosGateway(t)
	g.ask(t, "log", chatPath+"?key=sk-query", "refuse@request body", "authorization", "Bearer sk-header", "cookie", "sk-cookie")
	g.ask(t, "log2", chatPath+"?key=sk-query", "")
	g.Stop(t)
	if strings.Contains(g.AccessLog(), "sk-") {
		t.Errorf("a secret is in %s", g.AccessLog())
	}
	lines := strings.Split(strings.TrimSpace(g.AccessLog()), "\n")
	if len(lines) != 2 {
		t.Fatalf("want two lines, got %s", g.AccessLog())
	}
	var refused, answered struct {
		Path, Method, Details string
		Status                int
		Cluster               string `json:"upstream_cluster"`
		Yellowjack            struct {
			DecisionID string `json:"decision_id"`
		}
	}
	for i, into := range []any{&refused, &answered} {
		if err := json.Unmarshal([]byte(lines[i]), into); err != nil {
			t.Fatal(err)
		}
	}
	if refused.Status != 403 || refused.Details != headers.DetailsPrefix+"policy_denied" || refused.Yellowjack.DecisionID != "d-1" || refused.Path != chatPath {
		t.Errorf("got %+v", refused)
	}
	if answered.Status != 200 || answered.Details != "via_upstream" || answered.Path != chatPath || answered.Cluster != "up" {
		t.Errorf("got %+v", answered)
	}
}
