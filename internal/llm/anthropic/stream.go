package anthropic

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrNotEvent is why an event's data is refused that is strict JSON, but no event of a streamed message as a client reads
// it.
var ErrNotEvent = errors.New("not an event of a message")

// The types of events.
const (
	MessageStart = "message_start"
	BlockStart   = "content_block_start"
	BlockDelta   = "content_block_delta"
	BlockStop    = "content_block_stop"
	MessageDelta = "message_delta"
	MessageStop  = "message_stop"
	Ping         = "ping"
	Failure      = "error"
)

// Event is one event of a streamed answer, parsed once to spans of its document. An Event may be parsed into again and
// again; what it gave before is overwritten then.
type Event struct {
	Doc   []byte
	Type  string
	Index int    // of the block; -1 in an event of none
	Model string // that answers, where the event says so

	// Of a block's beginning.
	Kind string // of the block
	Call llm.ToolCall
	Text []byte // what it says already, decoded
	Args []byte // its input; empty when it says nothing

	// Of a delta.
	Delta     string // its type
	Fragment  []byte // the text, the piece of arguments or of what the model thought, decoded
	Signature []byte

	Stop  string // the reason to stop; "" while there is none
	usage llm.Span

	text, id, input, stop llm.Span
	given                 members
	member                string // that the text stands in
	reader                *strictjson.Reader
	buffer                []byte
}

// members are those of an event that go with one type alone.
type members byte

const (
	hasMessage members = 1 << iota
	hasIndex
	hasBlock
	hasDelta
)

// eventMembers are the members that the events of each type have.
var eventMembers = map[string]members{ //nolint:gochecknoglobals // a constant in all but syntax
	MessageStart: hasMessage, BlockStart: hasIndex | hasBlock, BlockDelta: hasIndex | hasDelta, BlockStop: hasIndex,
	MessageDelta: hasDelta, MessageStop: 0, Ping: 0, Failure: 0,
}

// deltaKinds are the deltas that the blocks of each kind take.
var deltaKinds = map[string][2]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"text": {"text_delta", "citations_delta"}, "thinking": {"thinking_delta", "signature_delta"},
	toolUse: {"input_json_delta"}, "server_tool_use": {"input_json_delta"}, "mcp_tool_use": {"input_json_delta"},
	"compaction": {"compaction_delta"},
}

// Takes tells whether a block of a kind takes a delta.
func Takes(kind, delta string) bool {
	takes := deltaKinds[kind]
	return delta != "" && (takes[0] == delta || takes[1] == delta)
}

// IsCall tells of a kind of block whether it is a call of a tool that the client runs.
func IsCall(kind string) bool { return kind == toolUse }

// maxIndex is the largest index that a block may have.
const maxIndex = 1<<16 - 1

var ( //nolint:gochecknoglobals // constants in all but syntax
	eventNames = strictjson.NewNames("type", "index", "message", "content_block", "delta", "usage", "error", "request_id",
		"content", "stop_reason")
	startNames = strictjson.NewNames("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage",
		"content_block", "delta")
	deltaNames = strictjson.NewNames("type", "text", "partial_json", "thinking", "signature", "citation", "stop_reason",
		"stop_sequence", "content", "encrypted_content", "estimated_tokens", "container", "stop_details", "id", "name", "input")
	fallbackToNames = strictjson.NewNames("model")
)

// Parse reads the data of one event, which must not change while the Event is in use.
func (e *Event) Parse(doc []byte, l strictjson.Limits) error {
	*e = Event{Doc: doc, Index: -1, buffer: e.buffer[:0]}
	e.reader = strictjson.NewReader(doc, l)
	err := e.parse()
	e.reader.Close()
	e.reader = nil
	return err
}

func (e *Event) parse() error {
	r := e.reader
	failed := false
	err := r.Object(eventNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "type":
			e.Type, _, err = r.String()
		case "index":
			e.given |= hasIndex
			var n int64
			if n, err = r.Int(); err == nil && (n < 0 || n > maxIndex) {
				return r.Fail(ErrNotEvent, "an index is out of range")
			}
			e.Index = int(n)
		case "message":
			e.given |= hasMessage
			err = r.Object(startNames, func(m strictjson.Member) error { return e.readStart(m.Name) })
		case "content_block":
			e.given |= hasBlock
			err = r.Object(answerBlockNames, func(m strictjson.Member) error { return e.readBlock(m.Name) })
		case "delta":
			e.given |= hasDelta
			err = r.Object(deltaNames, func(m strictjson.Member) error { return e.readDelta(m.Name) })
		case "usage":
			e.usage, err = e.readObject()
		case "error":
			failed = true
		case "content", "stop_reason":
			return r.Fail(ErrNotEvent, "a member that has no place in an event")
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return err
	}
	wanted, known := eventMembers[e.Type]
	switch {
	case !known:
		return r.Fail(ErrNotEvent, "an event of an unknown type")
	case e.given != wanted, failed != (e.Type == Failure):
		return r.Fail(ErrNotEvent, "an event whose members do not go with its type")
	case e.Type == BlockStart && e.Kind != toolUse && !answerKinds[e.Kind]:
		return r.Fail(ErrNotEvent, "a block of no known kind")
	case e.member != "" && e.member != textMembers[e.Kind+e.Delta], e.Stop != "" && e.Type != MessageDelta, e.Delta != "" && e.Type != BlockDelta:
		return r.Fail(ErrNotEvent, "a member that does not go with its type")
	}
	return nil
}

