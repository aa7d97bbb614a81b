package openaichat

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// readChoices reads the list, which some providers give as null beside the usage.
func (c *Chunk) readChoices() error {
	r := c.reader
	if null, err := r.Null(); null || err != nil {
		return err
	}
	return r.Array(func(i int) error {
		if i < cap(c.Choices) { // keeps what the element's lists have allocated before
			c.Choices = c.Choices[:i+1]
		} else {
			c.Choices = append(c.Choices, ChunkChoice{})
		}
		ch := &c.Choices[i]
		*ch = ChunkChoice{Calls: ch.Calls[:0], members: ch.members[:0], entries: ch.entries[:0]}
		ch.span.Start = r.Next()
		err := c.readChoice(ch)
		ch.span.End = r.Offset()
		return err
	})
}

func (c *Chunk) readChoice(ch *ChunkChoice) error {
	r := c.reader
	indexed := false
	err := r.Object(choiceNames, func(m strictjson.Member) error {
		var err error
		switch m.Name {
		case "index":
			var n int64
			n, err = r.Int()
			if err == nil && (n < 0 || n > MaxIndex) {
				return r.Fail(ErrNotChunk, "a choice's index is out of range")
			}
			ch.Index, indexed = int(n), true
		case "delta":
			if null, nerr := r.Null(); null || nerr != nil {
				return nerr
			}
			err = r.Object(deltaNames, func(m strictjson.Member) error { return c.readDeltaMember(ch, m) })
		case "finish_reason":
			if null, nerr := r.Null(); null || nerr != nil {
				return nerr
			}
			ch.Finish, ch.finish, err = r.String()
		case "logprobs":
			if null, nerr := r.Null(); null || nerr != nil {
				return nerr
			}
			ch.logprobs, err = r.Skip()
		case "error":
			null, nerr := r.Null()
			c.Error, err = c.Error || !null, nerr
		case "message", "tool_calls", "function_call":
			return r.Fail(ErrNotChunk, "a member that has no place in a chunk's choice")
		}
		return err
	})
	if err == nil && !indexed {
		err = r.Fail(ErrNotChunk, "a choice without an index")
	}
	return err
}

func (c *Chunk) readDeltaMember(ch *ChunkChoice, m strictjson.Member) error {
	r := c.reader
	member := deltaMember{span: llm.Span{Start: m.NameSpan.Start}}
	start, kind := r.Next(), r.Kind()
	var err error
	switch {
	case m.Name == "tool_calls" && kind != strictjson.Null:
		member.kind = memberTools
		err = r.Array(func(i int) error { return c.readCall(ch, i) })
		if err == nil && len(ch.entries) == 0 {
			member.kind = memberText // an empty list is no call
		}
	case m.Name == "function_call" && kind != strictjson.Null:
		member.kind = memberLegacy
		d := CallDelta{Legacy: true}
		err = c.readFunction(&d, &d.Function)
		ch.Calls = append(ch.Calls, d)
	default:
		var span llm.Span
		span, err = r.Skip()
		c.classify(ch, m.Name, span)
	}
	member.span.End = r.Offset()
	if err == nil && member.span.End == start { // cannot be: every case above reads the value
		err = r.Fail(ErrNotChunk, "a member that was not read")
	}
	ch.members = append(ch.members, member)
	return err
}

// classify tells what a member of a delta is that is no call.
func (c *Chunk) classify(ch *ChunkChoice, name string, value llm.Span) {
	switch string(value.Of(c.Doc)) {
	case "null", `""`, "[]", "{}":
		return
	}
	switch name {
	case "role":
		ch.Role = true
	case "content", "refusal":
		ch.Prose, ch.Text = true, true
	default:
		ch.Text = true
	}
}

func (c *Chunk) readCall(ch *ChunkChoice, i int) error {
	r := c.reader
	d := CallDelta{Index: -1, entry: i}
	span := llm.Span{Start: r.Next()}
	err := r.Object(callNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "index":
			if r.Kind() != strictjson.Number {
				return r.Fail(ErrNotChunk, "a call's index is no number")
			}
			d.index, err = r.Skip()
			d.Index = callIndex(d.index.Of(c.Doc))
		case "id":
			d.ID, _, err = r.String()
		case "type":
			d.Type, _, err = r.String()
		case "function":
			err = c.readFunction(&d, &d.Function)
		case "custom":
			err = c.readFunction(&d, &d.Custom)
		}
		return err
	})
	span.End = r.Offset()
	ch.entries = append(ch.entries, span)
	ch.Calls = append(ch.Calls, d)
	return err
}

// readFunction reads what names the tool and carries a fragment of its arguments; part says which kind of tool has it.
func (c *Chunk) readFunction(d *CallDelta, part *bool) error {
	r := c.reader
	*part = true
	fragment := "arguments"
	if part == &d.Custom {
		fragment = "input"
	}
	return r.Object(functionNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch m.Name {
		case "name":
			var name string
			if name, _, err = r.String(); d.Name != "" && name != "" && name != d.Name {
				return r.Fail(ErrNotChunk, "a call with two names")
			}
			d.Name = name
		case fragment:
			before := len(c.text)
			c.text, _, err = r.Text(c.text)
			d.Arguments = c.text[before:len(c.text):len(c.text)]
		case "arguments", "input":
			return r.Fail(ErrNotChunk, "a call's arguments in another kind of tool's place")
		}
		return err
	})
}

// callIndex reads an index; -1 for a number that is none.
func callIndex(number []byte) int {
	n, err := strconv.ParseUint(string(number), 10, 16)
	if err != nil || (len(number) > 1 && number[0] == '0') {
		return -1
	}
	return int(n)
}
