package refuse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestBodies(t *testing.T) {
	r := New(403, ModelDenied, `model "x<y" is not for you; ask for one of /v1/models`, "secret %s", "inside")
	cases := map[Shape]string{
		OpenAI:    `{"error":{"message":"model \"x<y\" is not for you; ask for one of /v1/models","type":"permission_error","param":null,"code":"model_denied","decision_id":"d1"}}`,
		Anthropic: `{"type":"error","error":{"type":"permission_error","message":"model \"x<y\" is not for you; ask for one of /v1/models","code":"model_denied","decision_id":"d1"}}`,
		Gemini:    `{"error":{"code":403,"message":"model \"x<y\" is not for you; ask for one of /v1/models","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MODEL_DENIED","domain":"yellowjack","metadata":{"decision_id":"d1"}}]}}`,
		Bedrock:   `{"__type":"AccessDeniedException","message":"model \"x<y\" is not for you; ask for one of /v1/models","reason":"model_denied","decision_id":"d1"}`,
		JSONRPC:   `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"model \"x<y\" is not for you; ask for one of /v1/models","data":{"code":"model_denied","decision_id":"d1"}}}`,
		Plain:     "model \"x<y\" is not for you; ask for one of /v1/models\ncode: model_denied\ndecision: d1\n",
	}
	for shape, want := range cases {
		if got := string(r.Body(shape, "d1")); got != want {
			t.Errorf("%v:\n got %s\nwant %s", shape, got, want)
		}
		if strings.Contains(string(r.Body(shape, "d1")), "inside") {
			t.Errorf("%v: the log's text reached the client", shape)
		}
	}
}

// Every status gives valid JSON and a type, in every shape but Plain.
func TestEveryStatus(t *testing.T) {
	for status := 400; status < 600; status++ {
		r := New(status, Internal, "a \xff \u2028 \x00 text", "log")
		for _, s := range []Shape{OpenAI, Anthropic, Gemini, Bedrock, JSONRPC} {
			var v struct {
				Error   map[string]any
				Message string
				Type    string `json:"__type"`
			}
			if err := json.Unmarshal(r.Body(s, ""), &v); err != nil || v.Error["message"] == "" || len(v.Error) == 0 && v.Message == "" {
				t.Fatalf("%d %v: %v %v", status, s, err, v)
			}
			if v.Type != r.ErrorType(s) || (v.Type == "") != (s != Bedrock) {
				t.Fatalf("%d %v: the body's type is %q, the header's %q", status, s, v.Type, r.ErrorType(s))
			}
			if !strings.HasPrefix(r.ContentType(s), "application/json") {
				t.Fatalf("%v: %s", s, r.ContentType(s))
			}
		}
	}
	if got := New(400, Internal, "", "").ContentType(Plain); !strings.HasPrefix(got, "text/plain") {
		t.Error(got)
	}
}

func TestTypesByStatus(t *testing.T) {
	for status, want := range map[int][5]string{
		400: {"invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", "-32600", "ValidationException"},
		401: {"authentication_error", "authentication_error", "UNAUTHENTICATED", "-32001", "UnrecognizedClientException"},
		403: {"permission_error", "permission_error", "PERMISSION_DENIED", "-32001", "AccessDeniedException"},
		404: {"invalid_request_error", "not_found_error", "NOT_FOUND", "-32600", "ResourceNotFoundException"},
		413: {"invalid_request_error", "request_too_large", "INVALID_ARGUMENT", "-32600", "ValidationException"},
		429: {"rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED", "-32600", "ThrottlingException"},
		500: {"server_error", "api_error", "INTERNAL", "-32603", "InternalServerException"},
		502: {"server_error", "api_error", "UNAVAILABLE", "-32603", "InternalServerException"},
		503: {"server_error", "overloaded_error", "UNAVAILABLE", "-32603", "ServiceUnavailableException"},
		504: {"server_error", "timeout_error", "DEADLINE_EXCEEDED", "-32603", "ServiceUnavailableException"},
	} {
		r := New(status, "x", "c", "l")
		if got := [5]string{r.openAIType(), r.anthropicType(), r.geminiStatus(), fmt.Sprint(r.rpcCode()), r.awsType()}; got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}

func TestNeverASuccess(t *testing.T) {
	for _, status := range []int{0, 200, 302, 399, 600, -1} {
		if r := New(status, Internal, "no", "no"); r.Status != http.StatusInternalServerError {
			t.Errorf("New(%d) has status %d", status, r.Status)
		}
	}
}

func TestErrorIsTheLog(t *testing.T) {
	var err error = New(400, BadRequest, "client", "log %d", 7)
	if err.Error() != "log 7" {
		t.Error(err)
	}
	if got := (&Refusal{Code: "c"}).Error(); got != "c" {
		t.Error(got)
	}
	r := New(400, BadRequest, "client", "log")
	if s := r.WithRetryAfter(time.Second); s.RetryAfter != time.Second || s.Log != "log" || r.RetryAfter != 0 {
		t.Error(s, r)
	}
}

func TestShapeOf(t *testing.T) {
	for path, want := range map[string]Shape{
		"/v1/chat/completions":      OpenAI,
		"/v1/models?x=/v1/messages": OpenAI,
		"/":                         OpenAI,
		"":                          OpenAI,
		"/v1/messages":              Anthropic,
		"/v1/messages/count_tokens": Anthropic,
		"/anthropic/v1/messages":    Anthropic,
		"/google/v1beta/models/x:generateContent":                Gemini,
		"/bedrock/model/anthropic.claude-v2%3A0/converse":        Bedrock,
		"/bedrock/model/anthropic.claude-v2%3A0/converse-stream": Bedrock,
		"/mcp":               JSONRPC,
		"/mcp/files":         JSONRPC,
		"/mcpx":              OpenAI,
		"/connect/callback":  Plain,
		"/.well-known/oauth": Plain,
		"/events/ssf":        Plain,
	} {
		if got := ShapeOf(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
