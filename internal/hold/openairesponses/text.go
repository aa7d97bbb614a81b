package openairesponses

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openairesponses"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// text is one text of an item. What was said of it is known by its hash, so that it can be told when it is repeated; what
// was shown by how far that is the same, and what came then.
type text struct {
	of     *hold.Text
	member string
	sum    maphash.Hash
	said   int // bytes
	same   int // bytes at the beginning that were shown as they were said
	tail   []byte
	edited bool
	closed bool
}

// textOf finds a text of an item, or begins it.
func (g *Gate) textOf(it *item, key openairesponses.Key, member string) (*text, error) {
	x := it.texts[key]
	switch {
	case x == nil:
		if it.texts == nil {
			it.texts = map[openairesponses.Key]*text{}
		}
		x = &text{of: g.texts.Begin(member), member: member}
		it.texts[key] = x
	case x.member != member:
		return nil, hold.Invalid("a text that changes its kind in the middle")
	}
	return x, nil
}

// say puts a piece of a text through its filter, and returns what is shown; it is valid until the next call.
func (g *Gate) say(x *text, said []byte, last bool) ([]byte, error) {
	_, _ = x.sum.Write(said)
	x.said += len(said)
	shown := x.of.Write(said, last)
	x.closed = x.closed || last
	return shown, g.keep(x, shown, said)
}

// keep remembers what was shown, from where it is not what was said.
func (g *Gate) keep(x *text, shown, said []byte) error {
	if !x.edited && bytes.Equal(shown, said) {
		x.same += len(said)
		return nil
	}
	x.edited = true
	x.tail = append(x.tail, shown...)
	return g.core.Hold(len(shown))
}

// shut closes the text's filter and returns what it had held back.
func (g *Gate) shut(x *text) ([]byte, error) {
	if x.closed {
		return nil, nil
	}
	x.closed = true
	shown := x.of.Close()
	return shown, g.keep(x, shown, nil)
}

// shows is what was shown of a text that is repeated: an error if that is another one.
func (x *text) shows(said []byte) ([]byte, error) {
	var sum maphash.Hash
	sum.SetSeed(x.sum.Seed())
	_, _ = sum.Write(said)
	if len(said) != x.said || sum.Sum64() != x.sum.Sum64() {
		return nil, hold.Invalid("a text that is said again, otherwise")
	}
	if !x.edited {
		return said, nil
	}
	return append(bytes.Clone(said[:x.same]), x.tail...), nil
}

// text takes an event of a text.
func (g *Gate) text(dst []byte, e sse.Event, it *item) ([]byte, error) {
	ev := &g.event
	if it.kind != openairesponses.MessageItem && it.kind != openairesponses.ThoughtItem {
		return dst, hold.Invalid("a text of an item that has none")
	}
	x, err := g.textOf(it, ev.Key(), ev.Member)
	if err != nil {
		return dst, err
	}
	var s llm.Splices
	switch ev.Kind {
	case openairesponses.TextBegin:
		if len(openairesponses.TextOf(ev.Doc, ev.Part.Span)) > 0 {
			return dst, hold.Invalid("a part that begins with a text")
		}
	case openairesponses.TextDelta:
		if x.closed {
			return dst, hold.Invalid("a text that goes on after its end")
		}
		said := openairesponses.TextOf(ev.Doc, ev.Delta)
		shown, err := g.say(x, said, false)
		if err != nil {
			return dst, err
		}
		if !bytes.Equal(said, shown) {
			ev.SetDelta(&s, shown)
		}
	case openairesponses.TextDone:
		said := openairesponses.TextOf(ev.Doc, ev.Whole)
		var shown []byte
		if dst, shown, err = g.onceMore(dst, it, ev.Key(), x, said); err != nil {
			return dst, err
		}
		if !bytes.Equal(said, shown) {
			ev.SetWhole(&s, shown)
		}
	default:
		if dst, err = g.repeatText(dst, it, &s, &ev.Part, ev.Doc); err != nil {
			return dst, err
		}
	}
	return g.put(dst, e, it, &s, 0)
}

