package openairesponses

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// EventKind says what an event of a stream tells.
type EventKind byte

// The kinds of events.
const (
	Opening   EventKind = iota + 1 // the response as it stands before it says something
	Ending                         // the whole response, complete or cut
	Failing                        // the whole response, and that it failed
	Failure                        // an error of the stream
	ItemBegin                      // an item, and what it has so far
	ItemEnd                        // the same item, all of it
	TextBegin                      // a part of an item's content, which has nothing in it so far
	TextDelta
	TextDone // all of a text, which deltas said before
	TextEnd  // all of its part
	SaidDelta
	SaidDone // all of the arguments of a call, or of a piece of them
	Progress // of a tool inside the provider, or an annotation
	Idle     // nothing
)

// spec is one type of event.
type spec struct {
	kind   EventKind
	place  byte   // of its text
	member string // of its text
	names  string // the type of the call that its arguments are of
	whole  string // the name of the member with all of it
}

// events is the table of the events. One of another type could carry anything.
var events = map[string]spec{ //nolint:gochecknoglobals // a constant in all but syntax
	"response.created": {kind: Opening}, "response.queued": {kind: Opening}, "response.in_progress": {kind: Opening},
	"response.completed": {kind: Ending}, "response.incomplete": {kind: Ending},
	"response.failed": {kind: Failing}, "response.cancelled": {kind: Failing}, "error": {kind: Failure},

	"response.output_item.added": {kind: ItemBegin}, "response.output_item.done": {kind: ItemEnd},
	"response.content_part.added": {kind: TextBegin, place: ContentText}, "response.content_part.done": {kind: TextEnd, place: ContentText},
	"response.reasoning_summary_part.added": {kind: TextBegin, place: SummaryText},
	"response.reasoning_summary_part.done":  {kind: TextEnd, place: SummaryText},

	"response.reasoning_part.added": {kind: TextBegin, place: ContentText}, "response.reasoning_part.done": {kind: TextEnd, place: ContentText},

	"response.output_text.delta":            {kind: TextDelta, place: ContentText, member: "content"},
	"response.output_text.done":             {kind: TextDone, place: ContentText, member: "content", whole: "text"},
	"response.refusal.delta":                {kind: TextDelta, place: ContentText, member: "refusal"},
	"response.refusal.done":                 {kind: TextDone, place: ContentText, member: "refusal", whole: "refusal"},
	"response.reasoning_text.delta":         {kind: TextDelta, place: ContentText, member: "reasoning"},
	"response.reasoning_text.done":          {kind: TextDone, place: ContentText, member: "reasoning", whole: "text"},
	"response.reasoning.delta":              {kind: TextDelta, place: ContentText, member: "reasoning"}, // providers of open models
	"response.reasoning.done":               {kind: TextDone, place: ContentText, member: "reasoning", whole: "text"},
	"response.reasoning_summary_text.delta": {kind: TextDelta, place: SummaryText, member: "reasoning"},
	"response.reasoning_summary_text.done":  {kind: TextDone, place: SummaryText, member: "reasoning", whole: "text"},

	"response.function_call_arguments.delta":         {kind: SaidDelta, names: "function_call"},
	"response.function_call_arguments.done":          {kind: SaidDone, names: "function_call", whole: "arguments"},
	"response.custom_tool_call_input.delta":          {kind: SaidDelta, names: "custom_tool_call"},
	"response.custom_tool_call_input.done":           {kind: SaidDone, names: "custom_tool_call", whole: "input"},
	"response.shell_call_command.added":              {kind: SaidDelta, names: "shell_call", whole: "command"},
	"response.shell_call_command.delta":              {kind: SaidDelta, names: "shell_call"},
	"response.shell_call_command.done":               {kind: SaidDone, names: "shell_call", whole: "command"},
	"response.apply_patch_call_operation_diff.delta": {kind: SaidDelta, names: "apply_patch_call"},
	"response.apply_patch_call_operation_diff.done":  {kind: SaidDone, names: "apply_patch_call", whole: "diff"},
	"response.output_text.annotation.added":          {kind: Progress},
	"response.shell_call_output_content.delta":       {kind: Progress},
	"response.shell_call_output_content.done":        {kind: Progress},
	"response.web_search_call.in_progress":           {kind: Progress},
	"response.web_search_call.searching":             {kind: Progress},
	"response.web_search_call.completed":             {kind: Progress},
	"response.file_search_call.in_progress":          {kind: Progress},
	"response.file_search_call.searching":            {kind: Progress},
	"response.file_search_call.completed":            {kind: Progress},
	"response.code_interpreter_call.in_progress":     {kind: Progress},
	"response.code_interpreter_call.interpreting":    {kind: Progress},
	"response.code_interpreter_call.completed":       {kind: Progress},
	"response.code_interpreter_call_code.delta":      {kind: Progress},
	"response.code_interpreter_call_code.done":       {kind: Progress},
	"response.image_generation_call.in_progress":     {kind: Progress},
	"response.image_generation_call.generating":      {kind: Progress},
	"response.image_generation_call.partial_image":   {kind: Progress},
	"response.image_generation_call.completed":       {kind: Progress},
	"response.mcp_call.in_progress":                  {kind: Progress},
	"response.mcp_call.completed":                    {kind: Progress},
	"response.mcp_call.failed":                       {kind: Progress},
	"response.mcp_call_arguments.delta":              {kind: Progress},
	"response.mcp_call_arguments.done":               {kind: Progress},
	"response.mcp_list_tools.in_progress":            {kind: Progress},
	"response.mcp_list_tools.completed":              {kind: Progress},
	"response.mcp_list_tools.failed":                 {kind: Progress},
	"response.compaction.compacting":                 {kind: Progress},
	"keepalive":                                      {kind: Idle}, "ping": {kind: Idle},
}

