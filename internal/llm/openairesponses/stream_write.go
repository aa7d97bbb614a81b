package openairesponses

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// Message is a message of our own in a stream, in the place of an item.
type Message struct {
	ID    string
	Text  string
	Index int          // of the item
	Name  bool         // events have a name
	Next  func() int64 // the next sequence number; -1: events have none
}

// Append appends the events of the message, as a model's come.
func (m *Message) Append(dst []byte) []byte {
	dst = m.event(dst, "response.output_item.added", func(b []byte) []byte {
		return append(appendHead(append(b, `,"item":`...), m.ID, "in_progress"), "]}"...)
	})
	dst = m.event(dst, "response.content_part.added", func(b []byte) []byte { return m.part(b, "") })
	dst = m.event(dst, "response.output_text.delta", func(b []byte) []byte { return m.text(b, "delta") })
	dst = m.event(dst, "response.output_text.done", func(b []byte) []byte { return m.text(b, "text") })
	dst = m.event(dst, "response.content_part.done", func(b []byte) []byte { return m.part(b, m.Text) })
	return m.event(dst, "response.output_item.done", func(b []byte) []byte {
		return AppendMessage(append(b, `,"item":`...), m.ID, m.Text)
	})
}

func (m *Message) part(b []byte, text string) []byte {
	b = llm.AppendQuoted(append(b, `,"item_id":`...), m.ID)
	return appendPart(append(b, `,"content_index":0,"part":`...), text)
}

func (m *Message) text(b []byte, member string) []byte {
	b = llm.AppendQuoted(append(b, `,"item_id":`...), m.ID)
	b = append(append(append(b, `,"content_index":0,"logprobs":[],"`...), member...), `":`...)
	return llm.AppendQuoted(b, m.Text)
}

func (m *Message) event(dst []byte, kind string, rest func(b []byte) []byte) []byte {
	return appendEvent(dst, kind, m.Name, m.Next(), func(b []byte) []byte {
		return rest(appendInt(append(b, `,"output_index":`...), int64(m.Index)))
	})
}

func appendEvent(dst []byte, kind string, named bool, number int64, rest func(b []byte) []byte) []byte {
	name := ""
	if named {
		name = kind
	}
	return sse.AppendEvent(dst, name, eventDoc(kind, number, rest))
}

func eventDoc(kind string, number int64, rest func(b []byte) []byte) []byte {
	doc := append(append([]byte(`{"type":"`), kind...), '"')
	if number >= 0 {
		doc = appendInt(append(doc, `,"sequence_number":`...), number)
	}
	return append(rest(doc), '}')
}

// Piece is a piece of a text of an item, in an event of our own.
type Piece struct {
	Key    Key
	Member string
	ItemID string
	Output int   // index of the item
	Number int64 // sequence number; -1: events have none
	Text   []byte
}

// Type is the event's.
func (p *Piece) Type() string {
	switch {
	case p.Key.Place == SummaryText:
		return "response.reasoning_summary_text.delta"
	case p.Member == "reasoning":
		return "response.reasoning_text.delta"
	case p.Member == "refusal":
		return "response.refusal.delta"
	}
	return "response.output_text.delta"
}

// Doc is the event's data.
func (p *Piece) Doc() []byte {
	index := `,"content_index":`
	if p.Key.Place == SummaryText {
		index = `,"summary_index":`
	}
	return eventDoc(p.Type(), p.Number, func(b []byte) []byte {
		b = appendInt(append(b, `,"output_index":`...), int64(p.Output))
		b = appendInt(append(b, index...), int64(p.Key.Index))
		b = llm.AppendQuoted(append(b, `,"item_id":`...), p.ItemID)
		if p.Type() == "response.output_text.delta" {
			b = append(b, `,"logprobs":[]`...)
		}
		return llm.AppendQuoted(append(b, `,"delta":`...), p.Text)
	})
}

// AppendError appends the event by which a stream ends in the middle: body is an object with an error in it, as a refused
// request gets it. The official libraries read the error from the member of that name, and the published type has its
// members beside it.
func AppendError(dst, body []byte) []byte {
	doc := []byte(`{"type":"error"`)
	var whole llm.Span
	r := strictjson.NewReader(body, strictjson.Limits{})
	defer r.Close()
	err := r.Object(nil, func(m strictjson.Member) error {
		if m.Name != "error" || r.Kind() != strictjson.Object {
			return nil
		}
		whole.Start = r.Next()
		err := r.Object(nil, func(m strictjson.Member) error {
			value, err := r.Skip()
			if err == nil && (m.Name == "code" || m.Name == "message") {
				doc = append(append(append(append(doc, `,"`...), m.Name...), `":`...), value.Of(body)...)
			}
			return err
		})
		whole.End = r.Offset()
		return err
	})
	if err == nil && whole.Len() > 0 {
		doc = append(append(append(doc, `,"param":null,"error":`...), whole.Of(body)...), '}')
	} else { // cannot be: it is ours
		doc = []byte(`{"type":"error","code":"internal","message":"the answer was ended","param":null}`)
	}
	return sse.AppendEvent(dst, "error", doc)
}
