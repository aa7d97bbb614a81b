package translate

import (
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// The dialects, as the configuration names them.
const (
	Chat      = "openai-chat"
	Responses = "openai-responses"
	Anthropic = "anthropic"
	Gemini    = "gemini"
	Bedrock   = "bedrock"
)

type dialect = string

// decoder reads the events of a provider's stream.
type decoder interface {
	// event takes one event: its name, where the framing has one, and its data.
	event(name string, data []byte, out func(event) error) error
	// end tells that no more events come.
	end(out func(event) error) error
}

// encoder writes the events of a client's stream.
type encoder interface {
	event(dst []byte, e event) ([]byte, error)
}

// client is a dialect that clients speak.
type client struct {
	request func(doc []byte) (*request, error)
	whole   func(*answer) ([]byte, error)
	stream  func(Options) encoder
	failure func(*failure) []byte
}

// provider is a dialect that providers speak.
type provider struct {
	request func(*request) ([]byte, error)
	whole   func(doc []byte) (*answer, error)
	stream  func() decoder
	aws     bool // streams are framed as AWS frames them, and not as server-sent events
}

func clientOf(name dialect) (client, bool) {
	switch name {
	case Chat:
		return client{decodeChatRequest, encodeChatAnswer, newChatEncoder, encodeChatError}, true
	case Responses:
		return client{decodeResponsesRequest, encodeResponsesAnswer, newResponsesEncoder, encodeChatError}, true
	case Anthropic:
		return client{decodeAnthropicRequest, encodeAnthropicAnswer, newAnthropicEncoder, encodeAnthropicError}, true
	}
	return client{}, false
}

func providerOf(name dialect) (provider, bool) {
	switch name {
	case Chat:
		return provider{encodeChatRequest, decodeChatAnswer, newChatDecoder, false}, true
	case Anthropic:
		return provider{encodeAnthropicRequest, decodeAnthropicAnswer, newAnthropicDecoder, false}, true
	case Gemini:
		return provider{encodeGeminiRequest, decodeGeminiAnswer, newGeminiDecoder, false}, true
	case Bedrock:
		return provider{encodeBedrockRequest, decodeBedrockAnswer, newBedrockDecoder, true}, true
	}
	return provider{}, false
}

// Can tells whether clients of the dialect from can be answered by providers of the dialect to.
func Can(from, to string) bool {
	_, spoken := clientOf(from)
	_, understood := providerOf(to)
	return spoken && understood && from != to && !(from == Responses && (to == Gemini || to == Bedrock))
}

// Pairs are all pairs of a client's dialect and a provider's that can be translated.
func Pairs() [][2]string {
	var out [][2]string
	all := []string{Chat, Responses, Anthropic, Gemini, Bedrock}
	for _, from := range all {
		for _, to := range all {
			if Can(from, to) {
				out = append(out, [2]string{from, to})
			}
		}
	}
	return out
}

func pair(from, to string) (client, provider, error) {
	if !Can(from, to) {
		return client{}, provider{}, fmt.Errorf("translate: from %s to %s is not translated", llm.Printable(from), llm.Printable(to))
	}
	c, _ := clientOf(from)
	p, _ := providerOf(to)
	return c, p, nil
}

// Request is a client's request, of the dialect from, for a provider of the dialect to: for a model, and for an answer that is
// streamed or not. Of a dialect whose path says these, they are not in the document. What cannot be expressed is an *llm.FieldError.
func Request(from, to string, doc []byte, model string, stream bool) ([]byte, error) {
	c, p, err := pair(from, to)
	if err != nil {
		return nil, err
	}
	r, err := c.request(doc)
	if err != nil {
		return nil, err
	}
	r.model, r.stream = model, stream
	return p.request(r)
}

// Whole is an answer of a provider, of the dialect from, for a client of the dialect to. The provider's own error under a status of
// success is one in the client's shape.
func Whole(from, to string, doc []byte, o Options) ([]byte, error) {
	c, p, err := pair(to, from)
	if err != nil {
		return nil, err
	}
	a, err := p.whole(doc)
	if err != nil {
		return nil, err
	}
	if a.failed != nil {
		return c.failure(a.failed), nil
	}
	if a.stop == notYet {
		return nil, unreadable("has no end")
	}
	if a.id == "" {
		a.id = o.ID
	}
	if a.model == "" {
		a.model = o.Model
	}
	if a.created == 0 {
		a.created = o.Now.Unix()
	}
	return c.whole(a)
}
