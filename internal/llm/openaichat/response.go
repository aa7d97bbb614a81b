package openaichat

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrNotCompletion is why a body is refused that is strict JSON, but no chat completion as a client reads it.
var ErrNotCompletion = errors.New("not a chat.completion")

// Response is the view of one whole answer.
type Response struct {
	Doc     []byte
	Model   string // that answered, "" when the answer does not say
	Calls   []llm.ToolCall
	Usage   llm.Usage
	Choices int
	Error   bool // the provider's own error stands in it, of the answer or of a choice

	choices []answer
	places  []callPlace // of Calls
	limits  strictjson.Limits
}

// callPlace is where a call's values stand; a span is empty when there is none.
type callPlace struct{ id, arguments llm.Span }

// answer is one choice, with what Rewrite needs.
type answer struct {
	index    int
	finish   llm.Span // the value; empty when there is none
	reason   string
	logprobs llm.Span
	details  llm.Span        // what the model thought, as llm.AppendDetails reads it; empty when there is none
	members  []member        // of the message, every one
	content  llm.Span        // the value; empty when there is none
	kind     strictjson.Kind // of the content
	parts    bool            // the content is a list that is not empty
	texts    []TextDelta     // that are not empty
	tools    []llm.Span      // the elements of tool_calls
	calls    []int           // indexes in Response.Calls, of tools in order and then function_call
}

// The names known at each place of an answer, so that none can hide behind another case. Others are relayed.
var ( //nolint:gochecknoglobals // constants in all but syntax
	answerNames = strictjson.NewNames("id", "object", "created", "model", "choices", "usage", "error",
		"message", "delta", "tool_calls", "function_call", "service_tier", "system_fingerprint", "provider")
	answerChoiceNames = strictjson.NewNames("index", "message", "finish_reason", "logprobs", "error",
		"delta", "tool_calls", "function_call", "native_finish_reason")
	answerMessageNames = strictjson.NewNames("role", "content", "tool_calls", "function_call", "refusal",
		"reasoning", "reasoning_content", "reasoning_details", "annotations", "audio", "images", "message", "delta", "choices")
	answerPartNames = strictjson.NewNames("type", "text", "refusal", "thinking", "reasoning", "tool_calls", "function_call")
)

// isText tells of a member of an answer's message, or of a delta, whether it is text.
func isText(member string) bool {
	switch member {
	case "content", "refusal", "reasoning", "reasoning_content":
		return true
	}
	return false
}

// detailsMember is where a message, or a delta, has what the model thought as llm.AppendDetails reads it.
const detailsMember = "reasoning_details"

// answerParts are the parts that an answer's content may have where it is a list (Mistral and others). Any other may be
// a call that some client makes.
var answerParts = map[string]bool{ //nolint:gochecknoglobals // a constant in all but syntax
	"text": true, "thinking": true, "reasoning": true, "reference": true, "refusal": true, "image_url": true, "audio": true,
}

// ParseResponse reads the body of a 2xx answer that is not streamed: a chat.completion, or the error that some providers
// answer with in its place. The view refers to doc, which nobody may change.
func ParseResponse(doc []byte, l strictjson.Limits) (*Response, error) {
	a := &Response{Doc: doc, limits: l}
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	listed := false
	err := r.Object(answerNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "object":
			var name string
			if name, _, err = r.String(); err == nil && name != "chat.completion" && name != "" {
				return r.Fail(ErrNotCompletion, "the object is no chat.completion")
			}
		case "model":
			a.Model, _, err = r.String()
		case "choices":
			listed = true
			err = r.Array(func(i int) error { return a.readChoice(r, i) })
		case "usage":
			a.Usage, err = ReadUsage(r)
		case "error":
			a.Error = true
		case "message", "delta", "tool_calls", "function_call":
			return r.Fail(ErrNotCompletion, "a member that has no place in an answer")
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err == nil && !listed && !a.Error {
		err = r.Fail(ErrNotCompletion, "neither choices nor an error")
	}
	if err != nil {
		return nil, err
	}
	a.Choices = len(a.choices)
	a.judge()
	return a, nil
}

func (a *Response) readChoice(r *strictjson.Reader, i int) error {
	c := answer{index: i}
	messages, failed := 0, false
	err := r.Object(answerChoiceNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "index":
			var n int64
			if n, err = r.Int(); err == nil && (n < 0 || n > MaxIndex) {
				return r.Fail(ErrNotCompletion, "a choice's index is out of range")
			}
			c.index = int(n)
		case "message":
			messages++
			err = a.readMessage(r, &c)
		case "finish_reason":
			c.reason, c.finish, err = r.String()
		case "logprobs":
			c.logprobs, err = r.Skip()
		case "error":
			a.Error, failed = true, true
		case "delta", "tool_calls", "function_call":
			return r.Fail(ErrNotCompletion, "a member that has no place in a choice")
		}
		return err
	})
	if err == nil && messages == 0 && !failed {
		err = r.Fail(ErrNotCompletion, "a choice without a message")
	}
	for _, other := range a.choices {
		if err == nil && other.index == c.index {
			err = r.Fail(ErrNotCompletion, "two choices have the same index")
		}
	}
	for _, i := range c.calls {
		a.Calls[i].Choice = c.index
	}
	a.choices = append(a.choices, c)
	return err
}

