package openaichat_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

const twoChoices = `{"id":"i","created":7,"model":"m\u0041","choices": [ {"index":0,"finish_reason":"tool_calls","delta":{"role":"assistant","content":"x","tool_calls":[{"index":0,"id":"a"}, {"id":"b","index":1,"function":{"name":"f","arguments":"{\"k\":1}"}}],"reasoning":"r","function_call":{"name":"l","arguments":""}},"logprobs":{"content":[]}} , {"delta":null,"index":1} ], "usage":{"prompt_tokens":10,"completion_tokens":2.0,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":4},"completion_tokens_details":{"reasoning_tokens":1},"cost":0.5}}`

func parse(t *testing.T, doc string) *openaichat.Chunk {
	t.Helper()
	c := new(openaichat.Chunk)
	if err := c.Parse([]byte(doc), strictjson.Limits{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChunk(t *testing.T) {
	c := parse(t, twoChoices)
	if c.ModelName() != "mA" || len(c.Choices) != 2 || c.Error {
		t.Errorf("%q, %d choices, error %v", c.ModelName(), len(c.Choices), c.Error)
	}
	usage := llm.Usage{Input: 10, Output: 2, CachedRead: 3, CachedWrite: 4, Reasoning: 1, Cost: 0.5, HasCost: true, Known: true}
	if c.Usage != usage {
		t.Errorf("%+v", c.Usage)
	}
	ch := c.Choices[0]
	if !ch.Role || !ch.Prose || !ch.Text || ch.Finish != "tool_calls" || len(ch.Calls) != 3 {
		t.Errorf("%+v", ch)
	}
	if b := ch.Calls[1]; b.Index != 1 || b.ID != "b" || b.Name != "f" || string(b.Arguments) != `{"k":1}` || !b.Function || !b.Given || b.Legacy || b.Wrong {
		t.Errorf("%+v", b)
	}
	if l := ch.Calls[2]; !l.Legacy || l.Name != "l" || !l.Given {
		t.Errorf("%+v", l)
	}
	if ch = c.Choices[1]; ch.Index != 1 || ch.Text || ch.Role || len(ch.Calls) != 0 {
		t.Errorf("%+v", ch)
	}
}

// TestChunkAgain: nothing of a chunk is left in the next one.
func TestChunkAgain(t *testing.T) {
	c := parse(t, twoChoices)
	for _, doc := range []string{`{"choices":[{"index":1}]}`, `{"choices":[]}`, `{"error":{"code":1}}`} {
		if err := c.Parse([]byte(doc), strictjson.Limits{}); err != nil {
			t.Fatal(err)
		}
		fresh := parse(t, doc)
		if c.ModelName() != fresh.ModelName() || c.Usage != fresh.Usage || c.Error != fresh.Error || len(c.Choices) != len(fresh.Choices) {
			t.Errorf("%s: %+v", doc, c)
		}
		for i := range c.Choices {
			if string(c.Piece(i, openaichat.Piece{Text: true})) != doc || len(c.Choices[i].Calls) != 0 || c.Choices[i].Finish != "" {
				t.Errorf("%s: %+v", doc, c.Choices[i])
			}
		}
	}
}

func TestPiece(t *testing.T) {
	all := func(i int) (openaichat.Kept, bool) { return openaichat.Kept{Index: i}, true }
	tests := []struct {
		name   string
		choice int
		piece  openaichat.Piece
		want   string // the first choice and the usage
	}{
		{"text", 0, openaichat.Piece{Text: true}, `[ {"index":0,"finish_reason":null,"delta":{"role":"assistant","content":"x","reasoning":"r"},"logprobs":null} ], "usage":null}`},
		{"calls", 0, openaichat.Piece{Calls: true, Finish: true}, `[ {"index":0,"finish_reason":"tool_calls","delta":{"tool_calls":[{"index":0,"id":"a"}, {"id":"b","index":1,"function":{"name":"f","arguments":"{\"k\":1}"}}],"function_call":{"name":"l","arguments":""}},"logprobs":{"content":[]}} ], "usage":null}`},
		{"neither", 0, openaichat.Piece{}, `[ {"index":0,"finish_reason":null,"delta":{},"logprobs":null} ], "usage":null}`},
		{"one call", 0, openaichat.Piece{Calls: true, Finish: true, Keep: func(i int) (openaichat.Kept, bool) { return openaichat.Kept{}, i == 1 }}, `[ {"index":0,"finish_reason":"tool_calls","delta":{"tool_calls":[{"id":"b","index":0,"function":{"name":"f","arguments":"{\"k\":1}"}}]},"logprobs":null} ], "usage":null}`},
		{"legacy", 0, openaichat.Piece{Calls: true, Finish: true, Keep: func(i int) (openaichat.Kept, bool) { return openaichat.Kept{}, i == 2 }}, `[ {"index":0,"finish_reason":"tool_calls","delta":{"function_call":{"name":"l","arguments":""}},"logprobs":null} ], "usage":null}`},
		{"said before", 0, openaichat.Piece{Calls: true, Finish: true, Said: []openaichat.Said{{Type: true}, {ID: true, Name: true}, {Name: true}}}, `[ {"index":0,"finish_reason":"tool_calls","delta":{"tool_calls":[{"index":0,"id":"a"}, {"index":1,"function":{"arguments":"{\"k\":1}"}}],"function_call":{"arguments":""}},"logprobs":{"content":[]}} ], "usage":null}`},
		{"said before by one that goes", 0, openaichat.Piece{Calls: true, Finish: true, Keep: func(i int) (openaichat.Kept, bool) { return openaichat.Kept{}, i == 0 }, Said: []openaichat.Said{{ID: true}, {ID: true}, {Name: true}}}, `[ {"index":0,"finish_reason":"tool_calls","delta":{"tool_calls":[{"index":0}]},"logprobs":null} ], "usage":null}`},
		{"stop", 0, openaichat.Piece{Text: true, Finish: true, Stop: true}, `[ {"index":0,"finish_reason":"stop","delta":{"role":"assistant","content":"x","reasoning":"r"},"logprobs":null} ], "usage":null}`},
		{"the other", 1, openaichat.Piece{Text: true, Calls: true, Finish: true, Keep: all}, `[ {"delta":null,"index":1} ], "usage":null}`},
	}
	start := twoChoices[:strings.Index(twoChoices, "[ {")]
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(parse(t, twoChoices).Piece(test.choice, test.piece)); got != start+test.want {
				t.Errorf("%s\nwant\n%s", got, start+test.want)
			}
			test.piece.Usage = true
			if got := string(parse(t, twoChoices).Piece(test.choice, test.piece)); !strings.Contains(got, `"prompt_tokens":10`) {
				t.Errorf("no usage in %s", got)
			}
		})
	}
}

