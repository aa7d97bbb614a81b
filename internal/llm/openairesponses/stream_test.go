package openairesponses

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// TestAppendError: libraries read the error from the member of that name, and types have its members beside it.
func TestAppendError(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"message":"no \"x\"","type":"invalid_request_error","code":"policy_denied","decision_id":"d"}}`: "policy_denied",
		`nonsense`: "internal",
	} {
		name, rest, _ := strings.Cut(string(AppendError(nil, []byte(body))), "\n")
		data := strings.TrimSuffix(strings.TrimPrefix(rest, "data: "), "\n\n")
		var e Event
		if err := e.Parse([]byte(data), strictjson.Limits{}); err != nil || e.Kind != Failure || name != "event: error" {
			t.Fatalf("%v %s %s", err, name, data)
		}
		var read struct {
			Code, Message string
			Error         *struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(data), &read); err != nil || read.Code != want || read.Message == "" {
			t.Errorf("%v %s", err, data)
		}
		if read.Error != nil && (read.Error.Code != read.Code || read.Error.Message != read.Message) {
			t.Error(data)
		}
	}
}

// TestEvents: what an event lacks, or has in the wrong place, makes it none.
func TestEvents(t *testing.T) {
	for _, doc := range []string{
		`{}`, `{"type":"response.future"}`, `{"type":"response.created"}`, `{"type":"response.output_item.added","output_index":0}`,
		`{"type":"response.output_text.delta","output_index":0,"delta":"x"}`, `{"type":"response.output_text.delta","output_index":-1,"content_index":0,"delta":"x"}`,
		`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":{}}`, `{"type":"response.output_text.done","output_index":0,"content_index":0,"refusal":"x"}`,
		`{"type":"response.function_call_arguments.done","output_index":0}`, `{"type":"ping","choices":[]}`, `{"type":"ping","Item":{}}`,
		`{"type":"ping","sequence_number":-1}`, `{"type":"ping","sequence_number":1.5}`, `{"type":"response.created","response":{"choices":[]}}`,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"item_reference","id":"x"}}`,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","content":[{"type":"output_text","text":"x"}]}}`,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"message","content":[{"type":"tool_use"}]}}`,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"message","content":[{"type":"refusal","text":"x"}]}}`,
	} {
		var e Event
		err := e.Parse([]byte(doc), strictjson.Limits{})
		var strict *strictjson.Error
		if err == nil || !errors.As(err, &strict) {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

// TestSpoken: what is said in pieces is compared with what a call's arguments are.
func TestSpoken(t *testing.T) {
	shell := []byte(`{"commands":["ls","pwd"]}`)
	if !Spoken(shell, map[int][]byte{1: []byte("pwd")}, nil, nil) || Spoken(shell, map[int][]byte{2: []byte("pwd")}, nil, nil) || Spoken([]byte(`{}`), nil, []byte("x"), nil) {
		t.Error("commands")
	}
	if !Covers(shell, []byte(`{"commands":["","ls"]}`)) || Covers(shell, []byte(`{"commands":["id"]}`)) || Covers(shell, []byte(`{"other":[]}`)) {
		t.Error("beginnings")
	}
}

// TestMessageIDs: no two messages of one answer have the same id, whatever the ids of the calls.
func TestMessageIDs(t *testing.T) {
	a, b := &Item{ID: "fc_\"1\""}, &Item{Call: llm.ToolCall{ID: strings.Repeat("x", 100)}}
	if id := MessageID(a, "r", 1); id != "msg_yj_fc_1_1" {
		t.Error(id)
	}
	if x, y := MessageID(b, "r", 1), MessageID(b, "r", 2); x == y || len(x) > 64 {
		t.Error(x, y)
	}
	if id := MessageID(&Item{}, "", 3); id != "msg_yj_3" {
		t.Error(id)
	}
}
