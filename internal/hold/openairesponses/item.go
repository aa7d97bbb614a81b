package openairesponses

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm/openairesponses"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// maxItems bounds the items of one response.
const maxItems = 4096

// item is what the gate knows of one item of the output.
type item struct {
	index  int
	kind   openairesponses.ItemKind
	typ    string
	id     string
	held   bool
	ended  bool
	told   bool // the response repeats it
	call   *call
	texts  map[openairesponses.Key]*text
	secret []byte // encrypted content that was told of
}

// call is one tool call being put together.
type call struct {
	hold.Call
	text     *hold.Text // for what may stand in its place
	begin    openairesponses.Item
	end      openairesponses.Item
	ended    bool
	message  string // the id of the message in its place
	pieces   int    // of its arguments
	said     []byte // of those that come in pieces, all of them so far
	whole    []byte // the same, as a whole
	wholly   bool
	commands map[int][]byte // of a shell, as they come in pieces
	released bool           // the other arguments were
	answered bool           // the message in its place was released
}

// piece is one held event.
type piece struct {
	of    *item
	kind  openairesponses.EventKind
	name  string
	raw   []byte // as it goes out when nothing changes; nil when something has
	doc   []byte
	own   int64 // its sequence number
	added bool  // it is ours
	size  int   // bytes, with those that it added to its call
}

// begin takes the beginning of an item.
func (g *Gate) begin(dst []byte, e sse.Event) ([]byte, error) {
	ev := &g.event
	switch {
	case ev.Output != len(g.items):
		return dst, hold.Invalid("an item that is not the next one")
	case len(g.items) >= maxItems:
		return dst, hold.TooLarge("more items than any answer has")
	}
	it := &item{index: ev.Output, kind: ev.Item.Kind, typ: ev.Item.Type, id: ev.Item.ID, held: len(g.calls) > 0}
	for _, t := range ev.Item.Texts {
		if len(openairesponses.TextOf(ev.Doc, t.Span)) > 0 {
			return dst, hold.Invalid("an item that begins with a text")
		}
	}
	if it.kind == openairesponses.CallItem {
		if err := g.beginCall(it); err != nil {
			return dst, err
		}
	}
	g.sameID(it)
	g.items = append(g.items, it)
	return g.put(dst, e, it, nil, 0)
}

func (g *Gate) beginCall(it *item) error {
	if err := g.core.Count(); err != nil {
		return err
	}
	c := &call{Call: hold.Call{ToolCall: g.event.Item.Call}, begin: g.event.Item, text: g.texts.Begin("content")}
	c.Index = len(g.calls)
	c.begin.Keep(g.event.Doc)
	if c.begin.IsText() {
		c.said = bytes.Clone(c.begin.Said)
	}
	c.message = openairesponses.MessageID(&c.begin, g.response, it.index)
	it.call, it.held = c, true
	g.calls = append(g.calls, c)
	return nil
}

// sameID refuses calls whose items have the id of another item: by it some clients find what a piece is of.
func (g *Gate) sameID(it *item) {
	if it.id == "" {
		return
	}
	for _, other := range g.items {
		if other.id != it.id {
			continue
		}
		for _, c := range []*call{other.call, it.call} {
			if c != nil {
				c.Malform("its item has the id of another")
			}
		}
	}
}

// said takes a piece of a call's arguments, or all of them.
func (g *Gate) said(dst []byte, e sse.Event, it *item) ([]byte, error) {
	ev, c := &g.event, it.call
	if c == nil {
		return dst, hold.Invalid("arguments of an item that is no call")
	}
	if ev.Of != it.typ {
		c.Malform("its arguments are of another type")
	}
	value := openairesponses.TextOf(ev.Doc, ev.Delta)
	if ev.Kind == openairesponses.SaidDone {
		value = openairesponses.TextOf(ev.Doc, ev.Whole)
	}
	switch {
	case it.typ == "shell_call":
		c.command(ev, value)
	case ev.Kind == openairesponses.SaidDone:
		if c.wholly {
			c.Malform("its arguments come twice")
		}
		c.wholly, c.whole = true, bytes.Clone(value)
	default:
		if c.wholly {
			c.Malform("its arguments go on after their end")
		}
		c.pieces++
		c.said = append(c.said, value...)
	}
	return g.put(dst, e, it, nil, 2*len(value))
}

// command takes a piece of one of a shell's commands, or all of it.
func (c *call) command(ev *openairesponses.Event, value []byte) {
	if c.commands == nil {
		c.commands = map[int][]byte{}
	}
	if ev.Index < 0 {
		c.Malform("its arguments are of another type")
		return
	}
	c.pieces++
	if ev.Kind == openairesponses.SaidDelta {
		c.commands[ev.Index] = append(c.commands[ev.Index], value...)
		return
	}
	if so, there := c.commands[ev.Index]; there && len(so) > 0 && !bytes.Equal(so, value) {
		c.Malform(otherwise)
	}
	c.commands[ev.Index] = bytes.Clone(value)
}

const otherwise = "it is said again, otherwise"

// endItem takes the end of an item: all of it, once more.
func (g *Gate) endItem(dst []byte, e sse.Event, it *item) ([]byte, error) {
	ev := &g.event
	if ev.Item.Type != it.typ || ev.Item.Kind != it.kind {
		if it.call == nil {
			return dst, hold.Invalid("an item that changes in the middle")
		}
		it.call.Malform("its type changes in the middle")
	}
	it.ended = true
	if c := it.call; c != nil {
		c.ended, c.end = true, ev.Item
		c.end.Complete(ev.Doc, false, g.limits)
		c.end.Keep(ev.Doc)
		if c.begin.ID != c.end.ID {
			c.Malform(otherwise)
		}
		c.agree(&c.begin, &c.end)
		c.Arguments, c.Custom = c.end.Call.Arguments, c.end.Call.Custom
		if c.end.Call.Malformed != "" {
			c.Malform(c.end.Call.Malformed)
		}
		return g.put(dst, e, it, nil, len(c.Arguments))
	}
	dst, s, err := g.repeat(dst, it, &ev.Item)
	if err != nil {
		return dst, err
	}
	return g.put(dst, e, it, s, 0)
}

// agree refuses a call whose item says something else when it is said again. Its own id may be another one at the end of
// the response: some providers make it anew, and nobody finds anything by it there.
func (c *call) agree(a, b *openairesponses.Item) {
	if a.Type != b.Type || a.Call.ID != b.Call.ID || a.Call.Tool != b.Call.Tool || a.Given && b.Given && a.IsText() != b.IsText() {
		c.Malform(otherwise)
	}
}

// complete checks a call that is all there: whoever puts the pieces together, or takes the beginning for it, must have the
// arguments that are decided on.
func (c *call) complete(cut bool) {
	switch {
	case cut:
		c.Malform("the answer was cut off before it was complete")
	case !c.ended:
		c.Malform("it never ended")
	case c.Malformed != "":
	case c.typed():
		if !openairesponses.Covers(c.Arguments, c.begin.Said) || !openairesponses.Spoken(c.Arguments, c.commands, c.said, c.whole) {
			c.Malform(otherwise)
		}
	case (c.pieces > 0 || len(c.said) > 0) && !bytes.Equal(c.said, c.end.Said), c.wholly && !bytes.Equal(c.whole, c.end.Said):
		c.Malform(otherwise)
	}
	if c.Arguments == nil {
		c.Arguments = []byte("{}")
	}
}

// typed tells of a call whose arguments are a value of their own, no text.
func (c *call) typed() bool { return !c.end.IsText() }