// onceMore takes a whole text, which was said in pieces before or was not, and returns what is shown of it.
func (g *Gate) onceMore(dst []byte, it *item, key openairesponses.Key, x *text, said []byte) ([]byte, []byte, error) {
	if x.said == 0 && !x.closed {
		shown, err := g.say(x, said, true)
		return dst, bytes.Clone(shown), err
	}
	dst, err := g.flush(dst, it, key, x)
	if err != nil {
		return dst, nil, err
	}
	shown, err := x.shows(said)
	return dst, shown, err
}

// repeat takes the texts of an item that ends, or that the response repeats, and says what changes in it.
func (g *Gate) repeat(dst []byte, it *item, as *openairesponses.Item) ([]byte, *llm.Splices, error) {
	var s llm.Splices
	dst, err := g.repeatInto(dst, it, as, &s)
	return dst, &s, err
}

func (g *Gate) repeatInto(dst []byte, it *item, as *openairesponses.Item, s *llm.Splices) ([]byte, error) {
	for i := range as.Texts {
		var err error
		if dst, err = g.repeatText(dst, it, s, &as.Texts[i], g.event.Doc); err != nil {
			return dst, err
		}
	}
	// What is encrypted comes back as it is: it is told of, unless it was.
	if secret := openairesponses.TextOf(g.event.Doc, as.Secret); len(secret) > 0 && !bytes.Equal(secret, it.secret) {
		it.secret = bytes.Clone(secret)
		g.texts.Begin("encrypted_content").Add(secret)
		return dst, g.core.Hold(len(secret))
	}
	return dst, nil
}

func (g *Gate) repeatText(dst []byte, it *item, s *llm.Splices, t *openairesponses.ItemText, doc []byte) ([]byte, error) {
	said := openairesponses.TextOf(doc, t.Span)
	x := it.texts[t.Key()]
	if x == nil && len(said) == 0 {
		return dst, nil
	}
	x, err := g.textOf(it, t.Key(), t.Member)
	if err != nil {
		return dst, err
	}
	dst, shown, err := g.onceMore(dst, it, t.Key(), x, said)
	if err == nil && !bytes.Equal(said, shown) {
		t.SetText(s, shown)
	}
	return dst, err
}

// flush closes a text, and appends what its filter had held back, in an event of its own.
func (g *Gate) flush(dst []byte, it *item, key openairesponses.Key, x *text) ([]byte, error) {
	shown, err := g.shut(x)
	if err != nil || len(shown) == 0 {
		return dst, err
	}
	p := openairesponses.Piece{Key: key, Member: x.member, ItemID: it.id, Output: it.index, Number: -1, Text: shown}
	if !it.held {
		p.Number = g.numbers.added()
		return sse.AppendEvent(dst, g.name(p.Type()), p.Doc()), nil
	}
	if g.numbers.there {
		p.Number = 0 // it gets its own when it is released
	}
	return dst, g.hold(piece{of: it, kind: openairesponses.TextDelta, name: g.name(p.Type()), added: true, own: p.Number, doc: p.Doc()}, 0)
}

// name is the name of an event of ours.
func (g *Gate) name(kind string) string {
	if g.named {
		return kind
	}
	return ""
}

// flushAll closes the texts of all items, in order; with those too that are held.
func (g *Gate) flushAll(dst []byte, held bool) ([]byte, error) {
	for _, it := range g.items {
		if it.held && !held {
			continue
		}
		keys := slices.SortedFunc(maps.Keys(it.texts), func(a, b openairesponses.Key) int {
			return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Index, b.Index))
		})
		for _, key := range keys {
			var err error
			if dst, err = g.flush(dst, it, key, it.texts[key]); err != nil {
				return dst, err
			}
		}
	}
	return dst, nil
}
