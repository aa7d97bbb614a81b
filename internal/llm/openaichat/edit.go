package openaichat

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// StubTool is the name of the tool that stays when all others leave a request whose history has tool calls: some
// providers refuse such a history when no tool is offered. It is never offered, so a call to it is refused.
const StubTool = "yellowjack_no_tools"

const stubTools = `[{"type":"function","function":{"name":"` + StubTool + `","description":"No tool is available.",` +
	`"parameters":{"type":"object","properties":{}}}}]`

// Edit is what changes in a request on its way to the provider.
type Edit = llm.Edit

// Apply makes the changes, and returns the document itself when there are none. Whatever does not change stays byte for
// byte. Tools are taken out of tools, functions and the allowed list of tool_choice; when the last one leaves, its
// companions leave too. A tool_choice that names a hidden tool is an error: nothing would be called in its place. So is
// an edit of something that is not there, and two edits of one place.
func Apply(r *llm.Request, e Edit) ([]byte, error) {
	lay, ok := r.Layout.(*layout)
	if !ok {
		return nil, errors.New("openaichat: the request is not of this dialect")
	}
	var s llm.Splices
	if e.Model != "" && e.Model != r.Model {
		s.Replace(r.ModelSpan, appendQuoted(nil, e.Model))
	}
	if err := hideTools(&s, r, lay, e.HideTools); err != nil {
		return nil, err
	}
	if err := editHistory(&s, r, lay, e); err != nil {
		return nil, err
	}
	return s.Apply(r.Doc), nil
}

// hideTools takes the hidden tools out.
func hideTools(s *llm.Splices, r *llm.Request, lay *layout, hide map[string]bool) error {
	var tools, functions offered
	for _, t := range r.Tools {
		if t.Legacy {
			functions.add(t, hide[t.Name])
		} else {
			tools.add(t, hide[t.Name])
		}
	}
	if tools.hidden+functions.hidden == 0 {
		return nil
	}
	for _, name := range lay.named {
		if hide[name] {
			return &llm.FieldError{Field: "tool_choice", Reason: "names a tool that is not offered"}
		}
	}
	all := tools.none() && functions.none()
	gone := map[string]bool{}
	if tools.none() && (all || tools.hidden > 0) {
		gone["tools"], gone["tool_choice"], gone["parallel_tool_calls"] = true, true, true
	} else {
		s.Remove(tools.spans, func(i int) bool { return tools.gone[i] })
		hideAllowed(s, r, lay, hide)
	}
	if functions.none() && (all || functions.hidden > 0) {
		gone["functions"], gone["function_call"] = true, true
	} else {
		s.Remove(functions.spans, func(i int) bool { return functions.gone[i] })
	}
	removeMembers(s, lay, gone, all && len(r.Calls)+len(r.Results) > 0)
	return nil
}

// offered is one list of tools, and which of them leave it.
type offered struct {
	spans  []llm.Span
	gone   []bool
	hidden int
}

func (o *offered) add(t llm.Tool, hide bool) {
	o.spans = append(o.spans, t.Span)
	o.gone = append(o.gone, hide)
	if hide {
		o.hidden++
	}
}

// none tells that nothing is offered in the list.
func (o *offered) none() bool { return o.hidden == len(o.spans) }

// hideAllowed takes the hidden tools out of an allowed list. When none is left in it none may be called.
func hideAllowed(s *llm.Splices, r *llm.Request, lay *layout, hide map[string]bool) {
	if len(lay.allowed) == 0 {
		return
	}
	spans := make([]llm.Span, len(lay.allowed))
	left := len(lay.allowed)
	for i, a := range lay.allowed {
		spans[i] = a.span
		if hide[a.name] {
			left--
		}
	}
	if left == 0 {
		s.Replace(r.Choice.Span, []byte(`"none"`))
		return
	}
	s.Remove(spans, func(i int) bool { return hide[lay.allowed[i].name] })
}

// removeMembers takes members out of the request; with stub, the first list of tools among them becomes the stub's.
func removeMembers(s *llm.Splices, lay *layout, gone map[string]bool, stub bool) {
	spans := make([]llm.Span, len(lay.members))
	remove := make([]bool, len(lay.members))
	for i, m := range lay.members {
		spans[i], remove[i] = m.span, gone[m.name]
		if stub && (m.name == "tools" || m.name == "functions") {
			stub, remove[i] = false, false
			s.Replace(m.span, []byte(`"tools":`+stubTools))
		}
	}
	s.Remove(spans, func(i int) bool { return remove[i] })
}
