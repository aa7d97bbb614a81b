package anthropic

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// StubTool is the name of the tool that stays when all others leave a request whose history has tool calls: a provider
// refuses such a history when no tool is offered. It is never offered, so a call to it is refused.
const StubTool = "yellowjack_no_tools"

const stubTools = `"tools":[{"name":"` + StubTool + `","description":"No tool is available.",` +
	`"input_schema":{"type":"object","properties":{}}}]`

// withheld is the text of a block that has to say something.
const withheld = "[withheld]"

// editor makes one edit.
type editor struct {
	s    llm.Splices
	r    *llm.Request
	lay  *layout
	e    llm.Edit
	gone map[spot]bool // blocks that leave their content
	dead map[int]bool  // calls of server tools, which leave with their results
}

// Apply makes the changes, and returns the document itself when there are none. Whatever does not change stays byte for
// byte. When the last tool leaves, tool_choice leaves too, and a tool_reference to one that leaves goes with it. A
// tool_choice that names a hidden tool is an error: nothing would be called in its place. So is an edit of something
// that is not there, and two edits of one place.
func Apply(r *llm.Request, e llm.Edit) ([]byte, error) {
	lay, ok := r.Layout.(*layout)
	if !ok {
		return nil, errors.New("anthropic: the request is not of this dialect")
	}
	w := &editor{r: r, lay: lay, e: e}
	if e.Model != "" && e.Model != r.Model {
		w.s.Replace(r.ModelSpan, llm.AppendQuoted(nil, e.Model))
	}
	if err := w.hideTools(); err != nil {
		return nil, err
	}
	if err := w.history(); err != nil {
		return nil, err
	}
	w.removeBlocks()
	return w.s.Apply(r.Doc), nil
}

// hideTools takes the hidden tools out.
func (w *editor) hideTools() error {
	spans := make([]llm.Span, len(w.r.Tools))
	hidden := 0
	for i, t := range w.r.Tools {
		if spans[i] = t.Span; w.e.HideTools[t.Name] {
			hidden++
		}
	}
	if hidden == 0 {
		return nil
	}
	if w.e.HideTools[w.lay.named] {
		return &llm.FieldError{Field: "tool_choice", Reason: "names a tool that is not offered"}
	}
	w.hideReferences()
	if hidden < len(spans) {
		w.s.Remove(spans, func(i int) bool { return w.e.HideTools[w.r.Tools[i].Name] })
		return nil
	}
	stub := len(w.r.Calls)+len(w.r.Results) > 0
	members := make([]llm.Span, len(w.lay.members))
	remove := make([]bool, len(w.lay.members))
	for i, m := range w.lay.members {
		members[i], remove[i] = m.span, m.name == "tools" || m.name == "tool_choice"
		if stub && m.name == "tools" {
			remove[i] = false
			w.s.Replace(m.span, []byte(stubTools))
		}
	}
	w.s.Remove(members, func(i int) bool { return remove[i] })
	return nil
}

// hideReferences takes out what refers to hidden tools: a provider refuses a reference to a tool that is not offered.
func (w *editor) hideReferences() {
	for _, ref := range w.lay.references {
		if w.e.HideTools[ref.tool] && !w.replaced(ref.result) {
			w.leave(ref.at)
		}
	}
	for i, at := range w.lay.results {
		if at.kind == "tool_search_tool_result" && !w.replaced(i) {
			w.hideFound(w.r.Results[i].Content)
		}
	}
}

// hideFound takes references out of what a search for tools has found.
func (w *editor) hideFound(found llm.Span) {
	var spans []llm.Span
	var gone []bool
	r := strictjson.NewReader(found.Of(w.r.Doc), strictjson.Limits{MaxBytes: len(w.r.Doc), MaxDepth: len(w.r.Doc)}) // it was read before
	defer r.Close()
	if r.Kind() != strictjson.Object {
		return
	}
	_ = r.Object(nil, func(m strictjson.Member) error {
		if m.Name != "tool_references" || r.Kind() != strictjson.Array {
			return nil
		}
		return r.Array(func(int) error {
			start, tool := found.Start+r.Next(), ""
			err := r.Object(nil, func(m strictjson.Member) error {
				var err error
				if m.Name == "tool_name" {
					tool, _, err = r.String()
				}
				return err
			})
			spans = append(spans, llm.Span{Start: start, End: found.Start + r.Offset()})
			gone = append(gone, w.e.HideTools[tool])
			return err
		})
	})
	w.s.Remove(spans, func(i int) bool { return gone[i] })
}

// replaced tells whether a result is replaced as a whole.
func (w *editor) replaced(result int) bool {
	_, dropped := w.e.DropResults[result]
	_, given := w.e.Results[result]
	return dropped || given
}

// leave takes a block out of its content.
func (w *editor) leave(at spot) {
	if w.gone == nil {
		w.gone = map[spot]bool{}
	}
	w.gone[at] = true
}

// removeBlocks takes the blocks out that leave. A content does not become empty by that: a provider takes none that is.
func (w *editor) removeBlocks() {
	lists := map[int]int{} // how many leave
	for at := range w.gone {
		lists[at.list]++
	}
	for list, n := range lists {
		spans := w.lay.list(list)
		if n == len(spans) {
			w.s.Replace(spans[0], textBlock(withheld))
		}
		w.s.Remove(spans, func(i int) bool { return w.gone[spot{list, i}] && (i > 0 || n < len(spans)) })
	}
}

// textBlock is a block of text.
func textBlock[T ~string | ~[]byte](text T) []byte {
	return append(llm.AppendQuoted([]byte(`{"type":"text","text":`), text), '}')
}
