package gemini

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm/gemini"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// candidate is what the gate knows of one candidate.
type candidate struct {
	index    int
	finished bool
	called   bool // has calls, held or decided
	said     bool // text for people was shown
	changed  bool // a text was filtered to another, or a call denied
	calls    []*call
	held     []piece
	texts    *hold.Texts
	open     gemini.PartKind // of the text that may go on; EmptyPart when none does
}

// call is one tool call that is held.
type call struct {
	hold.Call
	signed []byte // the member that it came with
	goes   []byte // the member that it goes with
}

// piece is one held event: of one candidate, from a call on.
type piece struct {
	raw   []byte // as it goes out when nothing changes
	doc   []byte // its data
	name  string // of the event
	first int    // its first call in candidate.calls
	size  int
}

// candidate finds or begins a candidate.
func (g *Gate) candidate(index int) (*candidate, error) {
	c := g.candidates[index]
	if c == nil {
		if index >= g.core.Choices {
			return nil, hold.Invalid("a candidate that nobody asked for")
		}
		c = &candidate{index: index, texts: g.core.Texts(index)}
		g.candidates[index] = c
		g.order = append(g.order, c)
	}
	return c, nil
}

// admits refuses what may not follow the end of a candidate: a call, and any text or data, since a turn that was told of is
// not to grow.
func (g *Gate) admits(c *candidate, is *gemini.Candidate) error {
	if !c.finished {
		return nil
	}
	for _, p := range is.Parts {
		if p.Kind != gemini.EmptyPart {
			return hold.Invalid("more of an answer after it had finished")
		}
	}
	return nil
}

// saw notes what is released of the candidate.
func (c *candidate) saw(is *gemini.Candidate) {
	for _, p := range is.Parts {
		c.said = c.said || p.Kind == gemini.TextPart
		if p.Kind != gemini.EmptyPart {
			c.open = p.Kind
		}
	}
	if c.open != gemini.TextPart && c.open != gemini.ThoughtPart || is.Reason != "" {
		c.open = gemini.EmptyPart
	}
}

// text filters one part of a text.
func (c *candidate) text(kind gemini.PartKind, said []byte, last bool) []byte {
	shown := bytes.Clone(c.texts.Of(kind.Member()).Write(said, last))
	c.changed = c.changed || !bytes.Equal(shown, said)
	return shown
}

// flush closes the text that went on so far, unless the next parts go on with it, and appends what was held back of it.
func (g *Gate) flush(dst []byte, c *candidate, a *gemini.Response, next *gemini.Candidate) []byte {
	if c.open == gemini.EmptyPart || !g.core.LooksAtTexts() {
		return dst
	}
	if next != nil {
		for _, p := range next.Parts {
			if p.Kind == c.open {
				return dst
			}
			if p.Kind != gemini.EmptyPart {
				next = nil
				break
			}
		}
		if next != nil && next.Reason == "" {
			return dst
		}
	}
	kind := c.open
	c.open = gemini.EmptyPart
	if shown := c.texts.Of(kind.Member()).Close(); len(shown) > 0 {
		c.said = c.said || kind == gemini.TextPart
		dst = gemini.AppendEvent(dst, "", a.AppendText(nil, c.index, kind, shown), g.crlf)
	}
	return dst
}

// deal takes an event of one candidate, with a call in it or behind one.
func (g *Gate) deal(dst []byte, a *gemini.Response, e sse.Event) ([]byte, error) {
	is := &a.Candidates[0]
	c := g.candidates[is.Index]
	if len(c.held) == 0 {
		if len(is.Calls) == 0 {
			return g.pass(dst, a, e)
		}
		before := 0
		for is.Parts[before].Kind != gemini.CallPart {
			before++
		}
		if before > 0 {
			head, tail := a.Split(before)
			for i, doc := range [][]byte{head, tail} {
				part, err := parse(doc)
				if err != nil {
					return dst, err
				}
				if i > 0 {
					return g.deal(dst, part, sse.Event{Name: e.Name})
				}
				if dst, err = g.pass(dst, part, sse.Event{Name: e.Name}); err != nil {
					return dst, err
				}
			}
		}
	}
	if err := g.hold(c, a, e); err != nil {
		return dst, err
	}
	if is.Reason == "" {
		return dst, nil
	}
	return g.decide(dst, c, is.Reason)
}

