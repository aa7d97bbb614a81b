package extproc_test

import (
	"context"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/policies"
)

// TestPolicyHeadersAndMetadata lets the policy add headers and metadata: towards the provider when it allows, towards the
// client when it does not, and to the access log either way. None of ours is replaced, and none goes the other way.
func TestPolicyHeadersAndMetadata(t *testing.T) {
	for name, c := range map[string]struct {
		transcript  string
		allow       bool
		want, wrong []string
	}{
		"allowed": {"allowed-call", true, []string{
			"set x-team: ledger\n", "set user-agent: policy\n", "set accept-encoding: identity\n", "policy.team=ledger", "decision_id=", "policy.decision=mine",
		}, []string{"remove x-team", "remove user-agent"}},
		"denied": {"allowed-call", false, []string{
			"immediate 403", "set x-team: ledger\n", "set content-type: application/json\n", "policy.team=ledger", "decision=refuse", "policy.decision=mine",
		}, []string{"goes upstream"}},
		"refused later": {"tool-choice", true, []string{"immediate 403", "policy.team=ledger"}, []string{"x-team"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			archive, err := txtar.ParseFile("testdata/" + c.transcript + ".txtar")
			if err != nil {
				t.Fatal(err)
			}
			stream := &script{ctx: t.Context(), in: messages(t, w, archive)}
			end := w.service(t, &lastRecord{}, func(cfg *extproc.Config) { cfg.Policies = decorating{w.engine, c.allow} }).Process(stream)
			text := render(stream.sent, end)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in:\n%s", want, text)
				}
			}
			for _, wrong := range c.wrong {
				if strings.Contains(text, wrong) {
					t.Errorf("%q in:\n%s", wrong, text)
				}
			}
			if strings.Count(text, "policy.team") != 1 || strings.Count(text, "x-team") > 1 {
				t.Errorf("said more than once:\n%s", text)
			}
			if ours := strings.Index(text, "set accept-encoding: identity"); ours >= 0 && ours < strings.Index(text, "set accept-encoding: gzip") {
				t.Errorf("ours do not come last:\n%s", text)
			}
			if last := strings.LastIndex(text, "set content-type: "); !c.allow && last < strings.LastIndex(text, "set x-team") {
				t.Errorf("ours do not come last:\n%s", text)
			}
		})
	}
}

// decorating is an engine that adds headers and metadata, and allows or not.
type decorating struct {
	*policies.Engine
	allow bool
}

func (d decorating) Request(ctx context.Context, in *policies.RequestInput) (policies.Decision, error) {
	out, err := d.Engine.Request(ctx, in)
	out.Allowed = d.allow
	out.Headers = map[string]string{"x-team": "ledger", "user-agent": "policy", "accept-encoding": "gzip", "content-type": "text/plain"}
	out.Metadata = map[string]string{"team": "ledger", "decision": "mine"}
	return out, err
}
