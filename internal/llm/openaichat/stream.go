package openaichat

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrNotChunk is why an event's data is refused that is strict JSON, but no chat.completion.chunk as a client reads it.
var ErrNotChunk = errors.New("not a chat.completion.chunk")

// Chunk is one event of a streamed answer, parsed once to spans of its document. A Chunk may be parsed into again and
// again; what it gave before is overwritten then.
type Chunk struct {
	Doc     []byte
	Model   llm.Span // the value, quotes included; empty when there is none
	Choices []ChunkChoice
	Usage   llm.Usage // Known when the chunk carries usage
	Error   bool      // the provider's own error, of the stream or of one of its choices

	id, object, created, usage llm.Span

	text   []byte       // decoded arguments
	outer  []callMember // of the elements of tool_calls
	inner  []callMember // of their function or custom objects, and of function_call
	reader *strictjson.Reader
}

// ChunkChoice is one choice of a chunk.
type ChunkChoice struct {
	Index  int
	Calls  []CallDelta // of tool_calls in order, and function_call
	Finish string      // finish_reason, "" while there is none
	Role   bool        // the delta carries a role
	Prose  bool        // the delta carries something for people: content that is not empty
	Text   bool        // the delta carries something that is neither empty, nor its role, nor a call
	Texts  []TextDelta // the texts in it that are not empty

	span, finish, logprobs llm.Span
	details                llm.Span     // what the model thought, as llm.AppendDetails reads it
	edits                  []llm.Splice // of the texts
	members                []deltaMember
	entries                []llm.Span // of tool_calls
}

// TextDelta is one piece of a text: of the content, whether it is a string or a list, of a refusal or of what the model
// thinks.
type TextDelta struct {
	Member string // content, refusal, reasoning, reasoning_content, or thinking in a content that is a list
	span   llm.Span
}

// deltaMember is one member of a delta, from its name's first byte to its value's last.
type deltaMember struct {
	span llm.Span
	kind memberKind
}

type memberKind byte

const (
	memberText memberKind = iota
	memberTools
	memberLegacy
)

// CallDelta is one fragment of a tool call.
type CallDelta struct {
	Index     int // -1: none, or none that could be one
	ID        string
	Type      string
	Name      string
	Arguments []byte // decoded; of a custom tool its input
	Function  bool   // carries a function's part
	Custom    bool   // carries a custom tool's part
	Legacy    bool   // function_call
	Given     bool   // carries arguments, if only empty ones
	Wrong     bool   // something in it is not what it has to be

	index        llm.Span
	entry        int          // in tool_calls
	outer, inner []callMember // its own members, and those of its function's or custom tool's part
}

// callMember is one member of a fragment, from its name's first byte to its value's last.
type callMember struct {
	span llm.Span
	kind callMemberKind
}

type callMemberKind byte

const (
	callOther callMemberKind = iota
	callPlaced
	callID
	callType
	callPart // of a function or a custom tool
	callName
)

// MaxIndex is the largest index that a choice or a call may have.
const MaxIndex = 1<<16 - 1

// The members that are known, so that none can hide behind another case, and so that the common ones cost nothing.
// The names after the first line of each are known for the latter reason alone.
var ( //nolint:gochecknoglobals // constants in all but syntax
	chunkNames = strictjson.NewNames("id", "object", "created", "model", "choices", "usage", "error",
		"message", "delta", "tool_calls", "function_call",
		"service_tier", "system_fingerprint", "provider", "obfuscation", "x_groq", "citations", "prompt_filter_results", "request_id")
	choiceNames = strictjson.NewNames("index", "delta", "finish_reason", "logprobs", "error",
		"message", "tool_calls", "function_call",
		"native_finish_reason", "content_filter_results", "stop_reason", "token_ids", "matched_stop")
	deltaNames = strictjson.NewNames("role", "content", "tool_calls", "function_call", "refusal",
		"message", "delta", "choices",
		"reasoning", "reasoning_content", "reasoning_details", "annotations", "audio", "images", "name")
	callNames     = strictjson.NewNames("index", "id", "type", "function", "custom")
	functionNames = strictjson.NewNames("name", "arguments", "input")
)

// Parse reads the data of one event, which must not change while the Chunk is in use.
func (c *Chunk) Parse(doc []byte, l strictjson.Limits) error {
	*c = Chunk{Doc: doc, Choices: c.Choices[:0], text: c.text[:0], outer: c.outer[:0], inner: c.inner[:0]}
	c.reader = strictjson.NewReader(doc, l)
	err := c.parse()
	c.reader.Close()
	c.reader = nil
	return err
}

func (c *Chunk) parse() error {
	r := c.reader
	listed := false
	err := r.Object(chunkNames, func(m strictjson.Member) error {
		var err error
		switch m.Name {
		case "id":
			c.id, err = r.Skip()
		case "object":
			c.object, err = r.Skip()
			if got := string(c.object.Of(c.Doc)); err == nil && got != `"chat.completion.chunk"` && got != `""` && got != "null" {
				return r.Fail(ErrNotChunk, "the object is no chat.completion.chunk")
			}
		case "created":
			c.created, err = r.Skip()
		case "model":
			err = c.readModel()
		case "choices":
			listed = true
			err = c.readChoices()
		case "usage":
			err = c.readUsage()
		case "error":
			null, nerr := r.Null()
			c.Error, err = c.Error || !null, nerr
		case "message", "delta", "tool_calls", "function_call":
			return r.Fail(ErrNotChunk, "a member that has no place in a chunk")
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err == nil && !listed && !c.Error {
		err = r.Fail(ErrNotChunk, "neither choices nor an error")
	}
	return err
}

// readModel takes the model's name, if there is one.
func (c *Chunk) readModel() error {
	if null, err := c.reader.Null(); null || err != nil {
		return err
	}
	if c.reader.Kind() != strictjson.String {
		return c.reader.Fail(ErrNotChunk, "the model is no string")
	}
	span, err := c.reader.Skip()
	if err == nil && span.Len() > 2 {
		c.Model = span
	}
	return err
}

// ModelName decodes the name of the model that answers; "" when the chunk has none.
func (c *Chunk) ModelName() string {
	if c.Model.Len() == 0 {
		return ""
	}
	r := strictjson.NewReader(c.Model.Of(c.Doc), strictjson.Limits{})
	defer r.Close()
	name, _, err := r.String()
	if err != nil { // cannot be: Parse has checked it
		return ""
	}
	return name
}

func (c *Chunk) readUsage() error {
	if null, err := c.reader.Null(); null || err != nil {
		return err
	}
	var err error
	c.usage.Start = c.reader.Next()
	c.Usage, err = ReadUsage(c.reader)
	c.usage.End = c.reader.Offset()
	return err
}
