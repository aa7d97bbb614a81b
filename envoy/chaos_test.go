package envoy_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/yellowjack/yellowjack/envoy"
	"github.com/yellowjack/yellowjack/envoy/envoytest"
	"github.com/yellowjack/yellowjack/internal/headers"
)

// chaosHeader is how a test tells the chaos service what to do with its exchange: "WHAT@WHERE", see chaos.
const chaosHeader = "x-chaos"

// chaos is an ext_proc service that does its work (it sends every request to the cluster "provider_up") and breaks, once,
// where the request says.
type chaos struct {
	extprocv3.UnimplementedExternalProcessorServer
	hung chan struct{} // one for each exchange that hangs
}

// Process follows the protocol of our modes until it comes to where it shall break.
func (c *chaos) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	what, where := "", ""
	for {
		in, err := stream.Recv()
		if err != nil {
			return err
		}
		if h := in.GetRequestHeaders(); h != nil {
			what, where, _ = strings.Cut(headerOf(h.GetHeaders(), chaosHeader), "@")
		}
		at, out := usual(in)
		if at == "response body" && where == "mid stream" && in.GetResponseBody().GetEndOfStream() {
			// Everything but the end is released, and then it breaks.
			out.GetResponseBody().GetResponse().GetBodyMutation().GetStreamedResponse().EndOfStream = false
			if err := stream.Send(out); err != nil {
				return err
			}
			at = where
		}
		if at == where {
			switch what {
			case "hang":
				c.hung <- struct{}{}
				<-stream.Context().Done()
				return stream.Context().Err()
			case "close":
				return nil
			case "error":
				return status.Error(codes.Aborted, "as asked")
			case "empty":
				out = &extprocv3.ProcessingResponse{}
			case "wrong":
				out = wrong(at)
			case "undecided":
				out = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{}}}
			case "end", "end and close":
				last := out.GetResponseBody().GetResponse().GetBodyMutation().GetStreamedResponse()
				event, _, _ := bytes.Cut(last.GetBody(), []byte("\n\n")) // Envoy may hand over several at once
				last.Body, last.EndOfStream = append(bytes.Clone(event), "\n\n"...), true
			case "refuse":
				out = refusal()
			case "disallowed":
				set(out, "x-envoy-upstream-rq-timeout-ms", "1")
			case "nowhere":
				set(out, headers.Cluster, "no_such_cluster")
			}
		}
		if err := stream.Send(out); err != nil {
			return err
		}
		if what == "end and close" && at == where {
			return nil
		}
	}
}

// usual is what a service that works answers, and the name of the place.
func usual(in *extprocv3.ProcessingRequest) (string, *extprocv3.ProcessingResponse) {
	switch m := in.GetRequest().(type) {
	case *extprocv3.ProcessingRequest_RequestHeaders:
		out := &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{Response: &extprocv3.CommonResponse{}}}}
		if m.RequestHeaders.GetEndOfStream() {
			decide(out.GetRequestHeaders().GetResponse())
		}
		return "request headers", out
	case *extprocv3.ProcessingRequest_RequestBody:
		common := &extprocv3.CommonResponse{}
		decide(common)
		return "request body", &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{Response: common}}}
	case *extprocv3.ProcessingRequest_ResponseHeaders:
		return "response headers", &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{Response: &extprocv3.CommonResponse{}}}}
	case *extprocv3.ProcessingRequest_ResponseBody:
		return "response body", &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{Response: &extprocv3.CommonResponse{
			BodyMutation: &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_StreamedResponse{StreamedResponse: &extprocv3.StreamedBodyResponse{
				Body: m.ResponseBody.GetBody(), EndOfStream: m.ResponseBody.GetEndOfStream(),
			}}},
		}}}}
	default:
		return "response trailers", &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseTrailers{ResponseTrailers: &extprocv3.TrailersResponse{}}}
	}
}

// decide sends a request to the provider, on a path of the provider's own.
func decide(common *extprocv3.CommonResponse) {
	common.ClearRouteCache = true
	common.HeaderMutation = &extprocv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{
		overwrite(headers.Cluster, "provider_up"), overwrite(":path", "/upstream/path"),
	}}
}

func overwrite(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, RawValue: []byte(value)},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

func set(out *extprocv3.ProcessingResponse, name, value string) {
	common := out.GetRequestBody().GetResponse()
	if common == nil {
		common = out.GetResponseHeaders().GetResponse()
	}
	if common.HeaderMutation == nil {
		common.HeaderMutation = &extprocv3.HeaderMutation{}
	}
	common.HeaderMutation.SetHeaders = append(common.HeaderMutation.SetHeaders, overwrite(name, value))
}

// wrong answers another message than the one that came.
func wrong(at string) *extprocv3.ProcessingResponse {
	if strings.HasPrefix(at, "request") {
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseTrailers{ResponseTrailers: &extprocv3.TrailersResponse{}}}
	}
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{}}}
}

