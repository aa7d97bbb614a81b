package envoy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/yellowjack/yellowjack/envoy/envoytest"
	"github.com/yellowjack/yellowjack/internal/headers"
)

// TestInternalListener: the guard is told of the internal listener by what stands in the configuration, and by nothing that a
// request can hold. The socket is for our user alone, and one that a dead Envoy left behind is no obstacle.
func TestInternalListener(t *testing.T) {
	t.Parallel()
	dir := envoytest.Dir(t)
	told := make(chan metadata.MD, 10)
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", envoytest.ExtProcSocket(dir))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = serve(t, l, grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
		md, _ := metadata.FromIncomingContext(s.Context())
		told <- md
		return h(srv, s)
	}))
	up := newUpstream(t)
	config := chaosConfig(dir, up.provider())
	config.Listen, config.ExtProc = "", "" // a free port; the socket above
	config.InternalSocket = filepath.Join(dir, "internal.sock")
	if err := os.WriteFile(config.InternalSocket, nil, 0o600); err != nil { // what a killed Envoy leaves
		t.Fatal(err)
	}
	g := envoytest.Start(t, config)

	info, err := os.Stat(config.InternalSocket)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the socket has mode %v", info.Mode())
	}
	inside := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", config.InternalSocket)
	}}}
	t.Cleanup(inside.CloseIdleConnections)
	outside := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(outside.CloseIdleConnections)
	for name, test := range map[string]struct {
		client *http.Client
		url    string
		want   []string
	}{
		"outside": {outside, g.URL, nil},
		"inside":  {inside, "http://internal", []string{headers.ListenerInternal}},
	} {
		for _, forged := range []string{"", "internal", "public"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, test.url+chatPath, strings.NewReader(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			if forged != "" {
				r.Header.Set(headers.Listener, forged)
				r.Header.Set("Grpc-Metadata-"+headers.Listener, forged)
			}
			answer, err := test.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != http.StatusOK || string(body) != answerBody {
				t.Errorf("%s: got %d %q, %v", name, answer.StatusCode, body, err)
			}
			if got := (<-told).Get(headers.Listener); !slices.Equal(got, test.want) {
				t.Errorf("%s, with %q in its header: the guard was told %q", name, forged, got)
			}
		}
	}
	stats, err := g.Process.Stats(t.Context(), `^cluster\.yellowjack_extproc(_internal)?\.upstream_rq_total$`)
	if err != nil {
		t.Fatal(err)
	}
	if stats["cluster.yellowjack_extproc.upstream_rq_total"] != 3 || stats["cluster.yellowjack_extproc_internal.upstream_rq_total"] != 3 {
		t.Errorf("the two listeners share a way to the guard: %v", stats)
	}
}
