package provider

import "encoding/json"

// responder writes one stream of a response, whose events are numbered.
type responder struct {
	*streamer
	number int
}

// play sends a response by events.
func (p *responder) play() error {
	s := p.s
	if s.events != nil {
		return p.scriptedEvents()
	}
	whole := s.wholeResponse(p.req)
	for _, kind := range []string{"response.created", "response.in_progress"} {
		if err := p.send(kind, map[string]any{"response": s.response(p.req, "in_progress")}); err != nil {
			return err
		}
	}
	index, err := p.spoken()
	if err != nil {
		return err
	}
	switch {
	case s.midError != nil && s.finish == "failed":
		if err := p.send("response.failed", map[string]any{"response": whole}); err != nil {
			return err
		}
		return errEnded
	case s.midError != nil:
		// The published type has the members beside the type; the wire has them in an error, too.
		body := map[string]any{"type": "server_error", "code": "server_error", "message": s.midError.Message, "param": nil}
		if err := p.send("error", map[string]any{"code": "server_error", "message": s.midError.Message, "param": nil, "error": body}); err != nil {
			return err
		}
		return errEnded
	}
	if err := p.mishap(); err != nil {
		return err
	}
	if err := p.called(index); err != nil || s.truncate == "done" {
		if err == nil {
			err = errEnded
		}
		return err
	}
	kind := "response.completed"
	if whole.Status == "incomplete" {
		kind = "response.incomplete"
	}
	return p.send(kind, map[string]any{"response": whole})
}

// send sends one numbered event.
func (p *responder) send(kind string, members map[string]any) error {
	members["sequence_number"] = p.number
	p.number++
	return p.named(kind, members)
}

// steps sends events one after the other.
func (p *responder) steps(events ...map[string]any) error {
	for _, e := range events {
		kind, _ := e["type"].(string)
		delete(e, "type")
		if err := p.send(kind, e); err != nil {
			return err
		}
	}
	return nil
}

// spoken sends what the model thinks and says, and tells the index of the next item.
func (p *responder) spoken() (int, error) {
	index := 0
	for n, t := range p.s.thinks {
		item := thoughtItem(p.req, n, t)
		begin := item
		begin.Summary = []summaryText{}
		at := func(kind string, members map[string]any) map[string]any {
			members["type"], members["item_id"], members["output_index"], members["summary_index"] = kind, item.ID, index, 0
			return members
		}
		if err := p.steps(
			map[string]any{"type": "response.output_item.added", "output_index": index, "item": begin},
			at("response.reasoning_summary_part.added", map[string]any{"part": summaryText{Type: "summary_text"}}),
			at("response.reasoning_summary_text.delta", map[string]any{"delta": t}),
			at("response.reasoning_summary_text.done", map[string]any{"text": t}),
			at("response.reasoning_summary_part.done", map[string]any{"part": item.Summary[0]}),
			map[string]any{"type": "response.output_item.done", "output_index": index, "item": item},
		); err != nil {
			return 0, err
		}
		index++
	}
	if len(p.s.said()) == 0 {
		return index, nil
	}
	return index + 1, p.message(index)
}

// message sends the message.
func (p *responder) message(index int) error {
	text, said := "", p.s.said()
	for _, piece := range said {
		text += piece
	}
	item := messageItem(p.req, index, text, "completed")
	at := func(kind string, members map[string]any) map[string]any {
		members["type"], members["item_id"], members["output_index"], members["content_index"] = kind, item.ID, index, 0
		return members
	}
	if err := p.steps(
		map[string]any{"type": "response.output_item.added", "output_index": index, "item": messageItem(p.req, index, "", "in_progress")},
		at("response.content_part.added", map[string]any{"part": outputText("")}),
	); err != nil {
		return err
	}
	for _, piece := range said {
		if err := p.steps(at("response.output_text.delta", map[string]any{"delta": piece, "logprobs": []any{}, "obfuscation": "x"})); err != nil {
			return err
		}
	}
	return p.steps(
		at("response.output_text.done", map[string]any{"text": text, "logprobs": []any{}}),
		at("response.content_part.done", map[string]any{"part": outputText(text)}),
		map[string]any{"type": "response.output_item.done", "output_index": index, "item": item},
	)
}

// called sends the calls: one after the other, or the heads first and then the rest by turns.
func (p *responder) called(index int) error {
	calls := p.s.of(0)
	for n, c := range calls {
		if err := p.head(index+n, c.item(p.req, n)); err != nil {
			return err
		}
		if p.s.oneByOne {
			if err := p.rest(index+n, c.item(p.req, n)); err != nil {
				return err
			}
		}
	}
	for n, c := range calls {
		if p.s.oneByOne {
			break
		}
		if err := p.rest(index+n, c.item(p.req, n)); err != nil {
			return err
		}
	}
	return nil
}

func (p *responder) head(index int, item responseCall) error {
	item.Status = "in_progress"
	empty := ""
	if item.Arguments != nil {
		item.Arguments = &empty
	}
	if item.Input != nil {
		item.Input = &empty
	}
	if item.Type == "shell_call" {
		item.Action = json.RawMessage(`{"commands":[]}`)
	}
	return p.steps(map[string]any{"type": "response.output_item.added", "output_index": index, "item": item})
}

// rest sends a call's arguments in pieces, once more as a whole, and the item.
func (p *responder) rest(index int, item responseCall) error {
	text, member, kind := item.Arguments, "arguments", "response.function_call_arguments"
	if item.Input != nil {
		text, member, kind = item.Input, "input", "response.custom_tool_call_input"
	}
	if text != nil {
		rest, first := *text, true
		for rest != "" {
			var piece string
			piece, rest = cut(rest, p.s.fragmentOf(*text))
			if err := p.steps(map[string]any{"type": kind + ".delta", "item_id": item.ID, "output_index": index, "delta": piece}); err != nil {
				return err
			}
			if !first {
				continue
			}
			first = false
			if p.s.truncate == "call" {
				return errEnded
			}
			if err := pause(p.r.Context(), p.s.hold); err != nil {
				return err
			}
		}
		if err := p.steps(map[string]any{"type": kind + ".done", "item_id": item.ID, "output_index": index, member: *text}); err != nil {
			return err
		}
	}
	return p.steps(map[string]any{"type": "response.output_item.done", "output_index": index, "item": item})
}
