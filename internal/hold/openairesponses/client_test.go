package openairesponses_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/openairesponses"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// client puts a stream together as the SDKs do, with encoding/json and no code of the gate's: what it ends up with is
// what an application would run.
type client struct {
	model, status string
	items         []*clientItem // as they come: in the order in which they begin
	output        []clientItem  // of the end
	last          int64
	failed, ended bool
}

type clientItem struct {
	Type, ID, Name, Namespace, Arguments, Input string
	CallID                                      string `json:"call_id"`
	Role                                        string
	Action, Operation, Actions                  json.RawMessage
	Environment                                 struct{ Type string }
	Content, Summary                            []clientPart
	Encrypted                                   string `json:"encrypted_content"`

	pieces string // of the arguments
	done   *clientItem
}

type clientPart struct{ Type, Text, Refusal string }

func (p *clientPart) says() string { return p.Text + p.Refusal }

type clientEvent struct {
	Type                                  string
	Number                                *int64 `json:"sequence_number"`
	Output                                int    `json:"output_index"`
	Content                               int    `json:"content_index"`
	Summary                               int    `json:"summary_index"`
	Command                               int    `json:"command_index"`
	ItemID                                string `json:"item_id"`
	Item                                  *clientItem
	Part                                  clientPart
	Delta                                 any
	Text, Refusal, Arguments, Input, Diff string
	Whole                                 string `json:"command"`
	Response                              struct {
		Model, Status string
		Output        []clientItem
	}
}

func readAsClient(stream []byte) (*client, error) {
	text := strings.ReplaceAll(strings.ReplaceAll(string(stream), "\r\n", "\n"), "\r", "\n")
	if text != "" && !strings.HasSuffix(text, "\n\n") && strings.Trim(text, "\n") != "" {
		return nil, errors.New("the stream is cut within an event")
	}
	c := &client{last: -1}
	for event := range strings.SplitSeq(text, "\n\n") {
		name, data := "", []string{}
		for line := range strings.SplitSeq(event, "\n") {
			if rest, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(rest, " "))
			} else if rest, ok := strings.CutPrefix(line, "event:"); ok {
				name = strings.TrimPrefix(rest, " ")
			}
		}
		if len(data) == 0 || strings.TrimSpace(strings.Join(data, "\n")) == "[DONE]" {
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
	if name != "" && name != "message" && name != e.Type {
		return errors.New("a name that is not the type")
	}
	if e.Number != nil {
		if *e.Number <= c.last {
			return errors.New("a number that does not rise")
		}
		c.last = *e.Number
	}
	switch e.Type {
	case "error", "response.failed":
		c.failed = true
		return nil
	case "response.created", "response.in_progress":
		c.model = e.Response.Model
		return nil
	case "response.completed", "response.incomplete":
		c.ended, c.status, c.output = true, e.Response.Status, e.Response.Output
		return nil
	case "response.output_item.added":
		c.items = append(c.items, e.Item)
		if e.Output != len(c.items)-1 {
			return errors.New("an item that is not the next one")
		}
		return nil
	case "keepalive", "ping", "response.queued":
		return nil
	}
	if e.Output >= len(c.items) || c.items[e.Output].done != nil {
		return errors.New("an event of an item that is not there")
	}
	return c.items[e.Output].event(&e)
}

func (i *clientItem) event(e *clientEvent) error {
	delta, _ := e.Delta.(string)
	at := func(list *[]clientPart, index int) *clientPart {
		for len(*list) <= index && len(*list) < 100 {
			*list = append(*list, clientPart{})
		}
		return &(*list)[min(index, 99)]
	}
	same := func(had, whole string) error {
		if had != whole && had != "" {
			return fmt.Errorf("%q said again as %q", had, whole)
		}
		return nil
	}
	switch e.Type {
	case "response.output_item.done":
		i.done = e.Item
	case "response.content_part.added":
		*at(&i.Content, e.Content) = e.Part
	case "response.reasoning_summary_part.added":
		*at(&i.Summary, e.Summary) = e.Part
	case "response.output_text.delta", "response.reasoning_text.delta", "response.refusal.delta", "response.reasoning.delta":
		at(&i.Content, e.Content).Text += delta
	case "response.reasoning_summary_text.delta":
		at(&i.Summary, e.Summary).Text += delta
	case "response.output_text.done", "response.reasoning_text.done", "response.refusal.done", "response.reasoning.done":
		return same(at(&i.Content, e.Content).says(), e.Text+e.Refusal)
	case "response.reasoning_summary_text.done":
		return same(at(&i.Summary, e.Summary).says(), e.Text)
	case "response.content_part.done":
		return same(at(&i.Content, e.Content).says(), e.Part.says())
	case "response.reasoning_summary_part.done":
		return same(at(&i.Summary, e.Summary).says(), e.Part.says())
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		i.pieces += delta
	case "response.function_call_arguments.done", "response.custom_tool_call_input.done":
		return same(i.Arguments+i.Input+i.pieces, e.Arguments+e.Input)
	}
	return nil
}

