package extproc_test

import (
	"context"
	"strings"
	"testing"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/identity"
)

// byListener is a stream's context as Envoy's configuration makes it.
func byListener(ctx context.Context, names ...string) context.Context {
	md := grpcmetadata.MD{}
	md.Append(headers.Listener, names...)
	return grpcmetadata.NewIncomingContext(ctx, md)
}

// principalOf verifies one of the world's tokens.
func (w *world) principalOf(t testing.TB, word string) *identity.Principal {
	t.Helper()
	p, r := w.verifier.Verify(t.Context(), w.tokens(word))
	if r != nil {
		t.Fatal(r)
	}
	return p
}

func (w *world) delegate(t testing.TB, word string, ttl time.Duration) string {
	t.Helper()
	token, err := w.verifier.Delegate(w.principalOf(t, word), "parent-1", "answer", ttl)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const question = `{"model":"mock/small","messages":[{"role":"user","content":"Is it?"}],"response_format":{"type":"json_object"}}`

// ask is what Envoy sends of one request.
func ask(t testing.TB, w *world, token, body string, more ...string) []*extprocv3.ProcessingRequest {
	t.Helper()
	head := ":method: POST\n:path: /v1/chat/completions\ncontent-type: application/json\nauthorization: Bearer " + token + "\n" + strings.Join(more, "\n")
	return messages(t, w, &txtar.Archive{Files: []txtar.File{
		{Name: "in request-headers", Data: []byte(head + "\n")}, {Name: "in request-body", Data: []byte(body + "\n")},
	}})
}

func withInternal(n int) func(*extproc.Config) {
	return func(c *extproc.Config) { c.Limits.InternalExchanges = n }
}

// TestInternal: on the internal listener, a delegated token and a plain question go upstream with the principal's own key,
// and everything else is refused.
func TestInternal(t *testing.T) {
	w := newWorld(t)
	good := w.delegate(t, "${sara}", time.Minute)
	expired := w.delegate(t, "${sara}", time.Nanosecond)
	with := func(member string) string { return strings.TrimSuffix(question, "}") + "," + member + "}" }
	const internal, public = "internal", ""
	for _, c := range []struct {
		name, listener, token, body, code string
		status                            int
		header                            string
	}{
		{name: "a question", listener: internal, token: good, body: question},
		{name: "an expired token", listener: internal, token: expired, body: question, status: 401, code: "expired_token"},
		{name: "a client's token", listener: internal, token: "${sara}", body: question, status: 401, code: "bad_credential"},
		{name: "no token", listener: internal, token: "", body: question, status: 401, code: "bad_credential"},
		{name: "replayed on the clients' listener", listener: public, token: good, body: question, status: 401, code: "bad_credential"},
		{name: "replayed with a forged header", listener: public, token: good, body: question, header: headers.Listener + ": internal", status: 401, code: "bad_credential"},
		{name: "tools", listener: internal, token: good, body: with(`"tools":[{"type":"function","function":{"name":"snowflake__query"}}]`), status: 403, code: "internal_only"},
		{name: "legacy functions", listener: internal, token: good, body: with(`"functions":[{"name":"snowflake__query"}]`), status: 403, code: "internal_only"},
		{name: "a tool of the provider's", listener: internal, token: good, body: with(`"tools":[{"type":"openrouter:web_search"}]`), status: 403, code: "internal_only"},
		{name: "a tool choice", listener: internal, token: good, body: with(`"tool_choice":"required"`), status: 403, code: "internal_only"},
		{name: "plugins", listener: internal, token: good, body: with(`"plugins":[{"id":"web"}]`), status: 403, code: "internal_only"},
		{name: "a search", listener: internal, token: good, body: with(`"web_search_options":{}`), status: 403, code: "internal_only"},
		{name: "a field nobody knows", listener: internal, token: good, body: with(`"tool_execution":"server"`), status: 403, code: "internal_only"},
		{name: "more answers", listener: internal, token: good, body: with(`"n":2`), status: 403, code: "internal_only"},
		{name: "a further model", listener: internal, token: good, body: with(`"models":["small"]`), status: 403, code: "internal_only"},
		{name: "a stream", listener: internal, token: good, body: with(`"stream":true`), status: 403, code: "internal_only"},
		{name: "a result", listener: internal, token: good, body: strings.Replace(question, `[{`, `[{"role":"tool","tool_call_id":"x","content":"y"},{`, 1), status: 403, code: "internal_only"},
		{name: "a call", listener: internal, token: good, body: strings.Replace(question, `[{`, `[{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"a","arguments":"{}"}}]},{`, 1), status: 403, code: "internal_only"},
		{name: "a model that she may not use", listener: internal, token: good, body: strings.Replace(question, "small", "secret-large", 1), status: 403, code: "model_denied"},
		{name: "somebody without a key", listener: internal, token: w.delegate(t, "${bo}", time.Minute), body: question, status: 403, code: "no_provider_key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sink := &lastRecord{}
			service := w.service(t, sink, withInternal(2))
			stream := &script{ctx: t.Context(), in: ask(t, w, c.token, c.body, c.header)}
			if c.listener != public {
				stream.ctx = byListener(t.Context(), c.listener)
			}
			_ = service.Process(stream)
			last := stream.sent[len(stream.sent)-1]
			record := sink.records[0]
			if record.Internal != (c.listener == internal) {
				t.Errorf("the audit says internal=%v", record.Internal)
			}
			if c.status == 0 {
				if last.GetRequestBody() == nil || !strings.Contains(render(stream.sent, nil), "set authorization: Bearer sk-sara") {
					t.Fatalf("got %s", render(stream.sent, nil))
				}
				if record.Parent != "parent-1" || record.Purpose != "answer" || record.User != "sara@example.com" {
					t.Errorf("audit %+v", record)
				}
				return
			}
			got := last.GetImmediateResponse()
			if int(got.GetStatus().GetCode()) != c.status || record.Code != c.code {
				t.Errorf("got %d %s, want %d %s\n%s", got.GetStatus().GetCode(), record.Code, c.status, c.code, got.GetBody())
			}
		})
	}
}