// textMembers are the members in which blocks and deltas have their text.
var textMembers = map[string]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"text": "text", "thinking": "thinking", "redacted_thinking": "data",
	"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json",
}

func (e *Event) readObject() (llm.Span, error) {
	if k := e.reader.Kind(); k != strictjson.Object && k != strictjson.None {
		return llm.Span{}, e.reader.Fail(ErrNotEvent, "a usage that is no object")
	}
	return e.reader.Skip()
}

// readStart reads a member of the message that begins. What it says comes in blocks, and why it stops in the end.
func (e *Event) readStart(name string) error {
	r := e.reader
	if null, err := r.Null(); null || err != nil {
		return err
	}
	var err error
	switch name {
	case "model":
		e.Model, _, err = r.String()
	case "usage":
		e.usage, err = e.readObject()
	case "content":
		err = r.Array(func(int) error { return r.Fail(ErrNotEvent, "a message that begins with blocks") })
	case "stop_reason":
		var reason string
		if reason, _, err = r.String(); err == nil && reason != "" {
			return r.Fail(ErrNotEvent, "a message that ends where it begins")
		}
	case "content_block", "delta":
		return r.Fail(ErrNotEvent, "a member that has no place in a message")
	}
	return err
}

// readBlock reads a member of the block that begins. What has the wrong type in it makes a call malformed.
func (e *Event) readBlock(name string) error {
	r := e.reader
	kind := r.Kind()
	if kind == strictjson.Null {
		return nil
	}
	var err error
	switch name {
	case "type":
		e.Kind, _, err = r.String()
	case "text", "thinking", "data":
		if e.text.Len() > 0 {
			return r.Fail(ErrNotEvent, "a block with two texts")
		}
		e.member = name
		e.Text, e.text, err = e.readText()
	case "signature":
		e.Signature, _, err = e.readText()
	case "id":
		if kind != strictjson.String {
			malform(&e.Call, wrongShape)
			return nil
		}
		e.Call.ID, e.id, err = r.String()
	case "name":
		if kind != strictjson.String {
			malform(&e.Call, wrongShape)
			return nil
		}
		e.Call.Tool, _, err = r.String()
	case "input":
		if kind != strictjson.Object {
			malform(&e.Call, wrongShape)
			return nil
		}
		e.input, err = r.Skip()
		if args := e.input.Of(e.Doc); err == nil && !emptyObject(args) {
			e.Args = args
		}
	case "toolset_name":
		malform(&e.Call, wrongShape)
	case "to": // another model goes on
		if kind != strictjson.Object {
			return nil
		}
		return r.Object(fallbackToNames, func(m strictjson.Member) error {
			if m.Name != "model" || r.Kind() != strictjson.String {
				return nil
			}
			var err error
			e.Model, _, err = r.String()
			return err
		})
	case "content_block":
		return r.Fail(ErrNotEvent, "a member that has no place in a block")
	}
	return err
}

const wrongShape = "it does not have the shape of a call"

// emptyObject tells an object without members, which is how a call begins whose arguments come in pieces.
func emptyObject(raw []byte) bool {
	for _, c := range raw[1 : len(raw)-1] {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}

func (e *Event) readDelta(name string) error {
	r := e.reader
	if null, err := r.Null(); null || err != nil {
		return err
	}
	var err error
	switch name {
	case "type":
		e.Delta, _, err = r.String()
	case "text", "partial_json", "thinking":
		if e.text.Len() > 0 {
			return r.Fail(ErrNotEvent, "a delta with two texts")
		}
		e.member = name
		e.Fragment, e.text, err = e.readText()
	case "signature":
		e.Signature, _, err = e.readText()
	case "stop_reason":
		e.Stop, e.stop, err = r.String()
	case "id", "name", "input":
		return r.Fail(ErrNotEvent, "a member that has no place in a delta")
	}
	return err
}

func (e *Event) readText() ([]byte, llm.Span, error) {
	if k := e.reader.Kind(); k != strictjson.String && k != strictjson.None {
		return nil, llm.Span{}, e.reader.Fail(ErrNotEvent, "a text that is no string")
	}
	before := len(e.buffer)
	var span llm.Span
	var err error
	e.buffer, span, err = e.reader.Text(e.buffer)
	return e.buffer[before:len(e.buffer):len(e.buffer)], span, err
}

// Usage is what the event says of what the answer cost, over what was known before.
func (e *Event) Usage(before llm.Usage, l strictjson.Limits) llm.Usage {
	if e.usage.Len() == 0 {
		return before
	}
	r := strictjson.NewReader(e.usage.Of(e.Doc), l)
	defer r.Close()
	u, err := readUsage(r, before)
	if err != nil { // cannot be but for another case of a name: it was read
		return before
	}
	return u
}
