package bedrock

import (
	"encoding/base64"
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrNotEvent is why an event's payload is refused that is strict JSON, but no event of a ConverseStream as a client reads
// it.
var ErrNotEvent = errors.New("not an event of a ConverseStream")

// The types of events.
const (
	MessageStart = "messageStart"
	BlockStart   = "contentBlockStart"
	BlockDelta   = "contentBlockDelta"
	BlockStop    = "contentBlockStop"
	MessageStop  = "messageStop"
	Metadata     = "metadata"
)

// Kind is what a block of a stream is.
type Kind byte

// The kinds of blocks. A text and what a model thought need no beginning.
const (
	NoKind       Kind = iota // its beginning says nothing
	TextBlock                // with citations
	ThoughtBlock             // what the model thought, which is signed
	CallBlock                // a call of a tool that the client runs
	ServerBlock              // a call of the provider's own tool, and what such a one answers
	MediaBlock
)

// Event is one event of a streamed answer, parsed once to spans of its document. An Event may be parsed into again and
// again; what it gave before is overwritten then.
type Event struct {
	Doc   []byte
	Type  string
	Index int // of the block; -1 in an event of none

	Kind Kind         // of the block that begins, or that takes the delta
	Call llm.ToolCall // that begins

	Fragment  []byte // of a delta: the text, the piece of arguments or of what the model thought, decoded
	Signature []byte

	Stop  string    // the reason to stop
	Model string    // that answers, where a router says so
	Usage llm.Usage // Known where the event says something

	delta   string // the delta's member
	text    llm.Span
	id      llm.Span
	stop    llm.Span
	repeats []llm.Span
	given   members
	reader  *strictjson.Reader
	buffer  []byte
}

// members are those of an event that go with one type alone.
type members byte

const (
	hasRole members = 1 << iota
	hasIndex
	hasStart
	hasDelta
	hasStop
	hasAccount
)

// shape says which members the events of a type must have, and which they may.
type shape struct {
	name      string
	must, may members
}

var shapes = map[string]shape{ //nolint:gochecknoglobals // a constant in all but syntax
	MessageStart: {name: MessageStart, must: hasRole},
	BlockStart:   {name: BlockStart, must: hasIndex, may: hasStart},
	BlockDelta:   {name: BlockDelta, must: hasIndex | hasDelta},
	BlockStop:    {name: BlockStop, must: hasIndex},
	MessageStop:  {name: MessageStop, must: hasStop},
	Metadata:     {name: Metadata, may: hasAccount},
}

// maxIndex is the largest index that a block may have.
const maxIndex = 1<<16 - 1

var ( //nolint:gochecknoglobals // constants in all but syntax
	eventNames = strictjson.NewNames("role", "contentBlockIndex", "start", "delta", "stopReason", "additionalModelResponseFields",
		"usage", "metrics", "trace", "performanceConfig", "serviceTier", "p",
		"message", "content", "output", "toolUse")
	startNames = strictjson.NewNames("toolUse", "toolResult", "image")
	deltaNames = strictjson.NewNames("text", "toolUse", "reasoningContent", "citation", "toolResult", "image")
	pieceNames = strictjson.NewNames("text", "signature", "redactedContent")
	inputNames = strictjson.NewNames("input", "toolUseId", "name")
)

// deltaKinds are the kinds of blocks that take each delta.
var deltaKinds = map[string]Kind{ //nolint:gochecknoglobals // a constant in all but syntax
	"text": TextBlock, "citation": TextBlock, "reasoningContent": ThoughtBlock, "toolUse": CallBlock, "toolResult": ServerBlock, "image": MediaBlock,
}

// Parse reads the payload of one event, which must not change while the Event is in use.
func (e *Event) Parse(kind, doc []byte, l strictjson.Limits) error {
	is := shapes[string(kind)]
	*e = Event{Doc: doc, Type: is.name, Index: -1, buffer: e.buffer[:0], repeats: e.repeats[:0]}
	e.reader = strictjson.NewReader(doc, l)
	err := e.parse(is)
	e.reader.Close()
	e.reader = nil
	return err
}

func (e *Event) parse(wanted shape) error {
	r := e.reader
	if wanted.name == "" {
		return r.Fail(ErrNotEvent, "an event of an unknown type")
	}
	err := r.Object(eventNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		return e.readMember(m.Name)
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return err
	case e.given&wanted.must != wanted.must, e.given&^(wanted.must|wanted.may) != 0:
		return r.Fail(ErrNotEvent, "an event whose members do not go with its type")
	}
	return nil
}

func (e *Event) readMember(name string) error {
	r := e.reader
	var err error
	switch name {
	case "role":
		e.given |= hasRole
		var role string
		if role, _, err = r.String(); err == nil && role != "assistant" {
			return r.Fail(ErrNotEvent, "a message that is not the assistant's")
		}
	case "contentBlockIndex":
		e.given |= hasIndex
		var n int64
		if n, err = r.Int(); err == nil && (n < 0 || n > maxIndex) {
			return r.Fail(ErrNotEvent, "an index is out of range")
		}
		e.Index = int(n)
	case "start":
		e.given |= hasStart
		err = e.one(startNames, e.readStart)
	case "delta":
		e.given |= hasDelta
		if err = e.one(deltaNames, e.readDelta); err == nil && e.Kind == NoKind {
			return r.Fail(ErrNotEvent, "a delta of no kind")
		}
	case "stopReason":
		e.given |= hasStop
		if e.Stop, e.stop, err = r.String(); err == nil && e.Stop == "" {
			return r.Fail(ErrNotEvent, "a reason to stop that is none")
		}
	case "additionalModelResponseFields":
		e.given |= hasStop
		err = e.repeat(func() error {
			_, err := r.Skip()
			return err
		})
	case "usage":
		e.given |= hasAccount
		e.Usage, err = readUsage(r)
	case "metrics", "performanceConfig", "serviceTier":
		e.given |= hasAccount
	case "trace":
		e.given |= hasAccount
		err = e.repeat(func() error {
			var err error
			e.Model, err = readTrace(r)
			return err
		})
	case "message", "content", "output", "toolUse":
		return r.Fail(ErrNotEvent, "a member that has no place in an event")
	}
	return err
}

// repeat reads a value that may repeat what the message says.
func (e *Event) repeat(read func() error) error {
	at := llm.Span{Start: e.reader.Next()}
	err := read()
	at.End = e.reader.Offset()
	e.repeats = append(e.repeats, at)
	return err
}

// one reads an object with at most one member that is not null, which must be known.
func (e *Event) one(names *strictjson.Names, read func(name string) error) error {
	r, before := e.reader, ""
	return r.Object(names, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		switch {
		case !names.Has(m.Name):
			return r.Fail(ErrNotEvent, "a block of no known kind")
		case before != "":
			return r.Fail(ErrNotEvent, "a block of two kinds")
		}
		before = m.Name
		return read(m.Name)
	})
}

