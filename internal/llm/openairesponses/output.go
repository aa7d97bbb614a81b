package openairesponses

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ItemKind says what an item of an answer is.
type ItemKind byte

// The kinds of items.
const (
	MessageItem ItemKind = iota + 1
	ThoughtItem
	CallItem   // a call that the client runs
	ServerItem // what ran inside the provider, or says nothing that a client does
)

// Item is one item of an answer.
type Item struct {
	Kind   ItemKind
	Type   string
	ID     string
	Status string
	Call   llm.ToolCall // of a CallItem; Complete fills in its arguments
	Texts  []ItemText   // of a message and a thought, those too in which nothing is said
	Secret llm.Span     // encrypted content, the value; empty when there is none
	Said   []byte       // the arguments as they stand, of a string decoded; of a custom tool its input; nobody changes it
	Given  bool         // it has arguments, if only empty ones
	Span   llm.Span

	callID   llm.Span
	said     llm.Span
	saidKind strictjson.Kind
	wrap     string
	wrong    string // what is not what it has to be
}

// The places of a text in an item.
const (
	ContentText byte = iota
	SummaryText
)

// ItemText is one text of an item.
type ItemText struct {
	Place    byte
	Index    int    // in its list
	Member   string // content, refusal or reasoning
	Span     llm.Span
	logprobs llm.Span
}

// Key tells the texts of an item apart.
type Key struct {
	Place byte
	Index int
}

// Key is the text's.
func (t *ItemText) Key() Key { return Key{t.Place, t.Index} }

// The names known at each place of an answer, so that none can hide behind another case. Others are relayed.
var outputPartNames = strictjson.NewNames("type", "text", "refusal", "annotations", "logprobs", "arguments", "name", "call_id") //nolint:gochecknoglobals // a constant in all but syntax

// textMembers are the parts of a content that an answer has, and the names of their texts. Any other may be a call that some
// client makes.
var textMembers = map[string]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"output_text": "content", "text": "content", "refusal": "refusal", "reasoning_text": "reasoning", "summary_text": "reasoning",
}

// readItem reads one item. One that is no object, or of a type that is not known, makes the answer unreadable; anything
// else that is wrong with a call makes it malformed.
func readItem(r *strictjson.Reader, it *Item) error {
	*it = Item{Span: llm.Span{Start: r.Next()}, Texts: it.Texts[:0]}
	name, space, environment, execution := "", "", "", ""
	err := r.Object(itemNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		var err error
		switch bit := members[m.Name]; bit {
		case mType:
			it.Type, err = r.Word(words)
		case mID:
			it.ID, err = it.text(r, "the item's id is no text")
		case mStatus:
			it.Status, err = it.text(r, "the call's status is no text")
		case mCallID:
			it.callID.Start = r.Next()
			it.Call.ID, err = it.text(r, badID)
			it.callID.End = r.Offset()
		case mName:
			name, err = it.text(r, badName)
		case mNamespace:
			space, err = it.text(r, badName)
		case mArguments, mInput, mAction, mActions, mOperation:
			err = it.readSaid(r, bit)
		case mContent:
			err = it.readTexts(r, ContentText)
		case mSummary:
			err = it.readTexts(r, SummaryText)
		case mEncrypted:
			it.Secret, err = r.Skip()
		case mEnvironment:
			environment, err = typeOf(r)
		case mExecution:
			execution, err = it.text(r, badType)
		default:
			_, err = r.Skip()
		}
		return err
	})
	it.Span.End = r.Offset()
	if err != nil {
		return err
	}
	return it.classify(r, name, space, environment, execution)
}

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

// text reads a string; another kind of value makes a call malformed.
func (it *Item) text(r *strictjson.Reader, why string) (string, error) {
	if r.Kind() != strictjson.String && r.Kind() != strictjson.None {
		it.flaw(why)
		_, err := r.Skip()
		return "", err
	}
	s, _, err := r.String()
	return s, err
}

