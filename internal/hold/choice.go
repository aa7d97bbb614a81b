package hold

import (
	"bytes"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// choice is what the gate knows of one choice.
type choice struct {
	index    int
	role     bool // a role was released
	said     bool // text for people was released
	finished bool
	called   bool    // has calls, held or decided
	calls    []*call // held ones, in the order in which they began
	next     int     // the index that the next new call must have
	left     int     // calls that were released
	pieces   []piece // held
	texts    *Texts
}

// call is one tool call being put together.
type call struct {
	Call
	kind      string // as its `type` says
	function  bool   // has a function's part
	custom    bool   // has a custom tool's part
	given     bool   // has arguments, if only empty ones
	arguments []byte
	out       int    // the index under which it is released
	whole     []byte // the arguments with which it is released, as they stand on the wire; nil keeps its own
	begun     *piece // where whole was released
	replaced  bool   // the refusal was released
}

// piece is one held event: of one choice, without text that could go on.
type piece struct {
	raw   []byte // as it goes out when nothing changes
	doc   []byte // its data
	name  string // of the event
	calls []*call
	size  int // bytes, with those that it added to its calls' arguments
}

// choice finds or begins a choice.
func (g *Gate) choice(index int) (*choice, error) {
	if g.last != nil && g.last.index == index {
		return g.last, nil
	}
	c, ok := g.choices[index]
	if !ok {
		if index >= g.core.Choices {
			return nil, Invalid("a choice that nobody asked for")
		}
		if g.choices == nil {
			g.choices = map[int]*choice{}
		}
		c = &choice{index: index, texts: g.core.Texts(index)}
		g.choices[index] = c
	}
	g.last = c
	return c, nil
}

// admits refuses what may not follow the end of a choice: a call, text after calls, and any text when texts are looked at,
// since a turn that was told of is not to grow.
func (g *Gate) admits(c *choice, ch *openaichat.ChunkChoice) error {
	switch {
	case !c.finished:
		return nil
	case len(ch.Calls) > 0:
		return Invalid("a tool call after its choice had finished")
	case ch.Text && (c.called || g.core.LooksAtTexts()):
		return Invalid("text after its choice had finished")
	}
	return nil
}

// saw notes what is released of the choice.
func (c *choice) saw(ch *openaichat.ChunkChoice) {
	c.role = c.role || ch.Role
	c.said = c.said || ch.Prose
}

// stops tells whether a reason to finish is true no longer: it says that there are calls, and none was released.
func (c *choice) stops(reason string) bool {
	return c.called && c.left == 0 && (reason == "tool_calls" || reason == "function_call")
}

// hold keeps a piece of the event and adds its fragments to their calls.
func (g *Gate) hold(c *choice, e sse.Event, k int, p openaichat.Piece) error {
	ch := &g.chunk.Choices[k]
	if len(c.pieces) == 0 {
		g.holding++
	}
	held := piece{name: e.Name}
	g.said = g.said[:0]
	for i := range ch.Calls {
		call, said, err := g.fragment(c, &ch.Calls[i])
		if err != nil {
			return err
		}
		if slices.Contains(held.calls, call) { // to some clients each element of a first list is a call
			call.Malform("it comes twice in one event")
		}
		held.calls, g.said = append(held.calls, call), append(g.said, said)
		held.size += len(ch.Calls[i].Arguments)
	}
	p.Said = g.said
	doc := g.chunk.Piece(k, p)
	if len(doc) == len(e.Data) && &doc[0] == &e.Data[0] {
		held.raw = bytes.Clone(e.Raw)
	} else {
		held.raw = sse.AppendEvent(nil, e.Name, doc)
	}
	held.size += len(held.raw)
	if at := bytes.Index(held.raw, doc); at >= 0 {
		held.doc = held.raw[at : at+len(doc)]
	} else { // in several lines
		held.doc = bytes.Clone(doc)
		held.size += len(doc)
	}
	if err := g.core.Hold(held.size); err != nil {
		return err
	}
	c.pieces = append(c.pieces, held)
	return nil
}

// fragment adds a fragment to its call, or begins a call with it, and tells what of it the call has said before.
func (g *Gate) fragment(c *choice, d *openaichat.CallDelta) (*call, openaichat.Said, error) {
	to := c.find(d)
	if to == nil {
		if err := g.core.Count(); err != nil {
			return nil, openaichat.Said{}, err
		}
		to = &call{Call: Call{ToolCall: llm.ToolCall{Choice: c.index, Index: d.Index, Legacy: d.Legacy}}}
		c.calls, c.called = append(c.calls, to), true
		switch {
		case d.Legacy:
		case d.Index < 0:
			to.Malform("it has no usable index")
		case d.Index != c.next:
			to.Malform("its index is not the next one")
		default:
			c.next++
		}
	}
	said := openaichat.Said{
		ID:   to.same(&to.ID, d.ID, "its id changes in the middle"),
		Name: to.same(&to.Tool, d.Name, "its name changes in the middle"),
		Type: to.same(&to.kind, d.Type, "its type changes in the middle"),
	}
	to.function = to.function || d.Function
	to.custom = to.custom || d.Custom
	to.given = to.given || d.Given
	if d.Wrong {
		to.Malform("it does not have the shape of a call")
	}
	to.arguments = append(to.arguments, d.Arguments...)
	return to, said, nil
}

// find finds the call that a fragment continues. One without an index continues none.
func (c *choice) find(d *openaichat.CallDelta) *call {
	for _, to := range c.calls {
		if to.Legacy == d.Legacy && to.Index == d.Index && (d.Legacy || d.Index >= 0) {
			return to
		}
	}
	return nil
}

// same sets what may be said again, but not otherwise, and tells whether it is said again.
func (c *call) same(what *string, said, otherwise string) bool {
	switch {
	case said == "":
		return false
	case said == *what:
		return true
	case *what == "":
		*what = said
	default:
		c.Malform(otherwise)
	}
	return false
}
