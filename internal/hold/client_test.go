package hold_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// client reads a stream as a lenient SDK does, with encoding/json and no code of the gate's: what it ends up with is
// what an application would run.
type client struct {
	join    join
	choices map[int]*clientChoice
	done    bool
	failed  bool
	usage   int
}

type clientChoice struct {
	role, text, finish string
	calls              map[int]*clientCall
	legacy             *clientCall
}

// join is what a client makes of an id, type or name that comes again: what it had, and what it is told now.
type join func(before, now string) string

func firstSaid(before, now string) string {
	if before == "" {
		return now
	}
	return before
}

func lastSaid(before, now string) string { return firstSaid(now, before) }

type clientCall struct{ id, kind, name, arguments string }

func (c *clientCall) add(f *clientFunction, join join) {
	if f == nil {
		return
	}
	c.name = join(c.name, f.Name)
	c.arguments += f.Arguments + f.Input
}

type clientFunction struct{ Name, Arguments, Input string }

type clientChunk struct {
	Choices []struct {
		Index int
		Delta struct {
			Role, Content string
			ToolCalls     []struct {
				Index            int
				ID, Type         string
				Function, Custom *clientFunction
			} `json:"tool_calls"`
			FunctionCall *clientFunction `json:"function_call"`
		}
		FinishReason string `json:"finish_reason"`
	}
	Usage *struct{}
	Error any
}

func readAsClient(stream []byte) (*client, error) { return readAs(stream, firstSaid) }

func readAs(stream []byte, join join) (*client, error) {
	c := &client{join: join, choices: map[int]*clientChoice{}}
	data, err := dataOf(stream)
	if err != nil {
		return nil, err
	}
	for _, doc := range data {
		if err := c.event(doc); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// dataOf is the data of each event of a stream.
func dataOf(stream []byte) ([]string, error) {
	text := strings.ReplaceAll(strings.ReplaceAll(string(stream), "\r\n", "\n"), "\r", "\n")
	if text != "" && !strings.HasSuffix(text, "\n\n") && strings.Trim(text, "\n") != "" {
		return nil, errors.New("the stream is cut within an event")
	}
	var out []string
	for event := range strings.SplitSeq(text, "\n\n") {
		var data []string
		for line := range strings.SplitSeq(event, "\n") {
			if rest, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(rest, " "))
			}
		}
		if len(data) > 0 {
			out = append(out, strings.Join(data, "\n"))
		}
	}
	return out, nil
}

func (c *client) event(data string) error {
	if c.done {
		return errors.New("data after [DONE]")
	}
	if c.done = strings.TrimSpace(data) == "[DONE]"; c.done {
		return nil
	}
	var chunk clientChunk
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal([]byte(data), &chunk); err != nil && !errors.As(err, &wrong) {
		return fmt.Errorf("%w in %s", err, data)
	}
	c.failed = c.failed || chunk.Error != nil
	if chunk.Usage != nil {
		c.usage++
	}
	for _, ch := range chunk.Choices {
		to := c.choices[ch.Index]
		if to == nil {
			to = &clientChoice{calls: map[int]*clientCall{}}
			c.choices[ch.Index] = to
		}
		if to.role == "" {
			to.role = ch.Delta.Role
		}
		to.text += ch.Delta.Content
		if ch.FinishReason != "" {
			to.finish = ch.FinishReason
		}
		for _, d := range ch.Delta.ToolCalls {
			if to.calls[d.Index] == nil {
				to.calls[d.Index] = &clientCall{}
			}
			call := to.calls[d.Index]
			call.id, call.kind = c.join(call.id, d.ID), c.join(call.kind, d.Type)
			call.add(d.Function, c.join)
			call.add(d.Custom, c.join)
		}
		if f := ch.Delta.FunctionCall; f != nil {
			if to.legacy == nil {
				to.legacy = &clientCall{}
			}
			to.legacy.add(f, c.join)
		}
	}
	return nil
}

// mode is what a gate does besides deciding.
type mode struct {
	resolve bool // allowed calls go out with other ids, and every second one with other arguments
	filter  bool // texts are filtered
	finish  bool // turns are told of
}