func (it *Item) flaw(why string) {
	if it.wrong == "" {
		it.wrong = why
	}
}

// typeOf reads the type of an object, if it has one.
func typeOf(r *strictjson.Reader) (kind string, err error) {
	if r.Kind() != strictjson.Object {
		_, err = r.Skip()
		return "", err
	}
	err = r.Object(environmentNames, func(m strictjson.Member) error {
		if m.Name != "type" || r.Kind() != strictjson.String {
			return nil
		}
		var err error
		kind, _, err = r.String()
		return err
	})
	return kind, err
}

// readSaid reads the arguments, in whatever form the item has them.
func (it *Item) readSaid(r *strictjson.Reader, bit mask) error {
	if it.Given {
		it.flaw(badShape)
		_, err := r.Skip()
		return err
	}
	it.Given, it.saidKind = true, r.Kind()
	it.Call.Custom = bit == mInput
	if bit == mActions {
		it.wrap = "actions"
	}
	var err error
	if it.saidKind == strictjson.String {
		it.Said, it.said, err = r.Text([]byte{})
		return err
	}
	it.said, err = r.Skip()
	return err
}

// readTexts reads a list of texts.
func (it *Item) readTexts(r *strictjson.Reader, place byte) error {
	if r.Kind() != strictjson.Array {
		return r.Fail(ErrNotResponse, "a content that is no list of parts")
	}
	return r.Array(func(i int) error {
		t := ItemText{Place: place, Index: i}
		if err := readText(r, &t); err != nil {
			return err
		}
		it.Texts = append(it.Texts, t)
		return nil
	})
}

// readText reads one part of a content.
func readText(r *strictjson.Reader, t *ItemText) error {
	kind, spans := "", map[string]llm.Span{}
	err := r.Object(outputPartNames, func(m strictjson.Member) error {
		var err error
		switch m.Name {
		case "type":
			kind, err = r.Word(words)
		case "text", "refusal":
			if r.Kind() == strictjson.String {
				spans[m.Name], err = r.Skip()
			} else if null, bad := r.Null(); !null || bad != nil {
				err = r.Fail(ErrNotResponse, "a text that is none")
			}
		case "logprobs":
			t.logprobs, err = r.Skip()
		}
		return err
	})
	member, known := textMembers[kind]
	switch {
	case err != nil:
		return err
	case !known:
		return r.Fail(ErrNotResponse, "a part of the content is of no known kind")
	}
	name := "text"
	if kind == "refusal" {
		name = kind
	}
	t.Member, t.Span = member, spans[name]
	delete(spans, name)
	if len(spans) > 0 {
		return r.Fail(ErrNotResponse, "a part of the content has a text that does not go with its kind")
	}
	return nil
}

// classify says what the item is, now that all of it is read.
func (it *Item) classify(r *strictjson.Reader, name, space, environment, execution string) error {
	t, known := items[it.Type]
	if !known {
		return r.Fail(ErrNotResponse, "an item of the output is of no known type")
	}
	switch t.family {
	case aMessage:
		it.Kind = MessageItem
		return nil
	case aThought:
		it.Kind = ThoughtItem
		return nil
	case aReference, aMarker:
		return r.Fail(ErrNotResponse, "an item of the output that has no place in an answer")
	}
	if len(it.Texts) > 0 {
		return r.Fail(ErrNotResponse, "an item of the output has texts, and is no message")
	}
	inside := it.Type == "shell_call" && environment != "" && environment != "local" ||
		it.Type == "tool_search_call" && execution == "server"
	if t.family != aCall || inside {
		it.Kind = ServerItem
		it.Call = llm.ToolCall{}
		return nil
	}
	it.Kind, it.Call.Tool = CallItem, t.tool
	if t.tool == "" {
		it.Call.Tool = name
		if space != "" && name != "" {
			if strings.Contains(space, ".") {
				it.flaw(badName)
			}
			it.Call.Tool = qualified(space, name)
		}
	}
	if it.Call.Custom != (t.said == mInput) {
		it.Call.Custom = t.said == mInput
		if it.Given {
			it.flaw(badShape)
		}
	}
	return nil
}

