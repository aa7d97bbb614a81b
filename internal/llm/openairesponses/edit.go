package openairesponses

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// StubTool is the name of the tool that stays when all others leave a request whose history has tool calls: some
// providers behind this API refuse such a history when no tool is offered. It is never offered, so a call to it is refused.
const StubTool = "yellowjack_no_tools"

const stubTools = `"tools":[{"type":"function","name":"` + StubTool + `","description":"No tool is available.",` +
	`"parameters":{"type":"object","properties":{}}}]`

// emptyImage is an image of one transparent point: what stands for a screenshot.
const emptyImage = `"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="`

// editor makes the changes of one request.
type editor struct {
	s    llm.Splices
	r    *llm.Request
	lay  *layout
	e    llm.Edit
	gone []llm.Span // what leaves or is replaced as a whole
}

// Apply makes the changes, and returns the document itself when there are none. Whatever does not change stays byte for
// byte. Tools are taken out of every list and of the allowed list of tool_choice; when the last one leaves, its companions
// leave too. A tool_choice that names a hidden tool is an error: nothing would be called in its place. So is an edit of
// something that is not there, and two edits of one place.
//
// When the answer is not to be stored, items leave that say something only to a provider which keeps its answers: thoughts
// without their encrypted content, which it would look for and not find. What the provider signed stays as it is.
func Apply(r *llm.Request, e llm.Edit) ([]byte, error) {
	lay, ok := r.Layout.(*layout)
	if !ok {
		return nil, errors.New("openairesponses: the request is not of this dialect")
	}
	w := &editor{r: r, lay: lay, e: e}
	if e.Model != "" && e.Model != r.Model {
		w.s.Replace(r.ModelSpan, llm.AppendQuoted(nil, e.Model))
	}
	w.setStore()
	w.leaving()
	w.answer()
	if err := w.hideTools(); err != nil {
		return nil, err
	}
	if err := w.editHistory(); err != nil {
		return nil, err
	}
	w.dropUnkept()
	return w.s.Apply(r.Doc), nil
}

// leaving finds the items that leave as a whole, or are replaced as a whole.
func (w *editor) leaving() {
	if w.e.Store != nil && !*w.e.Store {
		for _, i := range w.lay.unkept {
			w.gone = append(w.gone, w.lay.input[i])
		}
	}
	for i, place := range w.lay.results {
		switch {
		case !w.replaces(i):
		case place.form == asMessage:
			w.gone = append(w.gone, place.item)
		case place.form == asTools:
			w.gone = append(w.gone, w.r.Results[i].Content)
		}
	}
	slices.SortFunc(w.gone, func(a, b llm.Span) int { return cmp.Compare(a.Start, b.Start) })
}

func (w *editor) replaces(result int) bool {
	_, replaced := w.e.Results[result]
	_, dropped := w.e.DropResults[result]
	return replaced || dropped
}

// left tells whether a span leaves with all around it.
func (w *editor) left(span llm.Span) bool {
	i, same := slices.BinarySearchFunc(w.gone, span.Start, func(g llm.Span, start int) int { return cmp.Compare(g.Start, start) })
	if !same {
		i--
	}
	return i >= 0 && span.End <= w.gone[i].End
}

// setStore says whether the provider keeps the answer. It comes first, so that what is inserted stands before a cut that
// begins there.
func (w *editor) setStore() {
	if w.e.Store == nil {
		return
	}
	value := []byte("false")
	if *w.e.Store {
		value = []byte("true")
	}
	switch span := w.lay.store; {
	case span.Len() == 0: // every request has a member: its model
		at := w.lay.members[0].span.Start
		w.s.Replace(llm.Span{Start: at, End: at}, append(append([]byte(`"store":`), value...), ','))
	case string(span.Of(w.r.Doc)) != string(value):
		w.s.Replace(span, value)
	}
}

// answer puts results of calls that the provider keeps in front of the input, which becomes a list if it was a text. What
// a client of a kept response sends is the input alone.
func (w *editor) answer() {
	if len(w.e.Answers) == 0 {
		return
	}
	var out []byte
	for _, a := range w.e.Answers {
		out = w.appendAnswer(out, a)
	}
	span := w.lay.source
	switch {
	case span.Len() == 0:
		at := w.lay.members[0].span.Start
		w.s.Replace(llm.Span{Start: at, End: at}, append(append([]byte(`"input":[`), out[:len(out)-1]...), "],"...))
	case w.r.Doc[span.Start] == '"':
		w.s.Replace(llm.Span{Start: span.Start, End: span.Start}, append(append([]byte("["), out...), `{"role":"user","content":`...))
		w.s.Replace(llm.Span{Start: span.End, End: span.End}, []byte("}]"))
	case w.r.Doc[span.Start] != '[': // null
		w.s.Replace(span, append(append([]byte("["), out[:len(out)-1]...), ']'))
	default:
		if len(w.lay.input) == 0 {
			out = out[:len(out)-1]
		}
		w.s.Replace(llm.Span{Start: span.Start + 1, End: span.Start + 1}, out)
	}
}