// TestPieceWhole: where nothing is taken away, it is the document itself.
func TestPieceWhole(t *testing.T) {
	c := parse(t, `{"choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"a"}]},"finish_reason":"tool_calls","logprobs":{}}],"usage":{}}`)
	if got := c.Piece(0, openaichat.Piece{Text: true, Calls: true, Finish: true, Usage: true}); &got[0] != &c.Doc[0] {
		t.Errorf("%s", got)
	}
}

func TestWithoutCalls(t *testing.T) {
	got := string(parse(t, twoChoices).WithoutCalls())
	if strings.Contains(got, "call\"") || strings.Contains(got, `tool_calls":`) || strings.Contains(got, `"b"`) || !strings.Contains(got, `"content":"x"`) {
		t.Error(got)
	}
}

func TestAppendText(t *testing.T) {
	got := string(parse(t, twoChoices).AppendText([]byte("before"), 1, true, "content", "a\"\n\xff"))
	want := `beforedata: {"id":"i","object":"chat.completion.chunk","created":7,"model":"m\u0041","choices":[{"index":1,"delta":{"role":"assistant","content":"a\"\n` + "\uFFFD" + `"},"finish_reason":null}]}` + "\n\n"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	got = string(parse(t, `{"choices":[]}`).AppendText(nil, 0, false, "content", ""))
	if want = `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}` + "\n\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestAppendError(t *testing.T) {
	if got := string(openaichat.AppendError([]byte(": x\n\n"), []byte(`{"error":{}}`))); got != ": x\n\ndata: {\"error\":{}}\n\n" {
		t.Errorf("%q", got)
	}
}

