package bedrock

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrNotConverse is why a body is refused that is strict JSON, but no answer to Converse as a client reads it.
var ErrNotConverse = errors.New("not an answer to Converse")

// Response is the view of one whole answer.
type Response struct {
	Doc   []byte
	Model string         // that answered, where a router says so; else ""
	Calls []llm.ToolCall // of tools that the client runs
	Usage llm.Usage
	Error bool // it is the provider's own error

	blocks  []answerBlock
	reason  string
	stop    llm.Span   // the value of stopReason; empty when there is none
	repeats []llm.Span // the values that may repeat what the message says
}

// answerBlock is one block of an answer.
type answerBlock struct {
	kind    string
	span    llm.Span
	texts   []llm.Span
	thought bool // they are signed
	call    int  // index in Response.Calls; -1 when it is none
	id, arg llm.Span
}

// The names known at each place of an answer, so that none can hide behind another case. Others are relayed.
var ( //nolint:gochecknoglobals // constants in all but syntax
	answerNames = strictjson.NewNames("output", "stopReason", "usage", "metrics", "trace", "performanceConfig", "serviceTier",
		"additionalModelResponseFields", "message", "__type", "content", "messageStart", "contentBlockStart", "contentBlockDelta")
	outputNames = strictjson.NewNames("message")
)

// answerKinds are the blocks that an answer may have. Any other may be a call that some client makes.
var answerKinds = map[string]bool{ //nolint:gochecknoglobals // a constant in all but syntax
	kindText: true, kindToolUse: true, kindToolResult: true, kindReasoning: true, kindCitations: true,
	kindImage: true, kindVideo: true, kindAudio: true,
}

// Why a call is refused outright. Its client could not have run it, or it is not what it seems.
const (
	badID        = "the call has no id"
	badName      = "the call has no name"
	badType      = "the call's type is not known"
	badArguments = "the arguments are not one strict JSON object"
	duplicateID  = "two calls have the same id"
	cutShort     = "the answer was cut before the call was complete"
)

func malform(c *llm.ToolCall, why string) {
	if c.Malformed == "" {
		c.Malformed = why
	}
}

// Complete tells of a stopReason whether the calls of such a turn were written to their end.
func Complete(reason string) bool { return reason == ToolUseReason || reason == endTurn }

// The reasons to stop that say something of calls.
const (
	ToolUseReason = "tool_use"
	endTurn       = "end_turn"
)

// Stops tells whether a reason to stop is true no longer when no call is left of a turn, and what is in its place.
func Stops(reason string) (string, bool) { return endTurn, reason == ToolUseReason }

// ParseResponse reads the body of an answer that is not streamed, or the provider's error. The view refers to doc, which
// nobody may change.
func ParseResponse(doc []byte, l strictjson.Limits) (*Response, error) {
	a := &Response{Doc: doc}
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	output, said := false, false
	err := r.Object(answerNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "output":
			output = true
			err = r.Object(outputNames, func(m strictjson.Member) error {
				if m.Name != "message" {
					return r.Fail(ErrNotConverse, "an output of an unknown kind")
				}
				said = true
				return a.readMessage(r)
			})
		case "stopReason":
			a.reason, a.stop, err = r.String()
		case "usage":
			a.Usage, err = readUsage(r)
		case "trace", "additionalModelResponseFields":
			at := llm.Span{Start: r.Next()}
			if m.Name == "trace" {
				a.Model, err = readTrace(r)
			} else {
				_, err = r.Skip()
			}
			at.End = r.Offset()
			a.repeats = append(a.repeats, at)
		case "message":
			if r.Kind() != strictjson.String {
				return r.Fail(ErrNotConverse, "a message that is no text")
			}
			a.Error = true
		case "content", "messageStart", "contentBlockStart", "contentBlockDelta":
			return r.Fail(ErrNotConverse, "a member that has no place in an answer")
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
	case a.Error && output:
		err = r.Fail(ErrNotConverse, "an error beside an answer")
	case !a.Error && (!said || a.stop.Len() == 0):
		err = r.Fail(ErrNotConverse, "neither an answer nor an error")
	case a.reason == ToolUseReason && len(a.Calls) == 0 && a.serverCalls():
		// A client that does not know such calls takes them for its own.
		err = r.Fail(ErrNotConverse, "a turn that ends to make calls, and has only the provider's own")
	}
	if err != nil {
		return nil, err
	}
	a.judge()
	return a, nil
}

func (a *Response) serverCalls() bool {
	for _, b := range a.blocks {
		if b.kind == kindToolUse && b.call < 0 {
			return true
		}
	}
	return false
}

