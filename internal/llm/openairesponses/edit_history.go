package openairesponses

import (
	"fmt"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// editHistory makes the changes within the input.
func (w *editor) editHistory() error {
	r, e := w.r, w.e
	for i, text := range e.DropResults {
		if _, twice := e.Results[i]; twice {
			return fmt.Errorf("openairesponses: result %d is replaced twice", i)
		}
		if err := w.replaceResult(i, []byte(text)); err != nil {
			return err
		}
	}
	for i, text := range e.Results {
		if err := w.replaceResult(i, text); err != nil {
			return err
		}
	}
	for i, id := range e.CallIDs {
		if i < 0 || i >= len(r.Calls) || r.Calls[i].IDSpan.Len() == 0 {
			return missing("id of a call", i)
		}
		w.s.Replace(r.Calls[i].IDSpan, w.quote([]byte(id)))
	}
	for i, name := range e.CallTools {
		if i < 0 || i >= len(r.Calls) {
			return missing("call", i)
		}
		w.rename(i, name)
	}
	for i, id := range e.ResultIDs {
		if i < 0 || i >= len(r.Results) || r.Results[i].IDSpan.Len() == 0 {
			return missing("id of a result", i)
		}
		w.s.Replace(r.Results[i].IDSpan, w.quote([]byte(id)))
	}
	for i, arguments := range e.Arguments {
		if err := w.replaceArguments(i, arguments); err != nil {
			return err
		}
	}
	for i, text := range e.PartTexts {
		if err := w.replacePart(i, text); err != nil {
			return err
		}
	}
	return nil
}

// rename gives a call another tool, which is in no namespace. A tool that OpenAI defines has no name to change.
func (w *editor) rename(i int, name string) {
	if w.r.Calls[i].ToolSpan.Len() == 0 {
		return
	}
	w.s.Replace(w.r.Calls[i].ToolSpan, w.quote([]byte(name)))
	if place := w.lay.calls[i]; len(place.members) > 0 {
		w.s.Remove(place.members, func(k int) bool { return k == place.spaced })
	}
}

// replaceResult puts a text in the place of a result: of all of its content, and of whatever else its item carries.
func (w *editor) replaceResult(i int, text []byte) error {
	if i < 0 || i >= len(w.r.Results) {
		return missing("result", i)
	}
	result, place := &w.r.Results[i], w.lay.results[i]
	quoted := w.quote(text)
	message := append(append([]byte(`{"role":"user","content":`), quoted...), '}')
	switch place.form {
	case asMessage:
		w.s.Replace(place.item, message)
		return nil
	case asMember:
		end := llm.Span{Start: place.item.End - 1, End: place.item.End - 1}
		w.s.Replace(end, append([]byte(`,"`+place.member+`":`), quoted...))
	case asShell:
		w.s.Replace(result.Content, append(append([]byte(`[{"stdout":`), quoted...), `,"stderr":"","outcome":{"type":"exit","exit_code":0}}]`...))
	case asScreenshot:
		w.s.Replace(result.Content, []byte(`{"type":"computer_screenshot","image_url":`+emptyImage+`}`))
		w.s.Replace(llm.Span{Start: place.item.End, End: place.item.End}, append([]byte(","), message...))
	case asTools:
		w.s.Replace(result.Content, []byte("[]"))
	default:
		w.s.Replace(result.Content, quoted)
	}
	if x := place.extra; x != nil {
		named := w.isTool(x.named)
		w.s.Remove(x.members, func(k int) bool { return x.leave[k] || x.isName[k] && !named })
	}
	return nil
}

// isTool tells whether a name is one that the request has for a tool besides.
func (w *editor) isTool(name string) bool {
	for i := range w.r.Calls {
		if _, renamed := w.e.CallTools[i]; !renamed && w.r.Calls[i].Tool == name {
			return true
		}
	}
	return slices.ContainsFunc(w.r.Tools, func(t llm.Tool) bool { return t.Name == name })
}

// replaceArguments puts other arguments in the place of a call's, of a custom tool its input.
func (w *editor) replaceArguments(i int, arguments []byte) error {
	if i < 0 || i >= len(w.r.Calls) || w.r.Calls[i].Arguments.Len() == 0 {
		return missing("arguments of a call", i)
	}
	call := &w.r.Calls[i]
	raw, err := onWire(arguments, call.Custom, call.Wrap, w.r.Doc[call.Arguments.Start] == '"')
	if err != nil {
		return fmt.Errorf("openairesponses: the arguments of call %d: %w", i, err)
	}
	w.s.Replace(call.Arguments, raw)
	return nil
}

// onWire writes arguments in the form in which a call has them.
func onWire(arguments []byte, custom bool, wrap string, text bool) ([]byte, error) {
	switch {
	case custom:
		input, ok := llm.CustomInput(arguments)
		if !ok {
			return nil, errNoInput
		}
		return llm.AppendQuoted(nil, input), nil
	case text:
		return llm.AppendQuoted(nil, arguments), nil
	}
	if err := strictjson.CheckObject(arguments, strictjson.Limits{}); err != nil {
		return nil, err
	}
	if wrap == "" {
		return arguments, nil
	}
	return unwrapped(arguments, wrap)
}

// unwrapped is the value of the one member that an object has.
func unwrapped(arguments []byte, wrap string) ([]byte, error) {
	r := strictjson.NewReader(arguments, strictjson.Limits{})
	defer r.Close()
	var value llm.Span
	others := false
	err := r.Object(nil, func(m strictjson.Member) error {
		var err error
		others = others || m.Name != wrap || r.Kind() != strictjson.Array
		value, err = r.Skip()
		return err
	})
	if err == nil && (others || value.Len() == 0) {
		err = errNoInput
	}
	return value.Of(arguments), err
}

// replacePart puts a text in the place of a part: of a string; of media in a content, which becomes a part of text; of
// any other value only an empty text. A part of a result that is replaced as a whole, of arguments that are, and of a tool
// that leaves, is none to replace.
func (w *editor) replacePart(i int, text []byte) error {
	if i < 0 || i >= len(w.r.Parts) {
		return missing("part", i)
	}
	p := &w.r.Parts[i]
	if p.Tool >= 0 && w.e.HideTools[w.r.Tools[p.Tool].Name] || w.lay.signed[i] {
		return nil // gone with its tool; or only the provider can read it, and nobody may change it
	}
	_, given := w.e.Arguments[p.Call]
	if given || p.Result >= 0 && w.replaces(p.Result) {
		return fmt.Errorf("openairesponses: part %d is replaced twice", i)
	}
	if w.left(p.Span) {
		return nil
	}
	blank, isBlank := w.lay.parts[i]
	switch {
	case p.Media >= 0 && w.r.Media[p.Media].Element:
		w.s.Replace(p.Span, append(append([]byte(`{"type":"input_text","text":`), w.quote(text)...), '}'))
	case w.r.Doc[p.Span.Start] == '"' && p.Kind != llm.MediaPart:
		w.s.Replace(p.Span, w.quote(text))
	case len(text) == 0 && isBlank:
		w.s.Replace(p.Span, []byte(blank))
	case len(text) == 0 && p.Tool < 0:
		w.s.Replace(p.Span, []byte("null"))
	default:
		return fmt.Errorf("openairesponses: part %d is no text", i)
	}
	return nil
}
