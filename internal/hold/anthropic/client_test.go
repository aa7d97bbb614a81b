package anthropic_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/anthropic"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// client puts a stream together as the SDKs do, with encoding/json and no code of the gate's: what it ends up with is
// what an application would run.
type client struct {
	model, stop string
	blocks      []*clientBlock
	failed      bool
	ended       bool
}

type clientBlock struct {
	Type, ID, Name, Text, Thinking, Signature, Data string
	Input                                           json.RawMessage
	json                                            string // of the pieces
	stopped                                         bool
}

// arguments are what the application is called with.
func (b *clientBlock) arguments() string {
	if b.json != "" {
		return b.json
	}
	return string(b.Input)
}

type clientEvent struct {
	Type    string
	Index   int
	Message struct{ Model string }
	Block   clientBlock `json:"content_block"`
	Delta   struct {
		Type, Text, Thinking, Signature string
		Partial                         string `json:"partial_json"`
		Stop                            string `json:"stop_reason"`
	}
}

func readAsClient(stream []byte) (*client, error) {
	text := strings.ReplaceAll(strings.ReplaceAll(string(stream), "\r\n", "\n"), "\r", "\n")
	if text != "" && !strings.HasSuffix(text, "\n\n") && strings.Trim(text, "\n") != "" {
		return nil, errors.New("the stream is cut within an event")
	}
	c := &client{}
	for event := range strings.SplitSeq(text, "\n\n") {
		name, data := "", []string{}
		for line := range strings.SplitSeq(event, "\n") {
			if rest, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(rest, " "))
			} else if rest, ok := strings.CutPrefix(line, "event:"); ok {
				name = strings.TrimPrefix(rest, " ")
			}
		}
		if len(data) == 0 {
			continue
		}
		if err := c.event(name, strings.Join(data, "\n")); err != nil {
			return nil, fmt.Errorf("%w in %s", err, event)
		}
	}
	return c, nil
}

func (c *client) event(name, data string) error {
	var e clientEvent
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal([]byte(data), &e); err != nil && !errors.As(err, &wrong) {
		return err
	}
	if name != e.Type {
		return errors.New("a name that is not the type")
	}
	switch e.Type {
	case "ping":
		return nil
	case "error":
		c.failed = true
		return nil
	case "message_start":
		c.model = e.Message.Model
		return nil
	case "message_delta":
		if e.Delta.Stop != "" {
			c.stop = e.Delta.Stop
		}
		return nil
	case "message_stop":
		c.ended = true
		return nil
	case "content_block_start":
		if e.Index != len(c.blocks) {
			return errors.New("a block that is not the next one")
		}
		c.blocks = append(c.blocks, &e.Block)
		return nil
	}
	if e.Index >= len(c.blocks) || c.blocks[e.Index].stopped {
		return errors.New("an event of a block that is not there")
	}
	b := c.blocks[e.Index]
	switch e.Type {
	case "content_block_stop":
		b.stopped = true
	case "content_block_delta":
		b.Text += e.Delta.Text
		b.Thinking += e.Delta.Thinking
		b.Signature += e.Delta.Signature
		b.json += e.Delta.Partial
	}
	return nil
}

// calls are what the client would run.
func (c *client) calls() []string {
	var out []string
	for _, b := range c.blocks {
		if b.Type == "tool_use" {
			out = append(out, b.ID+" "+b.Name+" "+b.arguments())
		}
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
	out     []byte
	models  []string
	asked   []llm.ToolCall
	allowed []string // as a client has them
	refused []llm.ToolCall
	turns   []llm.Turn
	err     error
	gate    *anthropic.Gate
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
func gateOf(c hold.Config, o *outcome) *anthropic.Gate {
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
	o.gate = anthropic.New(c)
	return o.gate
}

// pass passes a stream through a gate, cut as next says; nil is all at once.
func pass(m mode, c hold.Config, stream []byte, next func(left int) int) *outcome {
	o := &outcome{mode: m}
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

// The events that tests put together.

func event(kind, members string) string {
	if members != "" {
		members = "," + members
	}
	return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"" + members + "}\n\n"
}

func start(model string) string {
	return event("message_start", `"message":{"id":"msg_1","type":"message","role":"assistant","model":`+quote(model)+
		`,"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_read_input_tokens":4,"output_tokens":1}}`)
}

func begin(index int, block string) string {
	return event("content_block_start", fmt.Sprintf(`"index":%d,"content_block":%s`, index, block))
}

func delta(index int, members string) string {
	return event("content_block_delta", fmt.Sprintf(`"index":%d,"delta":{%s}`, index, members))
}

func said(index int, text string) string {
	return delta(index, `"type":"text_delta","text":`+quote(text))
}

func partial(index int, text string) string {
	return delta(index, `"type":"input_json_delta","partial_json":`+quote(text))
}

func stopped(index int) string {
	return event("content_block_stop", fmt.Sprintf(`"index":%d`, index))
}

const textBlock = `{"type":"text","text":""}`

func use(id, name string) string {
	return `{"type":"tool_use","id":` + quote(id) + `,"name":` + quote(name) + `,"input":{}}`
}

func finish(reason string) string {
	return event("message_delta", `"delta":{"stop_reason":`+quote(reason)+`,"stop_sequence":null},"usage":{"output_tokens":7}`)
}

var ended = event("message_stop", "")

// called is a whole call.
func called(index int, id, name, arguments string) string {
	return begin(index, use(id, name)) + partial(index, arguments) + stopped(index)
}

// spoke is a whole block of text.
func spoke(index int, text string) string {
	return begin(index, textBlock) + said(index, text) + stopped(index)
}

func quote(text string) string {
	out, err := json.Marshal(text)
	if err != nil || strictjson.Check(out, strictjson.Limits{}) != nil {
		panic(text)
	}
	return string(out)
}
