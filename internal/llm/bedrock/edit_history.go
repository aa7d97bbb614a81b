package bedrock

import (
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// history makes the changes within the messages.
func (w *editor) history() error {
	for i, text := range w.e.DropResults {
		if _, twice := w.e.Results[i]; twice {
			return fmt.Errorf("bedrock: result %d is replaced twice", i)
		}
		if err := w.replaceResult(i, []byte(text)); err != nil {
			return err
		}
	}
	for i, text := range w.e.Results {
		if err := w.replaceResult(i, text); err != nil {
			return err
		}
	}
	for i, id := range w.e.CallIDs {
		if i < 0 || i >= len(w.r.Calls) {
			return fmt.Errorf("bedrock: the request has no call %d", i)
		}
		if !w.dead[i] {
			w.s.Replace(w.r.Calls[i].IDSpan, llm.AppendQuoted(nil, id))
		}
	}
	for i, name := range w.e.CallTools {
		if i < 0 || i >= len(w.r.Calls) {
			return fmt.Errorf("bedrock: the request has no call %d", i)
		}
		if !w.dead[i] {
			w.s.Replace(w.r.Calls[i].ToolSpan, llm.AppendQuoted(nil, name))
		}
	}
	for i, id := range w.e.ResultIDs {
		if i < 0 || i >= len(w.r.Results) {
			return fmt.Errorf("bedrock: the request has no result %d", i)
		}
		if !w.lay.results[i].server || !w.replaced(i) {
			w.s.Replace(w.r.Results[i].IDSpan, llm.AppendQuoted(nil, id))
		}
	}
	for i, arguments := range w.e.Arguments {
		if err := w.replaceArguments(i, arguments); err != nil {
			return err
		}
	}
	for i, text := range w.e.PartTexts {
		if err := w.replacePart(i, text); err != nil {
			return err
		}
	}
	return nil
}

// replaceResult puts a text in the place of a result. That of a client's tool takes it as its only content, and what it has
// besides leaves. In the place of a server tool's there is a block of text, and its call leaves: neither may stand without
// the other.
func (w *editor) replaceResult(i int, text []byte) error {
	if i < 0 || i >= len(w.r.Results) {
		return fmt.Errorf("bedrock: the request has no result %d", i)
	}
	at := &w.lay.results[i]
	if at.server {
		if at.call >= 0 {
			w.leave(w.lay.calls[at.call].at)
			if w.dead == nil {
				w.dead = map[int]bool{}
			}
			w.dead[at.call] = true
		}
		w.s.Replace(at.block, textBlock(text))
		return nil
	}
	said := append(append([]byte("["), textBlock(text)...), ']')
	if content := w.r.Results[i].Content; content.Len() > 0 {
		w.s.Replace(content, said)
	} else {
		end := llm.Span{Start: at.object.End - 1, End: at.object.End - 1}
		w.s.Replace(end, append([]byte(`,"content":`), said...))
	}
	w.s.Remove(at.members, func(k int) bool { return at.leave[k] })
	return nil
}

// replaceArguments puts another object in the place of a call's arguments.
func (w *editor) replaceArguments(i int, arguments []byte) error {
	if i < 0 || i >= len(w.r.Calls) || w.r.Calls[i].Arguments.Len() == 0 {
		return fmt.Errorf("bedrock: the request has no arguments of a call %d", i)
	}
	if err := strictjson.CheckObject(arguments, strictjson.Limits{}); err != nil {
		return fmt.Errorf("bedrock: the arguments of call %d: %w", i, err)
	}
	if !w.dead[i] {
		w.s.Replace(w.r.Calls[i].Arguments, arguments)
	}
	return nil
}

// replacePart puts a text in the place of a part: of a string; of media and of a result that is a document, which become
// blocks of text; of any other value outside of results only an empty text, for which {} stands in the place of arguments and null in that
// of the rest. What a model thought is signed, and no text can stand for it: an empty one takes its block out. A part of a
// result that is replaced as a whole, of arguments that are, and of a tool that leaves, is none to replace.
func (w *editor) replacePart(i int, text []byte) error {
	if i < 0 || i >= len(w.r.Parts) {
		return fmt.Errorf("bedrock: the request has no part %d", i)
	}
	p := &w.r.Parts[i]
	if w.leaves(p.Span) {
		return nil
	}
	_, given := w.e.Arguments[p.Call]
	if p.Result >= 0 && w.replaced(p.Result) || p.Call >= 0 && given {
		return fmt.Errorf("bedrock: part %d is replaced twice", i)
	}
	at, whole := w.lay.blocks[i]
	document, isDocument := w.lay.values[i]
	switch {
	case whole && len(text) == 0:
		w.leave(at)
	case whole:
		return fmt.Errorf("bedrock: part %d is signed", i)
	case isDocument:
		w.s.Replace(document, textBlock(text))
	case w.r.Doc[p.Span.Start] == '"':
		if len(text) == 0 && w.lay.texts[i] {
			text = []byte(withheld)
		}
		w.s.Replace(p.Span, llm.AppendQuoted(nil, text))
	case p.Media >= 0:
		w.s.Replace(p.Span, textBlock(text))
	case len(text) > 0 || p.Tool >= 0 || p.Result >= 0:
		return fmt.Errorf("bedrock: part %d is no text", i)
	case p.Call >= 0:
		w.s.Replace(p.Span, []byte("{}"))
	default:
		w.s.Replace(p.Span, []byte("null"))
	}
	return nil
}
