package extproc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"golang.org/x/tools/txtar"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/policies"
)

// revocable is an identity whose principal a test revokes.
type revocable struct {
	*identity.Verifier
	revoke  func()
	watched int
}

func (r *revocable) Watch(_ *identity.Principal, revoked func()) func() {
	r.revoke = revoked
	r.watched++
	return func() { r.watched-- }
}

// TestRevoked revokes the principal at each point of an exchange: it ends at once, with a refusal in the caller's shape, in-band
// where the answer has begun, and nothing of a held call is released.
func TestRevoked(t *testing.T) {
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
	held := `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"small","choices":[{"index":0,"delta":{"role":"assistant","content":"so far","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"github__get_issue","arguments":"{"}}]},"finish_reason":null}]}\n\n`
	files := func(answer string) []txtar.File {
		return []txtar.File{
			{Name: "in request-headers", Data: []byte(":method: POST\n:path: /v1/chat/completions\ncontent-type: application/json\n")},
			{Name: "in request-body", Data: []byte(`{"model":"mock/small","stream":true,"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"github__get_issue"}}]}`)},
			{Name: "in response-headers", Data: []byte(":status: 200\ncontent-type: " + answer + "\n")},
			{Name: "in response-body raw", Data: []byte(held)},
		}
	}
	for name, c := range map[string]struct {
		files []txtar.File
		want  string
	}{
		"before the body":   {files("text/event-stream")[:1], "immediate 401"},
		"before the answer": {files("text/event-stream")[:2], "immediate 401"},
		"a stream begins":   {files("text/event-stream")[:3], `"code":"bad_credential"`},
		"in a stream":       {files("text/event-stream"), `"code":"bad_credential"`},
		"in a whole answer": {files("application/json")[:3], "immediate 401"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine, err := policies.New(t.Context(), policies.Config{Data: w.data, Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				defer engine.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				q := &quiet{ctx: ctx, in: make(chan *extprocv3.ProcessingRequest, 9), rouse: make(chan struct{}, 1), from: time.Now()}
				for _, m := range messages(t, w, &txtar.Archive{Files: c.files}) {
					q.in <- m
				}
				who, line := &revocable{Verifier: anyone}, &lastRecord{}
				service := w.service(t, line, func(c *extproc.Config) { c.Identity, c.Credentials, c.Policies = who, keyless, engine })
				var end error
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					end = service.Process(q)
				}()
				synctest.Wait()
				if text := render(q.sent, nil); strings.Contains(text, "401") || strings.Contains(text, "bad_credential") || who.watched != 1 {
					t.Errorf("%d watch, before anything was revoked:\n%s", who.watched, text)
				}
				who.revoke()
				synctest.Wait()
				text := render(q.sent, nil)
				if !strings.Contains(text, c.want) || !strings.Contains(text, "revoked") || time.Since(q.from) > 0 {
					t.Errorf("want %q at once in:\n%s", c.want, text)
				}
				if strings.Contains(text, `"arguments":"{"`) {
					t.Errorf("a piece of a held call was released:\n%s", text)
				}
				close(q.in)
				<-ended
				if end != nil && !errors.Is(end, io.EOF) || who.watched != 0 || len(line.records) != 1 || line.records[0].Decision != "refuse" || line.records[0].Code != "bad_credential" {
					t.Errorf("%v; %d still watch; %+v", end, who.watched, line.records)
				}
			})
		})
	}
}