// MaxIndex bounds an index in a stream.
const MaxIndex = 1 << 16

// The names known in an event.
var (
	eventNames = strictjson.NewNames("type", "sequence_number", "output_index", "content_index", "summary_index", "command_index", //nolint:gochecknoglobals // constants in all but syntax
		"item_id", "item", "part", "delta", "text", "refusal", "arguments", "input", "command", "diff", "logprobs", "response", "error",
		"output", "choices")
	eventWords = namesOf(events) //nolint:gochecknoglobals // as above
)

// Event is one event of a streamed answer, parsed once to spans of its document. An Event may be parsed into again and
// again; what it gave before is overwritten then.
type Event struct {
	Doc      []byte
	Kind     EventKind
	Type     string
	Sequence int64    // -1 when there is none
	Output   int      // index of its item; -1 when there is none
	Index    int      // in the content, the summary, or the commands of its item
	Place    byte     // of its text
	Member   string   // of its text
	Of       string   // the type of the call that its arguments are of
	ItemID   string   // "" when it does not say
	Delta    llm.Span // a piece of a text or of arguments, the value; empty when there is none
	Whole    llm.Span // all of it
	Item     Item
	Part     ItemText
	Response Response

	sequence                      llm.Span
	logprobs                      llm.Span
	spans                         [6]llm.Span
	hasItem, hasPart, hasResponse bool
}

// wholes are the members with all of a text or of arguments.
var wholes = [6]string{"text", "refusal", "arguments", "input", "command", "diff"} //nolint:gochecknoglobals // a constant in all but syntax

