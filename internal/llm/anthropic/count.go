package anthropic

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrNotCount is why a body is refused that is strict JSON, but no count of tokens.
var ErrNotCount = errors.New("not a count of tokens")

var countNames = strictjson.NewNames("input_tokens", "context_management", "type", "error") //nolint:gochecknoglobals // a constant in all but syntax

// Count is the view of the answer to a request that counts tokens: nothing but the number, or the provider's own error.
type Count struct {
	Doc   []byte
	Error bool
}

// ParseCount reads one. What else could stand in it is refused: nobody would look at it.
func ParseCount(doc []byte, l strictjson.Limits) (*Count, error) {
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	out := &Count{Doc: doc}
	counted := false
	err := r.Object(countNames, func(m strictjson.Member) error {
		switch kind := r.Kind(); {
		case m.Name == "input_tokens" && kind == strictjson.Number:
			n, err := r.Int()
			if err == nil && n < 0 {
				return r.Fail(ErrNotCount, "a number below zero")
			}
			counted = err == nil
			return err
		case m.Name == "context_management" && (kind == strictjson.Object || kind == strictjson.Null):
			return numbers(r)
		case m.Name == "error" && kind == strictjson.Object:
			out.Error = true
		case m.Name == "type" && kind == strictjson.String:
		default:
			return r.Fail(ErrNotCount, "a member that has no place in a count")
		}
		_, err := r.Skip()
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err == nil && counted == out.Error {
		err = ErrNotCount
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// numbers reads an object of numbers.
func numbers(r *strictjson.Reader) error {
	if null, err := r.Null(); null || err != nil {
		return err
	}
	return r.Object(nil, func(strictjson.Member) error {
		if r.Kind() != strictjson.Number {
			return r.Fail(ErrNotCount, "something else than a number")
		}
		_, err := r.Skip()
		return err
	})
}

// Rewrite changes nothing: there is no call in a count, and no text.
func (c *Count) Rewrite([]llm.Verdict, func(choice int) llm.TextFilter) ([]byte, []llm.Turn, error) {
	return c.Doc, nil, nil
}
