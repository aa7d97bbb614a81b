package gemini

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Why a call is refused outright. Its client could not have run it, or it is not what it seems.
const (
	badName      = "the call has no name"
	badShape     = "the call does not have the shape of one"
	badArguments = "the arguments are not one strict JSON object"
	inPieces     = "the call comes in pieces"
	duplicateID  = "two calls have the same id"
	truncated    = "the answer was cut before the call was complete"
)

// malform notes the first thing that is wrong with a call.
func malform(c *llm.ToolCall, why string) {
	if c.Malformed == "" {
		c.Malformed = why
	}
}

// readPart reads one part. What is not known of a part may be a call, and so may a second thing in one.
func (a *Response) readPart(r *strictjson.Reader, c *Candidate) error {
	is := Part{Call: -1, span: llm.Span{Start: r.Next()}}
	thought, holds := false, 0
	err := object(r, partNames, func(name string, m strictjson.Member) error {
		if name == "" {
			return r.Fail(ErrNotAnswer, "a part has a member that is not known")
		}
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch name {
		case "text":
			holds++
			is.Kind = TextPart
			if _, is.text, err = r.String(); is.text.Len() <= len(`""`) {
				is.Kind = EmptyPart
			}
		case "thought":
			thought, err = r.Bool()
		case "thoughtSignature":
			is.Signed = true
			is.signed.Start = m.NameSpan.Start
			_, _, err = r.String()
			is.signed.End = r.Offset()
		case "functionCall":
			holds++
			is.Kind, is.Call = CallPart, len(a.Calls)
			c.Calls = append(c.Calls, len(a.Calls))
			err = a.readCall(r)
		case "functionResponse":
			return r.Fail(ErrNotAnswer, "a part is a function's response")
		case "inlineData", "fileData", "executableCode", "codeExecutionResult", "toolCall", "toolResponse":
			holds++
			is.Kind = DataPart
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case holds > 1:
		return r.Fail(ErrNotAnswer, "a part holds two things")
	case len(c.Calls) > maxAnswerCalls:
		return r.Fail(ErrNotAnswer, "more calls than any answer has")
	case thought && is.Kind == TextPart:
		is.Kind = ThoughtPart
	}
	is.span.End = r.Offset()
	if is.Call >= 0 {
		a.places[is.Call].signed = is.signed
	}
	c.Parts = append(c.Parts, is)
	return nil
}

// readCall reads a call. A part that has no object there makes the call malformed, and so does what is wrong within.
func (a *Response) readCall(r *strictjson.Reader) error {
	call, at := llm.ToolCall{}, place{object: llm.Span{Start: r.Next()}}
	if r.Kind() != strictjson.Object {
		malform(&call, badShape)
		_, err := r.Skip()
		call.Arguments, at.object.End = []byte("{}"), r.Offset()
		a.Calls, a.places = append(a.Calls, call), append(a.places, at)
		return err
	}
	given := false
	err := object(r, callNames, func(name string, _ strictjson.Member) error {
		span := llm.Span{Start: r.Next()}
		null, err := r.Null()
		if span.End = r.Offset(); err != nil {
			return err
		}
		if null { // as if it were not there, but nothing can be put beside it
			switch name {
			case "id":
				at.id = span
			case "args":
				at.arguments = span
			}
			return nil
		}
		switch name {
		case "id":
			call.ID, err = readText(r, &call)
			at.id = llm.Span{Start: span.Start, End: r.Offset()}
		case "name":
			call.Tool, err = readText(r, &call)
		case "args":
			if r.Kind() != strictjson.Object {
				malform(&call, badArguments)
				return nil
			}
			given = true
			at.arguments, err = r.Skip()
		case "partialArgs", "willContinue":
			if r.Kind() != strictjson.False {
				malform(&call, inPieces)
			}
		case "":
			malform(&call, badShape)
		}
		return err
	})
	at.object.End = r.Offset()
	switch {
	case given:
		call.Arguments = at.arguments.Of(a.Doc)
	default:
		call.Arguments = []byte("{}")
	}
	if call.Tool == "" {
		malform(&call, badName)
	}
	a.Calls, a.places = append(a.Calls, call), append(a.places, at)
	return err
}

// readText reads a string; another kind of value makes the call malformed.
func readText(r *strictjson.Reader, c *llm.ToolCall) (string, error) {
	if k := r.Kind(); k != strictjson.String && k != strictjson.None {
		malform(c, badShape)
		_, err := r.Skip()
		return "", err
	}
	s, _, err := r.String()
	return s, err
}

// Complete tells whether an answer that finished for a reason has its calls whole.
func Complete(reason string) bool { return reason == "STOP" }

// judge finds what is wrong with the calls of a whole answer that their reading did not show: ids given twice, and calls
// of a candidate that ended for another reason than that it was done. Of two with one id in a candidate both are refused,
// and in two candidates the later one, as a stream's reader would that has released the first.
func (a *Response) judge() {
	before := map[string]bool{}
	for i := range a.Candidates {
		c := &a.Candidates[i]
		seen := map[string]int{}
		for _, k := range c.Calls {
			call := &a.Calls[k]
			if !Complete(c.Reason) {
				malform(call, truncated)
			}
			if call.ID == "" {
				continue
			}
			first, twice := seen[call.ID]
			if twice || before[call.ID] {
				malform(call, duplicateID)
			}
			if twice {
				malform(&a.Calls[first], duplicateID)
			}
			seen[call.ID] = k
		}
		for id := range seen {
			before[id] = true
		}
	}
}
