package translate

import (
	"net/http"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// Error is an error of a provider, of the dialect from, in the shape of a client of the dialect to, under the same status. Of a body
// that is no error of that dialect the status is all that is said.
func Error(from, to string, status int, body []byte) []byte {
	c, ok := clientOf(to)
	if !ok {
		return body
	}
	var failed *failure
	switch from {
	case Anthropic:
		var w struct {
			Error raw `json:"error"`
		}
		if readAnswer(body, &w) == nil {
			failed = anthropicFailure(w.Error)
		}
	case Bedrock:
		var w bedrockAnswer
		if readAnswer(body, &w) == nil {
			failed = &failure{kind: w.Type, message: w.Message}
		}
	case Gemini:
		var w struct {
			Error raw `json:"error"`
		}
		if readAnswer(body, &w) == nil {
			failed = geminiFailure(w.Error)
		}
	case Chat, Responses:
		var w struct {
			Error raw `json:"error"`
		}
		if readAnswer(body, &w) == nil {
			failed = openAIFailure(w.Error)
		}
	}
	if failed == nil {
		failed = &failure{}
	}
	failed.status = status
	if failed.message == "" {
		failed.message = "the provider answered with status " + http.StatusText(status)
	}
	return c.failure(failed)
}

// openAIFailure reads the error of OpenAI's APIs, and of those which write a text in its place.
func openAIFailure(body raw) *failure {
	if text, ok := unquoted(body); ok {
		return &failure{message: text}
	}
	var w struct {
		Message string `json:"message"`
		Type    raw    `json:"type"`
		Code    raw    `json:"code"`
	}
	if readAnswer(body, &w) != nil {
		return &failure{}
	}
	f := &failure{message: w.Message}
	f.kind, _ = unquoted(w.Type)
	var ok bool
	if f.code, ok = unquoted(w.Code); !ok {
		n, _ := number{raw: w.Code}.integer()
		f.status = int(n)
	}
	return f
}

// anthropicFailure reads the error of Anthropic's API.
func anthropicFailure(body raw) *failure {
	var w struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	if readAnswer(body, &w) != nil {
		return &failure{}
	}
	return &failure{kind: w.Type, message: w.Message, status: anthropicStatuses[w.Type]}
}

var anthropicStatuses = map[string]int{ //nolint:gochecknoglobals // a constant in all but syntax
	"invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404,
	"request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "overloaded_error": 529, "timeout_error": 504,
}

func (f *failure) text() string {
	if f.message == "" {
		return "the provider failed"
	}
	return f.message
}

// encodeChatError writes an error as OpenAI's APIs do.
func encodeChatError(f *failure) []byte {
	kind := "server_error"
	switch {
	case f.status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case f.status == http.StatusUnauthorized:
		kind = "authentication_error"
	case f.status == http.StatusForbidden:
		kind = "permission_error"
	case f.status >= 400 && f.status < 500:
		kind = "invalid_request_error"
	}
	out := llm.AppendQuoted([]byte(`{"error":{"message":`), f.text())
	out = llm.AppendQuoted(append(out, `,"type":`...), kind)
	out = append(out, `,"param":null,"code":`...)
	switch {
	case f.code != "":
		out = llm.AppendQuoted(out, f.code)
	case f.kind != "":
		out = llm.AppendQuoted(out, f.kind)
	default:
		out = append(out, "null"...)
	}
	return append(out, "}}"...)
}

// encodeAnthropicError writes an error as Anthropic's API does.
func encodeAnthropicError(f *failure) []byte {
	kind := "api_error"
	switch s := f.status; {
	case s == http.StatusServiceUnavailable:
		kind = "overloaded_error"
	case s >= 400 && s < 500:
		kind = "invalid_request_error"
	}
	for name, status := range anthropicStatuses {
		if status == f.status {
			kind = name
		}
	}
	out := append(append([]byte(`{"type":"error","error":{"type":"`), kind...), `","message":`...)
	return append(llm.AppendQuoted(out, f.text()), "}}"...)
}
