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
		*ch = ChunkChoice{
			Calls: ch.Calls[:0], members: ch.members[:0], entries: ch.entries[:0], Texts: ch.Texts[:0], edits: ch.edits[:0],
		}
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
		if err = c.readFunction(&d, &d.Function); err == nil && d.Wrong && !d.Function {
			_, err = r.Skip() // no object
		}
		ch.Calls = append(ch.Calls, d)
	case m.Name == "message" || m.Name == "delta" || m.Name == "choices":
		return r.Fail(ErrNotChunk, "a member that has no place in a delta")
	case m.Name == "content" && kind != strictjson.String:
		_, err = readAnswerContent(r, func(member string, span llm.Span) { ch.Texts = append(ch.Texts, TextDelta{member, span}) })
	default:
		var span llm.Span
		span, err = r.Skip()
		if kind == strictjson.String && span.Len() > len(`""`) && isText(m.Name) {
			ch.Texts = append(ch.Texts, TextDelta{m.Name, span})
		}
		if m.Name == detailsMember && kind != strictjson.Null {
			ch.details = span
		}
	}
	if err != nil {
		return err
	}
	member.span.End = r.Offset()
	ch.members = append(ch.members, member)
	if member.kind == memberText {
		ch.classify(m.Name, c.Doc[start:member.span.End])
	}
	return nil
}

// classify tells what a member of a delta is that is no call.
func (ch *ChunkChoice) classify(name string, value []byte) {
	switch string(value) {
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

// readCall reads one element of tool_calls. What has the wrong type in it makes its call malformed.
func (c *Chunk) readCall(ch *ChunkChoice, i int) error {
	r := c.reader
	d := CallDelta{Index: -1, entry: i}
	span, before := llm.Span{Start: r.Next()}, len(c.outer)
	err := r.Object(callNames, func(m strictjson.Member) error {
		kind, err := c.readCallMember(&d, m.Name)
		if err == nil {
			c.outer, err = appendCallMember(c.outer, r, m, kind)
		}
		return err
	})
	if len(ch.Calls) >= maxAnswerCalls {
		return r.Fail(ErrNotChunk, "more tool calls than any event has")
	}
	d.outer = c.outer[before:len(c.outer):len(c.outer)]
	span.End = r.Offset()
	ch.entries = append(ch.entries, span)
	ch.Calls = append(ch.Calls, d)
	return err
}

func (c *Chunk) readCallMember(d *CallDelta, name string) (kind callMemberKind, err error) {
	r := c.reader
	if null, err := r.Null(); null || err != nil {
		return nullMember(name), err
	}
	switch name {
	case "index":
		kind = callPlaced
		d.index, err = r.Skip()
		d.Index = callIndex(d.index.Of(c.Doc))
	case "id":
		kind = callID
		d.ID, err = d.readText(r)
	case "type":
		kind = callType
		d.Type, err = d.readText(r)
	case "function":
		kind = callPart
		err = c.readFunction(d, &d.Function)
	case "custom":
		kind = callPart
		err = c.readFunction(d, &d.Custom)
	}
	return kind, err
}

// nullMember is the kind of a call's member that is null: as if it were not there, but none to keep beside another.
func nullMember(name string) callMemberKind {
	switch name {
	case "index":
		return callPlaced
	case "id":
		return callID
	case "type":
		return callType
	case "function", "custom":
		return callPart
	}
	return callOther
}

// appendCallMember notes a member whose value was read, or is of no interest and is skipped.
func appendCallMember(to []callMember, r *strictjson.Reader, m strictjson.Member, kind callMemberKind) ([]callMember, error) {
	if r.Offset() == m.NameSpan.End {
		if _, err := r.Skip(); err != nil {
			return to, err
		}
	}
	return append(to, callMember{span: llm.Span{Start: m.NameSpan.Start, End: r.Offset()}, kind: kind}), nil
}

// readFunction reads what names the tool and carries a fragment of its arguments; part says which kind of tool has it.
func (c *Chunk) readFunction(d *CallDelta, part *bool) error {
	r := c.reader
	if !d.expect(r, strictjson.Object) {
		return nil // skipped
	}
	*part = true
	fragment := "arguments"
	if part == &d.Custom {
		fragment = "input"
	}
	before := len(c.inner)
	err := r.Object(functionNames, func(m strictjson.Member) error {
		kind, err := c.readFunctionMember(d, m.Name, fragment)
		if err == nil {
			c.inner, err = appendCallMember(c.inner, r, m, kind)
		}
		return err
	})
	d.inner = c.inner[before:len(c.inner):len(c.inner)]
	return err
}

func (c *Chunk) readFunctionMember(d *CallDelta, member, fragment string) (kind callMemberKind, err error) {
	r := c.reader
	if null, err := r.Null(); null || err != nil {
		return callOther, err
	}
	switch member {
	case "name":
		var name string
		kind = callName
		name, err = d.readText(r)
		d.Wrong = d.Wrong || (d.Name != "" && d.Name != name)
		d.Name = name
	case fragment:
		if d.expect(r, strictjson.String) {
			before := len(c.text)
			c.text, _, err = r.Text(c.text)
			d.Arguments, d.Given = c.text[before:len(c.text):len(c.text)], true
		}
	case "arguments", "input":
		d.Wrong = true // in the place of the other kind of tool
	}
	return kind, err
}

// readText reads a string; another value is wrong, and is skipped.
func (d *CallDelta) readText(r *strictjson.Reader) (string, error) {
	if !d.expect(r, strictjson.String) {
		return "", nil
	}
	text, _, err := r.String()
	return text, err
}

// expect notes a value of the wrong kind. What is no value at all is left to the reader.
func (d *CallDelta) expect(r *strictjson.Reader, kind strictjson.Kind) bool {
	if got := r.Kind(); got != kind && got != strictjson.None {
		d.Wrong = true
		return false
	}
	return true
}

// callIndex reads an index; -1 for what is none.
func callIndex(value []byte) int {
	n, err := strconv.ParseUint(string(value), 10, 16)
	if err != nil || (len(value) > 1 && value[0] == '0') {
		return -1
	}
	return int(n)
}
