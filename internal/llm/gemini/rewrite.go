package gemini

import (
	"bytes"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// noVerdict is what stands for a call that nobody decided.
const noVerdict = "[yellowjack] A tool call was refused: it was not decided."

// The members of a turn, as llm.TurnText names them.
const (
	TextMember    = "text"
	ThoughtMember = "thought"
)

// Member is what a turn names the text of a part.
func (k PartKind) Member() string {
	if k == ThoughtPart {
		return ThoughtMember
	}
	return TextMember
}

// Rewrite returns the answer as the client may see it, and the turns in it: the document itself when every call is
// allowed as it is and no text changes. verdicts are in the order of Calls; a call without one, and a malformed call
// whatever its verdict, is denied, and a part with the verdict's text takes its place. Why the candidate finished says
// nothing of calls, and stays. Allowed ones take the verdict's id and arguments. text makes a filter for each text of a
// candidate, which may stand in several parts; nil changes none. Whatever does not change stays byte for byte. An error is
// arguments that no client could read.
func (a *Response) Rewrite(verdicts []llm.Verdict, text func(choice int) llm.TextFilter) ([]byte, []llm.Turn, error) {
	var s llm.Splices
	turns := make([]llm.Turn, len(a.Candidates))
	for i := range a.Candidates {
		c := &a.Candidates[i]
		w := &rewriter{a: a, turn: &turns[i], filter: text}
		w.turn.Choice, w.turn.Reason = c.Index, c.Reason
		w.decide(c, verdicts)
		if err := a.revise(&s, c, Revision{Call: w.call, Text: w.text}); err != nil {
			return nil, nil, err
		}
		w.finish()
	}
	return s.Apply(a.Doc), turns, nil
}

// rewriter rewrites one candidate.
type rewriter struct {
	a        *Response
	turn     *llm.Turn
	filter   func(choice int) llm.TextFilter
	open     llm.TextFilter // of the text that is being read
	outcomes map[int]Outcome
	texts    []llm.TurnText // each part's
	said     bool           // text for people is shown
}

// decide takes the verdicts on the candidate's calls.
func (w *rewriter) decide(c *Candidate, verdicts []llm.Verdict) {
	w.outcomes = make(map[int]Outcome, len(c.Calls))
	denied, signed := make([]bool, len(c.Calls)), make([][]byte, len(c.Calls))
	for n, i := range c.Calls {
		v := llm.Verdict{}
		if i < len(verdicts) {
			v = verdicts[i]
		}
		if v.Text == "" {
			v.Text = noVerdict
		}
		o := Outcome{Allowed: v.Allow && w.a.Calls[i].Malformed == "", ID: v.ID, Arguments: v.Arguments, Refusal: v.Text}
		denied[n], signed[n] = !o.Allowed, w.a.places[i].signed.Of(w.a.Doc)
		if w.outcomes[i] = o; o.Allowed {
			w.turn.Calls = append(w.turn.Calls, w.a.Calls[i])
		}
	}
	for n, signature := range Signatures(denied, signed) {
		o := w.outcomes[c.Calls[n]]
		o.Signed = signature
		w.outcomes[c.Calls[n]] = o
	}
}

func (w *rewriter) call(i int) Outcome {
	o := w.outcomes[i]
	if !o.Allowed {
		if w.said {
			o.Refusal = "\n\n" + o.Refusal
		}
		w.said = true
		w.texts = append(w.texts, llm.TurnText{Member: TextMember, Shown: o.Refusal, Said: o.Refusal})
	}
	return o
}

// text filters one part of a text.
func (w *rewriter) text(kind PartKind, said []byte, last bool) []byte {
	shown := said
	if w.filter != nil {
		if w.open == nil {
			w.open = w.filter(w.turn.Choice)
		}
		if shown = w.open.Write(nil, said); last {
			shown, w.open = w.open.Close(shown), nil
		}
	}
	w.said = w.said || kind == TextPart && len(shown) > 0
	w.texts = append(w.texts, llm.TurnText{Member: kind.Member(), Shown: string(shown), Said: string(said)})
	return bytes.Clone(shown)
}

// finish tells the texts of the turn: all parts of one member as one, as a client has them that puts them together, and
// where there are several each by itself, as one has them that does not.
func (w *rewriter) finish() {
	for _, member := range []string{ThoughtMember, TextMember} {
		var shown, said strings.Builder
		var each []llm.TurnText
		for _, t := range w.texts {
			if t.Member == member {
				shown.WriteString(t.Shown)
				said.WriteString(t.Said)
				each = append(each, t)
			}
		}
		if len(each) == 0 {
			continue
		}
		w.turn.Texts = append(w.turn.Texts, llm.TurnText{Member: member, Shown: shown.String(), Said: said.String()})
		if len(each) > 1 {
			w.turn.Texts = append(w.turn.Texts, each...)
		}
	}
}
