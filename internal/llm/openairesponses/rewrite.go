package openairesponses

import (
	"bytes"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// noVerdict is what stands for a call that nobody decided.
const noVerdict = "[yellowjack] A tool call was refused: it was not decided."

// Rewrite returns the answer as the client may see it, and its turn: the document itself when every call is allowed as it
// is and no text changes. verdicts are in the order of Calls; a call without one, and a malformed call whatever its verdict,
// is denied. A message with the verdict's text takes the place of a denied call, so that every other item keeps its place.
// Allowed ones take the verdict's id and arguments. text makes a filter for each text; nil changes none. Whatever does not
// change stays byte for byte. An error is arguments that no client could read.
func (a *Response) Rewrite(verdicts []llm.Verdict, text func(choice int) llm.TextFilter) ([]byte, []llm.Turn, error) {
	var s llm.Splices
	turn := llm.Turn{Reason: a.TurnReason()}
	var said []string // what output_text repeats
	for i := range a.Items {
		it := &a.Items[i]
		if it.Kind != CallItem {
			a.filter(&s, it, text, &turn, &said)
			continue
		}
		v := llm.Verdict{Text: noVerdict}
		if it.Call.Index < len(verdicts) {
			v = verdicts[it.Call.Index]
		}
		if call := a.Calls[it.Call.Index]; v.Allow && call.Malformed == "" {
			turn.Calls = append(turn.Calls, call)
			if err := it.Rename(&s, v.ID, v.Arguments); err != nil {
				return nil, nil, err
			}
			continue
		}
		if v.Text == "" {
			v.Text = noVerdict
		}
		s.Replace(it.Span, AppendMessage(nil, MessageID(it, a.ID, i), v.Text))
		turn.Texts = append(turn.Texts, llm.TurnText{Member: "content", Shown: v.Text, Said: v.Text})
		said = append(said, v.Text)
	}
	if s.Len() > 0 && a.summed.Len() > 0 {
		s.Replace(a.summed, llm.AppendQuoted(nil, strings.Join(said, "")))
	}
	return s.Apply(a.Doc), []llm.Turn{turn}, nil
}

// filter puts the texts of an item through their filters.
func (a *Response) filter(s *llm.Splices, it *Item, filter func(choice int) llm.TextFilter, turn *llm.Turn, said *[]string) {
	for i := range it.Texts {
		t := &it.Texts[i]
		before := TextOf(a.Doc, t.Span)
		after := before
		if filter != nil {
			f := filter(0)
			after = f.Close(f.Write(nil, before))
		}
		if !bytes.Equal(before, after) {
			t.SetText(s, after)
		}
		if len(before)+len(after) > 0 {
			turn.Texts = append(turn.Texts, llm.TurnText{Member: t.Member, Shown: string(after), Said: string(before)})
		}
		if t.Member == "content" {
			*said = append(*said, string(after))
		}
	}
	if secret := TextOf(a.Doc, it.Secret); len(secret) > 0 { // comes back as it is, and only its provider can read it
		turn.Texts = append(turn.Texts, llm.TurnText{Member: "encrypted_content", Shown: string(secret), Said: string(secret)})
	}
}

// TextOf decodes a JSON string of a document that was read; nothing else is one. It may be part of the document.
func TextOf(doc []byte, span llm.Span) []byte {
	raw := span.Of(doc)
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1 : len(raw)-1]
	}
	out, err := strictjson.AppendUnquote(nil, raw)
	if err != nil { // cannot be: it was read
		return nil
	}
	return out
}