// call is what the client would run for an item.
func (i *clientItem) call() (string, bool) {
	name := i.Name
	if i.Namespace != "" {
		name = i.Namespace + "." + name
	}
	said := i.Arguments + i.pieces
	switch i.Type {
	case "function_call":
	case "custom_tool_call":
		input, _ := json.Marshal(i.Input + i.pieces)
		said = `{"input":` + string(input) + "}"
	case "local_shell_call":
		name, said = "local_shell", string(i.Action)
	case "shell_call":
		if t := i.Environment.Type; t != "" && t != "local" {
			return "", false
		}
		name, said = "shell", string(i.Action)
	case "apply_patch_call":
		name, said = "apply_patch", string(i.Operation)
	case "computer_call":
		name, said = "computer", string(i.Action)
		if len(i.Actions) > 0 {
			said = `{"actions":` + string(i.Actions) + "}"
		}
	default:
		return "", false
	}
	return i.CallID + " " + name + " " + canonical(said), true
}

// canonical makes arguments comparable: no text is {}.
func canonical(said string) string {
	if said == "" {
		said = "{}"
	}
	out, err := strictjson.Canonical([]byte(said))
	if err != nil {
		return said
	}
	return string(out)
}

func calls(items []clientItem) (out []string) {
	for k := range items {
		if call, ok := items[k].call(); ok {
			out = append(out, call)
		}
	}
	return out
}

// ran are what the client would run that takes calls as they begin and puts them together from their pieces, and that
// takes them when they end.
func (c *client) ran() (pieces, ends []string) {
	for _, i := range c.items {
		if call, ok := i.call(); ok && (i.Type == "function_call" || i.Type == "custom_tool_call") {
			pieces = append(pieces, call)
		}
		if i.done != nil {
			if call, ok := i.done.call(); ok {
				ends = append(ends, call)
			}
		}
	}
	return pieces, ends
}

// texts are what the client shows, of messages and thoughts, from the pieces and from items.
func texts(items []*clientItem) (out []string) {
	for _, i := range items {
		for _, list := range [][]clientPart{i.Summary, i.Content} {
			for _, p := range list {
				if p.says() != "" {
					out = append(out, p.says())
				}
			}
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
	gate    *openairesponses.Gate
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
		switch {
		case c.Index%2 == 0:
		case c.Custom:
			v.Arguments = []byte(`{"input":"resolved \"` + fmt.Sprint(c.Index) + `\""}`)
		case strings.HasPrefix(string(c.Arguments), `{"actions":`):
			v.Arguments = []byte(`{"actions":[{"type":"wait"}]}`)
		default:
			v.Arguments = []byte(`{"resolved":"\u003c\"` + fmt.Sprint(c.Index) + `"}`)
		}
	}
	return v
}

// gateOf makes a gate whose outcome is written down.
func gateOf(c hold.Config, o *outcome) *openairesponses.Gate {
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
				o.allowed = append(o.allowed, id+" "+call.Tool+" "+canonical(string(arguments)))
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
	g := openairesponses.New(c)
	o.gate = g
	return g
}

// pass passes a stream through a gate, in pieces that next cuts; nil is all at once.
func pass(m mode, c hold.Config, stream []byte, next func(left int) int) *outcome {
	o := &outcome{mode: m}
	g := gateOf(c, o)
	for len(stream) > 0 && o.err == nil {
		n := len(stream)
		if next != nil {
			n = next(n)
		}
		chunk := append([]byte(nil), stream[:n]...)
		o.out, o.err = g.Write(o.out, chunk)
		for i := range chunk {
			chunk[i] = 'X' // the gate may not keep it
		}
		stream = stream[n:]
	}
	if o.err == nil {
		o.out, o.err = g.Close(o.out)
	}
	return o
}

// told is everything besides the bytes.
func (o *outcome) told() string {
	return fmt.Sprint(o.models, o.asked, o.refused, o.turns, o.err, o.gate.Usage(), o.gate.Model(), o.gate.UpstreamError())
}