const (
	refusalBody = `{"error":{"message":"100% ours","type":"permission_error","param":null,"code":"policy_denied"}}`
	answerBody  = "data: one\n\ndata: two\n\n"
)

// refusal is an answer of the service's own, as extproc makes them.
func refusal() *extprocv3.ProcessingResponse {
	metadata, err := structpb.NewStruct(map[string]any{envoy.MetadataNamespace: map[string]any{"decision_id": "d-1"}})
	if err != nil {
		panic(err)
	}
	return &extprocv3.ProcessingResponse{
		DynamicMetadata: metadata,
		Response: &extprocv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: &extprocv3.ImmediateResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode_Forbidden},
			Headers: &extprocv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{overwrite("content-type", "application/json"), overwrite(headers.DecisionID, "d-1")}},
			Body:    []byte(refusalBody),
			Details: headers.DetailsPrefix + "policy_denied",
		}},
	}
}

func headerOf(m *corev3.HeaderMap, name string) string {
	for _, h := range m.GetHeaders() {
		if h.GetKey() == name {
			return string(h.GetRawValue()) + h.GetValue()
		}
	}
	return ""
}

// serve runs the chaos service on l until stop, or the test's end.
func serve(t *testing.T, l net.Listener, options ...grpc.ServerOption) (c *chaos, stop func()) {
	t.Helper()
	c = &chaos{hung: make(chan struct{}, 100)}
	server := grpc.NewServer(options...)
	extprocv3.RegisterExternalProcessorServer(server, c)
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := server.Serve(l); err != nil {
			t.Error(err)
		}
	})
	stop = func() { server.Stop(); wait.Wait() }
	t.Cleanup(stop) // a second stop does nothing
	return c, stop
}

// serveSocket is serve on the socket that Start expects.
func serveSocket(t *testing.T, dir string) (c *chaos, stop func()) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", envoytest.ExtProcSocket(dir))
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l)
}

// upstream is a provider that remembers what it was asked, by the x-case header.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string][]*http.Request
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{seen: map[string][]*http.Request{}}
	u.Server = httptest.NewServer(http.HandlerFunc(u.answer))
	t.Cleanup(u.Close)
	return u
}

// answer streams two events; a test sees from the first what had been released when the second was held.
func (u *upstream) answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	u.mu.Lock()
	u.seen[r.Header.Get("x-case")] = append(u.seen[r.Header.Get("x-case")], r)
	u.mu.Unlock()
	w.Header().Set("content-type", "text/event-stream")
	first, rest, _ := strings.Cut(answerBody, "data: two")
	_, _ = io.WriteString(w, first)
	if err := http.NewResponseController(w).Flush(); err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, "data: two"+rest)
	if r.Header.Get("x-endless") == "" {
		return
	}
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-r.Context().Done():
			tick.Stop()
			return
		case <-tick.C:
			_, _ = io.WriteString(w, "data: more\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// provider names u, for a server without TLS.
func (u *upstream) provider() envoy.Provider {
	return envoy.Provider{Name: "up", Cluster: "provider_up", Scheme: "http", Host: "127.0.0.1", Port: u.Listener.Addr().(*net.TCPAddr).Port}
}

func (u *upstream) requests(name string) []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen[name]
}

// answered is what a client got.
type answered struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// chaosGateway is an Envoy, a chaos service and an upstream.
type chaosGateway struct {
	*envoytest.Gateway
	up *upstream
}

func newChaosGateway(t *testing.T) *chaosGateway {
	t.Helper()
	up := newUpstream(t)
	return startWith(t, up, up.provider())
}

// startWith is a gateway to another provider than up; up may be nil.
func startWith(t *testing.T, up *upstream, p envoy.Provider) *chaosGateway {
	t.Helper()
	dir := envoytest.Dir(t)
	_, _ = serveSocket(t, dir)
	return &chaosGateway{envoytest.Start(t, chaosConfig(dir, p)), up}
}

// chaosConfig has waits that are short enough to be waited for.
func chaosConfig(dir string, p envoy.Provider) envoy.Config {
	return envoy.Config{
		AdminSocket:    dir + "/admin.sock",
		RequestBytes:   64 << 10,
		MessageTimeout: 600 * time.Millisecond,
		StreamIdle:     2 * time.Second,
		Providers:      []envoy.Provider{p},
	}
}

// ask sends one request; name is its case at the upstream. Any goroutine may call it.
func (g *chaosGateway) ask(t *testing.T, name, path, do string, more ...string) answered {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+path, strings.NewReader(`{"model":"m"}`))
	if err != nil {
		return answered{err: err}
	}
	r.Header.Set("content-type", "application/json")
	r.Header.Set("x-case", name)
	r.Header.Set(chaosHeader, do)
	for i := 0; i < len(more); i += 2 {
		r.Header.Add(more[i], more[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Do(r)
	if err != nil {
		return answered{err: err}
	}
	defer resp.Body.Close() // read to its end below
	body, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, resp.Header, string(body), err}
}