func (a *Response) readMessage(r *strictjson.Reader, c *answer) error {
	var legacy []llm.ToolCall
	var at callPlace // of the legacy one
	err := r.Object(answerMessageNames, func(m strictjson.Member) error {
		start, kind := r.Next(), r.Kind()
		var err error
		switch {
		case m.Name == "content":
			c.kind = kind
			c.parts, err = readAnswerContent(r, c.text)
			c.content = llm.Span{Start: start, End: r.Offset()}
			if kind == strictjson.String && c.content.Len() > len(`""`) {
				c.text(m.Name, c.content)
			}
		case kind == strictjson.Null:
			_, err = r.Skip()
		case m.Name == "tool_calls":
			err = r.Array(func(i int) error {
				if i >= maxAnswerCalls {
					return r.Fail(ErrNotCompletion, "more tool calls than any answer has")
				}
				start := r.Next()
				call, at, err := readAnswerCall(r, a.limits)
				call.Index = i
				c.calls = append(c.calls, len(a.Calls))
				a.Calls, a.places = append(a.Calls, call), append(a.places, at)
				c.tools = append(c.tools, llm.Span{Start: start, End: r.Offset()})
				return err
			})
		case m.Name == "function_call":
			call := llm.ToolCall{Legacy: true}
			err = readAnswerFunction(r, &call, &at, "arguments", a.limits)
			legacy = append(legacy, call)
		case m.Name == "message" || m.Name == "delta" || m.Name == "choices":
			return r.Fail(ErrNotCompletion, "a member that has no place in a message")
		case isText(m.Name):
			err = readTexts(r, m.Name, c.text)
		case m.Name == detailsMember:
			c.details, err = r.Skip()
		default:
			_, err = r.Skip()
		}
		c.members = append(c.members, member{name: m.Name, span: llm.Span{Start: m.NameSpan.Start, End: r.Offset()}})
		return err
	})
	for _, call := range legacy { // after the others, whichever came first
		call.Index = len(c.tools)
		c.calls = append(c.calls, len(a.Calls))
		a.Calls, a.places = append(a.Calls, call), append(a.places, at)
	}
	return err
}

func (c *answer) text(member string, span llm.Span) {
	c.texts = append(c.texts, TextDelta{member, span})
}

// readAnswerContent reads a content: a string, null, or a list of parts, of which it tells whether it has any. It tells
// text of each text in a list that is not empty, and where it stands.
func readAnswerContent(r *strictjson.Reader, text func(member string, span llm.Span)) (parts bool, err error) {
	switch r.Kind() {
	case strictjson.Array:
		err = r.Array(func(int) error {
			parts = true
			return readAnswerPart(r, text)
		})
		return parts, err
	case strictjson.Object, strictjson.Number, strictjson.True, strictjson.False:
		return false, r.Fail(ErrNotCompletion, "the content is neither text nor a list of parts")
	default:
		_, err = r.Skip()
		return false, err
	}
}

func readAnswerPart(r *strictjson.Reader, text func(member string, span llm.Span)) error {
	kind := ""
	err := r.Object(answerPartNames, func(m strictjson.Member) error {
		var err error
		switch m.Name {
		case "type":
			kind, _, err = r.String()
		case "text":
			err = readTexts(r, "content", text)
		case "refusal", "reasoning", "thinking":
			err = readTexts(r, m.Name, text)
		}
		return err
	})
	if err == nil && !answerParts[kind] {
		err = r.Fail(ErrNotCompletion, "a part of the content is of no known kind")
	}
	return err
}

// readTexts reads a text, or a list of parts with a text in each, as Mistral writes what its models think.
func readTexts(r *strictjson.Reader, member string, text func(member string, span llm.Span)) error {
	switch r.Kind() {
	case strictjson.String:
		span, err := r.Skip()
		if err == nil && span.Len() > len(`""`) {
			text(member, span)
		}
		return err
	case strictjson.Array:
		return r.Array(func(int) error {
			if r.Kind() != strictjson.Object {
				return nil
			}
			return r.Object(answerPartNames, func(m strictjson.Member) error {
				if m.Name != "text" || r.Kind() != strictjson.String {
					return nil
				}
				return readTexts(r, member, text)
			})
		})
	}
	_, err := r.Skip()
	return err
}
