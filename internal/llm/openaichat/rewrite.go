package openaichat

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// noVerdict is what stands for a call that nobody decided.
const noVerdict = "[yellowjack] A tool call was refused: it was not decided."

// Rewrite returns the answer as the client may see it: the document itself when every call is allowed. verdicts are in
// the order of Calls; a call without one, and a malformed call whatever its verdict, is denied. Denied calls leave
// their choice's list, the verdicts' texts follow the choice's own text, and a choice that ended by its calls and has
// none left has ended by "stop" (one that was cut says so still). Each choice is by itself, and whatever does not change
// stays byte for byte.
func (a *Response) Rewrite(verdicts []llm.Verdict) []byte {
	var s llm.Splices
	for i := range a.choices {
		a.rewriteChoice(&s, &a.choices[i], verdicts)
	}
	return s.Apply(a.Doc)
}

func (a *Response) rewriteChoice(s *llm.Splices, c *answer, verdicts []llm.Verdict) {
	denied := make([]bool, len(c.calls))
	var texts []string
	for k, i := range c.calls {
		v := llm.Verdict{Text: noVerdict}
		if i < len(verdicts) {
			v = verdicts[i]
		}
		if denied[k] = !v.Allow || a.Calls[i].Malformed != ""; !denied[k] {
			continue
		}
		if v.Text == "" {
			v.Text = noVerdict
		}
		texts = append(texts, v.Text)
	}
	if len(texts) == 0 {
		return
	}
	gone := 0
	for k := range c.tools {
		if denied[k] {
			gone++
		}
	}
	drop := map[string]bool{
		"tool_calls":    gone > 0 && gone == len(c.tools),
		"function_call": len(c.calls) > len(c.tools) && denied[len(c.tools)],
	}
	if !drop["tool_calls"] {
		s.Remove(c.tools, func(k int) bool { return denied[k] })
	}
	a.rewriteMessage(s, c, drop, strings.Join(texts, "\n\n"))
	if len(texts) == len(c.calls) && (c.reason == "tool_calls" || c.reason == "function_call") {
		s.Replace(c.finish, []byte(`"stop"`))
	}
	if c.logprobs.Len() > 0 {
		// They may repeat, token by token, what a denied call said.
		s.Replace(c.logprobs, []byte("null"))
	}
}

// rewriteMessage drops members and adds text to the content.
func (a *Response) rewriteMessage(s *llm.Splices, c *answer, drop map[string]bool, text string) {
	spans := make([]llm.Span, len(c.members))
	remove := make([]bool, len(c.members))
	member := appendQuoted([]byte(`"content":`), text)
	pending := c.content.Len() == 0
	for i, m := range c.members {
		spans[i], remove[i] = m.span, drop[m.name]
		if pending && remove[i] {
			// A message without content gets it in the place of its calls.
			pending, remove[i] = false, false
			s.Replace(m.span, member)
		}
	}
	s.Remove(spans, func(i int) bool { return remove[i] })
	switch {
	case pending: // some calls stay, so there is a member to stand before
		s.Replace(llm.Span{Start: spans[0].Start, End: spans[0].Start}, append(member, ','))
	case c.content.Len() > 0:
		a.appendText(s, c, text)
	}
}

// appendText adds text to a content that is there, behind what it says.
func (a *Response) appendText(s *llm.Splices, c *answer, text string) {
	end := llm.Span{Start: c.content.End - 1, End: c.content.End - 1}
	switch {
	case c.kind == strictjson.String && c.content.Len() > len(`""`):
		quoted := appendQuoted(nil, "\n\n"+text)
		s.Replace(end, quoted[1:len(quoted)-1])
	case c.parts:
		s.Replace(end, append(appendQuoted([]byte(`,{"type":"text","text":`), text), '}'))
	default: // null, or nothing in it
		s.Replace(c.content, appendQuoted(nil, text))
	}
}
