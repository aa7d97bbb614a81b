package anthropic

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrNotMessage is why a body is refused that is strict JSON, but no message as a client reads it.
var ErrNotMessage = errors.New("not a message")

// Response is the view of one whole answer.
type Response struct {
	Doc   []byte
	Model string         // that answered, "" when the answer does not say
	Calls []llm.ToolCall // of tools that the client runs
	Usage llm.Usage
	Error bool // it is the provider's own error

	blocks []answerBlock
	reason string
	stop   llm.Span // the value of stop_reason; empty when there is none
	limits strictjson.Limits
}

// answerBlock is one block of an answer.
type answerBlock struct {
	kind    string
	span    llm.Span
	text    llm.Span // of a block of text
	thought llm.Span
	signed  llm.Span // the signature
	data    llm.Span // in the place of a thought
	call    int      // index in Response.Calls; -1 when it is none
	id, arg llm.Span
}

// The names known at each place of an answer, so that none can hide behind another case. Others are relayed.
var ( //nolint:gochecknoglobals // constants in all but syntax
	answerNames = strictjson.NewNames("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage",
		"error", "request_id", "container", "stop_details", "context_management", "message", "content_block", "delta",
		"input_tokens")
	answerBlockNames = strictjson.NewNames("type", "text", "thinking", "signature", "data", "id", "name", "input", "caller",
		"toolset_name", "citations", "content", "tool_use_id", "server_name", "is_error", "to", "content_block", "model")
)

// answerKinds are the blocks that an answer may have besides a call. Any other may be a call that some client makes.
var answerKinds = map[string]bool{ //nolint:gochecknoglobals // a constant in all but syntax
	"text": true, "thinking": true, "redacted_thinking": true, "server_tool_use": true, "mcp_tool_use": true,
	"web_search_tool_result": true, "web_fetch_tool_result": true, "code_execution_tool_result": true,
	"bash_code_execution_tool_result": true, "text_editor_code_execution_tool_result": true,
	"tool_search_tool_result": true, "advisor_tool_result": true, "mcp_tool_result": true,
	"container_upload": true, "compaction": true, "fallback": true,
}

// toolUse is the kind of a block that is a call of a tool that the client runs.
const toolUse = "tool_use"

// Why a call is refused outright. Its client could not have run it, or it is not what it seems.
const (
	badID        = "the call has no id"
	badName      = "the call has no name"
	badShape     = "the call does not have the shape of its type"
	badArguments = "the arguments are not one strict JSON object"
	duplicateID  = "two calls have the same id"
	cutShort     = "the answer was cut before the call was complete"
)

func malform(c *llm.ToolCall, why string) {
	if c.Malformed == "" {
		c.Malformed = why
	}
}

// Complete tells of a stop_reason whether the calls of such a turn were written to their end.
func Complete(reason string) bool { return reason == "tool_use" || reason == "end_turn" }

// ParseResponse reads the body of an answer that is not streamed: a message, the count of a request's tokens, or the
// provider's error. The view refers to doc, which nobody may change.
func ParseResponse(doc []byte, l strictjson.Limits) (*Response, error) {
	a := &Response{Doc: doc, limits: l}
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	kind, listed, counted := "", false, false
	err := r.Object(answerNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "type":
			kind, _, err = r.String()
		case "model":
			a.Model, _, err = r.String()
		case "content":
			listed = true
			err = r.Array(func(int) error { return a.readBlock(r) })
		case "stop_reason":
			a.reason, a.stop, err = r.String()
		case "usage":
			a.Usage, err = readUsage(r, llm.Usage{})
		case "input_tokens":
			counted = true
		case "error":
			a.Error = true
		case "message", "content_block", "delta":
			return r.Fail(ErrNotMessage, "a member that has no place in a message")
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
	case a.Error && !listed && (kind == "error" || kind == ""):
	case a.Error:
		err = r.Fail(ErrNotMessage, "an error beside a message")
	case counted && !listed && kind == "":
	case !listed || kind != "message":
		err = r.Fail(ErrNotMessage, "neither a message nor an error")
	}
	if err != nil {
		return nil, err
	}
	a.judge()
	return a, nil
}

func (a *Response) readBlock(r *strictjson.Reader) error {
	b := answerBlock{span: llm.Span{Start: r.Next()}, call: -1}
	call := llm.ToolCall{Index: len(a.Calls)}
	err := r.Object(answerBlockNames, func(m strictjson.Member) error {
		kind := r.Kind()
		if kind == strictjson.Null {
			return nil
		}
		var err error
		switch m.Name {
		case "type":
			b.kind, _, err = r.String()
		case "text":
			b.text, err = textSpan(r)
		case "thinking":
			b.thought, err = textSpan(r)
		case "signature":
			b.signed, err = textSpan(r)
		case "data":
			b.data, err = textSpan(r)
		case "id":
			if kind != strictjson.String {
				malform(&call, badID)
				return nil
			}
			call.ID, b.id, err = r.String()
		case "name":
			if kind != strictjson.String {
				malform(&call, badName)
				return nil
			}
			call.Tool, _, err = r.String()
		case "input":
			b.arg, err = r.Skip()
		case "toolset_name":
			malform(&call, badShape)
		case "content_block":
			return r.Fail(ErrNotMessage, "a member that has no place in a block")
		}
		return err
	})
	b.span.End = r.Offset()
	if err != nil {
		return err
	}
	if b.kind == toolUse {
		if len(a.Calls) >= llm.MaxResults {
			return r.Fail(ErrNotMessage, "more tool calls than any answer has")
		}
		a.addCall(&b, call)
	} else if !answerKinds[b.kind] {
		return r.Fail(ErrNotMessage, "a block of no known kind")
	}
	a.blocks = append(a.blocks, b)
	return nil
}

// textSpan reads a text.
func textSpan(r *strictjson.Reader) (llm.Span, error) {
	if r.Kind() != strictjson.String && r.Kind() != strictjson.None {
		return llm.Span{}, r.Fail(ErrNotMessage, "a text that is no string")
	}
	return r.Skip()
}

func (a *Response) addCall(b *answerBlock, c llm.ToolCall) {
	b.call = len(a.Calls)
	switch {
	case b.arg.Len() == 0 || a.Doc[b.arg.Start] != '{':
		malform(&c, badArguments)
	case strictjson.CheckObject(b.arg.Of(a.Doc), strictjson.Limits{}) != nil: // too deep by itself
		malform(&c, badArguments)
	default:
		c.Arguments = b.arg.Of(a.Doc)
	}
	switch {
	case c.Tool == "":
		malform(&c, badName)
	case c.ID == "":
		malform(&c, badID)
	}
	if c.Malformed != "" && c.Arguments == nil {
		c.Arguments = []byte("{}")
	}
	a.Calls = append(a.Calls, c)
}

// judge finds what is wrong with calls that their reading did not show: ids given twice, and calls in a turn that ended
// for another reason than to make them.
func (a *Response) judge() {
	seen := make(map[string]int, len(a.Calls))
	for i := range a.Calls {
		c := &a.Calls[i]
		if !Complete(a.reason) {
			malform(c, cutShort)
		}
		if c.ID == "" {
			continue
		}
		if first, dup := seen[c.ID]; dup {
			malform(c, duplicateID)
			malform(&a.Calls[first], duplicateID)
		}
		seen[c.ID] = i
	}
}
