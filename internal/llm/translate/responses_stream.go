package translate

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// responsesEncoder writes the events of a response. The last of them repeats all that was said, which is kept for it.
type responsesEncoder struct {
	options Options
	number  int64
	answer  *responsesAnswer
	id      string
	open    block
	text    []byte // of it, so far
	shown   bool   // the open thought's text has begun
	told    []string
}

func newResponsesEncoder(o Options) encoder { return &responsesEncoder{options: o} }

func (c *responsesEncoder) event(dst []byte, e event) ([]byte, error) {
	switch e.kind {
	case started:
		return c.start(dst, e)
	case pinged:
		return sse.AppendComment(dst, "ping"), nil
	case opened:
		return c.begin(dst, &e.block)
	case said:
		return c.say(dst, e.text), nil
	case signed:
		c.open.sign = e.sign
		return dst, nil
	case closed:
		return c.close(dst)
	case stopped:
		c.answer.finish(e.stop)
		c.answer.Usage = responsesUsageOf(e.usage)
		return c.whole(dst, "response."+c.answer.Status)
	case failing:
		code := e.failed.code
		if code == "" {
			code = "server_error"
		}
		doc := llm.AppendQuoted(append(c.head("error"), `,"message":`...), e.failed.text())
		doc = append(llm.AppendQuoted(append(doc, `,"code":`...), code), `,"param":null}`...)
		return c.put(dst, "error", doc), nil
	}
	return dst, nil
}

// head begins an event; its number is the next one.
func (c *responsesEncoder) head(kind string) []byte {
	doc := append(append([]byte(`{"type":"`), kind...), `","sequence_number":`...)
	return strconv.AppendInt(doc, c.number, 10)
}

func (c *responsesEncoder) put(dst []byte, kind string, doc []byte) []byte {
	c.number++
	return sse.AppendEvent(dst, kind, doc)
}

func (c *responsesEncoder) start(dst []byte, e event) ([]byte, error) {
	if e.id == "" {
		e.id = c.options.ID
	}
	if e.model == "" {
		e.model = c.options.Model
	}
	if e.created == 0 {
		e.created = c.options.Now.Unix()
	}
	c.id, c.answer = e.id, responsesOf(e.id, e.model, e.created)
	dst, err := c.whole(dst, "response.created")
	if err != nil {
		return dst, err
	}
	return c.whole(dst, "response.in_progress")
}

// whole appends an event with the response as it is.
func (c *responsesEncoder) whole(dst []byte, kind string) ([]byte, error) {
	doc, err := write(c.answer)
	if err != nil {
		return dst, err
	}
	return c.put(dst, kind, append(append(append(c.head(kind), `,"response":`...), doc...), '}')), nil
}

// of begins an event of the open item.
func (c *responsesEncoder) of(kind string) []byte {
	doc := llm.AppendQuoted(append(c.head(kind), `,"item_id":`...), c.itemID())
	return strconv.AppendInt(append(doc, `,"output_index":`...), int64(len(c.answer.Output)), 10)
}

func (c *responsesEncoder) itemID() string {
	kind := "msg"
	switch c.open.kind {
	case thoughtBlock:
		kind = "rs"
	case callBlock:
		kind = "fc"
	}
	return itemID(kind, c.id, len(c.answer.Output))
}

// piece appends an event of a part of the open item; part is the member that names it, and says is more of it.
func (c *responsesEncoder) piece(dst []byte, kind, part string, says func(doc []byte) []byte) []byte {
	doc := append(c.of(kind), part...)
	return c.put(dst, kind, append(says(doc), '}'))
}

func (c *responsesEncoder) item(dst []byte, kind string, item *responsesOutput) ([]byte, error) {
	doc, err := write(item)
	if err != nil {
		return dst, err
	}
	head := strconv.AppendInt(append(c.head(kind), `,"output_index":`...), int64(len(c.answer.Output)), 10)
	return c.put(dst, kind, append(append(append(head, `,"item":`...), doc...), '}')), nil
}

