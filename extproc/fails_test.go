package extproc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/policies"
)

// final tells whether a reply is the last one of an exchange.
func final(m *extprocv3.ProcessingResponse) bool {
	return m.GetImmediateResponse() != nil || m.GetResponseTrailers() != nil ||
		m.GetResponseBody().GetResponse().GetBodyMutation().GetStreamedResponse().GetEndOfStream()
}

// TestNoCleanEnd cuts every transcript after each of its messages: unless the exchange was answered to its end, the
// stream ends with an error, since a clean end would tell Envoy to go on unguarded.
func TestNoCleanEnd(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	w := newWorld(t)
	cut := 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all := messages(t, w, archive)
		for n := range len(all) + 1 {
			stream := &script{ctx: t.Context(), in: all[:n]}
			sink := &lastRecord{}
			end := w.service(t, sink, nil).Process(stream)
			answered := len(stream.sent) > 0 && final(stream.sent[len(stream.sent)-1])
			if !answered {
				cut++
			}
			if answered != (end == nil) {
				t.Errorf("%s after %d messages: answered=%v, the stream ended with %v", file, n, answered, end)
			}
			if len(sink.records) != 1 {
				t.Errorf("%s after %d messages: %d audit lines", file, n, len(sink.records))
			}
		}
	}
	if cut < len(files) {
		t.Errorf("only %d cuts", cut)
	}
}

// TestAuditFirst breaks the audit: an exchange whose line cannot be written is not answered to its end.
func TestAuditFirst(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"allowed-call", "stream-allowed", "models", "upstream-429"} {
		archive, err := txtar.ParseFile("testdata/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		stream := &script{ctx: t.Context(), in: messages(t, w, archive)}
		end := w.service(t, &lastRecord{err: errSink}, nil).Process(stream)
		if end == nil {
			t.Errorf("%s: the stream ended well although the audit could not be written", name)
		}
		for _, m := range stream.sent {
			if final(m) {
				t.Errorf("%s: the answer was released to its end before its audit line", name)
			}
		}
	}
}

// quiet is a stream on which Envoy says what in holds, each after its pause, and then nothing.
type quiet struct {
	ctx   context.Context
	in    chan *extprocv3.ProcessingRequest
	rouse chan struct{} // nil: nobody rouses it
	sent  []*extprocv3.ProcessingResponse
	at    []time.Duration
	from  time.Time
}

func (q *quiet) Context() context.Context { return q.ctx }

func (q *quiet) Interrupt() {
	select {
	case q.rouse <- struct{}{}:
	default:
	}
}

func (q *quiet) Listener() []string {
	return grpcmetadata.ValueFromIncomingContext(q.ctx, headers.Listener)
}

func (q *quiet) Recv(wait time.Duration) ([]byte, error) {
	select {
	case m, ok := <-q.in:
		if !ok {
			return nil, io.EOF
		}
		return proto.Marshal(m)
	case <-q.rouse:
		return nil, extproc.ErrWait
	case <-time.After(wait):
		return nil, extproc.ErrWait
	case <-q.ctx.Done():
		return nil, q.ctx.Err()
	}
}

func (q *quiet) Send(replies []extproc.Reply) error {
	sent, err := decoded(replies)
	for _, m := range sent {
		q.sent = append(q.sent, m)
		q.at = append(q.at, time.Since(q.from))
	}
	return err
}

