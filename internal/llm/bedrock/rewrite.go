package bedrock

import (
	"bytes"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// noVerdict is what stands for a call that nobody decided.
const noVerdict = "[yellowjack] A tool call was refused: it was not decided."

// The names of a turn's texts.
const (
	TextMember      = "text"
	ReasoningMember = "reasoning"
)

// Rewrite returns the answer as the client may see it, and the turn in it: the document itself when every call is allowed
// as it is and no text changes. verdicts are in the order of Calls; a call without one, and a malformed call whatever its
// verdict, is denied. In the place of a denied call there is a block with its verdict's text, and a turn that ended to make
// its calls and has none left has ended by "end_turn" (one that was cut says so still). Allowed ones take the verdict's id
// and arguments. text makes a filter for each text; nil changes none, and what the model thought, which is signed, goes
// through none. Where anything changed, the model's own fields and the trace leave, which may repeat what it was. Whatever
// does not change stays byte for byte. An error is arguments that no client could read.
func (a *Response) Rewrite(verdicts []llm.Verdict, text func(choice int) llm.TextFilter) ([]byte, []llm.Turn, error) {
	if a.Error {
		return a.Doc, nil, nil
	}
	var s llm.Splices
	turn := llm.Turn{Reason: a.reason}
	for i := range a.blocks {
		b := &a.blocks[i]
		if b.call < 0 {
			for _, at := range b.texts {
				a.rewriteText(&s, &turn, b, at, text)
			}
			continue
		}
		v := llm.Verdict{Text: noVerdict}
		if b.call < len(verdicts) {
			v = verdicts[b.call]
		}
		if err := a.rewriteCall(&s, &turn, b, v); err != nil {
			return nil, nil, err
		}
	}
	if reason, stops := Stops(a.reason); stops && len(a.Calls) > 0 && len(turn.Calls) == 0 {
		s.Replace(a.stop, llm.AppendQuoted(nil, reason))
		turn.Reason = reason
	}
	if s.Len() > 0 {
		for _, at := range a.repeats {
			s.Replace(at, []byte("null"))
		}
	}
	return s.Apply(a.Doc), []llm.Turn{turn}, nil
}

// rewriteText filters a text of a block.
func (a *Response) rewriteText(s *llm.Splices, turn *llm.Turn, b *answerBlock, at llm.Span, text func(choice int) llm.TextFilter) {
	said, err := strictjson.AppendUnquote(nil, at.Of(a.Doc))
	if err != nil { // cannot be: it was read
		return
	}
	shown, member := said, TextMember
	if b.thought {
		member = ReasoningMember
	} else if text != nil {
		f := text(0)
		shown = f.Close(f.Write(nil, said))
	}
	turn.Texts = append(turn.Texts, llm.TurnText{Member: member, Shown: string(shown), Said: string(said)})
	if !bytes.Equal(shown, said) {
		s.Replace(at, llm.AppendQuoted(nil, shown))
	}
}

// rewriteCall gives an allowed call what its verdict says, and puts a text in the place of any other.
func (a *Response) rewriteCall(s *llm.Splices, turn *llm.Turn, b *answerBlock, v llm.Verdict) error {
	call := &a.Calls[b.call]
	if !v.Allow || call.Malformed != "" {
		if v.Text == "" {
			v.Text = noVerdict
		}
		turn.Texts = append(turn.Texts, llm.TurnText{Member: TextMember, Shown: v.Text, Said: v.Text})
		s.Replace(b.span, textBlock(v.Text))
		return nil
	}
	turn.Calls = append(turn.Calls, *call)
	if v.ID != "" && v.ID != call.ID {
		s.Replace(b.id, llm.AppendQuoted(nil, v.ID))
	}
	if v.Arguments == nil {
		return nil
	}
	if err := strictjson.CheckObject(v.Arguments, strictjson.Limits{}); err != nil {
		return fmt.Errorf("bedrock: the arguments of a call: %w", err)
	}
	s.Replace(b.arg, v.Arguments)
	return nil
}
