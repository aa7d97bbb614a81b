package anthropic

import (
	"bytes"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// noVerdict is what stands for a call that nobody decided.
const noVerdict = "[yellowjack] A tool call was refused: it was not decided."

// thinking is the member of a turn's texts that the model thought.
const thinking = "thinking"

// endTurn is the reason for which a turn ends that has no call left.
const endTurn = "end_turn"

// Stops tells whether a reason to stop is true no longer when no call is left of a turn, and what is in its place.
func Stops(reason string) (string, bool) { return endTurn, reason == "tool_use" }

// Rewrite returns the answer as the client may see it, and the turn in it: the document itself when every call is allowed
// as it is and no text changes. verdicts are in the order of Calls; a call without one, and a malformed call whatever its
// verdict, is denied. In the place of a denied call there is a block with its verdict's text, and a turn that ended to
// make its calls and has none left has ended by "end_turn" (one that was cut says so still). Allowed ones take the
// verdict's id and arguments. text makes a filter for each text; nil changes none, and what the model thought, which is
// signed, goes through none. Whatever does not change stays byte for byte. An error is arguments that no client could
// read.
func (a *Response) Rewrite(verdicts []llm.Verdict, text func(choice int) llm.TextFilter) ([]byte, []llm.Turn, error) {
	if a.blocks == nil && (a.Error || a.stop.Len() == 0) {
		return a.Doc, nil, nil
	}
	var s llm.Splices
	turn := llm.Turn{Reason: a.reason}
	for i := range a.blocks {
		b := &a.blocks[i]
		if b.call < 0 {
			a.rewriteText(&s, &turn, b, text)
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
	return s.Apply(a.Doc), []llm.Turn{turn}, nil
}

// rewriteText filters a block's text.
func (a *Response) rewriteText(s *llm.Splices, turn *llm.Turn, b *answerBlock, text func(choice int) llm.TextFilter) {
	at, member := b.text, "text"
	switch b.kind {
	case "text":
	case "thinking":
		if at, member = b.thought, thinking; at.Len() <= len(`""`) { // the text is not shown, but the model reads it
			at = b.signed
		}
	case "redacted_thinking":
		at, member = b.data, thinking
	default:
		return
	}
	if at.Len() <= len(`""`) {
		return
	}
	said, err := strictjson.AppendUnquote(nil, at.Of(a.Doc))
	if err != nil { // cannot be: it was read
		return
	}
	shown := said
	if text != nil && member == "text" {
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
		turn.Texts = append(turn.Texts, llm.TurnText{Member: "text", Shown: v.Text, Said: v.Text})
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
		return fmt.Errorf("anthropic: the arguments of a call: %w", err)
	}
	s.Replace(b.arg, v.Arguments)
	return nil
}

// AppendError appends the event by which a stream ends in the middle: body is an object with an error in it, as a
// refused request gets it.
func AppendError(dst, body []byte) []byte { return sse.AppendEvent(dst, "error", body) }