// TestWaits leaves the service alone at each point: every wait ends, with an answer in the caller's shape where one can
// still be given, in-band where the stream has begun, and comments while a call is held.
func TestWaits(t *testing.T) {
	w := newWorld(t)
	anyone, err := identity.New(t.Context(), identity.Config{Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	defer anyone.Close()
	keyless, err := credential.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	headers := ":method: POST\n:path: /v1/chat/completions\ncontent-type: application/json\n"
	request := `{"model":"mock/small","stream":true,"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"github__get_issue"}}]}`
	chunk := `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"small","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"github__get_issue","arguments":"{"}}]},"finish_reason":null}]}\n\n`
	whole := []txtar.File{
		{Name: "in request-headers", Data: []byte(headers)},
		{Name: "in request-body", Data: []byte(request)},
		{Name: "in response-headers", Data: []byte(":status: 200\ncontent-type: text/event-stream\n")},
		{Name: "in response-body raw", Data: []byte(chunk)},
	}
	wants := []string{"408", "504", "event: deadline", "event: deadline"}
	for n := 1; n <= len(whole); n++ {
		t.Run(whole[n-1].Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// An engine of the bubble's own: its workers share the bubble's time.
				engine, err := policies.New(t.Context(), policies.Config{Data: w.data, Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				defer engine.Close()
				ctx, cancel := context.WithCancel(t.Context())
				q := &quiet{ctx: ctx, in: make(chan *extprocv3.ProcessingRequest, n), from: time.Now()}
				for _, m := range messages(t, w, &txtar.Archive{Files: whole[:n]}) {
					q.in <- m
				}
				service := w.service(t, &lastRecord{}, func(c *extproc.Config) {
					c.Identity, c.Credentials, c.Policies = anyone, keyless, engine
					c.Limits.StreamIdle = 10 * time.Second
				})
				end := service.Process(q)
				cancel()
				synctest.Wait()
				if end == nil {
					t.Error("the stream ended well although Envoy never ended it")
				}
				text := render(q.sent, end)
				want, inBand := strings.CutPrefix(wants[n-1], "event: ")
				if !inBand {
					want = "immediate " + want
				}
				if !strings.Contains(text, want) {
					t.Errorf("want %q in:\n%s", want, text)
				}
				if held := n == len(whole); held != strings.Contains(text, ": a tool call is being checked") {
					t.Errorf("a held call: %v, but the comments are:\n%s", held, text)
				}
				if strings.Contains(text, "\"arguments\":\"{\"") {
					t.Errorf("a piece of an undecided call was released:\n%s", text)
				}
			})
		})
	}
}

// TestPolicyFails makes the policy err at each question: nothing goes upstream, nothing of a call is released.
func TestPolicyFails(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"allowed-call", "stream-allowed"} {
		archive, err := txtar.ParseFile("testdata/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, broken := range []failing{{w.engine, true, false}, {w.engine, false, true}} {
			stream := &script{ctx: t.Context(), in: messages(t, w, archive)}
			end := w.service(t, &lastRecord{}, func(c *extproc.Config) { c.Policies = broken }).Process(stream)
			text := render(stream.sent, end)
			if !strings.Contains(text, "policy_error") {
				t.Errorf("%s: no policy_error in:\n%s", name, text)
			}
			if broken.request && strings.Contains(text, "request goes upstream") {
				t.Errorf("%s: an undecided request went upstream:\n%s", name, text)
			}
			if strings.Contains(strings.ReplaceAll(text, "request goes upstream", ""), "call_1") {
				t.Errorf("%s: an undecided call was released:\n%s", name, text)
			}
		}
	}
}

// failing is an engine that errs at some of its questions.
type failing struct {
	*policies.Engine
	request, toolcall bool
}

func (f failing) Request(ctx context.Context, in *policies.RequestInput) (policies.Decision, error) {
	if f.request {
		return policies.Decision{Allowed: true}, errors.New("broken") // an error wins over what comes with it
	}
	return f.Engine.Request(ctx, in)
}

func (f failing) Toolcall(ctx context.Context, in *policies.ToolcallInput) (policies.CallsDecision, error) {
	if f.toolcall {
		return policies.CallsDecision{}, errors.New("broken")
	}
	return f.Engine.Toolcall(ctx, in)
}

