package bedrock_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/bedrock"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// encode makes a stream of lines: "TYPE PAYLOAD" is an event, "!TYPE PAYLOAD" an exception, "?CODE TEXT" an error of the
// framing, "~HEX" bytes as they are, "#TYPE PAYLOAD" an event of another content type. It writes with the SDK.
func encode(lines string) []byte {
	var out bytes.Buffer
	for line := range strings.SplitSeq(lines, "\n") {
		if line == "" {
			continue
		}
		if raw, ok := strings.CutPrefix(line, "~"); ok {
			b, _ := hex.DecodeString(raw)
			out.Write(b)
			continue
		}
		kind, payload, _ := strings.Cut(line, " ")
		msg := eventstream.Message{Payload: []byte(payload)}
		header := func(name, value string) { msg.Headers.Set(name, eventstream.StringValue(value)) }
		media := "application/json"
		switch (kind + " ")[0] {
		case '!':
			header(":exception-type", kind[1:])
			header(":message-type", "exception")
		case '?':
			header(":error-code", kind[1:])
			header(":error-message", payload)
			header(":message-type", "error")
			msg.Payload = nil
		default:
			if strings.HasPrefix(kind, "#") {
				kind, media = kind[1:], "text/plain"
			}
			header(":event-type", kind)
			header(":message-type", "event")
		}
		header(":content-type", media)
		if err := eventstream.NewEncoder().Encode(&out, msg); err != nil {
			return out.Bytes() // a header that is too long: the stream is cut there
		}
	}
	return out.Bytes()
}

// decode reads messages with the SDK.
func decode(stream []byte) (messages []eventstream.Message, raws [][]byte, err error) {
	r := bytes.NewReader(stream)
	for r.Len() > 0 {
		at := len(stream) - r.Len()
		m, err := eventstream.NewDecoder().Decode(r, nil)
		if err != nil {
			return messages, raws, fmt.Errorf("the SDK cannot read what was released: %w", err)
		}
		messages, raws = append(messages, m), append(raws, stream[at:len(stream)-r.Len()])
	}
	return messages, raws, nil
}

// lines writes a stream as encode reads it; a message that is one of `before`, byte for byte, has a "=" before it.
func lines(stream []byte, before [][]byte) string {
	messages, raws, err := decode(stream)
	var b strings.Builder
	for i, m := range messages {
		if slices.ContainsFunc(before, func(raw []byte) bool { return bytes.Equal(raw, raws[i]) }) {
			b.WriteString("=")
		}
		switch text(m, ":message-type") {
		case "exception":
			b.WriteString("!" + text(m, ":exception-type"))
		case "error":
			b.WriteString("?" + text(m, ":error-code") + " " + text(m, ":error-message"))
		default:
			b.WriteString(text(m, ":event-type"))
		}
		fmt.Fprintf(&b, " %s\n", m.Payload)
	}
	if err != nil {
		fmt.Fprintf(&b, "%v\n", err)
	}
	return b.String()
}

func text(m eventstream.Message, name string) string {
	if s, ok := m.Headers.Get(name).(*eventstream.StringValue); ok {
		return string(*s)
	}
	if s, ok := m.Headers.Get(name).(eventstream.StringValue); ok {
		return string(s)
	}
	return ""
}

// client puts a stream together as the SDKs do, with their decoder, encoding/json and no code of the gate's: what it ends
// up with is what an application would run.
type client struct {
	stop    string
	blocks  map[int]*clientBlock
	order   []int
	repeats string // what may repeat the message
	failed  bool
}

type clientBlock struct {
	kind, id, name, typ, text, thought, signature, input string
	stopped                                              bool
}

type clientEvent struct {
	Index int `json:"contentBlockIndex"`
	Start struct {
		ToolUse *struct {
			ID   string `json:"toolUseId"`
			Name string
			Type string
		}
		ToolResult, Image *struct{}
	}
	Delta struct {
		Text      *string
		ToolUse   *struct{ Input string }
		Reasoning *struct {
			Text, Signature, RedactedContent string
		} `json:"reasoningContent"`
		Citation   json.RawMessage
		ToolResult json.RawMessage
		Image      json.RawMessage
	}
	StopReason string
	Fields     json.RawMessage `json:"additionalModelResponseFields"`
	Trace      json.RawMessage
}

func readAsClient(stream []byte) (*client, error) {
	messages, _, err := decode(stream)
	if err != nil {
		return nil, err
	}
	c := &client{blocks: map[int]*clientBlock{}}
	for _, m := range messages {
		if text(m, ":message-type") != "event" {
			c.failed = true
			continue
		}
		if err := c.event(text(m, ":event-type"), m.Payload); err != nil {
			return nil, fmt.Errorf("%w in %s", err, m.Payload)
		}
	}
	return c, nil
}

