package dual

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Answer is the answer to a question. The zero Answer, and every answer without a value, is unknown.
type Answer struct {
	Question
	// Value is a value of the question's type in its one canonical form: yes, no, an option, a number, a date. It is not there
	// for a span and a rendering.
	Value string
	// Content is the span or the rendering. It is untrusted content, and may leave only as a reference.
	Content string
	Known   bool
	Reason  Reason // why it is unknown, for the audit
	// Bits is what the answer is charged, known or not: that nothing is known is said of the content too. It is zero only
	// where the content had no part in it.
	Bits float64
}

// unknown is the answer that says nothing.
func (q Question) unknown(why Reason) Answer {
	a := Answer{Question: q, Reason: why, Bits: q.Bits()}
	switch why {
	case NoModel, Invalid, Gone, NoStore, NoToken: // whatever the content is, it would be the same
		a.Bits = 0
	}
	return a
}

// accept makes an answer of a value as the model gave it; none that is not of the question's type.
func (q Question) accept(v said, content []byte) Answer {
	out := Answer{Question: q, Known: true, Bits: q.Bits()}
	full, ok := q.filled(), false
	switch q.Type {
	case YesNo:
		ok = v.kind == strictjson.True || v.kind == strictjson.False
		out.Value = map[bool]string{true: "yes", false: "no"}[v.kind == strictjson.True]
	case Choice, Which:
		var n int64
		if n, ok = v.integer(); ok {
			if ok = n >= 1 && n <= int64(len(q.Options)); ok {
				out.Value = q.Options[n-1]
			}
		}
	case Int, Count:
		var n int64
		n, ok = v.integer()
		ok = ok && n >= full.Min && n <= full.Max
		out.Value = strconv.FormatInt(n, 10)
	case Date:
		days, err := Days(v.text)
		ok = v.kind == strictjson.String && err == nil && days >= full.Min && days <= full.Max
		out.Value = v.text
	case Span:
		ok = v.kind == strictjson.String && q.isSpan(v.text, content)
		out.Content = v.text
	case Render:
		ok = v.kind == strictjson.String && v.text != "" && len(v.text) <= maxRender && utf8.ValidString(v.text)
		out.Content = v.text
	}
	if !ok {
		return q.unknown(NoValue)
	}
	return out
}

// isSpan tells whether text stands verbatim in the content and matches the question's pattern, all of it.
func (q Question) isSpan(text string, content []byte) bool {
	if text == "" || len(text) > maxSpan || !printable(text) || !bytes.Contains(content, []byte(text)) {
		return false
	}
	re, err := q.pattern()
	return err == nil && re.MatchString(text)
}

// said is one value of the model's object.
type said struct {
	kind strictjson.Kind
	text string // of a string, decoded; of a number, as written
}

func (v said) integer() (int64, bool) {
	if v.kind != strictjson.Number {
		return 0, false
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	return n, err == nil
}

// answerName is the name that the n-th question has towards the model.
func answerName(n int) string { return "a" + strconv.Itoa(n+1) }

// parseAnswers reads what the model wrote: one JSON object with the questions' names and no others, and nothing around it.
// With an error no answer counts.
func parseAnswers(doc []byte, questions []Question, content []byte) ([]Answer, error) {
	places := make(map[string]int, len(questions))
	names := make([]string, len(questions))
	out := make([]Answer, len(questions))
	for i, q := range questions {
		names[i] = answerName(i)
		places[names[i]] = i
		out[i] = q.unknown(NoValue) // one that the model leaves out
	}
	r := strictjson.NewReader(doc, strictjson.Limits{MaxBytes: maxAnswerBytes, MaxDepth: 2})
	defer r.Close()
	err := r.Object(strictjson.NewNames(names...), func(m strictjson.Member) error {
		i, ok := places[m.Name]
		if !ok {
			return r.Fail(strictjson.ErrUnknown, strictjson.ErrUnknown.Error())
		}
		v, err := sayValue(r, doc)
		if err == nil {
			out[i] = questions[i].accept(v, content)
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("dual: the answers: %w", err)
	}
	return out, nil
}

func sayValue(r *strictjson.Reader, doc []byte) (said, error) {
	v := said{kind: r.Kind()}
	if v.kind == strictjson.String {
		text, _, err := r.String()
		v.text = text
		return v, err
	}
	span, err := r.Skip()
	if v.kind == strictjson.Number && err == nil {
		v.text = string(span.Of(doc))
	}
	return v, err
}
