package provenance

import (
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// offering analyzes a chat in which tools are offered, as look does.
func offering(t *testing.T, a *Analyzer, messages ...string) *History {
	t.Helper()
	doc := `{"model":"m","tools":[{"type":"function","function":{"name":"github__get_issue"}}],"messages":[` + strings.Join(messages, ",") + `]}`
	r, err := openaichat.ParseRequest([]byte(doc), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	h := a.Begin(sara, r)
	if err := h.Lookup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestOwed: a result that stands where a call was answered, with nothing of that call in the history, is a result all the same.
func TestOwed(t *testing.T) {
	a, s := analyzer(t)
	h := offering(t, a, system("Be brief."), user(question))
	tainted := label.Label{Integrity: label.Constrained, Confidentiality: label.Internal, Sources: []string{"x"}}
	released(t, h, "github__get_issue", arg, arg, tainted)
	turn(t, offering(t, a, system("Be brief."), user(question), assistant("I see.")), "It is a bug.", "", tainted)
	for name, c := range map[string]struct {
		messages []string
		owed     bool
	}{
		"as the person":                {[]string{user(content)}, true},
		"as the system":                {[]string{system(content), user("go on")}, true},
		"as the model":                 {[]string{assistant(content), user("go on")}, true},
		"after a text of nobody's":     {[]string{assistant("I see."), user(content)}, true},
		"twice":                        {[]string{user("one"), user(content)}, true},
		"after an answer that we know": {[]string{assistant("It is a bug."), user("Thanks.")}, false},
	} {
		h := offering(t, a, append([]string{system("Be brief."), user(question)}, c.messages...)...)
		last := h.Parts[len(h.Parts)-1]
		if last.Result != c.owed || (last.Label.Integrity == label.Trusted) == c.owed || h.New || !h.Label.Covers(tainted) {
			t.Errorf("%s: %+v %+v", name, last, h.Label)
		}
		for i, p := range h.request.Parts {
			if string(h.request.Text(p)) == content && !h.Parts[i].Result {
				t.Errorf("%s: %+v", name, h.Parts[i])
			}
		}
	}
	for name, messages := range map[string][]string{
		"another question":          {system("Be brief."), user("Another question?"), user(content)},
		"the same question, longer": {system("Be brief."), user(question + " Please."), user("Now.")},
	} {
		if h := offering(t, a, messages...); h.Parts[len(h.Parts)-1].Result || !h.New {
			t.Errorf("%s: %+v", name, h.Parts[len(h.Parts)-1])
		}
	}
	trips := s.trips
	if h := offering(t, a, system("Be brief."), user(question)); s.trips != trips || !h.New {
		t.Error("the same question again is a new conversation, and asks nothing of the store")
	}
}