// Parse reads an event.
func (e *Event) Parse(doc []byte, l strictjson.Limits) error {
	*e = Event{Doc: doc, Sequence: -1, Output: -1, Index: -1, Item: Item{Texts: e.Item.Texts[:0]}}
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	place := [3]int{-1, -1, -1} // of content_index, summary_index, command_index
	err := r.Object(eventNames, func(m strictjson.Member) error {
		if null, err := r.Null(); null || err != nil {
			return err
		}
		return e.member(r, m.Name, &place)
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return err
	}
	return e.settle(r, place)
}

func (e *Event) member(r *strictjson.Reader, name string, place *[3]int) (err error) {
	switch name {
	case "type":
		e.Type, err = r.Word(eventWords)
	case "sequence_number":
		e.sequence.Start = r.Next()
		e.Sequence, err = r.Int()
		e.sequence.End = r.Offset()
		if err == nil && (e.Sequence < 0 || e.Sequence > 1<<53) {
			return r.Fail(ErrNotEvent, "a sequence number out of range")
		}
	case "output_index":
		e.Output, err = readIndex(r)
	case "content_index":
		place[0], err = readIndex(r)
	case "summary_index":
		place[1], err = readIndex(r)
	case "command_index":
		place[2], err = readIndex(r)
	case "item_id":
		e.ItemID, _, err = r.String()
	case "delta":
		if r.Kind() == strictjson.String {
			e.Delta, err = r.Skip()
		}
	case "logprobs":
		e.logprobs, err = r.Skip()
	case "item":
		e.hasItem = true
		err = readItem(r, &e.Item)
	case "part":
		e.hasPart = true
		err = readText(r, &e.Part)
	case "response":
		e.hasResponse = true
		e.Response = Response{Doc: e.Doc}
		err = e.Response.read(r)
	case "choices":
		err = r.Fail(ErrNotEvent, "a member that has no place in an event")
	default:
		for i, whole := range wholes {
			if whole == name && r.Kind() == strictjson.String {
				e.spans[i], err = r.Skip()
			}
		}
	}
	return err
}

func readIndex(r *strictjson.Reader) (int, error) {
	n, err := r.Int()
	if err == nil && (n < 0 || n > MaxIndex) {
		err = r.Fail(ErrNotEvent, "an index out of range")
	}
	return int(n), err
}

// settle says what the event is, now that all of it is read.
func (e *Event) settle(r *strictjson.Reader, place [3]int) error {
	s, known := events[e.Type]
	if !known {
		return r.Fail(ErrNotEvent, "an event of no known type")
	}
	e.Kind, e.Place, e.Member, e.Of = s.kind, s.place, s.member, s.names
	for i, whole := range wholes {
		if s.whole == whole {
			e.Whole = e.spans[i]
		}
	}
	needs := false
	switch e.Kind {
	case Opening, Ending, Failing:
		needs = !e.hasResponse
	case ItemBegin, ItemEnd:
		needs = !e.hasItem || e.Output < 0
	case TextBegin, TextEnd:
		e.Index = place[e.Place]
		needs = !e.hasPart || e.Output < 0 || e.Index < 0
		e.Part.Place, e.Part.Index, e.Member = e.Place, e.Index, e.Part.Member
	case TextDelta, TextDone:
		e.Index = place[e.Place]
		needs = e.Output < 0 || e.Index < 0 || e.Kind == TextDelta && e.Delta.Len() == 0 || e.Kind == TextDone && e.Whole.Len() == 0
	case SaidDelta, SaidDone:
		e.Index = place[2]
		needs = e.Output < 0 || e.Kind == SaidDone && e.Whole.Len() == 0
		if e.Type == "response.shell_call_command.added" {
			e.Delta, e.Whole = e.Whole, llm.Span{}
		} else if e.Kind == SaidDelta {
			needs = needs || e.Delta.Len() == 0
		}
	}
	if needs {
		return r.Fail(ErrNotEvent, "an event without what it tells of")
	}
	return nil
}

// Key is the event's text within its item.
func (e *Event) Key() Key { return Key{e.Place, e.Index} }

// Named tells whether an event of a stream has the name that goes with its type.
func (e *Event) Named(name string) bool { return name == "" || name == "message" || name == e.Type }

// Numbered puts another sequence number into the event; s has the other changes of it.
func (e *Event) Numbered(s *llm.Splices, n int64) {
	if e.Sequence >= 0 && e.Sequence != n {
		s.Replace(e.sequence, appendInt(nil, n))
	}
}

// SetDelta puts another piece in the place of the event's.
func (e *Event) SetDelta(s *llm.Splices, text []byte) {
	s.Replace(e.Delta, llm.AppendQuoted(nil, text))
	e.forgetOdds(s)
}

// SetWhole puts another text in the place of all of it.
func (e *Event) SetWhole(s *llm.Splices, text []byte) {
	s.Replace(e.Whole, llm.AppendQuoted(nil, text))
	e.forgetOdds(s)
}

// forgetOdds takes the log probabilities away, which may repeat a text as it was before.
func (e *Event) forgetOdds(s *llm.Splices) {
	if e.logprobs.Len() > 0 {
		s.Replace(e.logprobs, []byte("[]"))
	}
}

// Drop takes items out of the output of the event's response: those that gone tells, by their index.
func (e *Event) Drop(s *llm.Splices, gone func(i int) bool) {
	spans := make([]llm.Span, len(e.Response.Items))
	for i := range e.Response.Items {
		spans[i] = e.Response.Items[i].Span
	}
	s.Remove(spans, gone)
}

// SetSummed puts another text in the place of what some providers repeat of the whole output.
func (e *Event) SetSummed(s *llm.Splices, text []byte) {
	if e.Response.summed.Len() > 0 {
		s.Replace(e.Response.summed, llm.AppendQuoted(nil, text))
	}
}