// TestOwnKeyNeedsLeave takes the leave away that policy gave: a caller's own key is not used without it.
func TestOwnKeyNeedsLeave(t *testing.T) {
	w := newWorld(t)
	archive, err := txtar.ParseFile("testdata/byok-allowed.txtar")
	if err != nil {
		t.Fatal(err)
	}
	stream := &script{ctx: t.Context(), in: messages(t, w, archive)}
	end := w.service(t, &lastRecord{}, func(c *extproc.Config) { c.Policies = silent{w.engine} }).Process(stream)
	if text := render(stream.sent, end); !strings.Contains(text, "byok_denied") || strings.Contains(text, "sk-mine") {
		t.Errorf("the caller's own key was used without leave:\n%s", text)
	}
}

// silent is an engine that says nothing of the caller's own key.
type silent struct{ *policies.Engine }

func (s silent) Request(ctx context.Context, in *policies.RequestInput) (policies.Decision, error) {
	d, err := s.Engine.Request(ctx, in)
	d.BYOK = false
	return d, err
}

// TestPanic makes a step panic: the exchange ends with an error and a line in the audit, and the process lives.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	archive, err := txtar.ParseFile("testdata/allowed-call.txtar")
	if err != nil {
		t.Fatal(err)
	}
	sink := &lastRecord{}
	stream := &script{ctx: t.Context(), in: messages(t, w, archive)}
	end := w.service(t, sink, func(c *extproc.Config) { c.Policies = panicking{w.engine} }).Process(stream)
	if status.Code(end) != codes.Internal || len(sink.records) != 1 || sink.records[0].Code != "panic" {
		t.Errorf("%v, audit %+v", end, sink.records)
	}
	if text := render(stream.sent, end); strings.Contains(text, "upstream") {
		t.Errorf("something went upstream:\n%s", text)
	}
}

// panicking is an engine that panics.
type panicking struct{ *policies.Engine }

func (panicking) Request(context.Context, *policies.RequestInput) (policies.Decision, error) {
	panic("broken")
}

// TestTooManyExchanges takes all slots of a principal.
func TestTooManyExchanges(t *testing.T) {
	w := newWorld(t)
	archive, err := txtar.ParseFile("testdata/allowed-call.txtar")
	if err != nil {
		t.Fatal(err)
	}
	service := w.service(t, &lastRecord{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	first := messages(t, w, archive)[:1]
	ended := make(chan error)
	entered := make(chan struct{}, 1)
	for range testLimits.ConcurrentPerPrincipal {
		q := &entering{quiet{ctx: ctx, in: make(chan *extprocv3.ProcessingRequest, 1), from: time.Now()}, entered}
		q.in <- first[0]
		go func() { ended <- service.Process(q) }()
		<-entered
	}
	one := &script{ctx: t.Context(), in: first}
	_ = service.Process(one)
	if got := one.sent[0].GetImmediateResponse().GetStatus().GetCode(); got != 429 {
		t.Errorf("the exchange past the limit got %d", got)
	}
	cancel()
	for range testLimits.ConcurrentPerPrincipal {
		<-ended
	}
	again := &script{ctx: t.Context(), in: first}
	_ = service.Process(again)
	if again.sent[0].GetImmediateResponse() != nil {
		t.Error("the slots were not given back")
	}
}

// entering is a quiet stream that tells when the first reply was sent.
type entering struct {
	quiet
	entered chan struct{}
}

func (e *entering) Send(replies []extproc.Reply) error {
	err := e.quiet.Send(replies)
	select {
	case e.entered <- struct{}{}:
	default: // only the first matters
	}
	return err
}

// TestNoGoroutineOutlives plays every transcript and looks for what is left.
func TestNoGoroutineOutlives(t *testing.T) {
	w := newWorld(t)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.service(t, &lastRecord{}, nil).Process(&script{ctx: t.Context(), in: messages(t, w, archive)})
	}
	goleak.VerifyNone(t, before)
}

var _ audit.Sink = (*lastRecord)(nil)
