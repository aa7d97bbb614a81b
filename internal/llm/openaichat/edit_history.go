package openaichat

import (
	"fmt"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// editHistory makes the changes within the messages.
func editHistory(s *llm.Splices, r *llm.Request, lay *layout, e Edit) error {
	for i, text := range e.DropResults {
		if _, twice := e.Results[i]; twice {
			return fmt.Errorf("openaichat: result %d is replaced twice", i)
		}
		if err := replaceResult(s, r, lay, e, i, text); err != nil {
			return err
		}
	}
	for i, text := range e.Results {
		if err := replaceResult(s, r, lay, e, i, text); err != nil {
			return err
		}
	}
	for i, id := range e.CallIDs {
		if i < 0 || i >= len(r.Calls) || r.Calls[i].IDSpan.Len() == 0 {
			return fmt.Errorf("openaichat: the request has no id of a call %d", i)
		}
		s.Replace(r.Calls[i].IDSpan, appendQuoted(nil, id))
	}
	for i, name := range e.CallTools {
		if i < 0 || i >= len(r.Calls) {
			return fmt.Errorf("openaichat: the request has no call %d", i)
		}
		s.Replace(r.Calls[i].ToolSpan, appendQuoted(nil, name))
	}
	for i, id := range e.ResultIDs {
		if i < 0 || i >= len(r.Results) || r.Results[i].IDSpan.Len() == 0 {
			return fmt.Errorf("openaichat: the request has no id of a result %d", i)
		}
		s.Replace(r.Results[i].IDSpan, appendQuoted(nil, id))
	}
	for i, arguments := range e.Arguments {
		if err := replaceArguments(s, r, i, arguments); err != nil {
			return err
		}
	}
	for i, text := range e.PartTexts {
		if err := replacePart(s, r, e, i, text); err != nil {
			return err
		}
	}
	return nil
}

// unknownTool is the name under which a result goes on whose message had one that is no tool's.
const unknownTool = "unknown"

// replaceResult puts a text in the place of a result: of all of its content, and of whatever else its message carries.
func replaceResult[T ~string | ~[]byte](s *llm.Splices, r *llm.Request, lay *layout, e Edit, i int, text T) error {
	if i < 0 || i >= len(r.Results) {
		return fmt.Errorf("openaichat: the request has no result %d", i)
	}
	s.Replace(r.Results[i].Content, appendQuoted(nil, text))
	if x, ok := lay.extras[i]; ok {
		named := isTool(r, e, x.named)
		s.Remove(x.members, func(k int) bool { return x.leave[k] || !named && x.isName[k] && x.name.Len() == 0 })
		if x.name.Len() > 0 && !named {
			s.Replace(x.name, appendQuoted(nil, unknownTool))
		}
	}
	return nil
}

// isTool tells whether a name is one that the request has for a tool besides.
func isTool(r *llm.Request, e Edit, name string) bool {
	for i := range r.Calls {
		if _, renamed := e.CallTools[i]; !renamed && r.Calls[i].Tool == name {
			return true
		}
	}
	return slices.ContainsFunc(r.Tools, func(t llm.Tool) bool { return t.Name == name })
}

// replaceArguments puts other arguments in the place of a call's, of a custom tool its input.
func replaceArguments(s *llm.Splices, r *llm.Request, i int, arguments []byte) error {
	if i < 0 || i >= len(r.Calls) || r.Calls[i].Arguments.Len() == 0 {
		return fmt.Errorf("openaichat: the request has no arguments of a call %d", i)
	}
	if r.Calls[i].Custom {
		input, ok := llm.CustomInput(arguments)
		if !ok {
			return fmt.Errorf("openaichat: the arguments of call %d have no input", i)
		}
		arguments = input
	}
	s.Replace(r.Calls[i].Arguments, appendQuoted(nil, arguments))
	return nil
}

// replacePart puts a text in the place of a part: of a string; of media in a content, which becomes a part of text; of
// any other value only an empty text, for which null stands. A part of a result that is replaced as a whole, of
// arguments that are, and of a tool that leaves, is none to replace.
func replacePart(s *llm.Splices, r *llm.Request, e Edit, i int, text []byte) error {
	if i < 0 || i >= len(r.Parts) {
		return fmt.Errorf("openaichat: the request has no part %d", i)
	}
	p := &r.Parts[i]
	if p.Tool >= 0 && e.HideTools[r.Tools[p.Tool].Name] {
		return nil // gone with its tool
	}
	_, replaced := e.Results[p.Result]
	_, dropped := e.DropResults[p.Result]
	_, given := e.Arguments[p.Call]
	if replaced || dropped || given {
		return fmt.Errorf("openaichat: part %d is replaced twice", i)
	}
	switch {
	case r.Doc[p.Span.Start] == '"':
		s.Replace(p.Span, appendQuoted(nil, text))
	case p.Media >= 0 && r.Media[p.Media].Element:
		s.Replace(p.Span, append(appendQuoted([]byte(`{"type":"text","text":`), text), '}'))
	case len(text) == 0 && p.Tool < 0:
		s.Replace(p.Span, []byte("null"))
	default:
		return fmt.Errorf("openaichat: part %d is no text", i)
	}
	return nil
}
