package policies

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
)

// The sentence of the design: Sara from finance can read Snowflake but cannot
// post to Slack.
func TestSara(t *testing.T) {
	e := engine(t, Config{Data: sample()})
	in := requestInput(0)
	in.Principal = sara()
	in.Tools = []Tool{{Name: "snowflake__query", Type: "function"}, {Name: "slack__post_message", Type: "function"}, {Name: "ghost", Type: "function"}}
	in.Results = []Result{
		{Tool: "snowflake__query", Attributed: true, Verified: true, Label: label.Clean()},
		{Tool: "github__get_issue", Attributed: true, Verified: true, Label: label.Clean()},
		{Tool: "snowflake__query", Label: label.Clean()},
	}
	d, err := e.Request(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"snowflake__query": Offer, "slack__post_message": Hide, "ghost": Hide}; !d.Allowed || !maps.Equal(d.Tools, want) {
		t.Errorf("decided %+v, want %v", d, want)
	}
	if got := treatments(d); got != "pass quarantine quarantine" {
		t.Errorf("results %s", got)
	}
	if len(d.ID) != 32 || d.Revision == "" || d.Revision != e.Revision() {
		t.Errorf("id %q, revision %q", d.ID, d.Revision)
	}
	calls, err := e.Toolcall(t.Context(), &ToolcallInput{Principal: sara(), Context: label.Clean(), Calls: []Call{
		{Tool: "snowflake__query", Offered: true, Arguments: []byte(`{"q":1}`)},
		{Tool: "slack__post_message", Offered: true, Arguments: []byte(`{}`)},
		{Tool: "github__get_issue", Arguments: []byte(`{}`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if calls.Calls[0].Verdict != Allow || calls.Calls[0].Tool != "snowflake__query" {
		t.Errorf("snowflake: %+v", calls.Calls[0])
	}
	if c := calls.Calls[1]; c.Verdict != Deny || c.Reason != "tool slack__post_message is not granted to you (rule tools.allow)" {
		t.Errorf("slack: %+v", c)
	}
	if c := calls.Calls[2]; c.Verdict != Deny || c.Rule != "tools.offered" {
		t.Errorf("never offered: %+v", c)
	}
	if calls.ID == d.ID {
		t.Error("two decisions with one id")
	}
}

func treatments(d Decision) string {
	var out []string
	for _, r := range d.Results {
		out = append(out, r.Treatment)
	}
	return strings.Join(out, " ")
}

// A tool that runs inside the provider is granted as a feature, by its type; a grant of a client's tool of that name, or
// under a name that the client chose, is none.
func TestServerToolsAreFeatures(t *testing.T) {
	data := sample()
	data["tools"].(map[string]any)["openrouter:web_search"] = map[string]any{"allow": []any{"*"}}
	in := requestInput(0)
	in.Principal = sara()
	in.Tools = []Tool{{Name: "snowflake__query", Type: "openrouter:web_search", Server: true}}
	in.ToolChoice = []string{"openrouter:web_search"}
	d, err := engine(t, Config{Data: data}).Request(t.Context(), in)
	if err != nil || d.Allowed || d.Reason != "feature tools:openrouter:web_search is not granted to you (rule features.allow)" {
		t.Errorf("a server tool granted as a client's: %+v, %v", d, err)
	}
	data["features"] = map[string]any{"tools:openrouter:web_search": map[string]any{"allow": []any{"group:finance"}}}
	e := engine(t, Config{Data: data})
	d, err = e.Request(t.Context(), in)
	if err != nil || !d.Allowed || len(d.Tools) != 0 || d.Context.Integrity != label.Untrusted || d.Context.Sources[0] != "tools:openrouter:web_search" {
		t.Errorf("a server tool granted as a feature: %+v, %v", d, err)
	}
	in.Tools = []Tool{{Name: "tools:openrouter:web_search", Type: "function"}}
	in.ToolChoice = nil
	if d, err = e.Request(t.Context(), in); err != nil || d.Tools["tools:openrouter:web_search"] != Hide {
		t.Errorf("a client's tool under a feature's name: %+v, %v", d, err)
	}
}

func TestAliasesReportTheCanonicalName(t *testing.T) {
	data := sample()
	data["tools"].(map[string]any)["slack__post_message"].(map[string]any)["aliases"] = map[string]any{"agent": []any{"mcp__gw__post"}}
	data["tools"].(map[string]any)["snowflake__query"].(map[string]any)["aliases"] = map[string]any{"*": []any{"q"}, "other": []any{"query"}}
	e := engine(t, Config{Data: data})
	visible, err := e.Visible(t.Context(), sara(), label.Clean(), []string{"q", "query", "mcp__gw__post", "github__get_issue", ""})
	if want := map[string]string{"q": "snowflake__query", "github__get_issue": "github__get_issue"}; err != nil || !maps.Equal(visible, want) {
		t.Errorf("visible %v, %v; want %v", visible, err, want)
	}
	d, err := e.Toolcall(t.Context(), &ToolcallInput{Principal: sara(), Context: label.Clean(), Calls: []Call{{Tool: "q", Offered: true, Arguments: []byte(`{}`)}}})
	if err != nil || d.Calls[0].Verdict != Allow || d.Calls[0].Tool != "snowflake__query" {
		t.Errorf("decided %+v, %v", d, err)
	}
}

func TestModels(t *testing.T) {
	data := sample()
	data["models"] = map[string]any{"openrouter/openai/*": map[string]any{"allow": []any{"group:finance"}}}
	e := engine(t, Config{Data: data})
	models := []Model{{Named: "openai/gpt-5", Provider: "openrouter", Name: "openai/gpt-5"}, {Named: "mock/small", Provider: "mock", Name: "small"}}
	got, err := e.Models(t.Context(), sara(), models)
	if err != nil || len(got) != 2 || !got[0] || got[1] {
		t.Errorf("models %v, %v", got, err)
	}
	in := requestInput(0)
	in.Principal, in.Model, in.Models = sara(), models[1], models[:1]
	d, err := e.Request(t.Context(), in)
	if err != nil || d.Allowed || d.Code != "model_denied" || d.HTTPStatus != 403 || d.Tools != nil {
		t.Errorf("a first model left out of models: %+v, %v", d, err)
	}
}

func TestOwnKeyOnlyWhenBrought(t *testing.T) {
	e := engine(t, Config{Data: sample(), Folder: folder(t, map[string]string{"p.rego": requestPolicy(`{"allowed": true, "tools": {}, "results": [], "byok": true}`)})})
	d, err := e.Request(t.Context(), requestInput(0))
	if err != nil || !d.Allowed || d.BYOK {
		t.Errorf("byok without a key: %+v, %v", d, err)
	}
}

func requestPolicy(document string) string {
	return "package yellowjack.request\n\ndecision := " + document + "\n"
}

func toolcallPolicy(document string) string {
	return "package yellowjack.toolcall\n\ndecision := " + document + "\n"
}

// Whatever goes wrong while deciding, the answer is the zero decision and an error.
func TestEveryFailureDenies(t *testing.T) {
	slow := `{"slow": count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i == j])}`
	for name, c := range map[string]struct {
		document string // of both policies
		want     string // in the error
		is       error
		cancel   bool
	}{
		"undefined":     {document: `{"allowed": true} if input.nothing.here`, is: ErrUndefined},
		"not an object": {document: `true`, want: "not an object"},
		"builtin error": {document: `{"allowed": 1 / 0 == 1}`, want: "divide by zero"},
		"conflict":      {document: "{\"allowed\": true}\n\ndecision := {\"allowed\": false} if input.principal", want: "conflict"},
		"late":          {document: slow, is: ErrLate},
		"cancelled":     {document: `{"allowed": true}`, is: context.Canceled, cancel: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(t, Config{Data: sample(), Timeout: 20 * time.Millisecond, Folder: folder(t, map[string]string{
				"request.rego": requestPolicy(c.document), "toolcall.rego": toolcallPolicy(c.document),
			})})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.cancel {
				cancel()
			}
			check := func(half string, err error, zero bool) {
				t.Helper()
				if err == nil || !zero {
					t.Fatalf("%s: zero %v, error %v", half, zero, err)
				}
				if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: %v", half, err)
				}
			}
			d, err := e.Request(ctx, requestInput(1))
			check("request", err, !d.Allowed && d.ID == "" && d.Tools == nil)
			calls, err := e.Toolcall(ctx, toolcallInput(1))
			check("toolcall", err, calls.ID == "" && calls.Calls == nil)
		})
	}
}

// A caller that goes away in mid-decision does not wait for the timeout.
func TestCancelInMidDecision(t *testing.T) {
	slow := requestPolicy(`{"slow": count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i == j])}`)
	e := engine(t, Config{Timeout: time.Hour, Folder: folder(t, map[string]string{"p.rego": slow})})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	d, err := e.Request(ctx, requestInput(1))
	if d.Allowed || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("decided %+v, %v", d, err)
	}
}

func TestPanicsDeny(t *testing.T) {
	e := engine(t, Config{Data: sample()})
	broken := Engine{workers: e.workers} // no store: asking it is a nil dereference
	d, err := broken.Request(t.Context(), requestInput(1))
	if err == nil || d.Allowed || !strings.Contains(err.Error(), "panic") {
		t.Errorf("request: %+v, %v", d, err)
	}
	calls, err := broken.Toolcall(t.Context(), toolcallInput(1))
	if err == nil || calls.Calls != nil {
		t.Errorf("toolcall: %+v, %v", calls, err)
	}
	if _, err := guard(t.Context(), e, func() (int, error) { panic("x") }); err == nil {
		t.Error("guard let a panic by")
	}
	if n, _ := guard(t.Context(), e, func() (int, error) { return 7, errors.New("x") }); n != 0 {
		t.Error("guard answered beside an error")
	}
}

func TestBusyWorkersDeny(t *testing.T) {
	e := engine(t, Config{Data: sample(), Timeout: 20 * time.Millisecond})
	busy, free := make(chan struct{}), make(chan struct{})
	for range max(4, 2*runtime.GOMAXPROCS(0)) {
		go e.workers.do(t.Context(), time.Minute, func() { busy <- struct{}{}; <-free })
		<-busy
	}
	if d, err := e.Request(t.Context(), requestInput(1)); !errors.Is(err, ErrLate) || d.Allowed {
		t.Errorf("every worker is busy: %+v, %v", d, err)
	}
	close(free)
	if d, err := e.Request(t.Context(), requestInput(1)); err != nil || !d.Allowed {
		t.Errorf("workers are free again: %+v, %v", d, err)
	}
}

func TestBadArgumentsDeny(t *testing.T) {
	e := engine(t, Config{Data: sample()})
	for _, args := range []string{``, `{`, `{"a":1,"a":2}`, `{} {}`, "{\"a\":\"\xff\"}", `{"a":1e9999}`, `nul`, `{"a":tru}`} {
		d, err := e.Toolcall(t.Context(), &ToolcallInput{Principal: sara(), Context: label.Clean(), Calls: []Call{{Tool: "snowflake__query", Offered: true, Arguments: []byte(args)}}})
		if err == nil || d.Calls != nil {
			t.Errorf("%s: %+v", args, d)
		}
	}
}

func TestArgumentsAreExact(t *testing.T) {
	e := engine(t, Config{Data: sample(), Folder: folder(t, map[string]string{"p.rego": toolcallPolicy(`{"calls": [{"verdict": "deny", "reason": json.marshal(c.arguments)} | some c in input.calls]}`)})})
	args := `{"big":12345678901234567890,"deep":[null,true,"ü\n",{"x":1.10}],"small":0.1000}`
	d, err := e.Toolcall(t.Context(), &ToolcallInput{Principal: sara(), Context: label.Clean(), Calls: []Call{{Tool: "snowflake__query", Arguments: []byte(args)}}})
	if err != nil || d.Calls[0].Reason != strings.Replace(args, `ü\n`, "ü\\n", 1) {
		t.Errorf("policy saw %v, %v", d.Calls, err)
	}
}

func TestCloseDenies(t *testing.T) {
	e := engine(t, Config{Data: sample()})
	if err := e.Ready(); err != nil {
		t.Fatal(err)
	}
	e.Close()
	if d, err := e.Request(t.Context(), requestInput(0)); err == nil || d.Allowed {
		t.Errorf("decided %+v", d)
	}
	if e.Ready() == nil || e.Revision() != "" {
		t.Error("still ready")
	}
}