// hold keeps an event and the calls in it.
func (g *Gate) hold(c *candidate, a *gemini.Response, e sse.Event) error {
	if len(c.held) == 0 {
		g.holding++
	}
	p := piece{name: e.Name, first: len(c.calls), doc: bytes.Clone(a.Doc)}
	if p.raw = bytes.Clone(e.Raw); len(p.raw) == 0 {
		p.raw = gemini.AppendEvent(nil, e.Name, p.doc, g.crlf)
	}
	p.size = len(p.raw) + len(p.doc)
	for i := range a.Candidates[0].Parts {
		part := &a.Candidates[0].Parts[i]
		if part.Kind != gemini.CallPart {
			continue
		}
		if err := g.core.Count(); err != nil {
			return err
		}
		is := &call{Call: hold.Call{ToolCall: a.Calls[part.Call]}, signed: bytes.Clone(a.Signed(part))}
		is.Index, is.Choice = len(c.calls), c.index
		is.Arguments = bytes.Clone(is.Arguments)
		p.size += len(is.Arguments) + len(is.signed)
		c.calls, c.called = append(c.calls, is), true
	}
	if err := g.core.Hold(p.size); err != nil {
		return err
	}
	c.held = append(c.held, p)
	return nil
}

// decide decides the calls of a candidate that has finished, and releases what was held.
func (g *Gate) decide(dst []byte, c *candidate, reason string) ([]byte, error) {
	calls := make([]*hold.Call, len(c.calls))
	for i, is := range c.calls {
		if calls[i] = &is.Call; !gemini.Complete(reason) {
			is.Malform("the answer was cut off before it was complete")
		}
	}
	if err := g.core.DecideAll(calls); err != nil {
		return dst, err
	}
	denied, signed := make([]bool, len(calls)), make([][]byte, len(calls))
	for i, is := range c.calls {
		denied[i], signed[i] = !is.Allowed, is.signed
		c.changed = c.changed || !is.Allowed
	}
	for i, signature := range gemini.Signatures(denied, signed) {
		c.calls[i].goes = signature
	}
	var out []byte // goes on when Finish has been told
	for i := range c.held {
		var err error
		if out, err = g.release(out, c, &c.held[i]); err != nil {
			return dst, err
		}
	}
	if err := c.texts.Finish(reason, calls); err != nil {
		return dst, err
	}
	for _, p := range c.held {
		g.core.Free(p.size)
	}
	c.held, c.calls, c.finished = nil, nil, true
	g.holding--
	return append(dst, out...), nil
}

// release appends a held event as it was decided.
func (g *Gate) release(dst []byte, c *candidate, p *piece) ([]byte, error) {
	a, err := parse(p.doc)
	if err != nil {
		return dst, err
	}
	is := &a.Candidates[0]
	dst = g.flush(dst, c, a, is)
	text := c.text
	if !g.core.LooksAtTexts() {
		text = func(_ gemini.PartKind, said []byte, _ bool) []byte { return said }
	}
	doc, err := a.Revise(0, gemini.Revision{
		Redact: c.changed,
		Call:   func(i int) gemini.Outcome { return c.outcome(c.calls[p.first+i]) },
		Text: func(kind gemini.PartKind, said []byte, last bool) []byte {
			c.said = c.said || kind == gemini.TextPart
			return text(kind, said, last)
		},
	})
	if err != nil {
		return dst, err
	}
	c.saw(is)
	return g.append(dst, a, sse.Event{Name: p.name, Raw: p.raw}, doc), nil
}

// outcome is what becomes of a call. What stands in the place of a denied one goes on behind what was said.
func (c *candidate) outcome(is *call) gemini.Outcome {
	o := gemini.Outcome{Allowed: is.Allowed, ID: is.OutID, Arguments: is.OutArguments, Refusal: is.Refusal, Signed: is.goes}
	if !o.Allowed {
		if c.said {
			o.Refusal = "\n\n" + o.Refusal
		}
		c.said = true
		c.texts.Of(gemini.TextMember).Add([]byte(o.Refusal))
	}
	return o
}
