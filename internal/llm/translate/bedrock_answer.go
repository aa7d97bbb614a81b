package translate

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

var bedrockStops = map[string]stop{ //nolint:gochecknoglobals // a constant in all but syntax
	"end_turn": ended, "stop_sequence": stoppedAt, "max_tokens": cutOff, "model_context_window_exceeded": cutOff, "tool_use": calls,
	"guardrail_intervened": refused, "content_filtered": refused, "refusal": refused,
}

// decodeBedrockAnswer reads an answer to Converse.
func decodeBedrockAnswer(doc []byte) (*answer, error) {
	var in bedrockAnswer
	if err := readAnswer(doc, &in); err != nil {
		return nil, err
	}
	if in.Output.Message == nil {
		return &answer{failed: &failure{kind: in.Type, message: in.Message, status: bedrockStatuses[exceptionOf(in.Type)]}}, nil
	}
	a := &answer{usage: in.Usage.usageOf()}
	for i := range in.Output.Message.Content {
		b, err := in.Output.Message.Content[i].answered()
		if err != nil {
			return nil, err
		}
		a.blocks = append(a.blocks, b)
	}
	if a.stop = bedrockStops[in.Stop]; a.stop == notYet {
		return nil, unreadable("ended for a reason that has no form in the client's API")
	}
	return a, nil
}

func (in *bedrockBlock) answered() (block, error) {
	switch {
	case in.Text.set:
		return block{text: in.Text.value}, nil
	case in.Use != nil && in.Use.Type == "":
		return block{kind: callBlock, id: in.Use.ID, tool: in.Use.Name, args: in.Use.Input}, nil
	case in.Reasoning != nil && in.Reasoning.Text != nil:
		t := in.Reasoning.Text
		return block{kind: thoughtBlock, text: t.Text, sign: sign{Signature: t.Signature, Format: anthropicFormat}}, nil
	case in.Reasoning != nil:
		return block{kind: thoughtBlock, sign: sign{Data: in.Reasoning.Redacted, Format: anthropicFormat}}, nil
	}
	return block{}, unreadable("has a block of a kind that the client's API has no form for")
}

// bedrockEvent is an event of a ConverseStream.
type bedrockEvent struct {
	Index int `json:"contentBlockIndex"`
	Start struct {
		Use   *bedrockUse    `json:"toolUse"`
		Other map[string]raw `json:",embed"`
	} `json:"start"`
	Delta struct {
		Text optional[string] `json:"text"`
		Use  *struct {
			Input string `json:"input"`
		} `json:"toolUse"`
		Reasoning *struct {
			Text      string `json:"text"`
			Signature string `json:"signature"`
			Redacted  string `json:"redactedContent"`
		} `json:"reasoningContent"`
		Citation raw            `json:"citation"`
		Other    map[string]raw `json:",embed"`
	} `json:"delta"`
	Stop    string        `json:"stopReason"`
	Usage   *bedrockUsage `json:"usage"`
	Message string        `json:"message"`
}

// bedrockDecoder reads events. Their blocks are those of Messages, but for texts and thoughts, which begin with their first piece.
type bedrockDecoder struct {
	blocks anthropicDecoder
	stop   stop
	usage  llm.Usage
	over   bool
}

func newBedrockDecoder() decoder { return &bedrockDecoder{} }

func (d *bedrockDecoder) event(name string, data []byte, out func(event) error) error {
	var in bedrockEvent
	if err := readAnswer(data, &in); err != nil {
		return err
	}
	if kind, failed := strings.CutPrefix(name, "!"); failed {
		d.over = true
		return out(event{kind: failing, failed: &failure{kind: kind, message: in.Message, status: bedrockStatuses[exceptionOf(kind)]}})
	}
	switch name {
	case "messageStart":
		return out(event{kind: started})
	case "contentBlockStart":
		if len(in.Start.Other) > 0 || in.Start.Use != nil && in.Start.Use.Type != "" {
			return unreadable("has a block of a kind that the client's API has no form for")
		}
		if in.Start.Use == nil {
			return nil // a text, which its first piece begins
		}
		return d.blocks.begin(&anthropicEvent{Index: in.Index, Block: &anthropicBlock{Type: "tool_use", ID: in.Start.Use.ID, Name: in.Start.Use.Name}}, out)
	case "contentBlockDelta":
		return d.delta(&in, out)
	case "contentBlockStop":
		if d.blocks.find(in.Index) == nil {
			return nil // an empty text
		}
		return d.blocks.stop(&anthropicEvent{Index: in.Index}, out)
	case "messageStop":
		if d.stop = bedrockStops[in.Stop]; d.stop == notYet {
			return unreadable("ended for a reason that has no form in the client's API")
		}
		if len(d.blocks.open) > 0 {
			return unreadable("ends within a block")
		}
		return nil
	case "metadata":
		d.usage = in.Usage.usageOf()
		return nil
	}
	return unreadable("has an event of a type that is not known")
}

func (d *bedrockDecoder) delta(in *bedrockEvent, out func(event) error) error {
	e := &anthropicEvent{Index: in.Index, Delta: &anthropicDelta{Type: "text_delta", Text: in.Delta.Text.value}}
	b := &anthropicBlock{Type: "text"}
	switch t := in.Delta.Reasoning; {
	case len(in.Delta.Other) > 0:
		return unreadable("has a piece of a kind that the client's API has no form for")
	case present(in.Delta.Citation):
		return nil
	case in.Delta.Use != nil:
		e.Delta = &anthropicDelta{Type: "input_json_delta", JSON: in.Delta.Use.Input}
		return d.blocks.delta(e, out)
	case t != nil && t.Redacted != "":
		return d.blocks.begin(&anthropicEvent{Index: in.Index, Block: &anthropicBlock{Type: "redacted_thinking", Data: some(t.Redacted)}}, out)
	case t != nil && t.Signature != "":
		b.Type, e.Delta = "thinking", &anthropicDelta{Type: "signature_delta", Signature: t.Signature}
	case t != nil:
		b.Type, e.Delta = "thinking", &anthropicDelta{Type: "thinking_delta", Thinking: t.Text}
	case !in.Delta.Text.set:
		return unreadable("has a piece of no kind")
	}
	if d.blocks.find(in.Index) == nil {
		if err := d.blocks.begin(&anthropicEvent{Index: in.Index, Block: b}, out); err != nil {
			return err
		}
	}
	return d.blocks.delta(e, out)
}

func (d *bedrockDecoder) end(out func(event) error) error {
	if d.over {
		return nil
	}
	if d.over = true; d.stop == notYet {
		return unreadable("has no end")
	}
	if err := out(event{kind: stopped, stop: d.stop, usage: d.usage}); err != nil {
		return err
	}
	return out(event{kind: finished})
}

// exceptionOf is an exception's name in the one form that both bodies and streams can be brought to.
func exceptionOf(kind string) string {
	kind = kind[strings.LastIndexByte(kind, '#')+1:]
	return strings.ToLower(strings.TrimSuffix(kind, "Exception"))
}

var bedrockStatuses = map[string]int{ //nolint:gochecknoglobals // a constant in all but syntax
	"validation": 400, "unrecognizedclient": 401, "accessdenied": 403, "resourcenotfound": 404, "throttling": 429, "servicequotaexceeded": 429,
	"internalserver": 500, "modelstreamerror": 500, "modelerror": 500, "serviceunavailable": 503, "modelnotready": 503, "modeltimeout": 504,
}
