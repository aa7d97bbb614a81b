package translate

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
)

var geminiFinishes = map[string]stop{ //nolint:gochecknoglobals // a constant in all but syntax
	"STOP": ended, "MAX_TOKENS": cutOff, "SAFETY": refused, "RECITATION": refused, "LANGUAGE": refused, "BLOCKLIST": refused,
	"PROHIBITED_CONTENT": refused, "SPII": refused, "IMAGE_SAFETY": refused, "IMAGE_PROHIBITED_CONTENT": refused, "IMAGE_RECITATION": refused,
}

// decodeGeminiAnswer reads a whole answer, which is of the form of an event.
func decodeGeminiAnswer(doc []byte) (*answer, error) {
	var c collector
	d := &geminiDecoder{}
	err := d.event("", doc, c.put)
	if err == nil && !d.over {
		err = d.end(c.put)
	}
	return &c.answer, err
}

// geminiDecoder reads events. Texts that follow one another are one, as clients take them.
type geminiDecoder struct {
	begun, over bool
	open        bool
	thought     bool // the open text is one
	calls       int
	id          string
	stop        stop
	usage       llm.Usage
}

func newGeminiDecoder() decoder { return &geminiDecoder{} }

func (d *geminiDecoder) event(_ string, data []byte, out func(event) error) error {
	if string(data) == "" { // an empty event says nothing
		return nil
	}
	var in geminiAnswer
	if err := readAnswer(data, &in); err != nil {
		return err
	}
	if present(in.Error) {
		d.over = true
		return out(event{kind: failing, failed: geminiFailure(in.Error)})
	}
	if in.Usage != nil {
		d.usage = in.Usage.usageOf()
	}
	if !d.begun {
		d.begun, d.id = true, in.ID
		if err := out(event{kind: started, id: in.ID, model: in.Model, usage: d.usage}); err != nil {
			return err
		}
	}
	if b := in.Feedback.Blocked; b != "" && b != "BLOCK_REASON_UNSPECIFIED" {
		d.stop = refused
	}
	for i := range in.Candidates {
		c := &in.Candidates[i]
		if c.Index != 0 {
			return unreadable("has more than one candidate")
		}
		for k := range c.Content.Parts {
			if err := d.part(&c.Content.Parts[k], out); err != nil {
				return err
			}
		}
		if c.Reason == "" || c.Reason == "FINISH_REASON_UNSPECIFIED" {
			continue
		}
		if d.stop = geminiFinishes[c.Reason]; d.stop == notYet {
			return unreadable("ended for a reason that has no form in the client's API")
		}
	}
	return nil
}

func (d *geminiDecoder) part(p *geminiPart, out func(event) error) error {
	for name, v := range p.Other {
		if name != "partMetadata" && name != "mediaResolution" && present(v) {
			return unreadable("has a part of a kind that the client's API has no form for")
		}
	}
	switch {
	case p.Inline != nil, p.Response != nil:
		return unreadable("has a part of a kind that the client's API has no form for")
	case p.Call != nil:
		return d.call(p, out)
	}
	if p.Text.value != "" {
		if !d.open || d.thought != p.Thought {
			if err := d.close(out); err != nil {
				return err
			}
			d.open, d.thought = true, p.Thought
			b := block{}
			if p.Thought {
				b = block{kind: thoughtBlock, sign: sign{Format: geminiFormat}}
			}
			if err := out(event{kind: opened, block: b}); err != nil {
				return err
			}
		}
		if err := out(event{kind: said, text: p.Text.value}); err != nil {
			return err
		}
	}
	return d.signature(p.Signature, out)
}

// signature puts a signature as a thought of its own.
func (d *geminiDecoder) signature(text string, out func(event) error) error {
	if text == "" {
		return nil
	}
	if err := d.close(out); err != nil {
		return err
	}
	for _, e := range []event{
		{kind: opened, block: block{kind: thoughtBlock, sign: sign{Format: geminiFormat}}},
		{kind: signed, sign: sign{Data: text, Format: geminiFormat}},
		{kind: closed},
	} {
		if err := out(e); err != nil {
			return err
		}
	}
	return nil
}

func (d *geminiDecoder) close(out func(event) error) error {
	if !d.open {
		return nil
	}
	d.open = false
	return out(event{kind: closed})
}

func (d *geminiDecoder) call(p *geminiPart, out func(event) error) error {
	if err := d.close(out); err != nil {
		return err
	}
	d.calls++
	b := block{kind: callBlock, id: p.Call.ID, tool: p.Call.Name, args: p.Call.Args}
	if b.id == "" {
		b.id = "call_" + d.id + "_" + strconv.Itoa(d.calls)
	}
	if p.Signature != "" {
		b.sign = sign{Data: p.Signature, Format: geminiFormat}
	}
	return putCall(b, out)
}

func (d *geminiDecoder) end(out func(event) error) error {
	if d.over {
		return nil
	}
	if d.stop == notYet {
		return unreadable("has no end")
	}
	if d.over = true; d.stop == ended && d.calls > 0 {
		d.stop = calls
	}
	if err := d.close(out); err != nil {
		return err
	}
	if err := out(event{kind: stopped, stop: d.stop, usage: d.usage}); err != nil {
		return err
	}
	return out(event{kind: finished})
}

// geminiFailure reads the error of Google's APIs.
func geminiFailure(body raw) *failure {
	var w struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Status  string `json:"status"`
	}
	if readAnswer(body, &w) != nil {
		return &failure{}
	}
	return &failure{kind: w.Status, message: w.Message, status: w.Code}
}
