package dual

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// plannedQuestion is a question as the privileged model wrote it.
type plannedQuestion struct {
	Question
	result int64
	wrong  bool // a member has a value that no question has
}

var (
	planNames    = strictjson.NewNames("questions")
	plannedNames = strictjson.NewNames("result", "ask", "type", "options", "min", "max", "pattern", "ref")
)

// parsePlan reads what the privileged model wrote: one JSON object of the shape that was asked for, with at most so many
// questions. With an error no question counts.
func parsePlan(doc []byte, most int) ([]plannedQuestion, error) {
	var out []plannedQuestion
	found := false
	r := strictjson.NewReader(doc, strictjson.Limits{MaxBytes: maxAnswerBytes, MaxDepth: 4})
	defer r.Close()
	err := r.Object(planNames, func(m strictjson.Member) error {
		if !planNames.Has(m.Name) {
			return r.Fail(strictjson.ErrUnknown, strictjson.ErrUnknown.Error())
		}
		found = true
		return r.Array(func(i int) error {
			if i >= most {
				return r.Fail(errPlan, "too many questions")
			}
			q, err := readPlanned(r, doc)
			out = append(out, q)
			return err
		})
	})
	if err == nil {
		err = r.End()
	}
	if err == nil && !found {
		err = errPlan
	}
	if err != nil {
		return nil, fmt.Errorf("dual: the plan: %w", err)
	}
	return out, nil
}

func readPlanned(r *strictjson.Reader, doc []byte) (plannedQuestion, error) {
	var q plannedQuestion
	err := r.Object(plannedNames, func(m strictjson.Member) error {
		if !plannedNames.Has(m.Name) {
			return r.Fail(strictjson.ErrUnknown, strictjson.ErrUnknown.Error())
		}
		if m.Name == "options" && r.Kind() == strictjson.Array {
			return r.Array(func(i int) error {
				v, err := sayValue(r, doc)
				if v.kind != strictjson.String || i >= MaxOptions {
					q.wrong = true
					return err
				}
				q.Options = append(q.Options, v.text)
				return err
			})
		}
		v, err := sayValue(r, doc)
		if err == nil && v.kind != strictjson.Null {
			q.wrong = !q.take(m.Name, v) || q.wrong
		}
		return err
	})
	return q, err
}

// take puts one member into the question; false when its value is none of the member's.
func (p *plannedQuestion) take(name string, v said) bool {
	isText := v.kind == strictjson.String
	switch name {
	case "result":
		n, ok := v.integer()
		p.result = n
		return ok
	case "ask":
		p.Ask = v.text
	case "type":
		p.Type = Type(v.text)
	case "pattern":
		p.Pattern = v.text
	case "ref":
		p.Ref = v.text
	case "min", "max":
		n, ok := v.integer()
		if isText {
			days, err := Days(v.text)
			n, ok = days, err == nil
		}
		if name == "min" {
			p.Min = n
		} else {
			p.Max = n
		}
		return ok
	default: // options that are no list
		return false
	}
	return isText
}

// admit sorts the questions to their results and leaves out what may not be asked: what is not well-formed, is about no
// result of the brief or a reference that is not in it, is there twice, or quotes content.
func admit(planned []plannedQuestion, b Brief) (out [][]Question, refused int) {
	out = make([][]Question, len(b.Results))
	quotes := newQuotes(b)
	for _, p := range planned {
		i := int(p.result) - 1
		if p.wrong || p.result < 1 || p.result > int64(len(b.Results)) || !p.allowed(b.Results[i].Refs) || quotes.in(p.Question) || slices.ContainsFunc(out[i], p.same) {
			refused++
			continue
		}
		q := p.Question
		q.ID = "p" + strconv.Itoa(b.Round) + "." + strconv.Itoa(len(out[i])+1)
		out[i] = append(out[i], q)
	}
	return out, refused
}

// allowed tells whether a planned question is well-formed and names only references that the brief has.
func (p plannedQuestion) allowed(refs []string) bool {
	if p.Check() != nil || p.Ref != "" && !slices.Contains(refs, p.Ref) {
		return false
	}
	return p.Type != Which || !slices.ContainsFunc(p.Options, func(o string) bool { return !slices.Contains(refs, o) })
}

func (p plannedQuestion) same(q Question) bool {
	return string(p.digest()) == string(q.digest())
}
