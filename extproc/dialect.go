package extproc

import (
	"github.com/yellowjack/yellowjack/internal/hold"
	holdanthropic "github.com/yellowjack/yellowjack/internal/hold/anthropic"
	holdbedrock "github.com/yellowjack/yellowjack/internal/hold/bedrock"
	holdgemini "github.com/yellowjack/yellowjack/internal/hold/gemini"
	holdresponses "github.com/yellowjack/yellowjack/internal/hold/openairesponses"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/anthropic"
	"github.com/yellowjack/yellowjack/internal/llm/bedrock"
	"github.com/yellowjack/yellowjack/internal/llm/embeddings"
	"github.com/yellowjack/yellowjack/internal/llm/gemini"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/llm/openairesponses"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// dialect is one API that clients and providers speak, as the walk needs it. Each step is a function of the dialect's own package;
// the walk is the same for all of them, so that no guard holds in one dialect and not in another.
type dialect struct {
	// parse reads a request's body; of a dialect whose path says the model and whether to stream, those are the surface's.
	parse func(doc []byte, s surface, l strictjson.Limits) (*llm.Request, error)
	apply func(*llm.Request, llm.Edit) ([]byte, error)
	whole func(doc []byte, l strictjson.Limits) (wholeAnswer, error)
	gate  func(hold.Config) gate
	// failed appends the event by which a stream ends in the middle; its body is a refusal's.
	failed func(dst, body []byte) []byte
	stream string // the media type of a stream; "" is none, and no stream is read

	// echoes says that an event of a stream may have the whole request in it.
	echoes bool
	// stores says that the provider keeps answers unless it is told not to.
	stores bool

	// passes are headers of the dialect's own that go upstream, sets those that do where the client sends none, and asks says what of
	// policy they ask for.
	passes []string
	sets   []header
	asks   func(headerView) ([]llm.Feature, error)

	quiet []byte // an event that means nothing, for a client that waits; nil: the dialect has none
}

// wholeAnswer is an answer that is not streamed.
type wholeAnswer struct {
	model   string // that answered; "" when the answer does not say
	calls   []llm.ToolCall
	usage   llm.Usage
	failed  bool // the provider's own error
	rewrite func(verdicts []llm.Verdict, text func(choice int) llm.TextFilter) ([]byte, []llm.Turn, error)
}

// gate holds the tool calls of a stream back until they are decided.
type gate interface {
	Write(dst, chunk []byte) ([]byte, error)
	Close(dst []byte) ([]byte, error)
	Held() bool
	Usage() llm.Usage
	Model() string
	UpstreamError() bool
}

const eventStream = "text/event-stream"

// comment keeps the reader of server-sent events awake and says nothing.
const comment = ": a tool call is being checked\n\n"

// dialects are all that are spoken.
type dialects struct{ chat, responses, embeddings, messages, count, gemini, bedrock *dialect }

func allDialects() dialects {
	return dialects{chat: chatDialect(), responses: responsesDialect(), embeddings: embeddingsDialect(), messages: messagesDialect(), count: countDialect(), gemini: geminiDialect(), bedrock: bedrockDialect()}
}

// messagesDialect is Anthropic's.
func messagesDialect() *dialect {
	d := countDialect()
	d.whole = func(doc []byte, l strictjson.Limits) (wholeAnswer, error) {
		a, err := anthropic.ParseResponse(doc, l)
		if err != nil {
			return wholeAnswer{}, err
		}
		return wholeAnswer{a.Model, a.Calls, a.Usage, a.Error, a.Rewrite}, nil
	}
	d.gate = func(c hold.Config) gate { return holdanthropic.New(c) }
	d.failed, d.stream, d.quiet = anthropic.AppendError, eventStream, []byte(comment)
	return d
}

// countDialect counts the tokens of a request of Anthropic's Messages, whose body is the same.
func countDialect() *dialect {
	return &dialect{
		parse: func(doc []byte, _ surface, l strictjson.Limits) (*llm.Request, error) {
			return anthropic.ParseRequest(doc, l)
		},
		apply: anthropic.Apply,
		whole: func(doc []byte, l strictjson.Limits) (wholeAnswer, error) {
			a, err := anthropic.ParseCount(doc, l)
			if err != nil {
				return wholeAnswer{}, err
			}
			return wholeAnswer{failed: a.Error, rewrite: a.Rewrite}, nil
		},
		passes: []string{anthropic.VersionHeader, anthropic.BetaHeader}, sets: []header{{anthropic.VersionHeader, anthropic.Version}},
		asks: func(h headerView) ([]llm.Feature, error) { return anthropic.Betas(h.all(anthropic.BetaHeader)) },
	}
}

// responsesDialect is OpenAI's Responses API.
func responsesDialect() *dialect {
	return &dialect{
		parse: func(doc []byte, _ surface, l strictjson.Limits) (*llm.Request, error) {
			return openairesponses.ParseRequest(doc, l)
		},
		apply: openairesponses.Apply,
		whole: func(doc []byte, l strictjson.Limits) (wholeAnswer, error) {
			a, err := openairesponses.ParseResponse(doc, l)
			if err != nil {
				return wholeAnswer{}, err
			}
			return wholeAnswer{a.Model, a.Calls, a.Usage, a.Error, a.Rewrite}, nil
		},
		gate:   func(c hold.Config) gate { return holdresponses.New(c) },
		failed: openairesponses.AppendError, stream: eventStream, quiet: []byte(comment), echoes: true, stores: true,
	}
}

// geminiDialect is Gemini's generateContent, whose path has the model and whether to stream.
func geminiDialect() *dialect {
	return &dialect{
		parse: func(doc []byte, s surface, l strictjson.Limits) (*llm.Request, error) {
			return gemini.ParseRequest(s.gemini, doc, l)
		},
		apply: gemini.Apply,
		whole: func(doc []byte, l strictjson.Limits) (wholeAnswer, error) {
			a, err := gemini.ParseResponse(doc, l)
			if err != nil {
				return wholeAnswer{}, err
			}
			return wholeAnswer{a.Model, a.Calls, a.Usage, a.Error, a.Rewrite}, nil
		},
		gate:   func(c hold.Config) gate { return holdgemini.New(c) },
		failed: gemini.AppendError, stream: eventStream, quiet: []byte("\r\n\r\n"), // an empty event: two of the SDKs take no comments
	}
}

// bedrockDialect is Bedrock's Converse, whose path has the model and whether to stream, and whose streams are AWS' own.
func bedrockDialect() *dialect {
	return &dialect{
		parse: func(doc []byte, s surface, l strictjson.Limits) (*llm.Request, error) {
			return bedrock.ParseRequest(s.bedrock, doc, l)
		},
		apply: bedrock.Apply,
		whole: func(doc []byte, l strictjson.Limits) (wholeAnswer, error) {
			a, err := bedrock.ParseResponse(doc, l)
			if err != nil {
				return wholeAnswer{}, err
			}
			return wholeAnswer{a.Model, a.Calls, a.Usage, a.Error, a.Rewrite}, nil
		},
		gate:   func(c hold.Config) gate { return holdbedrock.New(c) },
		failed: bedrock.AppendError, stream: "application/vnd.amazon.eventstream",
	}
}

// embeddingsDialect never streams, and no stream of it is read.
func embeddingsDialect() *dialect {
	return &dialect{
		parse: func(doc []byte, _ surface, l strictjson.Limits) (*llm.Request, error) {
			return embeddings.ParseRequest(doc, l)
		},
		apply: embeddings.Apply,
		whole: func(doc []byte, l strictjson.Limits) (wholeAnswer, error) {
			a, err := embeddings.ParseResponse(doc, l)
			if err != nil {
				return wholeAnswer{}, err
			}
			return wholeAnswer{a.Model, nil, a.Usage, a.Error, a.Rewrite}, nil
		},
	}
}

func chatDialect() *dialect {
	return &dialect{
		parse: func(doc []byte, _ surface, l strictjson.Limits) (*llm.Request, error) {
			return openaichat.ParseRequest(doc, l)
		},
		apply: openaichat.Apply,
		whole: func(doc []byte, l strictjson.Limits) (wholeAnswer, error) {
			a, err := openaichat.ParseResponse(doc, l)
			if err != nil {
				return wholeAnswer{}, err
			}
			return wholeAnswer{a.Model, a.Calls, a.Usage, a.Error, a.Rewrite}, nil
		},
		gate:   func(c hold.Config) gate { return hold.New(c) },
		failed: openaichat.AppendError, stream: eventStream, quiet: []byte(comment),
	}
}
