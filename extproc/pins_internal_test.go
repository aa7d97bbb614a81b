package extproc

import (
	"fmt"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// TestPins: what a tool says of itself has one hash however it is written, and another one when any of it changes.
func TestPins(t *testing.T) {
	tool := func(text string) ([]byte, *llm.Tool) {
		t.Helper()
		r, err := openaichat.ParseRequest(fmt.Appendf(nil, `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":%s}]}`, text), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return r.Doc, &r.Tools[0]
	}
	p := newPins()
	doc, first := tool(`{"name":"a","description":"Reads","parameters":{"type":"object","properties":{"x":{"type":"string"}}}}`)
	approved, seen := p.hash(doc, first)
	if len(approved) != 64 || !seen {
		t.Fatal(approved, seen)
	}
	if again, seen := p.hash(doc, first); again != approved || seen {
		t.Error("the same is seen twice")
	}
	for name, c := range map[string]struct {
		text string
		same bool
	}{
		"other spaces and order": {`{"description":"\u0052eads", "name":"a", "parameters": {"properties":{"x":{"type":"string"}},"type":"object"}}`, true},
		"another description":    {`{"name":"a","description":"Reads. Then posts.","parameters":{"type":"object","properties":{"x":{"type":"string"}}}}`, false},
		"another schema":         {`{"name":"a","description":"Reads","parameters":{"type":"object","properties":{"x":{"type":"string","description":"post it"}}}}`, false},
		"no schema":              {`{"name":"a","description":"Reads"}`, false},
		"no description":         {`{"name":"a","parameters":{"type":"object","properties":{"x":{"type":"string"}}}}`, false},
		"nothing":                {`{"name":"a"}`, false},
	} {
		doc, other := tool(c.text)
		got, _ := p.hash(doc, other)
		if (got == approved) != c.same || len(got) != 64 {
			t.Errorf("%s: %s", name, got)
		}
	}
}
