package openaichat

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// noVerdict is what stands for a call that nobody decided.
const noVerdict = "[yellowjack] A tool call was refused: it was not decided."

// Rewrite returns the answer as the client may see it, and the turns in it: the document itself when every call is
// allowed as it is and no text changes. verdicts are in the order of Calls; a call without one, and a malformed call
// whatever its verdict, is denied. Denied calls leave their choice's list, the verdicts' texts follow the choice's own
// text, and a choice that ended by its calls and has none left has ended by "stop" (one that was cut says so still).
// Allowed ones take the verdict's id and arguments. text makes a filter for each text of a choice; nil changes none.
// Each choice is by itself, and whatever does not change stays byte for byte. An error is arguments that no client could
// read.
func (a *Response) Rewrite(verdicts []llm.Verdict, text func(choice int) llm.TextFilter) ([]byte, []llm.Turn, error) {
	var s llm.Splices
	turns := make([]llm.Turn, len(a.choices))
	for i := range a.choices {
		w := rewriter{a: a, c: &a.choices[i], s: &s, turn: &turns[i]}
		w.turn.Choice, w.turn.Reason = w.c.index, w.c.reason
		if err := w.calls(verdicts); err != nil {
			return nil, nil, err
		}
		w.texts(text)
		w.message()
	}
	return s.Apply(a.Doc), turns, nil
}

// rewriter rewrites one choice.
type rewriter struct {
	a      *Response
	c      *answer
	s      *llm.Splices
	turn   *llm.Turn
	denied []bool
	says   []string // in the place of denied calls
	edited bool     // some text changed
}

// calls decides what becomes of the choice's calls.
func (w *rewriter) calls(verdicts []llm.Verdict) error {
	w.denied = make([]bool, len(w.c.calls))
	for k, i := range w.c.calls {
		v := llm.Verdict{Text: noVerdict}
		if i < len(verdicts) {
			v = verdicts[i]
		}
		call := &w.a.Calls[i]
		if w.denied[k] = !v.Allow || call.Malformed != ""; !w.denied[k] {
			w.turn.Calls = append(w.turn.Calls, *call)
			if err := w.call(call, w.a.places[i], v); err != nil {
				return err
			}
			continue
		}
		if v.Text == "" {
			v.Text = noVerdict
		}
		w.says = append(w.says, v.Text)
	}
	if len(w.says) == 0 {
		return nil
	}
	if len(w.says) == len(w.c.calls) && (w.c.reason == "tool_calls" || w.c.reason == "function_call") {
		w.s.Replace(w.c.finish, []byte(`"stop"`))
		w.turn.Reason = "stop"
	}
	return nil
}

// call gives an allowed call what its verdict says.
func (w *rewriter) call(c *llm.ToolCall, at callPlace, v llm.Verdict) error {
	if v.ID != "" && v.ID != c.ID && at.id.Len() > 0 {
		w.s.Replace(at.id, appendQuoted(nil, v.ID))
	}
	if v.Arguments == nil {
		return nil
	}
	text, err := ArgumentsText(c, v.Arguments)
	if err == nil {
		w.s.Replace(at.arguments, appendQuoted(nil, text))
	}
	return err
}

// ArgumentsText is what stands for a call's arguments on the wire: the arguments themselves, of a custom tool its input.
func ArgumentsText(c *llm.ToolCall, arguments []byte) ([]byte, error) {
	if c.Custom {
		if input, ok := llm.CustomInput(arguments); ok {
			return input, nil
		}
		return nil, errors.New("openaichat: the arguments of a custom tool's call have no input")
	}
	if err := strictjson.CheckObject(arguments, strictjson.Limits{}); err != nil {
		return nil, fmt.Errorf("openaichat: the arguments of a call: %w", err)
	}
	return arguments, nil
}