// outcome is everything that a gate did with a stream.
type outcome struct {
	mode    mode
	out     []byte
	batches [][]llm.ToolCall
	models  []string
	turns   []llm.Turn
	err     error
	gate    *hold.Gate

	released, refused []llm.ToolCall
}

// errPolicy is what Decide returns for a call of the tool "boom".
var errPolicy = errors.New("the policy broke")

// gateOf decides by name: tools that begin with "no_" are denied.
func gateOf(c hold.Config, o *outcome) *hold.Gate {
	c.Decide = func(calls []llm.ToolCall) ([]llm.Verdict, error) {
		o.batches = append(o.batches, append([]llm.ToolCall(nil), calls...))
		var out []llm.Verdict
		for _, call := range calls {
			switch {
			case call.Tool == "boom":
				return nil, errPolicy
			case denied(call.Tool):
				o.refused = append(o.refused, call)
				out = append(out, llm.Verdict{Text: "[refused by policy]"})
			default:
				o.released = append(o.released, call)
				out = append(out, o.mode.allow(call))
			}
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
	o.gate = hold.New(c)
	return o.gate
}

// allow is the verdict on an allowed call.
func (m mode) allow(call llm.ToolCall) llm.Verdict {
	v := llm.Verdict{Allow: true}
	if !m.resolve {
		return v
	}
	if v.ID = "yj_" + call.ID; len(call.Arguments)%2 == 0 {
		v.Arguments = bytes.ReplaceAll(call.Arguments, []byte("$ref_"), []byte(`resolved \u0022`))
		if strictjson.CheckObject(v.Arguments, strictjson.Limits{}) != nil {
			v.Arguments = call.Arguments
		}
	}
	return v
}

// seen is a decided call as its client has to see it.
func (m mode) seen(call llm.ToolCall) llm.ToolCall {
	v := m.allow(call)
	if v.Arguments != nil {
		call.Arguments = v.Arguments
	}
	if v.ID != "" && !call.Legacy {
		call.ID = v.ID
	}
	return call
}

func denied(tool string) bool { return strings.HasPrefix(tool, "no_") }

// pass sends a stream through a gate, cut where next says (0: all of it at once).
func pass(c hold.Config, stream []byte, next func(left int) int) *outcome {
	return passAs(mode{}, c, stream, next)
}

func passAs(m mode, c hold.Config, stream []byte, next func(left int) int) *outcome {
	o := &outcome{mode: m}
	g := gateOf(c, o)
	buf := []byte(nil)
	for rest := stream; len(rest) > 0 && o.err == nil; {
		n := len(rest)
		if next != nil {
			n = max(1, min(n, next(n)))
		}
		buf = append(buf[:0], rest[:n]...)
		o.out, o.err = g.Write(o.out, buf)
		clear(buf) // the gate must not keep it
		rest = rest[n:]
	}
	if o.err == nil {
		o.out, o.err = g.Close(o.out)
	}
	return o
}

func (o *outcome) decided() string {
	var b strings.Builder
	for _, batch := range o.batches {
		for i, c := range batch {
			sep := "\n"
			if i < len(batch)-1 {
				sep = "; "
			}
			fmt.Fprintf(&b, "choice %d call %d %s %s(%s)%s%s", c.Choice, c.Index, orDash(c.ID), c.Tool, c.Arguments, flags(c), sep)
		}
	}
	return b.String()
}

func flags(c llm.ToolCall) string {
	s := ""
	if c.Legacy {
		s += " legacy"
	}
	if c.Custom {
		s += " custom"
	}
	return s
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// chunk makes an event from a choice's JSON.
func chunk(choices ...string) string {
	return `data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[` + strings.Join(choices, ",") + "]}\n\n"
}

func choice(index int, delta, finish string) string {
	if finish == "" {
		finish = "null"
	} else {
		finish = `"` + finish + `"`
	}
	return fmt.Sprintf(`{"index":%d,"delta":%s,"finish_reason":%s}`, index, delta, finish)
}

const doneEvent = "data: [DONE]\n\n"

func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}
