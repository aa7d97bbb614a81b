package route

import (
	"net/url"
	"slices"
	"strings"
)

// Operation is what is asked of a provider: one call of one dialect's API.
type Operation uint8

// The operations.
const (
	Chat           Operation = iota + 1 // OpenAI Chat Completions
	Responses                           // OpenAI Responses
	Messages                            // Anthropic Messages
	CountTokens                         // of the same
	Generate                            // Gemini generateContent
	StreamGenerate                      // Gemini streamGenerateContent
	Converse                            // Bedrock Converse
	ConverseStream                      // Bedrock ConverseStream
	Embeddings                          // OpenAI Embeddings
)

// Dialect is the dialect of an operation, as the configuration names it.
func (o Operation) Dialect() string {
	switch o {
	case Responses:
		return "openai-responses"
	case Messages, CountTokens:
		return "anthropic"
	case Generate, StreamGenerate:
		return "gemini"
	case Converse, ConverseStream:
		return "bedrock"
	}
	return "openai-chat"
}

// Speaks tells whether the provider has an operation's dialect.
func (t *Target) Speaks(o Operation) bool { return slices.Contains(t.Dialects, o.Dialect()) }

// Endpoint is the path of an operation for the target's model, with a query where the operation has one. A base URL is written as that
// dialect's SDK wants it: with the version for OpenAI's dialects, and with or without it for the others.
func (t *Target) Endpoint(o Operation) string {
	switch o {
	case Chat:
		return t.Base + "/chat/completions"
	case Responses:
		return t.Base + "/responses"
	case Embeddings:
		return t.Base + "/embeddings"
	case Messages:
		return versioned(t.Base, "/v1") + "/messages"
	case CountTokens:
		return versioned(t.Base, "/v1") + "/messages/count_tokens"
	case Generate:
		return t.model() + ":generateContent"
	case StreamGenerate:
		return t.model() + ":streamGenerateContent?alt=sse"
	case Converse:
		return t.Base + "/model/" + escaped(t.Model) + "/converse"
	case ConverseStream:
		return t.Base + "/model/" + escaped(t.Model) + "/converse-stream"
	}
	return ""
}

// escaped is a segment as AWS' SDKs write it, who sign it: all but the unreserved characters of RFC 3986 are escaped.
func escaped(s string) string {
	const hex = "0123456789ABCDEF"
	var out []byte
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			out = append(out, c)
		default:
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}

// model is the path of a model in Gemini's API. Vertex' base ends in the publisher (…/publishers/google).
func (t *Target) model() string {
	base := t.Base
	if !strings.Contains(base, "/publishers/") {
		base = versioned(base, "/v1beta")
	}
	return base + "/models/" + url.PathEscape(t.Model)
}

// versioned is a base with a version: its own, if its last segment is one.
func versioned(base, version string) string {
	last := base[strings.LastIndexByte(base, '/')+1:]
	if len(last) > 1 && last[0] == 'v' && last[1] >= '0' && last[1] <= '9' {
		return base
	}
	return base + version
}

// BearerHeader is where most providers want their key, behind the word Bearer.
const BearerHeader = "authorization"

// keyHeader is where a provider's API of its own wants its key.
func keyHeader(dialect string) string {
	switch dialect {
	case "anthropic":
		return "x-api-key"
	case "gemini":
		return "x-goog-api-key"
	}
	return BearerHeader
}
