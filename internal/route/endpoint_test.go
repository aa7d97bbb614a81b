package route

import "testing"

// TestEndpoint: where each operation is called, whether or not the base URL has the version.
func TestEndpoint(t *testing.T) {
	for _, c := range []struct {
		base  string
		op    Operation
		model string
		want  string
	}{
		{"/v1", Chat, "m", "/v1/chat/completions"},
		{"/api/v1", Responses, "m", "/api/v1/responses"},
		{"/v1", Embeddings, "m", "/v1/embeddings"},
		{"", Messages, "m", "/v1/messages"},
		{"/v1", Messages, "m", "/v1/messages"},
		{"/api/v1", CountTokens, "m", "/api/v1/messages/count_tokens"},
		{"", Generate, "gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro:generateContent"},
		{"/v1", StreamGenerate, "gemini-2.5-pro", "/v1/models/gemini-2.5-pro:streamGenerateContent?alt=sse"},
		{"/v1/projects/p/locations/l/publishers/google", Generate, "g", "/v1/projects/p/locations/l/publishers/google/models/g:generateContent"},
		{"", Generate, "../x?y", "/v1beta/models/..%2Fx%3Fy:generateContent"},
		{"", Converse, "anthropic.claude-3:0", "/model/anthropic.claude-3%3A0/converse"},
		{"", ConverseStream, "arn:aws:bedrock:eu:1:x/y", "/model/arn%3Aaws%3Abedrock%3Aeu%3A1%3Ax%2Fy/converse-stream"},
		{"/vault", Messages, "m", "/vault/v1/messages"},
	} {
		target := Target{Base: c.base, Model: c.model}
		if got := target.Endpoint(c.op); got != c.want {
			t.Errorf("%s, %v: %s", c.base, c.op.Dialect(), got)
		}
	}
}

// TestDialects: each operation belongs to one dialect, and a provider speaks those that the configuration says.
func TestDialects(t *testing.T) {
	target := Target{Dialects: []string{"openai-chat", "anthropic"}}
	for op, want := range map[Operation]bool{
		Chat: true, Embeddings: true, Messages: true, CountTokens: true, Responses: false, Generate: false, StreamGenerate: false, Converse: false, ConverseStream: false,
	} {
		if target.Speaks(op) != want {
			t.Errorf("%s", op.Dialect())
		}
	}
}

func TestNative(t *testing.T) {
	tab := table(t, nil)
	if got, refused := tab.Native("mock", "openrouter/x"); refused != nil || got.Provider != "mock" || got.Model != "openrouter/x" {
		t.Errorf("%+v %v", got, refused)
	}
	for provider, model := range map[string]string{"none": "x", "mock": "", "": "x", "groq": "a b"} {
		if got, refused := tab.Native(provider, model); refused == nil {
			t.Errorf("%+v", got)
		}
	}
	if base, ok := tab.Base("groq"); !ok || base != "/openai/v1" {
		t.Errorf("%q", base)
	}
}
