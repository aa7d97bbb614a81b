package bedrock

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/awsevent"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// WithText returns the delta with another text in the place of its own.
func (e *Event) WithText(text []byte) []byte {
	var s llm.Splices
	s.Replace(e.text, llm.AppendQuoted(nil, text))
	return s.Apply(e.Doc)
}

// WithStop returns the event with another reason to stop; "" leaves it. With forget, what may repeat the message leaves.
func (e *Event) WithStop(reason string, forget bool) []byte {
	var s llm.Splices
	if reason != "" {
		s.Replace(e.stop, llm.AppendQuoted(nil, reason))
	}
	for _, at := range e.repeats {
		if forget {
			s.Replace(at, []byte("null"))
		}
	}
	return s.Apply(e.Doc)
}

// WithID returns the beginning of a call under another id.
func (e *Event) WithID(id string) []byte {
	var s llm.Splices
	s.Replace(e.id, llm.AppendQuoted(nil, id))
	return s.Apply(e.Doc)
}

// The headers of a message, and what they say.
const (
	MessageType   = ":message-type"
	EventType     = ":event-type"
	ExceptionType = ":exception-type"
	ContentType   = ":content-type"

	IsEvent     = "event"
	IsException = "exception"
	IsError     = "error" // of the framing's own

	JSON = "application/json"
)

// appendEvent appends an event with its headers.
func appendEvent(dst []byte, kind string, doc []byte) []byte {
	return awsevent.Append(dst, []awsevent.Header{
		awsevent.Text(EventType, kind), awsevent.Text(ContentType, JSON), awsevent.Text(MessageType, IsEvent),
	}, doc)
}

// AppendArguments appends the event with all arguments of a call at once.
func AppendArguments(dst []byte, index int, arguments []byte) []byte {
	doc := append(appendIndex(nil, index), `,"delta":{"toolUse":{"input":`...)
	return appendEvent(dst, BlockDelta, append(llm.AppendQuoted(doc, arguments), "}}}"...))
}

// AppendText appends a piece of a block's text, in an event of its own.
func AppendText[T ~string | ~[]byte](dst []byte, index int, text T) []byte {
	doc := append(appendIndex(nil, index), `,"delta":{"text":`...)
	return appendEvent(dst, BlockDelta, append(llm.AppendQuoted(doc, text), "}}"...))
}

// AppendBlock appends a whole block of text. It has no beginning of its own, as no text has.
func AppendBlock(dst []byte, index int, text string) []byte {
	return appendEvent(AppendText(dst, index, text), BlockStop, append(appendIndex(nil, index), '}'))
}

func appendIndex(dst []byte, index int) []byte {
	return strconv.AppendInt(append(dst, `{"contentBlockIndex":`...), int64(index), 10)
}

// exceptions are those that a stream may end by, by the names that a body has for them.
var exceptions = map[string]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"ValidationException": "validationException", "AccessDeniedException": "validationException",
	"UnrecognizedClientException": "validationException", "ResourceNotFoundException": "validationException",
	"ThrottlingException": "throttlingException", "ServiceUnavailableException": "serviceUnavailableException",
	"ModelStreamErrorException": "modelStreamErrorException",
}

var errorNames = strictjson.NewNames("__type", "message") //nolint:gochecknoglobals // a constant in all but syntax

// AppendError appends the exception by which a stream ends in the middle: body is an error as a refused request gets it, with the
// exception's name in it.
func AppendError(dst, body []byte) []byte {
	kind := ""
	r := strictjson.NewReader(body, strictjson.Limits{})
	defer r.Close()
	err := r.Object(errorNames, func(m strictjson.Member) error {
		if m.Name != "__type" {
			return nil
		}
		var err error
		kind, _, err = r.String()
		return err
	})
	exception, known := exceptions[kind]
	if err != nil || !known {
		exception = "internalServerException"
	}
	return awsevent.Append(dst, []awsevent.Header{
		awsevent.Text(ExceptionType, exception), awsevent.Text(ContentType, JSON), awsevent.Text(MessageType, IsException),
	}, body)
}