const (
	ofContent = `,"content_index":0`
	ofSummary = `,"summary_index":0`
)

func (c *responsesEncoder) begin(dst []byte, b *block) ([]byte, error) {
	c.open, c.shown, c.text = *b, false, c.text[:0]
	item, err := outputOf(b, c.id, len(c.answer.Output))
	if err != nil {
		return dst, err
	}
	item.Encrypted = ""
	if item.Status != "" {
		item.Status = "in_progress"
	}
	if item.Content != nil {
		item.Content = []responsesPart{}
	}
	if dst, err = c.item(dst, "response.output_item.added", &item); err != nil {
		return dst, err
	}
	switch b.kind {
	case textBlock:
		return c.piece(dst, "response.content_part.added", ofContent, func(doc []byte) []byte {
			return append(doc, `,"part":{"type":"output_text","text":"","annotations":[]}`...)
		}), nil
	case refusalBlock:
		return c.piece(dst, "response.content_part.added", ofContent, func(doc []byte) []byte {
			return append(doc, `,"part":{"type":"refusal","refusal":""}`...)
		}), nil
	}
	return dst, nil
}

// names are the events of a block's text, and where it stands.
func (c *responsesEncoder) names() (kind, part, member string) {
	switch c.open.kind {
	case refusalBlock:
		return "response.refusal", ofContent, "refusal"
	case thoughtBlock:
		return "response.reasoning_summary_text", ofSummary, "text"
	case callBlock:
		return "response.function_call_arguments", "", "arguments"
	}
	return "response.output_text", ofContent, "text"
}

func (c *responsesEncoder) say(dst []byte, text string) []byte {
	if text == "" {
		return dst
	}
	c.text = append(c.text, text...)
	if c.open.kind == thoughtBlock && !c.shown {
		c.shown = true
		dst = c.piece(dst, "response.reasoning_summary_part.added", ofSummary, func(doc []byte) []byte {
			return append(doc, `,"part":{"type":"summary_text","text":""}`...)
		})
	}
	kind, part, _ := c.names()
	return c.piece(dst, kind+".delta", part, func(doc []byte) []byte {
		doc = llm.AppendQuoted(append(doc, `,"delta":`...), text)
		if c.open.kind == textBlock {
			doc = append(doc, `,"logprobs":[]`...)
		}
		return doc
	})
}

func (c *responsesEncoder) close(dst []byte) ([]byte, error) {
	b := &c.open
	text := string(c.text)
	if b.kind == callBlock {
		b.args = raw(text)
	} else {
		b.text = text
	}
	item, err := outputOf(b, c.id, len(c.answer.Output))
	if err != nil {
		return dst, err
	}
	kind, part, member := c.names()
	if b.kind != thoughtBlock || c.shown {
		dst = c.piece(dst, kind+".done", part, func(doc []byte) []byte {
			doc = llm.AppendQuoted(append(append(append(doc, `,"`...), member...), `":`...), text)
			switch b.kind {
			case textBlock:
				doc = append(doc, `,"logprobs":[]`...)
			case callBlock:
				doc = llm.AppendQuoted(append(doc, `,"name":`...), b.tool)
			}
			return doc
		})
	}
	var whole jsontext.Value
	ends := ""
	switch {
	case len(item.Content) == 1:
		whole, err = write(&item.Content[0])
		ends = "response.content_part.done"
	case len(item.Summary) == 1:
		whole, err = write(&item.Summary[0])
		ends = "response.reasoning_summary_part.done"
	}
	if err != nil {
		return dst, err
	}
	if ends != "" {
		dst = c.piece(dst, ends, part, func(doc []byte) []byte { return append(append(doc, `,"part":`...), whole...) })
	}
	if dst, err = c.item(dst, "response.output_item.done", &item); err != nil {
		return dst, err
	}
	c.answer.Output = append(c.answer.Output, item)
	if item.Encrypted != "" {
		c.told = append(c.told, item.Encrypted)
	}
	return dst, nil
}

func (c *responsesEncoder) thoughts() []string { return c.told }