// readStart reads how a block begins. What has the wrong type in it makes a call malformed.
func (e *Event) readStart(name string) error {
	r := e.reader
	switch name {
	case "toolResult":
		e.Kind = ServerBlock
		return nil
	case "image":
		e.Kind = MediaBlock
		return nil
	}
	e.Kind = CallBlock
	return r.Object(toolUseNames, func(m strictjson.Member) error {
		kind := r.Kind()
		if kind == strictjson.Null {
			return nil
		}
		if kind != strictjson.String && toolUseNames.Has(m.Name) {
			malform(&e.Call, wrongShape)
			return nil
		}
		var err error
		switch m.Name {
		case "toolUseId":
			e.Call.ID, e.id, err = r.String()
		case "name":
			e.Call.Tool, _, err = r.String()
		case "type":
			var kind string
			if kind, _, err = r.String(); kind == serverToolUse {
				e.Kind = ServerBlock
			} else {
				malform(&e.Call, wrongShape)
			}
		case "input":
			malform(&e.Call, wrongShape) // comes in pieces
		}
		return err
	})
}

const wrongShape = "it does not have the shape of a call"

func (e *Event) readDelta(name string) error {
	r := e.reader
	e.Kind, e.delta = deltaKinds[name], name
	switch name {
	case "text":
		return e.readText()
	case "toolUse":
		return r.Object(inputNames, func(m strictjson.Member) error {
			switch {
			case r.Kind() == strictjson.Null:
				return nil
			case m.Name == "input":
				return e.readText()
			case inputNames.Has(m.Name):
				return r.Fail(ErrNotEvent, "a member that has no place in a delta")
			}
			return nil
		})
	case "reasoningContent":
		return e.one(pieceNames, func(name string) error {
			var err error
			switch name {
			case "signature":
				e.Signature, err = e.decode()
				return err
			case "redactedContent":
				if err = e.readText(); err == nil && !isBase64(e.Fragment) {
					return r.Fail(ErrNotEvent, "bytes that cannot be read")
				}
				return err
			}
			return e.readText()
		})
	}
	return nil
}

func isBase64(text []byte) bool {
	_, err := base64.StdEncoding.AppendDecode(nil, text)
	return err == nil
}

// readText reads the delta's text.
func (e *Event) readText() error {
	start := e.reader.Next()
	var err error
	e.Fragment, err = e.decode()
	e.text = llm.Span{Start: start, End: e.reader.Offset()}
	return err
}

func (e *Event) decode() ([]byte, error) {
	if k := e.reader.Kind(); k != strictjson.String && k != strictjson.None {
		return nil, e.reader.Fail(ErrNotEvent, "a text that is no string")
	}
	before := len(e.buffer)
	var err error
	e.buffer, _, err = e.reader.Text(e.buffer)
	return e.buffer[before:len(e.buffer):len(e.buffer)], err
}

// IsText tells of a delta whether its fragment is text.
func (e *Event) IsText() bool { return e.delta == "text" }

// Repeats tells whether the event has something that may repeat what the message says.
func (e *Event) Repeats() bool { return len(e.repeats) > 0 }
