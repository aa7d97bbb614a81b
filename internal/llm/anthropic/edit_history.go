package anthropic

import (
	"fmt"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// history makes the changes within the messages.
func (w *editor) history() error {
	for i, text := range w.e.DropResults {
		if _, twice := w.e.Results[i]; twice {
			return fmt.Errorf("anthropic: result %d is replaced twice", i)
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
		if i < 0 || i >= len(w.r.Calls) || w.r.Calls[i].IDSpan.Len() == 0 {
			return fmt.Errorf("anthropic: the request has no id of a call %d", i)
		}
		w.s.Replace(w.r.Calls[i].IDSpan, llm.AppendQuoted(nil, id))
	}
	for i, name := range w.e.CallTools {
		if i < 0 || i >= len(w.r.Calls) {
			return fmt.Errorf("anthropic: the request has no call %d", i)
		}
		w.renameCall(i, name)
	}
	for i, id := range w.e.ResultIDs {
		if i < 0 || i >= len(w.r.Results) || w.r.Results[i].IDSpan.Len() == 0 {
			return fmt.Errorf("anthropic: the request has no id of a result %d", i)
		}
		w.s.Replace(w.r.Results[i].IDSpan, llm.AppendQuoted(nil, id))
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

// replaceResult puts a text in the place of a result. That of a client's tool takes it as its content; whatever it
// carries besides leaves. In the place of a server tool's there is a block of text, and its call leaves: neither may
// stand without the other.
func (w *editor) replaceResult(i int, text []byte) error {
	if i < 0 || i >= len(w.r.Results) {
		return fmt.Errorf("anthropic: the request has no result %d", i)
	}
	at := &w.lay.results[i]
	content := w.r.Results[i].Content
	switch {
	case at.call >= 0:
		w.leave(w.lay.calls[at.call].at)
		if w.dead == nil {
			w.dead = map[int]bool{}
		}
		w.dead[at.call] = true
		fallthrough
	case w.isServer(at):
		if len(text) == 0 {
			text = []byte(withheld)
		}
		w.s.Replace(at.block, textBlock(text))
		return nil
	case content.Len() == 0:
		end := llm.Span{Start: at.block.End - 1, End: at.block.End - 1}
		w.s.Replace(end, llm.AppendQuoted([]byte(`,"content":`), text))
	default:
		w.s.Replace(content, llm.AppendQuoted(nil, text))
	}
	w.s.Remove(at.members, func(k int) bool { return at.leave[k] })
	return nil
}

func (w *editor) isServer(at *resultPlace) bool { return blockKinds[at.kind].server }

// renameCall puts another name in the place of a call's. The names of the provider's own tools are no words of anybody's
// and stay; an MCP server's tool goes with the server's name.
func (w *editor) renameCall(i int, name string) {
	at := &w.lay.calls[i]
	switch {
	case w.dead[i], at.own:
		return
	case at.mcp.Len() > 0:
		w.s.Replace(at.mcp, llm.AppendQuoted(nil, name))
	}
	w.s.Replace(w.r.Calls[i].ToolSpan, llm.AppendQuoted(nil, name))
}

// replaceArguments puts another object in the place of a call's arguments.
func (w *editor) replaceArguments(i int, arguments []byte) error {
	if i < 0 || i >= len(w.r.Calls) || w.r.Calls[i].Arguments.Len() == 0 {
		return fmt.Errorf("anthropic: the request has no arguments of a call %d", i)
	}
	if err := strictjson.CheckObject(arguments, strictjson.Limits{}); err != nil {
		return fmt.Errorf("anthropic: the arguments of call %d: %w", i, err)
	}
	if !w.dead[i] {
		w.s.Replace(w.r.Calls[i].Arguments, arguments)
	}
	return nil
}

// replacePart puts a text in the place of a part: of a string; of media, which becomes a block of text; of any other
// value outside of results only an empty text, for which {} stands in the place of arguments and null in that of the rest. What
// a model thought is signed, and no text can stand for it: an empty one takes its block out. A part of a result that is
// replaced as a whole, of arguments that are, and of a tool that leaves, is none to replace.
func (w *editor) replacePart(i int, text []byte) error {
	if i < 0 || i >= len(w.r.Parts) {
		return fmt.Errorf("anthropic: the request has no part %d", i)
	}
	p := &w.r.Parts[i]
	if p.Tool >= 0 && w.e.HideTools[w.r.Tools[p.Tool].Name] || w.dead[p.Call] {
		return nil // gone with its tool, or with its result
	}
	for _, ref := range w.lay.references {
		if ref.part == i && w.gone[ref.at] {
			return nil
		}
	}
	_, given := w.e.Arguments[p.Call]
	if p.Result >= 0 && w.replaced(p.Result) || given {
		return fmt.Errorf("anthropic: part %d is replaced twice", i)
	}
	at, thought := w.lay.reasons[i]
	switch {
	case thought && len(text) == 0:
		w.leave(at)
	case thought:
		return fmt.Errorf("anthropic: part %d is signed", i)
	case w.r.Doc[p.Span.Start] == '"':
		if _, block := slices.BinarySearch(w.lay.texts, i); block && len(text) == 0 {
			text = []byte(withheld)
		}
		w.s.Replace(p.Span, llm.AppendQuoted(nil, text))
	case p.Media >= 0:
		if len(text) == 0 {
			text = []byte(withheld)
		}
		w.s.Replace(p.Span, textBlock(text))
	case len(text) > 0 || p.Tool >= 0 || p.Result >= 0:
		return fmt.Errorf("anthropic: part %d is no text", i)
	case p.Call >= 0:
		w.s.Replace(p.Span, []byte("{}"))
	default:
		w.s.Replace(p.Span, []byte("null"))
	}
	return nil
}