func (c *client) event(kind string, payload []byte) error {
	var e clientEvent
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(payload, &e); err != nil && !errors.As(err, &wrong) {
		return err
	}
	b := c.blocks[e.Index]
	if b == nil && strings.HasPrefix(kind, "contentBlock") {
		b = &clientBlock{}
		c.blocks[e.Index] = b
		c.order = append(c.order, e.Index)
	}
	if b != nil && b.stopped && strings.HasPrefix(kind, "contentBlock") {
		return errors.New("an event of a block that has ended")
	}
	switch kind {
	case "contentBlockStart":
		if use := e.Start.ToolUse; use != nil {
			b.kind, b.id, b.name, b.typ = "toolUse", use.ID, use.Name, use.Type
		}
	case "contentBlockDelta":
		if e.Delta.Text != nil {
			b.kind = "text"
			b.text += *e.Delta.Text
		}
		if e.Delta.ToolUse != nil {
			b.input += e.Delta.ToolUse.Input
		}
		if r := e.Delta.Reasoning; r != nil {
			b.kind = "reasoning"
			b.thought += r.Text + r.RedactedContent
			b.signature += r.Signature
		}
	case "contentBlockStop":
		b.stopped = true
	case "messageStop":
		c.stop = e.StopReason
		c.repeats += string(e.Fields)
	case "metadata":
		c.repeats += string(e.Trace)
	}
	return nil
}

// calls are what the client would run.
func (c *client) calls() []string {
	var out []string
	for _, i := range c.order {
		b := c.blocks[i]
		if b.kind != "toolUse" || b.typ == "server_tool_use" {
			continue
		}
		if b.input == "" { // as the SDKs take it
			b.input = "{}"
		}
		out = append(out, b.id+" "+b.name+" "+b.input)
	}
	return out
}

// mode is what a gate does besides deciding.
type mode struct {
	resolve bool // allowed calls go out with other ids, and every second one with other arguments
	filter  bool // texts are filtered
	finish  bool // turns are told of
}

// modeOf takes a mode from the last bits of a seed.
func modeOf(seed uint64) mode {
	return mode{resolve: seed&1 > 0, filter: seed&2 > 0, finish: seed&4 > 0}
}

// outcome is everything that a gate did with a stream.
type outcome struct {
	mode    mode
	in      []byte
	out     []byte
	models  []string
	asked   []llm.ToolCall
	allowed []string // as a client has them
	refused []llm.ToolCall
	turns   []llm.Turn
	err     error
	gate    *bedrock.Gate
}

var errPolicy = errors.New("the policy broke")

func denied(tool string) bool { return strings.HasPrefix(tool, "no_") }

// verdict decides by name: tools that begin with "no_" are denied.
func (m mode) verdict(c llm.ToolCall) llm.Verdict {
	if denied(c.Tool) {
		return llm.Verdict{Text: "[refused by policy]"}
	}
	v := llm.Verdict{Allow: true}
	if m.resolve {
		v.ID = "yj_" + c.ID
		if c.Index%2 == 1 {
			v.Arguments = []byte(`{"resolved":"\u003c\"` + fmt.Sprint(c.Index) + `"}`)
		}
	}
	return v
}

// gateOf makes a gate whose outcome is written down.
func gateOf(c hold.Config, o *outcome) *bedrock.Gate {
	c.Decide = func(calls []llm.ToolCall) ([]llm.Verdict, error) {
		o.asked = append(o.asked, calls...)
		var out []llm.Verdict
		for _, call := range calls {
			if call.Tool == "boom" {
				o.allowed = nil
				return nil, errPolicy
			}
			v := o.mode.verdict(call)
			if v.Allow {
				id, arguments := call.ID, call.Arguments
				if v.ID != "" {
					id = v.ID
				}
				if v.Arguments != nil {
					arguments = v.Arguments
				}
				o.allowed = append(o.allowed, id+" "+call.Tool+" "+string(arguments))
			}
			out = append(out, v)
		}
		return out, nil
	}
	c.Refuse = func(call llm.ToolCall) string {
		o.refused = append(o.refused, call)
		return ""
	}
	c.Model = func(name string) error {
		o.models = append(o.models, name)
		if name == "forbidden" {
			return errPolicy
		}
		return nil
	}
	if o.mode.filter {
		c.Text = func(int) hold.TextFilter { return &filter.Filter{} }
	}
	if o.mode.finish {
		c.Finish = func(turn llm.Turn) error {
			o.turns = append(o.turns, turn)
			return nil
		}
	}
	o.gate = bedrock.New(c)
	return o.gate
}

// pass passes a stream through a gate, cut as next says; nil is all at once.
func pass(m mode, c hold.Config, stream []byte, next func(left int) int) *outcome {
	o := &outcome{mode: m, in: stream}
	g := gateOf(c, o)
	for rest := stream; len(rest) > 0 && o.err == nil; {
		n := len(rest)
		if next != nil {
			n = next(len(rest))
		}
		o.out, o.err = g.Write(o.out, rest[:n])
		rest = rest[n:]
	}
	if o.err == nil {
		o.out, o.err = g.Close(o.out)
	}
	return o
}

// told is everything but the bytes that went out.
func (o *outcome) told() string {
	return fmt.Sprintf("%+v %v %+v %+v %v %+v %v", o.asked, o.allowed, o.refused, o.turns, o.models, o.gate.Usage(), o.err)
}
