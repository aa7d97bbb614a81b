package bedrock

import (
	"errors"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// StubTool is the name of the tool that stays when all others leave a request whose history has tool blocks: Bedrock refuses
// those when no tool is offered. It is never offered, so a call to it is refused.
const StubTool = "yellowjack_no_tools"

const stubConfig = `"toolConfig":{"tools":[{"toolSpec":{"name":"` + StubTool + `","description":"No tool is available.",` +
	`"inputSchema":{"json":{"type":"object","properties":{}}}}}]}`

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
	cuts []llm.Span    // of toolConfig, what leaves
}

// Apply makes the changes, and returns the document itself when there are none. Whatever does not change stays byte for
// byte. A model is not set here: it stands in the path. When the last tool leaves, all of toolConfig does, and a cache point
// leaves that has no tool before it any more. A toolChoice that names a hidden tool is an error: nothing would be called in
// its place. So is an edit of something that is not there, and two edits of one place.
func Apply(r *llm.Request, e llm.Edit) ([]byte, error) {
	lay, ok := r.Layout.(*layout)
	if !ok {
		return nil, errors.New("bedrock: the request is not of this dialect")
	}
	w := &editor{r: r, lay: lay, e: e}
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
	hidden := 0
	for _, t := range w.r.Tools {
		if w.e.HideTools[t.Name] {
			hidden++
		}
	}
	if hidden == 0 {
		return nil
	}
	if w.e.HideTools[w.lay.named] {
		return &llm.FieldError{Field: "toolConfig.toolChoice", Reason: "names a tool that is not offered"}
	}
	if hidden == len(w.r.Tools) {
		w.removeConfig()
		return nil
	}
	spans := make([]llm.Span, len(w.lay.tools))
	gone := make([]bool, len(w.lay.tools))
	before := false // a tool that stays
	for i, at := range w.lay.tools {
		spans[i] = at.span
		if at.tool < 0 {
			gone[i] = !before
			continue
		}
		gone[i] = w.e.HideTools[w.r.Tools[at.tool].Name]
		before = before || !gone[i]
	}
	for i, span := range spans {
		if gone[i] {
			w.cuts = append(w.cuts, span)
		}
	}
	w.s.Remove(spans, func(i int) bool { return gone[i] })
	return nil
}

// removeConfig takes toolConfig out, or puts the stub in its place.
func (w *editor) removeConfig() {
	stub := len(w.r.Calls)+len(w.r.Results) > 0
	members := make([]llm.Span, len(w.lay.members))
	remove := make([]bool, len(w.lay.members))
	for i, m := range w.lay.members {
		members[i] = m.span
		switch {
		case m.name != "toolConfig":
			continue
		case stub:
			w.s.Replace(m.span, []byte(stubConfig))
		default:
			remove[i] = true
		}
		w.cuts = append(w.cuts, m.span)
	}
	w.s.Remove(members, func(i int) bool { return remove[i] })
}

// replaced tells whether a result is replaced as a whole.
func (w *editor) replaced(result int) bool {
	_, dropped := w.e.DropResults[result]
	_, given := w.e.Results[result]
	return dropped || given
}

// leaves tells whether a value leaves with something around it: with tools, or with the call of a result that is replaced.
func (w *editor) leaves(value llm.Span) bool {
	within := func(around llm.Span) bool { return value.Start >= around.Start && value.End <= around.End }
	if slices.ContainsFunc(w.cuts, within) {
		return true
	}
	for call := range w.dead {
		if at := w.lay.calls[call].at; within(w.lay.lists[at.list][at.index]) {
			return true
		}
	}
	return false
}

// leave takes a block out of its content.
func (w *editor) leave(at spot) {
	if w.gone == nil {
		w.gone = map[spot]bool{}
	}
	w.gone[at] = true
}

// removeBlocks takes the blocks out that leave. A content does not become empty by that: Bedrock takes none that is.
func (w *editor) removeBlocks() {
	lists := map[int]int{} // how many leave
	for at := range w.gone {
		lists[at.list]++
	}
	for list, n := range lists {
		spans := w.lay.lists[list]
		if n == len(spans) {
			w.s.Replace(spans[0], textBlock(withheld))
		}
		w.s.Remove(spans, func(i int) bool { return w.gone[spot{list, i}] && (i > 0 || n < len(spans)) })
	}
}

// textBlock is a block of text, which has to say something.
func textBlock[T ~string | ~[]byte](text T) []byte {
	if len(text) == 0 {
		return textBlock(withheld)
	}
	return append(llm.AppendQuoted([]byte(`{"text":`), text), '}')
}
