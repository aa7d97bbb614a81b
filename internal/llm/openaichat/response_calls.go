package openaichat

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Why a call is refused outright. Its client could not have run it, or it is not what it seems.
const (
	badID        = "the call has no id"
	badName      = "the call has no name"
	badType      = "the call's type is not known"
	badShape     = "the call does not have the shape of its type"
	badArguments = "the arguments are not one strict JSON object"
	duplicateID  = "two calls have the same id"
	truncated    = "the answer was cut before the call was complete"
)

// malform notes the first thing that is wrong with a call.
func malform(c *llm.ToolCall, why string) {
	if c.Malformed == "" {
		c.Malformed = why
	}
}

// readAnswerCall reads one element of tool_calls. An element that is no object makes the answer unreadable; anything else
// that is wrong makes the call malformed.
func readAnswerCall(r *strictjson.Reader, l strictjson.Limits) (c llm.ToolCall, at callPlace, err error) {
	kind, function, custom := "", false, false
	err = r.Object(callNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "id":
			at.id.Start = r.Next()
			c.ID, err = readText(r, &c, badID)
			at.id.End = r.Offset()
		case "type":
			kind, err = readText(r, &c, badType)
		case "function":
			function = true
			err = readAnswerFunction(r, &c, &at, "arguments", l)
		case "custom":
			custom, c.Custom = true, true
			err = readAnswerFunction(r, &c, &at, "input", l)
		}
		return err
	})
	switch {
	case kind != "" && kind != typeFunction && kind != typeCustom:
		malform(&c, badType)
	case function == custom, kind == typeFunction && custom, kind == typeCustom && function:
		malform(&c, badShape)
	case c.ID == "":
		malform(&c, badID)
	}
	return c, at, err
}

// readText reads a string; another kind of value makes the call malformed.
func readText(r *strictjson.Reader, c *llm.ToolCall, why string) (string, error) {
	if r.Kind() != strictjson.String && r.Kind() != strictjson.None {
		malform(c, why)
		_, err := r.Skip()
		return "", err
	}
	s, _, err := r.String()
	return s, err
}

// readAnswerFunction reads the name and the arguments of a function's call, or the input of a custom tool's, which policy
// sees as {"input": text}.
func readAnswerFunction(r *strictjson.Reader, c *llm.ToolCall, at *callPlace, arguments string, l strictjson.Limits) error {
	if r.Kind() != strictjson.Object && r.Kind() != strictjson.None {
		malform(c, badShape)
		_, err := r.Skip()
		return err
	}
	given := false
	err := r.Object(functionNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "name":
			c.Tool, err = readText(r, c, badName)
		case arguments:
			if r.Kind() != strictjson.String && r.Kind() != strictjson.None {
				malform(c, badArguments)
				return nil
			}
			given = true
			c.Arguments, at.arguments, err = r.Text(nil)
		case "arguments", "input":
			malform(c, badShape)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.Tool == "" {
		malform(c, badName)
	}
	switch {
	case !given:
		malform(c, badArguments)
	case arguments == "input":
		c.Arguments = llm.CustomArguments(c.Arguments)
	case len(c.Arguments) == 0:
		// Providers write no arguments as an empty string, and clients take it for {}. Only of a function: an empty
		// input of a custom tool is a text like any other.
		c.Arguments = []byte("{}")
	case strictjson.CheckObject(c.Arguments, l) != nil:
		malform(c, badArguments)
	}
	return nil
}

// judge finds what is wrong with calls that their reading did not show: ids given twice, and calls in a choice that ended
// for another reason than to make them. Of two with one id in a choice both are refused, and in two choices the later one,
// as a stream's reader would that has released the first.
func (a *Response) judge() {
	before := map[string]bool{}
	for _, choice := range a.choices {
		seen := make(map[string]int, len(choice.calls))
		for _, i := range choice.calls {
			c := &a.Calls[i]
			switch choice.reason {
			case "tool_calls", "function_call", "stop":
			default:
				malform(c, truncated)
			}
			switch first, dup := seen[c.ID]; {
			case c.Legacy || c.ID == "":
			case dup:
				malform(c, duplicateID)
				malform(&a.Calls[first], duplicateID)
			case before[c.ID]:
				malform(c, duplicateID)
				seen[c.ID] = i
			default:
				seen[c.ID] = i
			}
			if c.Malformed != "" && c.Arguments == nil {
				c.Arguments = []byte("{}")
			}
		}
		for id := range seen {
			before[id] = true
		}
	}
}