func (a *Response) readMessage(r *strictjson.Reader) error {
	listed := false
	err := r.Object(messageNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		switch m.Name {
		case "role":
			role, _, err := r.String()
			if err == nil && role != "assistant" {
				return r.Fail(ErrNotConverse, "a message that is not the assistant's")
			}
			return err
		case "content":
			listed = true
			return r.Array(func(int) error { return a.readBlock(r) })
		}
		return nil
	})
	if err == nil && !listed {
		return r.Fail(ErrNotConverse, "a message without a content")
	}
	return err
}

// readBlock reads an object with one member, which is its kind.
func (a *Response) readBlock(r *strictjson.Reader) error {
	b := answerBlock{span: llm.Span{Start: r.Next()}, call: -1}
	err := r.Object(blockNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		switch {
		case !answerKinds[m.Name]:
			return r.Fail(ErrNotConverse, "a block of no known kind")
		case b.kind != "":
			return r.Fail(ErrNotConverse, "a block of two kinds")
		}
		b.kind = m.Name
		switch m.Name {
		case kindText:
			return b.readText(r)
		case kindToolUse:
			return a.readCall(r, &b)
		case kindReasoning:
			return b.readReasoning(r)
		case kindCitations:
			return r.Object(citationsNames, func(m strictjson.Member) error {
				if m.Name != "content" || r.Kind() != strictjson.Array {
					return nil
				}
				return r.Array(func(int) error {
					return r.Object(textNames, func(m strictjson.Member) error {
						if m.Name != "text" || r.Kind() == strictjson.Null {
							return nil
						}
						return b.readText(r)
					})
				})
			})
		}
		return nil
	})
	if err == nil && b.kind == "" {
		err = r.Fail(ErrNotConverse, "a block of no kind")
	}
	b.span.End = r.Offset()
	a.blocks = append(a.blocks, b)
	return err
}

func (b *answerBlock) readText(r *strictjson.Reader) error {
	if r.Kind() != strictjson.String && r.Kind() != strictjson.None {
		return r.Fail(ErrNotConverse, "a text that is no string")
	}
	span, err := r.Skip()
	if span.Len() > len(`""`) {
		b.texts = append(b.texts, span)
	}
	return err
}

// readReasoning reads what the model thought. Where its text is not shown, the model reads what its signature hides.
func (b *answerBlock) readReasoning(r *strictjson.Reader) error {
	b.thought = true
	return r.Object(reasoningNames, func(m strictjson.Member) error {
		switch {
		case r.Kind() == strictjson.Null:
			return nil
		case m.Name == "redactedContent":
			return b.readText(r)
		case m.Name != "reasoningText":
			return nil
		}
		var signature answerBlock
		err := r.Object(thoughtNames, func(m strictjson.Member) error {
			switch {
			case r.Kind() == strictjson.Null:
				return nil
			case m.Name == "text":
				return b.readText(r)
			case m.Name == "signature":
				return signature.readText(r)
			}
			return nil
		})
		if len(b.texts) == 0 {
			b.texts = signature.texts
		}
		return err
	})
}

// readCall reads a call. What is wrong with it makes it malformed; one of the provider's own tools is none.
func (a *Response) readCall(r *strictjson.Reader, b *answerBlock) error {
	call, server := llm.ToolCall{Index: len(a.Calls)}, false
	err := r.Object(toolUseNames, func(m strictjson.Member) error {
		kind := r.Kind()
		if kind == strictjson.Null {
			return nil
		}
		var err error
		switch m.Name {
		case "toolUseId", "name", "type":
			if kind != strictjson.String {
				malform(&call, map[string]string{"toolUseId": badID, "name": badName, "type": badType}[m.Name])
				return nil
			}
			text, span, err := r.String()
			switch m.Name {
			case "toolUseId":
				call.ID, b.id = text, span
			case "name":
				call.Tool = text
			default:
				if server = text == serverToolUse; !server {
					malform(&call, badType)
				}
			}
			return err
		case "input":
			b.arg, err = r.Skip()
		}
		return err
	})
	if err != nil || server {
		return err
	}
	if len(a.Calls) >= llm.MaxResults {
		return r.Fail(ErrNotConverse, "more tool calls than any answer has")
	}
	switch {
	case b.arg.Len() == 0 || a.Doc[b.arg.Start] != '{', strictjson.CheckObject(b.arg.Of(a.Doc), strictjson.Limits{}) != nil:
		malform(&call, badArguments)
		call.Arguments = []byte("{}")
	default:
		call.Arguments = b.arg.Of(a.Doc)
	}
	switch {
	case call.Tool == "":
		malform(&call, badName)
	case call.ID == "":
		malform(&call, badID)
	}
	b.call = len(a.Calls)
	a.Calls = append(a.Calls, call)
	return nil
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