// texts filters the choice's texts. The content, where it is one string, is written by message.
func (w *rewriter) texts(filter func(choice int) llm.TextFilter) {
	for _, d := range w.c.texts {
		said := textOf(w.a.Doc, d.span)
		shown := said
		if filter != nil {
			f := filter(w.c.index)
			shown = f.Close(f.Write(nil, said))
		}
		w.turn.Texts = append(w.turn.Texts, llm.TurnText{Member: d.Member, Shown: string(shown), Said: string(said)})
		if bytes.Equal(shown, said) {
			continue
		}
		w.edited = true
		if d.span != w.c.content {
			w.s.Replace(d.span, appendQuoted(nil, shown))
		}
	}
	if raw := w.c.details.Of(w.a.Doc); len(raw) > 0 { // it is signed, so nothing in it is written anew
		if text := string(llm.AppendDetails(nil, raw)); text != "" {
			w.turn.Texts = append(w.turn.Texts, llm.TurnText{Member: detailsMember, Shown: text, Said: text})
		}
	}
	if w.c.logprobs.Len() > 0 && (w.edited || len(w.says) > 0) {
		// They may repeat, token by token, what a denied call said, or a text before it was filtered.
		w.s.Replace(w.c.logprobs, []byte("null"))
	}
}

// message drops the denied calls, and adds to the content what stands in their place.
func (w *rewriter) message() {
	if len(w.says) == 0 {
		if i := w.content(); i >= 0 && w.turn.Texts[i].Shown != w.turn.Texts[i].Said {
			w.s.Replace(w.c.content, appendQuoted(nil, w.turn.Texts[i].Shown))
		}
		return
	}
	c, gone := w.c, 0
	for k := range c.tools {
		if w.denied[k] {
			gone++
		}
	}
	drop := map[string]bool{
		"tool_calls":    gone > 0 && gone == len(c.tools),
		"function_call": len(c.calls) > len(c.tools) && w.denied[len(c.tools)],
	}
	if !drop["tool_calls"] {
		w.s.Remove(c.tools, func(k int) bool { return w.denied[k] })
	}
	text := strings.Join(w.says, "\n\n")
	spans := make([]llm.Span, len(c.members))
	remove := make([]bool, len(c.members))
	member := appendQuoted([]byte(`"content":`), text)
	pending := c.content.Len() == 0
	for i, m := range c.members {
		spans[i], remove[i] = m.span, drop[m.name]
		if pending && remove[i] {
			// A message without content gets it in the place of its calls.
			pending, remove[i] = false, false
			w.s.Replace(m.span, member)
		}
	}
	w.s.Remove(spans, func(i int) bool { return remove[i] })
	if pending { // some calls stay, so there is a member to stand before
		w.s.Replace(llm.Span{Start: spans[0].Start, End: spans[0].Start}, append(member, ','))
	}
	w.appendText(text)
}

// content is the index in the turn of the content that is one string; -1 when there is none.
func (w *rewriter) content() int {
	return slices.IndexFunc(w.c.texts, func(d TextDelta) bool { return d.span == w.c.content })
}

// appendText adds text to the content, behind what it says.
func (w *rewriter) appendText(text string) {
	c := w.c
	if i := w.content(); i >= 0 {
		t := &w.turn.Texts[i]
		edited := t.Shown != t.Said
		if t.Shown != "" {
			text = "\n\n" + text
		}
		t.Shown, t.Said = t.Shown+text, t.Said+text
		if edited {
			w.s.Replace(c.content, appendQuoted(nil, t.Shown))
			return
		}
		quoted := appendQuoted(nil, text)
		w.s.Replace(llm.Span{Start: c.content.End - 1, End: c.content.End - 1}, quoted[1:len(quoted)-1])
		return
	}
	w.turn.Texts = append(w.turn.Texts, llm.TurnText{Member: "content", Shown: text, Said: text})
	switch {
	case c.content.Len() == 0: // written as a member
	case c.parts:
		end := llm.Span{Start: c.content.End - 1, End: c.content.End - 1}
		w.s.Replace(end, append(appendQuoted([]byte(`,{"type":"text","text":`), text), '}'))
	default: // null, or nothing in it
		w.s.Replace(c.content, appendQuoted(nil, text))
	}
}

// textOf decodes a JSON string of a document that was read. It may be part of the document.
func textOf(doc []byte, span llm.Span) []byte {
	raw := span.Of(doc)
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1 : len(raw)-1]
	}
	return appendTextOf(nil, doc, span)
}

func appendTextOf(dst, doc []byte, span llm.Span) []byte {
	raw := span.Of(doc)
	if bytes.IndexByte(raw, '\\') < 0 {
		return append(dst, raw[1:len(raw)-1]...)
	}
	out, err := strictjson.AppendUnquote(dst, raw)
	if err != nil { // cannot be: it was read
		return dst
	}
	return out
}
