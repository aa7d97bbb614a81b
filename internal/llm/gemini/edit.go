package gemini

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// Edit is what changes in a request on its way to the provider.
type Edit = llm.Edit

// editor makes the changes of one request.
type editor struct {
	r   *llm.Request
	lay *layout
	e   Edit
	s   llm.Splices

	tied   map[int]bool // turns of the model's, by their message, in which no id leaves
	choice bool         // what says how functions are called leaves, or is another
}

// Apply makes the changes in the body, and returns the document itself when there are none; the model stands in the path,
// and is changed there. Whatever does not change stays byte for byte. When the last function leaves, what says how
// functions are called leaves too; the provider takes a history of calls without any tool. A choice of one function that is
// hidden is an error: nothing would be called in its place. So is an edit of something that is not there, and two edits of
// one place. Where the path is not one that is served, nothing is.
func Apply(r *llm.Request, e Edit) ([]byte, error) {
	lay, ok := r.Layout.(*layout)
	if !ok {
		return nil, errors.New("gemini: the request is not of this dialect")
	}
	w := &editor{r: r, lay: lay, e: e}
	gone := map[string]bool{"model": e.Model != "" && e.Model != r.Model}
	if err := w.hideTools(gone); err != nil {
		return nil, err
	}
	if err := w.history(); err != nil {
		return nil, err
	}
	spans := make([]llm.Span, len(lay.members))
	for i, m := range lay.members {
		spans[i] = m.span
		if m.name == "store" && e.Store != nil {
			w.s.Replace(m.span, []byte(`"store":`+map[bool]string{true: "true", false: "false"}[*e.Store]))
		}
	}
	w.s.Remove(spans, func(i int) bool { return gone[lay.members[i].name] })
	return w.s.Apply(r.Doc), nil
}

// hideTools takes the hidden tools out, and notes which members of the request leave with them.
func (w *editor) hideTools(gone map[string]bool) error {
	hidden, functions := 0, 0
	for i := range w.r.Tools {
		switch t := &w.r.Tools[i]; {
		case w.e.HideTools[t.Name]:
			hidden++
		case t.Function:
			functions++
		}
	}
	if hidden == 0 {
		return nil
	}
	if named := w.lay.config.named; named != "" && w.e.HideTools[named] {
		return &llm.FieldError{Field: "toolConfig.functionCallingConfig", Reason: "names a function that is not offered"}
	}
	list := &w.lay.tools
	spans, empty, all := make([]llm.Span, len(list.elements)), make([]bool, len(list.elements)), true
	for i := range list.elements {
		spans[i], empty[i] = list.elements[i].span, w.leaves(&list.elements[i])
		all = all && empty[i]
	}
	if gone["tools"] = all; !all {
		w.s.Remove(spans, func(i int) bool { return empty[i] })
		for i := range list.elements {
			if !empty[i] {
				w.hideMembers(&list.elements[i])
			}
		}
	}
	w.hideConfig(functions == 0, gone)
	return nil
}

// leaves tells that of an element with tools in it none is left.
func (w *editor) leaves(e *toolElement) bool {
	had := false
	for i := range e.members {
		m := &e.members[i]
		if m.tool >= 0 || len(m.functions) > 0 {
			had = true
			if !w.memberLeaves(m) {
				return false
			}
		}
	}
	return had
}

// memberLeaves tells that of a member that is a tool, or functions, nothing is left.
func (w *editor) memberLeaves(m *toolMember) bool {
	if m.tool >= 0 {
		return w.e.HideTools[w.r.Tools[m.tool].Name]
	}
	for k := range m.functions {
		if !w.e.HideTools[w.r.Tools[m.first+k].Name] {
			return false
		}
	}
	return len(m.functions) > 0
}

// hideMembers takes hidden tools out of an element in which some are left.
func (w *editor) hideMembers(e *toolElement) {
	spans := make([]llm.Span, len(e.members))
	for i := range e.members {
		m := &e.members[i]
		spans[i] = m.span
		if len(m.functions) > 0 && !w.memberLeaves(m) {
			w.s.Remove(m.functions, func(k int) bool { return w.e.HideTools[w.r.Tools[m.first+k].Name] })
		}
	}
	w.s.Remove(spans, func(i int) bool { return w.memberLeaves(&e.members[i]) })
}

// hideConfig takes hidden functions out of what says how functions are called, or all of it when no function is left. When
// none of those is left that may be called, none may be.
func (w *editor) hideConfig(none bool, gone map[string]bool) {
	c := &w.lay.config
	if none {
		w.choice = true
		spans, others := make([]llm.Span, len(c.members)), 0
		for i, m := range c.members {
			if spans[i] = m.span; m.name != "functionCallingConfig" {
				others++
			}
		}
		switch {
		case others == 0 && len(c.members) > 0:
			gone["toolConfig"] = true
		default:
			w.s.Remove(spans, func(i int) bool { return c.members[i].name == "functionCallingConfig" })
		}
		return
	}
	if len(c.allowed) == 0 {
		return
	}
	spans, left := make([]llm.Span, len(c.allowed)), len(c.allowed)
	for i, a := range c.allowed {
		if spans[i] = a.span; w.e.HideTools[a.name] {
			left--
		}
	}
	if left == 0 {
		w.choice = true
		w.s.Replace(w.r.Choice.Span, []byte(`{"mode":"NONE"}`))
		return
	}
	w.s.Remove(spans, func(i int) bool { return w.e.HideTools[c.allowed[i].name] })
}
