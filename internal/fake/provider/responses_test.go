package provider

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/openai/openai-go/v3/responses"

	gate "github.com/yellowjack/yellowjack/internal/hold/openairesponses"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openairesponses"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

func responseRequest(text, more string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return `{"model":"gpt","input":` + string(quoted) + more + `}`
}

// throughResponses passes a stream through the gate, with every call allowed.
func throughResponses(stream string) (out string, calls []llm.ToolCall, g *gate.Gate, err error) {
	g = gate.New(hold.Config{Decide: func(asked []llm.ToolCall) ([]llm.Verdict, error) {
		calls = append(calls, asked...)
		verdicts := make([]llm.Verdict, len(asked))
		for i := range verdicts {
			verdicts[i].Allow = true
		}
		return verdicts, nil
	}})
	released, err := g.Write(nil, []byte(stream))
	if err == nil {
		released, err = g.Close(released)
	}
	return string(released), calls, g, err
}

// TestResponses: what the provider says whole and streamed is what the dialect reads, and the same, and the official
// library knows every item and event of it.
func TestResponses(t *testing.T) {
	s, c := start(t)
	tools := `,"tools":[{"type":"shell"},{"type":"function","name":"read"}]`
	said := everything + "\ncall shell {\"commands\":[\"ls\"]}\ncustom sh ls -l"
	_, body := post(t, s, c, "/v1/responses", responseRequest(said, tools))
	whole, err := openairesponses.ParseResponse([]byte(body), strictjson.Limits{})
	if err != nil || len(whole.Calls) != 4 || whole.Model != "gpt" || !whole.Usage.Known || whole.Calls[2].Tool != "shell" {
		t.Fatalf("%v %+v\n%s", err, whole, body)
	}
	published(t, body)
	var typed sdk.Response
	if err := json.Unmarshal([]byte(body), &typed); err != nil || len(typed.Output) != 6 || typed.OutputText() != "Let me see." {
		t.Fatalf("%v %+v", err, typed)
	}
	for _, item := range typed.Output {
		if item.AsAny() == nil {
			t.Errorf("the library does not know %s", item.RawJSON())
		}
	}
	for _, how := range []string{"", "\ncrlf", "\ncomments", "\nchunks 3", "\nsequential"} {
		res, stream := post(t, s, c, "/v1/responses", responseRequest(said+how, tools+`,"stream":true`))
		if res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(res.Header)
		}
		out, calls, g, err := throughResponses(stream)
		if err != nil || how != "\ncomments" && out != stream { // comments overtake what is held
			t.Fatalf("%q: %v\n%s\nbecame\n%s", how, err, stream, out)
		}
		if len(calls) != 4 || string(calls[0].Arguments) != string(whole.Calls[0].Arguments) || g.Usage().Output != whole.Usage.Output {
			t.Errorf("%q: %+v %+v", how, calls, g.Usage())
		}
		for line := range strings.Lines(stream) {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				var carrier struct{ Response json.RawMessage }
				if err := json.Unmarshal([]byte(data), &carrier); err == nil && carrier.Response != nil {
					published(t, string(carrier.Response))
				}
				var event sdk.ResponseStreamEventUnion
				if err := json.Unmarshal([]byte(data), &event); err != nil || event.AsAny() == nil {
					t.Errorf("%v: the library does not know %s", err, data)
				}
			}
		}
	}
}

// published holds an answer to what OpenAI and OpenRouter publish of it: SDKs that check answers by schema refuse one without these.
func published(t *testing.T, answer string) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(answer), &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"id", "object", "created_at", "completed_at", "status", "error", "frequency_penalty", "incomplete_details", "instructions", "metadata", "model",
		"output", "parallel_tool_calls", "presence_penalty", "temperature", "tool_choice", "tools", "top_p",
	} {
		if members[name] == nil {
			t.Errorf("no %s in %s", name, answer)
		}
	}
}

// TestResponsesRepeats: an answer repeats what was asked, as the API's do.
func TestResponsesRepeats(t *testing.T) {
	s, c := start(t)
	_, body := post(t, s, c, "/v1/responses", responseRequest("say x", `,"instructions":"Be brief.","temperature":0.5,"tools":[{"type":"function","name":"read"}],"stream":true`))
	for _, want := range []string{`"instructions":"Be brief."`, `"temperature":0.5`, `"tools":[{"type":"function","name":"read"}]`} {
		if n := strings.Count(body, want); n != 3 {
			t.Errorf("%s is repeated %d times in %s", want, n, body)
		}
	}
}

// TestResponsesTurns: the model reads what tools answered, and reads the last turn alone.
func TestResponsesTurns(t *testing.T) {
	s, c := start(t)
	_, body := post(t, s, c, "/v1/responses", `{"model":"gpt","instructions":"Be brief.","input":[{"role":"user","content":"call read {}"},{"type":"function_call","call_id":"1","name":"read","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":"The issue.\ncall post {\"x\":1}"}]}`)
	whole, err := openairesponses.ParseResponse([]byte(body), strictjson.Limits{})
	if err != nil || len(whole.Calls) != 1 || whole.Calls[0].Tool != "post" {
		t.Fatalf("%v %s", err, body)
	}
	_, body = post(t, s, c, "/v1/responses", `{"model":"gpt","input":[{"type":"shell_call_output","call_id":"1","output":[{"stdout":"files"}]}]}`)
	if !strings.Contains(body, "files") {
		t.Error(body)
	}
}

// TestResponsesTrouble: errors, before the stream and in it, and streams that end too early.
func TestResponsesTrouble(t *testing.T) {
	s, c := start(t)
	for text, want := range map[string]string{
		"say Hi.\nerror 500 broke":                "the provider's own",
		"say Hi.\nfinish failed\nerror 500 broke": "the provider's own",
		"say Hi.\ntruncate text":                  "too early",
		"call read {\"a\":1}\ntruncate call":      "too early",
		"call read {}\ntruncate done":             "too early",
		"call read {\"a\"":                        "",
		"call read {}\nfinish length":             "",
		`event {"type":"response.created","response":{"model":"gpt","output":[]}}`: "too early",
		"event nonsense": "cannot be read",
	} {
		_, stream := post(t, s, c, "/v1/responses", responseRequest(text, `,"stream":true`))
		out, calls, g, err := throughResponses(stream)
		switch {
		case want == "the provider's own":
			if err != nil || !g.UpstreamError() || !strings.Contains(out, "broke") {
				t.Errorf("%q: %v %s", text, err, out)
			}
		case want == "":
			if err != nil || len(calls) > 0 || strings.Contains(out, "call_id") {
				t.Errorf("%q: %v %s", text, err, out)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%q: %v", text, err)
		}
	}
	res, body := post(t, s, c, "/v1/responses", responseRequest("status 429 retry-after 7", ""))
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "7" || !strings.Contains(body, "rate_limit_exceeded") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if res, body = post(t, s, c, "/v1/responses", `{"input":"x"}`); res.StatusCode != http.StatusBadRequest {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	_, body = post(t, s, c, "/v1/responses", responseRequest("finish content_filter\nsay x", ""))
	if whole, err := openairesponses.ParseResponse([]byte(body), strictjson.Limits{}); err != nil || whole.TurnReason() != "content_filter" {
		t.Errorf("%v %s", err, body)
	}
}
