package translate

import (
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// chatDecoder reads chunks. Texts go on at once; calls, whose pieces may come in any order, when the turn ends.
type chatDecoder struct {
	begun   bool
	over    bool
	open    chatOpen
	detail  chatDetail // that the open thought is of
	calls   []*chatHeld
	stop    stop
	refused bool
	usage   llm.Usage
}

type chatOpen byte

const (
	nothingOpen chatOpen = iota
	textOpen
	thoughtOpen
	refusalOpen
)

// chatHeld is a call, as far as it came.
type chatHeld struct {
	index int
	block block
}

func newChatDecoder() decoder { return &chatDecoder{} }

func (d *chatDecoder) event(_ string, data []byte, out func(event) error) error {
	if string(data) == "[DONE]" {
		return d.end(out)
	}
	if d.over {
		return unreadable("has more behind its end")
	}
	var in chatAnswer
	if err := readAnswer(data, &in); err != nil {
		return err
	}
	return d.chunk(&in, out)
}

// chunk takes a chunk, or a whole answer whose message is the delta.
func (d *chatDecoder) chunk(in *chatAnswer, out func(event) error) error {
	if present(in.Error) {
		return d.fail(in.Error, out)
	}
	if !d.begun {
		d.begun = true
		if err := out(event{kind: started, id: in.ID, model: in.Model, created: in.Created}); err != nil {
			return err
		}
	}
	if in.Usage != nil {
		d.usage = in.Usage.usageOf()
	}
	for i := range in.Choices {
		c := &in.Choices[i]
		switch {
		case present(c.Error):
			return d.fail(c.Error, out)
		case c.Index != 0:
			return unreadable("has more than one choice")
		case c.Delta == nil:
		default:
			if err := d.delta(c.Delta, out); err != nil {
				return err
			}
		}
		if c.Finish.set && c.Finish.value != "" {
			if err := d.finish(c.Finish.value, out); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *chatDecoder) fail(body raw, out func(event) error) error {
	d.over = true
	return out(event{kind: failing, failed: openAIFailure(body)})
}

func (d *chatDecoder) delta(in *chatSaid, out func(event) error) error {
	if present(in.Function) || present(in.Audio) || present(in.Images) && string(in.Images) != "[]" {
		return unreadable("has a member that is no text")
	}
	if err := d.thoughts(in, out); err != nil {
		return err
	}
	if err := d.content(in.Content, out); err != nil {
		return err
	}
	if text, ok := unquoted(in.Refusal); ok && text != "" {
		d.refused = true
		if err := d.say(refusalOpen, block{kind: refusalBlock}, text, out); err != nil {
			return err
		}
	}
	for i := range in.Calls {
		if err := d.call(&in.Calls[i]); err != nil {
			return err
		}
	}
	return nil
}

// say adds to the open block, or opens one.
func (d *chatDecoder) say(what chatOpen, b block, text string, out func(event) error) error {
	if text == "" {
		return nil
	}
	if d.open != what {
		if err := d.begin(what, b, out); err != nil {
			return err
		}
	}
	return out(event{kind: said, text: text})
}

func (d *chatDecoder) begin(what chatOpen, b block, out func(event) error) error {
	if err := d.close(out); err != nil {
		return err
	}
	d.open = what
	return out(event{kind: opened, block: b})
}

func (d *chatDecoder) close(out func(event) error) error {
	if d.open == nothingOpen {
		return nil
	}
	d.open, d.detail = nothingOpen, chatDetail{}
	return out(event{kind: closed})
}

// chatPieces are a content that is a list, as Mistral writes it.
type chatPieces struct {
	Type     string             `json:"type"`
	Text     string             `json:"text"`
	Thinking either[chatPieces] `json:"thinking"`
}

func (d *chatDecoder) content(v raw, out func(event) error) error {
	if !present(v) {
		return nil
	}
	if text, ok := unquoted(v); ok {
		return d.say(textOpen, block{}, text, out)
	}
	var parts []chatPieces
	if err := readAnswer(v, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		var err error
		switch p.Type {
		case "text":
			err = d.say(textOpen, block{}, p.Text, out)
		case "thinking":
			text := p.Thinking.text
			for _, t := range p.Thinking.list {
				text += t.Text
			}
			err = d.say(thoughtOpen, block{kind: thoughtBlock}, text, out)
		default:
			err = unreadable("has a part of its content that is no text")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// thoughts takes what a delta says of them: in details, or else as a text.
func (d *chatDecoder) thoughts(in *chatSaid, out func(event) error) error {
	told := slices.ContainsFunc(in.Details, func(t chatDetail) bool { return t.Text.value != "" || t.Summary.value != "" })
	if !told {
		text := in.Reasoning.value
		if text == "" {
			text = in.ReasoningAs.value
		}
		if err := d.say(thoughtOpen, block{kind: thoughtBlock}, text, out); err != nil {
			return err
		}
	}
	for i := range in.Details {
		if err := d.takeDetail(&in.Details[i], out); err != nil {
			return err
		}
	}
	return nil
}

func (d *chatDecoder) takeDetail(t *chatDetail, out func(event) error) error {
	text := t.Text.value + t.Summary.value
	s := sign{Signature: t.Signature.value, Data: t.Data.value, Format: t.Format.value, ID: t.ID.value}
	if text == "" && !s.signed() {
		return nil
	}
	same := d.open == thoughtOpen && t.Data.value == "" && (d.detail.Type == t.Type || d.detail.Type == "") && d.detail.Index == t.Index &&
		d.detail.Signature.value == ""
	if !same {
		if err := d.begin(thoughtOpen, block{kind: thoughtBlock}, out); err != nil {
			return err
		}
	}
	d.detail = *t
	if text != "" {
		if err := out(event{kind: said, text: text}); err != nil {
			return err
		}
	}
	if !s.signed() {
		return nil
	}
	return out(event{kind: signed, sign: s})
}

// call takes a piece of a call. Those of a whole answer have no index.
func (d *chatDecoder) call(in *chatCall) error {
	index := in.Index.value
	if !in.Index.set {
		index = len(d.calls)
	}
	if in.Function == nil || in.Type != "" && in.Type != "function" {
		return unreadable("has a call of no function")
	}
	i := slices.IndexFunc(d.calls, func(h *chatHeld) bool { return h.index == index })
	if i < 0 {
		if len(d.calls) >= llm.MaxResults {
			return unreadable("has too many calls")
		}
		i = len(d.calls)
		d.calls = append(d.calls, &chatHeld{index: index, block: block{kind: callBlock, sign: in.signature()}})
	}
	b := &d.calls[i].block
	if b.id == "" {
		b.id = in.ID.value
	}
	if b.tool == "" {
		b.tool = in.Function.Name
	}
	b.args = append(b.args, in.Function.Arguments.value...)
	return nil
}

// finish releases the calls.
func (d *chatDecoder) finish(reason string, out func(event) error) error {
	is, known := chatFinishes[reason]
	if !known {
		return unreadable("ended for a reason that is not known")
	}
	if d.refused && is == ended {
		is = refused
	}
	d.stop = is
	if err := d.close(out); err != nil {
		return err
	}
	for _, h := range d.calls {
		if err := putCall(h.block, out); err != nil {
			return err
		}
	}
	d.calls = nil
	return nil
}

// putCall puts a call that is there as a whole.
func putCall(b block, out func(event) error) error {
	args, err := object(string(b.args))
	if err != nil || b.id == "" || b.tool == "" {
		return unreadable("has a call that is not complete")
	}
	if b.sign.signed() {
		for _, e := range []event{{kind: opened, block: block{kind: thoughtBlock}}, {kind: signed, sign: b.sign}, {kind: closed}} {
			if err := out(e); err != nil {
				return err
			}
		}
	}
	for _, e := range []event{
		{kind: opened, block: block{kind: callBlock, id: b.id, tool: b.tool}}, {kind: said, text: string(args)}, {kind: closed},
	} {
		if err := out(e); err != nil {
			return err
		}
	}
	return nil
}

func (d *chatDecoder) end(out func(event) error) error {
	if d.over {
		return nil
	}
	d.over = true
	if d.stop == notYet {
		return unreadable("has no end")
	}
	if err := out(event{kind: stopped, stop: d.stop, usage: d.usage}); err != nil {
		return err
	}
	return out(event{kind: finished})
}
