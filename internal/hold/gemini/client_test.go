package gemini_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/gemini"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// client puts a stream together as the SDKs do, with encoding/json and no code of the gate's: what it ends up with is
// what an application would run.
type client struct {
	model      string
	failed     bool
	candidates map[int]*clientCandidate
}

type clientCandidate struct {
	finish string
	text   string
	calls  []string // "id name arguments"
	parts  []string // what each part is
	signed []string
}

type clientCall struct {
	ID, Name string
	Args     json.RawMessage
}

type clientEvent struct {
	ModelVersion string
	Error        json.RawMessage
	Candidates   []struct {
		Index        int
		FinishReason string
		Content      struct {
			Parts []struct {
				Text             *string
				Thought          bool
				ThoughtSignature string
				FunctionCall     *clientCall
				Other            *clientCall `json:"function_call"`
			}
		}
	}
}

func readAsClient(stream []byte) (*client, error) {
	text := strings.ReplaceAll(strings.ReplaceAll(string(stream), "\r\n", "\n"), "\r", "\n")
	if text != "" && !strings.HasSuffix(text, "\n\n") && strings.Trim(text, "\n") != "" {
		return nil, errors.New("the stream is cut within an event")
	}
	c := &client{candidates: map[int]*clientCandidate{}}
	for event := range strings.SplitSeq(text, "\n\n") {
		var data []string
		for line := range strings.SplitSeq(event, "\n") {
			if rest, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(rest, " "))
			}
		}
		if len(data) == 0 {
			continue
		}
		if err := c.event(strings.Join(data, "\n")); err != nil {
			return nil, fmt.Errorf("%w in %s", err, event)
		}
	}
	return c, nil
}

func (c *client) event(data string) error {
	var e clientEvent
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal([]byte(data), &e); err != nil && !errors.As(err, &wrong) {
		return err
	}
	if len(e.Error) > 0 && string(e.Error) != "null" {
		c.failed = true
		return nil
	}
	if e.ModelVersion != "" {
		c.model = e.ModelVersion
	}
	for _, is := range e.Candidates {
		to := c.candidates[is.Index]
		if to == nil {
			to = &clientCandidate{}
			c.candidates[is.Index] = to
		}
		for _, p := range is.Content.Parts {
			call := p.FunctionCall
			if call == nil {
				call = p.Other
			}
			switch {
			case call != nil:
				arguments := string(call.Args)
				if arguments == "" || arguments == "null" {
					arguments = "{}"
				}
				to.calls = append(to.calls, call.ID+" "+call.Name+" "+arguments)
				to.parts = append(to.parts, "call "+call.Name)
			case p.Text != nil && !p.Thought:
				to.text += *p.Text
				to.parts = append(to.parts, "text "+*p.Text)
			default:
				to.parts = append(to.parts, "other")
			}
			if p.ThoughtSignature != "" {
				to.signed = append(to.signed, p.ThoughtSignature)
			}
		}
		if is.FinishReason != "" {
			to.finish = is.FinishReason
		}
	}
	return nil
}

// mode is what a gate does besides deciding.
type mode struct {
	resolve bool // allowed calls go out with ids, and every second one with other arguments
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
	allowed map[int][]string // of each candidate, as a client has them
	refused []llm.ToolCall
	turns   []llm.Turn
	err     error
	gate    *gemini.Gate
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
		v.ID = fmt.Sprintf("yj_%s%d", c.ID, c.Index)
		if c.Index%2 == 1 {
			v.Arguments = []byte(`{"resolved":"\u003c\"` + fmt.Sprint(c.Index) + `"}`)
		}
	}
	return v
}

// gateOf makes a gate whose outcome is written down.
func gateOf(c hold.Config, o *outcome) *gemini.Gate {
	o.allowed = map[int][]string{}
	c.Decide = func(calls []llm.ToolCall) ([]llm.Verdict, error) {
		o.asked = append(o.asked, calls...)
		var out []llm.Verdict
		for _, call := range calls {
			if call.Tool == "boom" {
				delete(o.allowed, call.Choice)
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
				o.allowed[call.Choice] = append(o.allowed[call.Choice], id+" "+call.Tool+" "+string(arguments))
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
	o.gate = gemini.New(c)
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

func event(parts, more string) string {
	return `data: {"candidates":[{"content":{"parts":[` + parts + `],"role":"model"}` + more + `}],"modelVersion":"m"}` + "\n\n"
}

func textOf(text string) string { return `{"text":"` + text + `"}` }

func callOf(name, arguments string) string {
	return `{"functionCall":{"name":"` + name + `","args":` + arguments + `}}`
}

const stop = `,"finishReason":"STOP"`

// passTo passes a stream through a gate that is there.
func passTo(g *gemini.Gate, stream []byte) *outcome {
	o := &outcome{gate: g}
	if o.out, o.err = g.Write(nil, stream); o.err == nil {
		o.out, o.err = g.Close(o.out)
	}
	return o
}
