package openairesponses

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// maxItems bounds the items of one answer.
const maxItems = 4096

// Response is the view of one answer, whole or as an event of a stream carries it.
type Response struct {
	Doc    []byte
	ID     string
	Model  string // that answered, "" when the answer does not say
	Status string
	Calls  []llm.ToolCall
	Usage  llm.Usage
	Error  bool // the provider's own error stands in it
	Items  []Item
	Reason string // why it is incomplete

	output  llm.Span // the value; empty when there is none
	summed  llm.Span // output_text, as some providers add it; the value
	listed  bool
	callsAt []int // items, of Calls
}

// The names known in an answer, so that none can hide behind another case. Others are relayed.
var ( //nolint:gochecknoglobals // constants in all but syntax
	responseNames = strictjson.NewNames("id", "object", "model", "status", "output", "usage", "error", "incomplete_details",
		"output_text", "choices", "type", "tools", "instructions", "tool_choice", "input")
	reasonNames      = strictjson.NewNames("reason")
	usageNames       = strictjson.NewNames("input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details", "cost")
	usageDetailNames = strictjson.NewNames("cached_tokens", "cache_write_tokens", "reasoning_tokens")
)

// ParseResponse reads the body of a 2xx answer that is not streamed: a response, or the error that some providers answer
// with in its place. The view refers to doc, which nobody may change.
func ParseResponse(doc []byte, l strictjson.Limits) (*Response, error) {
	a := &Response{Doc: doc}
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	err := a.read(r)
	if err == nil {
		err = r.End()
	}
	if err == nil && !a.listed && !a.Error {
		err = r.Fail(ErrNotResponse, "neither an output nor an error")
	}
	if err != nil {
		return nil, err
	}
	a.judge(l)
	return a, nil
}

func (a *Response) read(r *strictjson.Reader) error {
	return r.Object(responseNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "id":
			a.ID, _, err = r.String()
		case "object":
			var name string
			if name, _, err = r.String(); err == nil && name != "response" && name != "" {
				return r.Fail(ErrNotResponse, "the object is no response")
			}
		case "model":
			a.Model, _, err = r.String()
		case "status":
			a.Status, _, err = r.String()
		case "output":
			a.listed = true
			a.output.Start = r.Next()
			err = r.Array(func(i int) error {
				if i >= maxItems {
					return r.Fail(ErrNotResponse, "more items than any answer has")
				}
				a.Items = append(a.Items, Item{})
				return readItem(r, &a.Items[i])
			})
			a.output.End = r.Offset()
		case "output_text":
			a.summed, err = r.Skip()
		case "usage":
			a.Usage, err = readUsage(r)
		case "error":
			a.Error = true
		case "incomplete_details":
			if r.Kind() == strictjson.Object {
				err = r.Object(reasonNames, func(m strictjson.Member) error {
					if m.Name == "reason" && r.Kind() == strictjson.String {
						var err error
						a.Reason, _, err = r.String()
						return err
					}
					return nil
				})
			}
		case "choices":
			return r.Fail(ErrNotResponse, "a member that has no place in an answer")
		}
		return err
	})
}

// Says tells whether it repeats what was said.
func (a *Response) Says() bool { return len(TextOf(a.Doc, a.summed)) > 0 }

// Cut tells whether the answer ended before it was complete.
func (a *Response) Cut() bool { return a.Status != "" && a.Status != "completed" }

// judge lists the calls, and finds what is wrong with them that their reading did not show: ids given twice, and calls in
// an answer that was cut.
func (a *Response) judge(l strictjson.Limits) {
	a.Error = a.Error || a.Status == "failed" || a.Status == "cancelled"
	seen := map[string]int{}
	for i := range a.Items {
		it := &a.Items[i]
		if it.Kind != CallItem {
			continue
		}
		it.Call.Index = len(a.Calls)
		it.Complete(a.Doc, a.Cut(), l)
		if first, twice := seen[it.Call.ID]; twice && it.Call.ID != "" {
			malform(&it.Call)
			malform(&a.Calls[first])
		} else {
			seen[it.Call.ID] = len(a.Calls)
		}
		a.Calls, a.callsAt = append(a.Calls, it.Call), append(a.callsAt, i)
	}
}

// malform notes that a call has the id of another.
func malform(c *llm.ToolCall) {
	if c.Malformed == "" {
		c.Malformed = duplicateID
	}
}

// TurnReason is why the answer ended, as the client sees it.
func (a *Response) TurnReason() string {
	switch {
	case a.Reason != "":
		return a.Reason
	case a.Status != "":
		return a.Status
	}
	return "completed"
}

// readUsage reads a usage object. It is for accounts, not for decisions: a figure that is no count is passed over.
func readUsage(r *strictjson.Reader) (llm.Usage, error) {
	u := llm.Usage{Known: true}
	if r.Kind() != strictjson.Object {
		_, err := r.Skip()
		return llm.Usage{}, err
	}
	details := func() error {
		if r.Kind() != strictjson.Object {
			return nil
		}
		return r.Object(usageDetailNames, func(m strictjson.Member) error {
			switch m.Name {
			case "cached_tokens":
				return llm.ReadCount(r, &u.CachedRead)
			case "cache_write_tokens":
				return llm.ReadCount(r, &u.CachedWrite)
			case "reasoning_tokens":
				return llm.ReadCount(r, &u.Reasoning)
			}
			return nil
		})
	}
	err := r.Object(usageNames, func(m strictjson.Member) error {
		switch m.Name {
		case "input_tokens":
			return llm.ReadCount(r, &u.Input)
		case "output_tokens":
			return llm.ReadCount(r, &u.Output)
		case "input_tokens_details", "output_tokens_details":
			return details()
		case "cost":
			if r.Kind() != strictjson.Number {
				return nil
			}
			var err error
			u.Cost, err = r.Float()
			u.HasCost = err == nil
			return err
		}
		return nil
	})
	return u, err
}
