package hold

import (
	"bytes"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// Texts are the texts of one choice as they stream: put through their filters, and kept for Finish.
type Texts struct {
	core   *Core
	choice int
	list   []*Text
}

// Text is one text: a content, what the model thinks, …
type Text struct {
	of          *Texts
	member      string
	filter      TextFilter // nil when it is closed, or nothing is filtered
	shown, said []byte     // kept for Finish
	parted      bool       // shown is not said; else only shown is kept
	cut         bool       // over the limit: neither is kept
}

// LooksAtTexts tells whether texts are looked at: else a gate need not tell a Texts of any.
func (k *Core) LooksAtTexts() bool { return k.Text != nil || k.Finish != nil }

// Texts makes the texts of a choice.
func (k *Core) Texts(choice int) *Texts { return &Texts{core: k, choice: choice} }

// Of finds the text of a member, or begins it: for dialects in which a choice has one text of each name.
func (x *Texts) Of(member string) *Text {
	for _, t := range x.list {
		if t.member == member {
			return t
		}
	}
	return x.Begin(member)
}

// Begin begins another text, behind those that are there: for dialects of many blocks.
func (x *Texts) Begin(member string) *Text {
	t := &Text{of: x, member: member}
	x.list = append(x.list, t)
	return t
}

// Open are the texts of which a filter may hold something back, in their order.
func (x *Texts) Open(yield func(t *Text) bool) {
	for _, t := range x.list {
		if t.filter != nil && !yield(t) {
			return
		}
	}
}

// Member is where the text stands.
func (t *Text) Member() string { return t.member }

// Shows tells whether something that is kept was shown of the text.
func (t *Text) Shows() bool { return len(t.shown) > 0 }

// Write puts the next piece of the text through its filter and returns what is shown; what it returns is valid until the
// next call. With last the filter is closed, too. A text that was closed begins anew.
func (t *Text) Write(said []byte, last bool) []byte {
	k := t.of.core
	if t.filter == nil && k.Text != nil {
		t.filter = k.Text(t.of.choice)
	}
	if t.filter == nil {
		t.keep(said, said)
		return said
	}
	k.after = t.filter.Write(k.after[:0], said)
	if last {
		k.after = t.filter.Close(k.after)
		t.filter = nil
	}
	t.keep(k.after, said)
	return k.after
}

// Close closes the text's filter and returns what it had held back; it is valid until the next call.
func (t *Text) Close() []byte {
	if t.filter == nil {
		return nil
	}
	k := t.of.core
	k.after = t.filter.Close(k.after[:0])
	t.filter = nil
	t.keep(k.after, nil)
	return k.after
}

// Add adds what no filter sees: what stands in the place of a denied call, or what its provider signed.
func (t *Text) Add(text []byte) { t.keep(text, text) }

// keep remembers what was shown of a text, and what was said, for Finish.
func (t *Text) keep(shown, said []byte) {
	k := t.of.core
	if k.Finish == nil || t.cut {
		return
	}
	if !t.parted && !bytes.Equal(shown, said) {
		t.parted = true
		t.said = bytes.Clone(t.shown)
		k.kept += len(t.said)
	}
	t.shown = append(t.shown, shown...)
	k.kept += len(shown)
	if t.parted {
		t.said = append(t.said, said...)
		k.kept += len(said)
	}
	if k.kept > k.MaxText {
		k.kept -= len(t.shown) + len(t.said)
		t.shown, t.said, t.cut = nil, nil, true
	}
}

// Finish tells Config.Finish of the choice's turn, whose calls are decided, and forgets the texts: reason is as the client
// will see it. A text of which nothing was said is none.
func (x *Texts) Finish(reason string, calls []*Call) error {
	k := x.core
	if k.Config.Finish == nil {
		return nil
	}
	turn := llm.Turn{Choice: x.choice, Reason: reason}
	for _, call := range calls {
		if call.Allowed {
			turn.Calls = append(turn.Calls, call.ToolCall)
		}
	}
	for _, t := range x.list {
		said := t.said
		if !t.parted {
			said = t.shown
		}
		if len(t.shown)+len(said) == 0 && !t.cut {
			continue
		}
		turn.Texts = append(turn.Texts, llm.TurnText{Member: t.member, Shown: string(t.shown), Said: string(said), Cut: t.cut})
		k.kept -= len(t.shown) + len(t.said)
	}
	x.list = nil
	if err := k.Config.Finish(turn); err != nil {
		return fmt.Errorf("the released turn: %w", err)
	}
	return nil
}