// TestInternalModels: there is no list of models there.
func TestInternalModels(t *testing.T) {
	w := newWorld(t)
	head := ":method: GET\n:path: /v1/models\nauthorization: Bearer " + w.delegate(t, "${sara}", time.Minute) + "\n"
	stream := &script{ctx: byListener(t.Context(), "internal"), in: messages(t, w, &txtar.Archive{Files: []txtar.File{{Name: "in request-headers end", Data: []byte(head)}}})}
	sink := &lastRecord{}
	_ = w.service(t, sink, withInternal(1)).Process(stream)
	if sink.records[0].Code != "internal_only" {
		t.Errorf("got %+v", sink.records[0])
	}
}

// TestListenerNames: a stream that says anything but what our configuration says is ended, undecided.
func TestListenerNames(t *testing.T) {
	w := newWorld(t)
	for _, names := range [][]string{{""}, {"public"}, {"Internal"}, {"internal", "internal"}, {"internal", "public"}} {
		stream := &script{ctx: byListener(t.Context(), names...), in: ask(t, w, w.delegate(t, "${sara}", time.Minute), question)}
		if err := w.service(t, &lastRecord{}, withInternal(1)).Process(stream); status.Code(err) != codes.InvalidArgument || len(stream.sent) > 0 {
			t.Errorf("%q: %v, %d replies", names, err, len(stream.sent))
		}
	}
}

// TestInternalPool: the two listeners have pools of their own, in all and of one principal, so that an exchange that waits
// for its own quarantine never waits for itself.
func TestInternalPool(t *testing.T) {
	w := newWorld(t)
	token := w.delegate(t, "${sara}", time.Minute)
	sink := &lastRecord{}
	service := w.service(t, sink, func(c *extproc.Config) {
		c.Limits.Exchanges, c.Limits.InternalExchanges, c.Limits.ConcurrentPerPrincipal = 1, 1, 1
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	enter := func(ctx context.Context, token string) {
		entered := make(chan struct{}, 1)
		q := &entering{quiet{ctx: ctx, in: make(chan *extprocv3.ProcessingRequest, 1), from: time.Now()}, entered}
		q.in <- ask(t, w, token, question)[0]
		go func() { ended <- service.Process(q) }()
		<-entered
		if n := len(sink.records); n != 0 {
			t.Errorf("it was refused: %+v", sink.records[n-1])
		}
	}
	enter(ctx, w.tokens("${sara}"))
	enter(byListener(ctx, "internal"), token) // although the clients' pool, and Sara's own, are full
	for _, name := range []string{"public", "internal"} {
		ctx := t.Context()
		if name == "internal" {
			ctx = byListener(ctx, "internal")
		}
		if err := service.Process(&script{ctx: ctx, in: ask(t, w, token, question)}); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%s: one too many got %v", name, err)
		}
	}
	cancel()
	<-ended
	<-ended
	off := w.service(t, &lastRecord{}, nil) // no internal exchanges: the listener is not served
	if err := off.Process(&script{ctx: byListener(t.Context(), "internal"), in: ask(t, w, token, question)}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a listener that is off got %v", err)
	}
}
