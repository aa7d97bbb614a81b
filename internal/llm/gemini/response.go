package gemini

import (
	"bytes"
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrNotAnswer is why a body, or an event's data, is refused that is strict JSON, but no answer as a client reads it.
var ErrNotAnswer = errors.New("not a GenerateContentResponse")

// Response is the view of one whole answer, or of one event of a stream: they have the same form.
type Response struct {
	Doc     []byte
	Model   string // that answered, "" when the answer does not say
	Calls   []llm.ToolCall
	Usage   llm.Usage
	Choices int
	Error   bool // the provider's own error
	Blocked bool // the provider refused the prompt, and there will be no answer

	Candidates []Candidate

	usage    llm.Span // the member
	version  llm.Span // the member that names the model
	id       llm.Span // the member
	places   []place  // of Calls
	limits   strictjson.Limits
	complete bool // it is a whole answer

	model []byte // as the last document had it that named one
	name  string // and what that says
}

// Candidate is one of the answers.
type Candidate struct {
	Index  int
	Reason string // finishReason, "" while there is none
	Parts  []Part
	Calls  []int // indexes in Response.Calls

	span     llm.Span
	members  []member // every one
	logprobs llm.Span // the value
}

// Part is one part of a candidate's content.
type Part struct {
	Kind   PartKind
	Call   int // index in Response.Calls; -1 when it is none
	Signed bool

	span   llm.Span
	text   llm.Span // the value
	signed llm.Span // the member that signs a thought
}

// PartKind says what a Part is.
type PartKind byte

// The kinds of parts.
const (
	EmptyPart   PartKind = iota // says nothing: an empty text, with a signature perhaps
	TextPart                    // text for people
	ThoughtPart                 // what the model thought
	CallPart                    // a call that the client is to run
	DataPart                    // anything else: an image, code that the provider ran
)

// place is where a call's values stand; a span is empty when there is none.
type place struct {
	object, id, arguments llm.Span
	signed                llm.Span // the member beside the call
}

// The names known at each place of an answer. Others are relayed, but not those of a part, of which any may be a call.
var ( //nolint:gochecknoglobals // constants in all but syntax
	answerNames = namesOf("candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "createTime",
		"modelStatus", "error", "content", "parts", "functionCall", "functionCalls", "toolCall")
	candidateNames = namesOf("content", "finishReason", "finishMessage", "index", "safetyRatings", "citationMetadata",
		"tokenCount", "groundingMetadata", "groundingAttributions", "avgLogprobs", "logprobsResult", "urlContextMetadata",
		"continuationToken", "parts", "functionCall", "functionCalls", "toolCall")
	feedbackNames = namesOf("blockReason", "blockReasonMessage", "safetyRatings")
)

// ParseResponse reads the body of a 2xx answer that is not streamed. The view refers to doc, which nobody may change.
func ParseResponse(doc []byte, l strictjson.Limits) (*Response, error) {
	a := &Response{}
	if err := a.ParseEvent(doc, l); err != nil {
		return nil, err
	}
	a.complete = true
	a.judge()
	return a, nil
}

// ParseEvent reads the data of one event of a stream. A Response may be parsed into again and again; what it gave before is
// overwritten then.
func (a *Response) ParseEvent(doc []byte, l strictjson.Limits) error {
	*a = Response{
		Doc: doc, limits: l, Calls: a.Calls[:0], places: a.places[:0], Candidates: a.Candidates[:0], model: a.model, name: a.name,
	}
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	said := false
	err := object(r, answerNames, func(name string, m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		span := llm.Span{Start: m.NameSpan.Start}
		switch name {
		case "candidates":
			said = true
			err = r.Array(func(int) error { return a.readCandidate(r) })
		case "promptFeedback":
			said = true
			err = a.readFeedback(r)
		case "usageMetadata":
			said = true
			a.Usage, err = readUsage(r)
			span.End = r.Offset()
			a.usage = span
		case "modelVersion":
			err = a.readModel(r)
			span.End = r.Offset()
			a.version = span
		case "responseId":
			_, _, err = r.String()
			span.End = r.Offset()
			a.id = span
		case "error":
			a.Error = true
		case "content", "parts", "functionCall", "functionCalls", "toolCall":
			return r.Fail(ErrNotAnswer, "a member that has no place in an answer")
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err == nil && !said && !a.Error {
		err = r.Fail(ErrNotAnswer, "neither candidates nor an error")
	}
	a.Choices = len(a.Candidates)
	return err
}

// readModel reads the model's name, which most often is that of the event before.
func (a *Response) readModel(r *strictjson.Reader) error {
	if r.Kind() != strictjson.String {
		_, _, err := r.String()
		return err
	}
	span, err := r.Skip()
	if err != nil {
		return err
	}
	if raw := span.Of(a.Doc); !bytes.Equal(raw, a.model) {
		name, err := strictjson.AppendUnquote(nil, raw)
		if err != nil { // cannot be: it was read
			return r.Fail(ErrNotAnswer, "a model's name that cannot be read")
		}
		a.model, a.name = append(a.model[:0], raw...), string(name)
	}
	a.Model = a.name
	return nil
}

func (a *Response) readFeedback(r *strictjson.Reader) error {
	return object(r, feedbackNames, func(name string, _ strictjson.Member) error {
		if name != "blockReason" || r.Kind() == strictjson.Null {
			return nil
		}
		reason, _, err := r.String()
		a.Blocked = a.Blocked || reason != "" && reason != "BLOCK_REASON_UNSPECIFIED"
		return err
	})
}

// maxIndex is the largest index that a candidate may have.
const maxIndex = 1<<16 - 1

func (a *Response) readCandidate(r *strictjson.Reader) error {
	c := Candidate{span: llm.Span{Start: r.Next()}}
	if n := len(a.Candidates); n < cap(a.Candidates) { // keeps what its lists have allocated before
		old := &a.Candidates[:n+1][n]
		c.Parts, c.Calls, c.members = old.Parts[:0], old.Calls[:0], old.members[:0]
	}
	err := object(r, candidateNames, func(name string, m strictjson.Member) error {
		is := member{name: name, span: llm.Span{Start: m.NameSpan.Start}}
		null, err := r.Null()
		if !null && err == nil {
			err = a.readMember(r, &c, name)
		}
		if err == nil && r.Offset() == m.NameSpan.End {
			_, err = r.Skip()
		}
		is.span.End = r.Offset()
		c.members = append(c.members, is)
		return err
	})
	c.span.End = r.Offset()
	for _, other := range a.Candidates {
		if err == nil && other.Index == c.Index {
			err = r.Fail(ErrNotAnswer, "two candidates have the same index")
		}
	}
	for n, i := range c.Calls {
		a.Calls[i].Choice, a.Calls[i].Index = c.Index, n
	}
	a.Candidates = append(a.Candidates, c)
	return err
}

func (a *Response) readMember(r *strictjson.Reader, c *Candidate, name string) error {
	var err error
	switch name {
	case "content":
		err = object(r, contentNames, func(name string, _ strictjson.Member) error {
			if null, err := r.Null(); null || err != nil || name != "parts" {
				return err
			}
			return r.Array(func(int) error { return a.readPart(r, c) })
		})
	case "finishReason":
		c.Reason, _, err = r.String()
		if c.Reason == "FINISH_REASON_UNSPECIFIED" {
			c.Reason = ""
		}
	case "index":
		var n int64
		if n, err = r.Int(); err == nil && (n < 0 || n > maxIndex) {
			return r.Fail(ErrNotAnswer, "a candidate's index is out of range")
		}
		c.Index = int(n)
	case "logprobsResult":
		c.logprobs, err = r.Skip()
	case "parts", "functionCall", "functionCalls", "toolCall":
		return r.Fail(ErrNotAnswer, "a member that has no place in a candidate")
	}
	return err
}

// Text appends what a text of a candidate says.
func (a *Response) Text(dst []byte, p *Part) []byte {
	if p.text.Len() == 0 {
		return dst
	}
	out, err := strictjson.AppendUnquote(dst, p.text.Of(a.Doc))
	if err != nil { // cannot be: it was read
		return dst
	}
	return out
}
