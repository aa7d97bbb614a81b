package gemini

import (
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// TestResponseRefused: each is no answer as a client reads it, whole or in a stream.
func TestResponseRefused(t *testing.T) {
	part := func(p string) string { return `{"candidates":[{"content":{"parts":[` + p + `]}}]}` }
	candidate := func(m string) string { return `{"candidates":[{` + m + `}]}` }
	for name, c := range map[string]struct {
		doc  string
		kind error
	}{
		"nothing in it":            {`{}`, ErrNotAnswer},
		"a list":                   {`[{"candidates":[]}]`, strictjson.ErrType},
		"an unknown part":          {part(`{"toolUse":{"name":"a"}}`), ErrNotAnswer},
		"an unknown member":        {part(`{"functionCall":{"name":"a"},"more":1}`), ErrNotAnswer},
		"two things in a part":     {part(`{"text":"x","functionCall":{"name":"a"}}`), ErrNotAnswer},
		"a call and its response":  {part(`{"functionResponse":{"name":"a"}}`), ErrNotAnswer},
		"both spellings of a call": {part(`{"functionCall":{"name":"a"},"function_call":{"name":"b"}}`), strictjson.ErrDuplicate},
		"both spellings of args":   {part(`{"functionCall":{"name":"a","args":{},"args":{}}}`), strictjson.ErrDuplicate},
		"case of a call":           {part(`{"FunctionCall":{"name":"a"}}`), strictjson.ErrCase},
		"case of arguments":        {part(`{"functionCall":{"name":"a","Args":{}}}`), strictjson.ErrCase},
		"case of candidates":       {`{"Candidates":[],"candidates":[]}`, strictjson.ErrCase},
		"a call outside":           {`{"candidates":[],"functionCall":{"name":"a"}}`, ErrNotAnswer},
		"a call in a candidate":    {candidate(`"functionCalls":[]`), ErrNotAnswer},
		"parts in a candidate":     {candidate(`"parts":[]`), ErrNotAnswer},
		"parts that are no list":   {candidate(`"content":{"parts":{"text":"x"}}`), strictjson.ErrType},
		"two of one index":         {`{"candidates":[{"index":0},{}]}`, ErrNotAnswer},
		"an index below zero":      {candidate(`"index":-1`), ErrNotAnswer},
		"a fraction of an index":   {candidate(`"index":0.0`), strictjson.ErrType},
		"a reason that is none":    {candidate(`"finishReason":1`), strictjson.ErrType},
		"a text that is none":      {part(`{"text":1}`), strictjson.ErrType},
		"a duplicate in arguments": {part(`{"functionCall":{"name":"a","args":{"x":1,"x":2}}}`), strictjson.ErrDuplicate},
		"a bad surrogate":          {part(`{"functionCall":{"name":"a","args":{"x":"\ud800"}}}`), strictjson.ErrUTF8},
	} {
		if _, err := ParseResponse([]byte(c.doc), strictjson.Limits{}); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
		if err := new(Response).ParseEvent([]byte(c.doc), strictjson.Limits{}); !errors.Is(err, c.kind) {
			t.Errorf("%s, in a stream: %v", name, err)
		}
	}
}

func TestSignatures(t *testing.T) {
	a, b := []byte("a"), []byte("b")
	for _, c := range []struct {
		denied []bool
		signed [][]byte
		want   string
	}{
		{[]bool{false, false}, [][]byte{a, nil}, "a-"},
		{[]bool{true, false}, [][]byte{a, nil}, "-a"},
		{[]bool{true, false}, [][]byte{a, b}, "ab"},
		{[]bool{true, true, false, false}, [][]byte{nil, a, nil, nil}, "--a-"},
		{[]bool{true, true}, [][]byte{a, nil}, "a-"},
		{[]bool{false, true, false}, [][]byte{nil, a, nil}, "-a-"},
		{nil, nil, ""},
	} {
		got := ""
		for _, s := range Signatures(c.denied, c.signed) {
			if s == nil {
				s = []byte("-")
			}
			got += string(s)
		}
		if got != c.want {
			t.Errorf("%v %q: %s, not %s", c.denied, c.signed, got, c.want)
		}
	}
}

func TestModels(t *testing.T) {
	got := string(ModelList([]Model{{ID: "a\"b", OwnedBy: "x"}, {ID: "c"}}))
	if err := strictjson.Check([]byte(got), strictjson.Limits{}); err != nil || !strings.Contains(got, `"name":"models/a\"b"`) {
		t.Error(got, err)
	}
	if got := string(ModelList(nil)); got != `{"models":[]}` {
		t.Error(got)
	}
	if got := string(AppendError(nil, []byte(`{"error":{}}`))); got != "data: {\"error\":{}}\r\n\r\n" {
		t.Error(got)
	}
}