// appendAnswer appends one result, in the form in which its tool gives any.
func (w *editor) appendAnswer(dst []byte, a llm.Answer) []byte {
	kind := "function_call_output"
	if a.Custom {
		kind = "custom_tool_call_output"
	}
	for _, t := range w.r.Tools {
		if t.Name == a.Tool && t.Type != typeFunction && t.Type != typeCustom && !t.Server {
			kind = a.Tool + "_call_output"
		}
	}
	id, text := w.quote([]byte(a.ID)), w.quote([]byte(a.Text))
	dst = append(append(append(append(dst, `{"type":"`...), kind...), `","call_id":`...), id...)
	switch kind {
	case "shell_call_output":
		dst = append(append(append(dst, `,"output":[{"stdout":"","stderr":`...), text...), `,"outcome":{"type":"exit","exit_code":1}}]`...)
	case "computer_call_output":
		dst = append(append(dst, `,"output":{"type":"computer_screenshot","image_url":`+emptyImage+`}},{"role":"user","content":`...), text...)
	case "apply_patch_call_output":
		dst = append(append(dst, `,"status":"failed","output":`...), text...)
	default:
		dst = append(append(dst, `,"output":`...), text...)
	}
	return append(dst, "},"...)
}

// dropUnkept takes out what leaves when the answer is not kept. It comes last, for the same reason.
func (w *editor) dropUnkept() {
	if w.e.Store != nil && !*w.e.Store && len(w.lay.unkept) > 0 {
		w.s.Remove(w.lay.input, func(i int) bool {
			_, unkept := slices.BinarySearch(w.lay.unkept, i)
			return unkept
		})
	}
}

// hideTools takes the hidden tools out.
func (w *editor) hideTools() error {
	hide, hidden, offered := w.e.HideTools, 0, 0
	for _, t := range w.r.Tools {
		if hide[t.Name] {
			hidden++
		} else {
			offered++
		}
	}
	if hidden == 0 {
		return nil
	}
	for _, name := range w.lay.named {
		if hide[name] {
			return &llm.FieldError{Field: "tool_choice", Reason: "names a tool that is not offered"}
		}
	}
	topLeft := false
	for _, l := range w.lay.lists {
		left := slices.ContainsFunc(l.entries, func(e entry) bool { return stays(e, hide) })
		if l.top {
			topLeft = left
			if !left {
				continue
			}
		}
		if !w.left(l.span) || l.top {
			w.cutList(l.entries)
		}
	}
	if offered > 0 && topLeft {
		w.hideChosen()
		return nil
	}
	gone := map[string]bool{"tools": true}
	if offered == 0 {
		for _, name := range companions {
			gone[name] = true
		}
	} else {
		w.hideChosen()
	}
	w.removeMembers(gone, offered == 0 && len(w.r.Calls)+len(w.r.Results) > 0)
	return nil
}

func stays(e entry, hide map[string]bool) bool {
	return slices.ContainsFunc(e.names, func(name string) bool { return !hide[name] })
}

func (w *editor) cutList(entries []entry) {
	spans := make([]llm.Span, len(entries))
	for i, e := range entries {
		spans[i] = e.span
		if len(e.inner) > 0 && stays(e, w.e.HideTools) {
			w.cutList(e.inner)
		}
	}
	w.s.Remove(spans, func(i int) bool { return !stays(entries[i], w.e.HideTools) })
}

// hideChosen takes the hidden tools out of an allowed list. When none is left in it none may be called.
func (w *editor) hideChosen() {
	hide := w.e.HideTools
	if len(w.lay.chosen) == 0 {
		return
	}
	spans := make([]llm.Span, len(w.lay.chosen))
	left := len(w.lay.chosen)
	for i, c := range w.lay.chosen {
		spans[i] = c.span
		if hide[c.name] {
			left--
		}
	}
	if left == 0 {
		w.s.Replace(w.r.Choice.Span, []byte(`"none"`))
		return
	}
	w.s.Remove(spans, func(i int) bool { return hide[w.lay.chosen[i].name] })
}

// removeMembers takes members out of the request; with stub, the list of tools becomes the stub's.
func (w *editor) removeMembers(gone map[string]bool, stub bool) {
	spans := make([]llm.Span, len(w.lay.members))
	remove := make([]bool, len(w.lay.members))
	for i, m := range w.lay.members {
		spans[i], remove[i] = m.span, gone[m.name]
		if stub && m.name == "tools" {
			stub, remove[i] = false, false
			w.s.Replace(m.span, []byte(stubTools))
		}
	}
	w.s.Remove(spans, func(i int) bool { return remove[i] })
}

func (w *editor) quote(text []byte) []byte { return llm.AppendQuoted(nil, text) }

func missing(what string, i int) error {
	return fmt.Errorf("openairesponses: the request has no %s %d", what, i)
}
