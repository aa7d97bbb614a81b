package quarantine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/gemini"
	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// The clients of Gemini's API by what they send back of the ids that they were given: of both, of the call alone (Google's own
// SDKs, when they call functions by themselves), and of none (frameworks whose own form of a call has no place for it).
var geminiClients = map[string]struct{ call, result bool }{ //nolint:gochecknoglobals // a constant in all but syntax
	"both ids": {true, true}, "the call's id": {true, false}, "no id": {},
}

// TestGeminiIDs: a provider that gives its calls no ids gets none back, and gets its call as it made it, signature and all; whatever
// the client sends of the ids that it was given, the result is its tool's, and is quarantined as that.
func TestGeminiIDs(t *testing.T) {
	const made = `{"functionCall":{"name":"get_issue","args":{"n": 4711}},"thoughtSignature":"c2lnbmF0dXJl+/=="}`
	for name, client := range geminiClients {
		w := newWorld(t, nil)
		asked := `{"role":"user","parts":[{"text":"Work on the issue."}]}`
		first := w.sendGemini(t, asked)
		answer, err := gemini.ParseResponse([]byte(`{"candidates":[{"content":{"parts":[`+made+`],"role":"model"},"finishReason":"STOP"}]}`), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := first.session.Release(answer.Calls[0], "get_issue", ref.Rules{})
		if err != nil || v.ID == "" {
			t.Fatal(v, err)
		}
		out, turns, err := answer.Rewrite([]llm.Verdict{v}, nil)
		if err != nil || !strings.Contains(string(out), v.ID) {
			t.Fatal(string(out), err)
		}
		if err := first.session.Finish(t.Context(), turns[0]); err != nil {
			t.Fatal(err)
		}
		id := map[bool]string{true: fmt.Sprintf(`"id":%q,`, v.ID)}
		back := strings.Replace(made, `"name"`, id[client.call]+`"name"`, 1)
		second := w.sendGemini(t, asked, `{"role":"model","parts":[`+back+`]}`,
			`{"role":"user","parts":[{"functionResponse":{`+id[client.result]+`"name":"get_issue","response":`+issue+`}}]}`)
		if p := second.reports[0].Piece; len(second.reports) != 1 || !p.Verified || p.Tool != "get_issue" {
			t.Errorf("%s: %+v", name, second.reports)
		}
		if up := second.upstream; strings.Contains(up, "yj_") || strings.Contains(up, "payroll") || !strings.Contains(up, made) ||
			!strings.Contains(up, `{"functionResponse":{"name":"get_issue","response":{"output":"{\"yellowjack\":\"clearance\",`) || !strings.Contains(up, "4711") {
			t.Errorf("%s: %s", name, up)
		}
	}
}

// sendGemini is the request half of a request of Gemini's.
func (w *world) sendGemini(t *testing.T, contents ...string) *sent {
	t.Helper()
	path, err := gemini.ParsePath("/v1beta/models/m:generateContent")
	if err != nil {
		t.Fatal(err)
	}
	r, err := gemini.ParseRequest(path, []byte(`{"contents":[`+strings.Join(contents, ",")+`],"tools":[{"functionDeclarations":[{"name":"get_issue"}]}]}`), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	s, e, err := w.edit(t.Context(), sara, r)
	if err != nil {
		t.Fatal(err)
	}
	up, err := gemini.Apply(r, e)
	if err != nil {
		t.Fatal(err)
	}
	s.upstream = string(up)
	s.session.Shrink()
	return s
}