// FuzzPiece: the pieces of any chunk are chunks, of that choice alone, and together they say what it said.
func FuzzPiece(f *testing.F) {
	f.Add([]byte(twoChoices))
	f.Add([]byte(`{"choices":[{"index":0,"delta":{"tool_calls":[ {"index":0} , {"index":1} ]}}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var c, piece openaichat.Chunk
		if c.Parse(doc, strictjson.Limits{}) != nil {
			return
		}
		for k, ch := range c.Choices {
			text := c.Piece(k, openaichat.Piece{Text: true})
			if err := piece.Parse(text, strictjson.Limits{}); err != nil || len(piece.Choices) != 1 || len(piece.Choices[0].Calls) != 0 || piece.Choices[0].Finish != "" || piece.Choices[0].Text != ch.Text {
				t.Fatalf("%s: %v", text, err)
			}
			calls := c.Piece(k, openaichat.Piece{Calls: true, Finish: true, Usage: true})
			if err := piece.Parse(calls, strictjson.Limits{}); err != nil || len(piece.Choices) != 1 || piece.Choices[0].Text || piece.Choices[0].Finish != ch.Finish || piece.Usage != c.Usage {
				t.Fatalf("%s: %v", calls, err)
			}
			if !reflect.DeepEqual(said(piece.Choices[0].Calls), said(ch.Calls)) {
				t.Fatalf("%s has other calls than %s", calls, doc)
			}
			if !json.Valid(text) || !json.Valid(calls) {
				t.Fatalf("%s, %s", text, calls)
			}
			all := slices.Repeat([]openaichat.Said{{ID: true, Type: true, Name: true}}, len(ch.Calls))
			again := c.Piece(k, openaichat.Piece{Calls: true, Said: all})
			if err := piece.Parse(again, strictjson.Limits{}); err != nil || len(piece.Choices[0].Calls) != len(ch.Calls) {
				t.Fatalf("%s: %v", again, err)
			}
			for i, got := range piece.Choices[0].Calls {
				if got.ID+got.Type != "" || (got.Name != "" && !(got.Function && got.Custom)) || string(got.Arguments) != string(ch.Calls[i].Arguments) {
					t.Fatalf("%s still says what %s said", again, doc)
				}
			}
		}
	})
}

func said(calls []openaichat.CallDelta) [][4]string {
	var out [][4]string
	for _, c := range calls {
		out = append(out, [4]string{c.ID, c.Type, c.Name, string(c.Arguments)})
	}
	return out
}

// TestWholeInPlaceOfNulls: what goes out in the place of a fragment has each member once, whatever the fragment had for it.
func TestWholeInPlaceOfNulls(t *testing.T) {
	for _, fragment := range []string{
		`{"index":0,"id":null,"type":null,"function":null,"custom":null}`, `{"id":null,"index":0,"type":"function","function":{"name":null,"arguments":""}}`,
		`{"index":0,"id":"c0","type":"function","function":{"name":"read","arguments":""},"extra":{"x":1}}`,
	} {
		var c openaichat.Chunk
		doc := `{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[` + fragment + `]},"finish_reason":null}]}`
		if err := c.Parse([]byte(doc), strictjson.Limits{}); err != nil {
			t.Fatal(fragment, err)
		}
		out := c.Piece(0, openaichat.Piece{Calls: true, Keep: func(int) (openaichat.Kept, bool) {
			return openaichat.Kept{ID: "yj_1", Whole: &llm.ToolCall{ID: "c0", Tool: "read"}, Text: []byte("{}")}, true
		}})
		var again openaichat.Chunk
		if err := again.Parse(out, strictjson.Limits{}); err != nil {
			t.Fatalf("%s: %v\n%s", fragment, err, out)
		}
		if d := again.Choices[0].Calls; len(d) != 1 || d[0].ID != "yj_1" || d[0].Name != "read" || string(d[0].Arguments) != "{}" || d[0].Type != "function" || d[0].Wrong {
			t.Errorf("%s: %s", fragment, out)
		}
	}
}
