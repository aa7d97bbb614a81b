package gemini

import (
	"fmt"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// unknownTool is the name under which a result goes on whose own is no tool's.
const unknownTool = "unknown"

// history makes the changes within the contents.
func (w *editor) history() error {
	if err := w.check(); err != nil {
		return err
	}
	w.findTied()
	for i := range w.r.Results {
		w.result(i)
	}
	for i := range w.r.Calls {
		w.call(i)
	}
	for i, arguments := range w.e.Arguments {
		if err := w.arguments(i, arguments); err != nil {
			return err
		}
	}
	for i, text := range w.e.PartTexts {
		if err := w.part(i, text); err != nil {
			return err
		}
	}
	return nil
}

// check refuses an edit of a result or of a call that is not there.
func (w *editor) check() error {
	results, calls := w.r.Results, w.r.Calls
	for i := range w.e.DropResults {
		if _, twice := w.e.Results[i]; twice {
			return fmt.Errorf("gemini: result %d is replaced twice", i)
		}
		if i < 0 || i >= len(results) {
			return fmt.Errorf("gemini: the request has no result %d", i)
		}
	}
	for i := range w.e.Results {
		if i < 0 || i >= len(results) {
			return fmt.Errorf("gemini: the request has no result %d", i)
		}
	}
	for i := range w.e.ResultIDs {
		if i < 0 || i >= len(results) || results[i].IDSpan.Len() == 0 {
			return fmt.Errorf("gemini: the request has no id of a result %d", i)
		}
	}
	for i := range w.e.CallTools {
		if i < 0 || i >= len(calls) {
			return fmt.Errorf("gemini: the request has no call %d", i)
		}
	}
	for i := range w.e.CallIDs {
		if i < 0 || i >= len(calls) || calls[i].IDSpan.Len() == 0 {
			return fmt.Errorf("gemini: the request has no id of a call %d", i)
		}
	}
	return nil
}

// findTied finds the turns whose results would answer other calls, or none, without their ids: there no id leaves, since a
// provider that has none goes by name and order.
func (w *editor) findTied() {
	w.tied = map[int]bool{}
	taken := map[int]bool{}
	for i := range w.lay.results {
		at := &w.lay.results[i]
		if at.kind != functionResult {
			continue
		}
		is := at.call
		if id, set := w.e.ResultIDs[i]; w.r.Results[i].IDSpan.Len() == 0 || set && id == "" {
			for is = at.turn.Start; is < at.turn.End; is++ {
				if !taken[is] && !w.lay.calls[is].server && w.r.Calls[is].Tool == at.named {
					break
				}
			}
			if is == at.turn.End {
				is = -1
			}
		}
		if is != at.call {
			for _, call := range []int{is, at.call} {
				if call >= 0 {
					w.tied[w.r.Calls[call].Message] = true
				}
			}
		}
		taken[is] = true
	}
}

// idLeaves tells that an id which is set to nothing is to leave: a call's, or that of a result behind a turn with such a call.
func (w *editor) idLeaves(id string, call int) bool {
	return id == "" && (call < 0 || call >= len(w.r.Calls) || !w.tied[w.r.Calls[call].Message])
}

// replaced is the text that takes a result's place.
func (w *editor) replaced(i int) ([]byte, bool) {
	if text, ok := w.e.Results[i]; ok {
		return text, true
	}
	text, ok := w.e.DropResults[i]
	return []byte(text), ok
}

// result makes the changes of one result: with its content leaves whatever else it carries.
func (w *editor) result(i int) {
	at, content := &w.lay.results[i], w.r.Results[i].Content
	leave := map[string]bool{}
	if id, ok := w.e.ResultIDs[i]; ok {
		leave["id"] = w.idLeaves(id, at.turn.End-1) && w.idLeaves(id, at.call)
		if id != "" {
			w.s.Replace(w.r.Results[i].IDSpan, llm.AppendQuoted(nil, id))
		}
	}
	text, replaced := w.replaced(i)
	if name, ok := w.rename(at, replaced); ok {
		w.s.Replace(at.name, llm.AppendQuoted(nil, name))
	}
	spans, keep := make([]llm.Span, len(at.members)), -1
	for k, m := range at.members {
		if spans[k] = m.span; replaced && (m.name == "parts" || m.name == "") {
			leave[m.name] = true
			if content.Len() == 0 && keep < 0 { // what there is has the response in its place
				keep = k
				w.s.Replace(m.span, at.response(text, true))
			}
		}
	}
	switch {
	case !replaced, keep >= 0:
	case content.Len() > 0:
		w.s.Replace(content, at.response(text, false))
	default:
		out := at.response(text, true)
		if slices.ContainsFunc(at.members, func(m member) bool { return !leave[m.name] }) {
			out = append(out, ',')
		}
		w.s.Replace(llm.Span{Start: at.object.Start + 1, End: at.object.Start + 1}, out)
	}
	w.s.Remove(spans, func(k int) bool { return k != keep && leave[at.members[k].name] })
}

// response is what a result says in the form that its kind has, with the name of the member or without.
func (at *resultPlace) response(text []byte, named bool) []byte {
	var out []byte
	if at.kind == codeResult {
		if named {
			out = append(out, `"output":`...)
		}
		return llm.AppendQuoted(out, text)
	}
	if named {
		out = append(out, `"response":`...)
	}
	return append(llm.AppendQuoted(append(out, `{"output":`...), text), '}')
}

// rename is the name that a result goes on under: that of its call, when this changes; and when the result is replaced and
// the name is no tool's, one that says nothing.
func (w *editor) rename(at *resultPlace, replaced bool) (string, bool) {
	if at.name.Len() == 0 {
		return "", false
	}
	if at.call >= 0 {
		name, ok := w.e.CallTools[at.call]
		return name, ok && !w.lay.calls[at.call].server
	}
	if !replaced {
		return "", false
	}
	for i := range w.r.Calls {
		if _, renamed := w.e.CallTools[i]; !renamed && w.r.Calls[i].Tool == at.named {
			return "", false
		}
	}
	if slices.ContainsFunc(w.r.Tools, func(t llm.Tool) bool { return t.Name == at.named }) {
		return "", false
	}
	return unknownTool, true
}

// call makes the changes of one call's id and name. Those of a tool of the provider's own stay: they are no words of
// anybody's, and nothing else may stand there.
func (w *editor) call(i int) {
	c, at := &w.r.Calls[i], &w.lay.calls[i]
	if name, ok := w.e.CallTools[i]; ok && c.ToolSpan.Len() > 0 {
		w.s.Replace(c.ToolSpan, llm.AppendQuoted(nil, name))
	}
	id, ok := w.e.CallIDs[i]
	switch {
	case !ok:
	case id != "":
		w.s.Replace(c.IDSpan, llm.AppendQuoted(nil, id))
	case w.idLeaves(id, i):
		spans := make([]llm.Span, len(at.members))
		for k, m := range at.members {
			spans[k] = m.span
		}
		w.s.Remove(spans, func(k int) bool { return at.members[k].name == "id" })
	}
}

// arguments puts others in the place of a call's.
func (w *editor) arguments(i int, arguments []byte) error {
	if i < 0 || i >= len(w.r.Calls) || w.r.Calls[i].Arguments.Len() == 0 {
		return fmt.Errorf("gemini: the request has no arguments of a call %d", i)
	}
	if err := strictjson.CheckObject(arguments, strictjson.Limits{}); err != nil {
		return fmt.Errorf("gemini: the arguments of call %d: %w", i, err)
	}
	if w.r.Calls[i].Wrap == "" {
		w.s.Replace(w.r.Calls[i].Arguments, arguments)
		return nil
	}
	code, ok := wrappedText(w.r.Calls[i].Wrap, arguments)
	if !ok {
		return fmt.Errorf("gemini: the arguments of call %d have no %s", i, w.r.Calls[i].Wrap)
	}
	w.s.Replace(w.r.Calls[i].Arguments, code)
	return nil
}

// wrappedText is the text, as it is written, that is the one member of an object.
func wrappedText(name string, object []byte) (text []byte, ok bool) {
	r := strictjson.NewReader(object, strictjson.Limits{})
	defer r.Close()
	err := r.Object(nil, func(m strictjson.Member) error {
		if m.Name != name || r.Kind() != strictjson.String {
			ok = false
			return r.Fail(strictjson.ErrType, "is not the text")
		}
		span, err := r.Skip()
		text, ok = span.Of(object), true
		return err
	})
	return text, ok && err == nil
}

// part puts a text in the place of a part: of a string; of media in a content, which becomes a part of text with the
// signature that it had; of any other value only an empty text, for which an empty object stands. A part of a result that
// is replaced as a whole, of arguments that are, and of a tool that leaves, is none to replace.
func (w *editor) part(i int, text []byte) error {
	if i < 0 || i >= len(w.r.Parts) {
		return fmt.Errorf("gemini: the request has no part %d", i)
	}
	p := &w.r.Parts[i]
	if p.Tool >= 0 && w.e.HideTools[w.r.Tools[p.Tool].Name] {
		return nil // gone with its tool
	}
	if at := w.r.Choice.Span; w.choice && p.Span.Start >= at.Start && p.Span.End <= at.End {
		return nil // gone with the choice
	}
	_, replaced := w.replaced(p.Result)
	if _, given := w.e.Arguments[p.Call]; replaced || given {
		return fmt.Errorf("gemini: part %d is replaced twice", i)
	}
	if p.Kind == llm.NamePart && p.Result >= 0 {
		if _, renamed := w.rename(&w.lay.results[p.Result], false); renamed {
			return nil
		}
	}
	switch {
	case w.r.Doc[p.Span.Start] == '"':
		w.s.Replace(p.Span, llm.AppendQuoted(nil, text))
	case p.Media >= 0 && w.r.Media[p.Media].Element:
		w.s.Replace(p.Span, textPart(text, w.lay.media[i].Of(w.r.Doc)))
	case len(text) > 0 || p.Tool >= 0:
		return fmt.Errorf("gemini: part %d is no text", i)
	case w.r.Doc[p.Span.Start] == '[':
		w.s.Replace(p.Span, []byte("[]"))
	default:
		w.s.Replace(p.Span, []byte("{}"))
	}
	return nil
}

// textPart is a part of text, with the member that signs a thought if there is one.
func textPart(text, signed []byte) []byte {
	out := llm.AppendQuoted([]byte(`{"text":`), text)
	if len(signed) > 0 {
		out = append(append(out, ','), signed...)
	}
	return append(out, '}')
}
