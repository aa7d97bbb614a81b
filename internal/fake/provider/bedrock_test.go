package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/yellowjack/yellowjack/internal/hold"
	gate "github.com/yellowjack/yellowjack/internal/hold/bedrock"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/bedrock"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// postConverse posts a request with one text of the user's, or the body given as JSON.
func postConverse(t *testing.T, s *Server, c *http.Client, path, text string) (*http.Response, []byte, error) {
	t.Helper()
	said, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"messages":[{"role":"user","content":[{"text":%s}]}]}`, said)
	if strings.HasPrefix(text, "{") {
		body = text
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	return res, out, err
}

const (
	converseWhole  = "/model/anthropic.small-v1%3A0/converse"
	converseStream = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fsmall/converse-stream"
)

// throughConverse passes a stream through the gate.
func throughConverse(t *testing.T, body []byte) (out []byte, turn llm.Turn, g *gate.Gate, err error) {
	t.Helper()
	g = gate.New(hold.Config{
		Decide: func(calls []llm.ToolCall) ([]llm.Verdict, error) {
			out := make([]llm.Verdict, len(calls))
			for i := range out {
				out[i].Allow = true
			}
			return out, nil
		},
		Finish: func(told llm.Turn) error {
			turn = told
			return nil
		},
	})
	out, err = g.Write(nil, body)
	if err == nil {
		out, err = g.Close(out)
	}
	return out, turn, g, err
}

// TestConverse holds that what the fake says is read as Bedrock's, whole and streamed, and says the same.
func TestConverse(t *testing.T) {
	s, c := start(t)
	const script = "say Hello there.\nthink Hm.\ncall a__b {\"x\": \"ü\"}\ncall c"
	res, body, err := postConverse(t, s, c, converseWhole, script)
	if err != nil || res.Header.Get("Content-Type") != "application/json" {
		t.Fatal(err, res)
	}
	a, err := bedrock.ParseResponse(body, strictjson.Limits{})
	if err != nil {
		t.Fatal(err, string(body))
	}
	_, whole, err := a.Rewrite([]llm.Verdict{{Allow: true}, {Allow: true}}, nil)
	if err != nil || len(whole) != 1 {
		t.Fatal(err, whole)
	}
	whole[0].Calls[0].Arguments = []byte(`{"x": "ü"}`) // a whole answer is written without the space
	for _, more := range []string{"", "\nchunks 7", "\nfragment 1", "\ncrlf"} {
		res, body, err = postConverse(t, s, c, converseStream, script+more)
		if err != nil || res.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" {
			t.Fatal(err, res)
		}
		out, streamed, g, err := throughConverse(t, body)
		if err != nil || !bytes.Equal(out, body) {
			t.Fatalf("%v: %q\nnot %q", err, out, body)
		}
		if !reflect.DeepEqual(streamed, whole[0]) || g.Usage().Output == 0 || g.Usage() != a.Usage && more == "" {
			t.Errorf("%q: streamed %+v, at once %+v; %+v, %+v", more, streamed, whole[0], g.Usage(), a.Usage)
		}
	}
}

// TestConverseSDK: the SDK's decoder reads the stream, message by message.
func TestConverseSDK(t *testing.T) {
	s, c := start(t)
	_, body, err := postConverse(t, s, c, converseStream, "say Hi.\ncall a {}")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for r := bytes.NewReader(body); r.Len() > 0; {
		m, err := eventstream.NewDecoder().Decode(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, m.Headers.Get(":event-type").String())
		if m.Headers.Get(":message-type").String() != "event" || m.Headers.Get(":content-type").String() != "application/json" || !json.Valid(m.Payload) {
			t.Errorf("%+v %s", m.Headers, m.Payload)
		}
	}
	if got := strings.Join(kinds, " "); got != "messageStart contentBlockDelta contentBlockStop contentBlockStart contentBlockDelta contentBlockDelta contentBlockStop messageStop metadata" {
		t.Error(got)
	}
}

func TestConverseMishaps(t *testing.T) {
	s, c := start(t)
	for script, want := range map[string]string{
		"say Hi.\nerror 429 Too many tokens":     "the provider's",
		"say Hi.\nerror 500 broken":              "the provider's",
		"say Hi.\ntruncate text":                 "too early",
		"call a {\"x\":1}\ntruncate call":        "too early",
		"call a {}\ntruncate done":               "too early",
		"say Hi.\nbreak":                         "reset",
		"event messageStart {\"role\":\"user\"}": "cannot be read",
		"event chunk {\"bytes\":\"AAAA\"}":       "cannot be read",
		"raw {\"message\":\"no\"}":               "checksum",
		"say Hi.\nanswered other.model-v1":       "fine",
		"say Hi.\nnousage":                       "fine",
		"call a {\"x\":1\nfinish max_tokens":     "fine",
	} {
		_, body, err := postConverse(t, s, c, converseStream, script)
		got := "reset"
		if err == nil {
			var g *gate.Gate
			if _, _, g, err = throughConverse(t, body); g.UpstreamError() {
				got = "the provider's"
			} else if got = "fine"; err != nil {
				got = err.Error()
			}
			if script == "say Hi.\nanswered other.model-v1" && g.Model() != "other.model-v1" {
				t.Error("answered by", g.Model())
			}
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, not %s", script, got, want)
		}
	}
}

func TestConverseErrors(t *testing.T) {
	s, c := start(t)
	for script, want := range map[string]string{
		"status 429 retry-after 7 Too many": "429 ThrottlingException Too many",
		"status 503":                        "503 ServiceUnavailableException Provider returned error",
		"status 500 broken":                 "500 InternalServerException broken",
		`{"messages":[]}`:                   "400 ValidationException A conversation must start",
		`{`:                                 "400 ValidationException Unable to parse",
		`{"messages":[{"role":"user","content":[{"text":" "}]}]}`: "400 ValidationException The text field in the ContentBlock object at messages.0.content.0 is blank",
		`{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"1","name":"a","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"1","content":[]}}]}]}`: "400 ValidationException The toolConfig field must be defined",
		`{"messages":[{"role":"user","content":[{"text":"x"}]}],"toolConfig":{"tools":[{"cachePoint":{"type":"default"}}]}}`:                                                            "400 ValidationException The value at toolConfig.tools",
		`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"1","content":[]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"a"}}]}}`:                                   "400 ValidationException The number of toolResult blocks",
	} {
		res, body, err := postConverse(t, s, c, converseWhole, script)
		if err != nil {
			t.Fatal(err)
		}
		var said struct{ Message string }
		if err := json.Unmarshal(body, &said); err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(res.Header.Get("X-Amzn-Errortype"), ":")
		if got := fmt.Sprint(res.StatusCode, " ", kind, " ", said.Message); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", script, got)
		}
		if a, err := bedrock.ParseResponse(body, strictjson.Limits{}); err != nil || !a.Error {
			t.Errorf("%s is not read as an error: %v", body, err)
		}
	}
	if _, body, err := postConverse(t, s, c, "/model/x/invoke", "{}"); err != nil || !strings.Contains(string(body), "no such path") {
		t.Error(string(body), err)
	}
}

// TestConverseObeys: what tools answered is read, and the names of those that are offered.
func TestConverseObeys(t *testing.T) {
	s, c := start(t)
	const history = `{"messages":[{"role":"user","content":[{"text":"call a {}"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"1","name":"a","input":{}}}]},` +
		`{"role":"user","content":[{"toolResult":{"toolUseId":"1","content":[%s]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"a"}}]}}`
	for block, want := range map[string]string{
		`{"text":"say Obeyed."}`:                "Obeyed.",
		`{"text":"nothing to do"}`:              "The tool answered: nothing to do",
		`{"json":{"text":"\nsay Obeyed too."}}`: "Obeyed too.",
	} {
		_, body, err := postConverse(t, s, c, converseWhole, fmt.Sprintf(history, block))
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %v", block, body, err)
		}
	}
	_, body, err := postConverse(t, s, c, converseWhole, `{"messages":[{"role":"user","content":[{"text":"x"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"a"}},{"systemTool":{"name":"b"}}]}}`)
	if err != nil || !strings.Contains(string(body), "a, b") {
		t.Error(string(body), err)
	}
}