// Keep copies what stands in the item, so that it outlives the document.
func (it *Item) Keep(doc []byte) {
	if it.saidKind != strictjson.String {
		it.Said = append([]byte(nil), it.said.Of(doc)...)
	}
	it.Texts = nil
}

// IsText tells whether the arguments of a call are a text, and no value of their own.
func (it *Item) IsText() bool { return items[it.Type].tool == "" || it.saidKind == strictjson.String }

// Complete checks a call that is all there, and sets its arguments. doc is the document that the item is of; cut tells that
// the answer ended before it was complete.
func (it *Item) Complete(doc []byte, cut bool, l strictjson.Limits) {
	c := &it.Call
	flaw := func(why string) {
		if c.Malformed == "" {
			c.Malformed = why
		}
	}
	if it.wrong != "" {
		flaw(it.wrong)
	}
	if cut || it.Status != "" && it.Status != "completed" {
		flaw(truncated)
	}
	if c.Tool == "" {
		flaw(badName)
	}
	if c.ID == "" {
		flaw(badID)
	}
	text := items[it.Type].tool == ""
	switch {
	case !it.Given, text && it.saidKind != strictjson.String:
		flaw(badArguments)
	case c.Custom:
		c.Arguments = llm.CustomArguments(it.Said)
	case it.wrap != "" && it.saidKind == strictjson.Array:
		c.Arguments = append(append(append(llm.AppendQuoted([]byte("{"), it.wrap), ':'), it.said.Of(doc)...), '}')
	case it.saidKind == strictjson.Object && it.wrap == "":
		c.Arguments = append([]byte(nil), it.said.Of(doc)...)
	case it.saidKind != strictjson.String || it.wrap != "" || !text && it.Type != "tool_search_call":
		flaw(badShape)
	case len(it.Said) == 0:
		// Providers write no arguments as an empty string, and clients take it for {}.
		c.Arguments = []byte("{}")
	case strictjson.CheckObject(it.Said, l) != nil:
		flaw(badArguments)
	default:
		c.Arguments = it.Said
	}
	if c.Malformed != "" && c.Arguments == nil {
		c.Arguments = []byte("{}")
	}
}

// Rename gives an allowed call another id and other arguments; "" and nil leave what is there.
func (it *Item) Rename(s *llm.Splices, id string, arguments []byte) error {
	if id != "" && id != it.Call.ID && it.callID.Len() > 0 {
		s.Replace(it.callID, llm.AppendQuoted(nil, id))
	}
	if arguments == nil || it.said.Len() == 0 {
		return nil
	}
	raw, err := it.OnWire(arguments)
	if err == nil {
		s.Replace(it.said, raw)
	}
	return err
}

// OnWire writes arguments, in the form of ToolCall's, as a value in the form in which the item has them.
func (it *Item) OnWire(arguments []byte) ([]byte, error) {
	return onWire(arguments, it.Call.Custom, it.wrap, it.saidKind == strictjson.String)
}

// Empty says of the arguments that none stand there, as where a call begins whose arguments come in pieces.
func (it *Item) Empty(s *llm.Splices) {
	if it.saidKind == strictjson.String && it.said.Len() > len(`""`) {
		s.Replace(it.said, []byte(`""`))
	}
}

// SetText puts another text in the place of one, and takes the log probabilities away, which may repeat it.
func (t *ItemText) SetText(s *llm.Splices, text []byte) {
	if t.Span.Len() > 0 {
		s.Replace(t.Span, llm.AppendQuoted(nil, text))
	}
	if t.logprobs.Len() > 0 {
		s.Replace(t.logprobs, []byte("[]"))
	}
}
