package anthropic

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// WithText returns the event with another text in the place of its own: of a block's beginning, or of a delta.
func (e *Event) WithText(text []byte) []byte {
	var s llm.Splices
	s.Replace(e.text, llm.AppendQuoted(nil, text))
	return s.Apply(e.Doc)
}

// WithStop returns the event with another reason to stop.
func (e *Event) WithStop(reason string) []byte {
	var s llm.Splices
	s.Replace(e.stop, llm.AppendQuoted(nil, reason))
	return s.Apply(e.Doc)
}

// WithCall returns the beginning of a call under another id, "" keeping its own, and without arguments when they come
// behind it.
func (e *Event) WithCall(id string, bare bool) []byte {
	var s llm.Splices
	if id != "" {
		s.Replace(e.id, llm.AppendQuoted(nil, id))
	}
	if bare && len(e.Args) > 0 {
		s.Replace(e.input, []byte("{}"))
	}
	return s.Apply(e.Doc)
}

// AppendArguments appends the event with all arguments of a call at once.
func AppendArguments(dst []byte, index int, arguments []byte) []byte {
	doc := appendIndex(nil, BlockDelta, index)
	doc = append(doc, `,"delta":{"type":"input_json_delta","partial_json":`...)
	return sse.AppendEvent(dst, BlockDelta, append(llm.AppendQuoted(doc, arguments), "}}"...))
}

// AppendText appends a piece of a block's text, in an event of its own.
func AppendText[T ~string | ~[]byte](dst []byte, index int, text T) []byte {
	doc := appendIndex(nil, BlockDelta, index)
	doc = append(doc, `,"delta":{"type":"text_delta","text":`...)
	return sse.AppendEvent(dst, BlockDelta, append(llm.AppendQuoted(doc, text), "}}"...))
}

// AppendBlock appends a whole block of text: its beginning, the text, its end.
func AppendBlock(dst []byte, index int, text string) []byte {
	doc := append(appendIndex(nil, BlockStart, index), `,"content_block":{"type":"text","text":""}}`...)
	dst = AppendText(sse.AppendEvent(dst, BlockStart, doc), index, text)
	return sse.AppendEvent(dst, BlockStop, append(appendIndex(nil, BlockStop, index), '}'))
}

func appendIndex(dst []byte, kind string, index int) []byte {
	return strconv.AppendInt(append(append(append(dst, `{"type":"`...), kind...), `","index":`...), int64(index), 10)
}
