package translate

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// chatEncoder writes chunks.
type chatEncoder struct {
	options Options
	head    []byte // what every chunk begins with
	open    kind
	format  string // of the thought
	before  *block // a signature of what follows
	details int
	texted  int    // details whose text began
	thought []byte // what the details say, as the view reads them when they come back
	done    bool
	calls   int
	texts   [refusalBlock + 1]bool // that something was said
	parted  bool                   // the next text is another one
}

func newChatEncoder(o Options) encoder { return &chatEncoder{options: o} }

func (c *chatEncoder) event(dst []byte, e event) ([]byte, error) {
	switch e.kind {
	case started:
		return c.start(dst, e), nil
	case pinged:
		return sse.AppendComment(dst, "ping"), nil
	case failing:
		return sse.AppendData(dst, encodeChatError(e.failed)), nil
	case finished:
		return sse.AppendData(dst, []byte("[DONE]")), nil
	case opened:
		return c.begin(dst, &e.block)
	case said:
		return c.say(dst, e.text), nil
	case signed:
		return c.sign(dst, e.sign)
	case closed:
		if c.open == thoughtBlock && c.before == nil {
			c.details++
		}
	case stopped:
		return c.stop(dst, e)
	}
	return dst, nil
}

func (c *chatEncoder) start(dst []byte, e event) []byte {
	if e.id == "" {
		e.id = c.options.ID
	}
	if e.model == "" {
		e.model = c.options.Model
	}
	if e.created == 0 {
		e.created = c.options.Now.Unix()
	}
	c.head = llm.AppendQuoted([]byte(`{"id":`), e.id)
	c.head = strconv.AppendInt(append(c.head, `,"object":"chat.completion.chunk","created":`...), e.created, 10)
	c.head = llm.AppendQuoted(append(c.head, `,"model":`...), e.model)
	return c.delta(dst, []byte(`{"role":"assistant","content":""}`), "")
}

// delta appends a chunk with a delta in it.
func (c *chatEncoder) delta(dst, delta []byte, finish string) []byte {
	dst = append(append(append(dst, "data: "...), c.head...), `,"choices":[{"index":0,"delta":`...)
	dst = append(append(dst, delta...), `,"finish_reason":`...)
	if finish == "" {
		dst = append(dst, "null"...)
	} else {
		dst = llm.AppendQuoted(dst, finish)
	}
	return append(dst, "}]}\n\n"...)
}

func (c *chatEncoder) deltaOf(dst []byte, delta *chatSaid) ([]byte, error) {
	doc, err := write(delta)
	if err != nil {
		return dst, err
	}
	return c.delta(dst, doc, ""), nil
}

func (c *chatEncoder) begin(dst []byte, b *block) ([]byte, error) {
	before := c.before
	if before != nil && b.kind != callBlock {
		var err error
		if dst, err = c.flush(dst); err != nil {
			return dst, err
		}
	}
	c.open = b.kind
	switch b.kind {
	case textBlock, refusalBlock, thoughtBlock:
		c.parted, c.format = c.texts[b.kind], b.sign.Format
		return dst, nil
	case callBlock:
		c.before, c.parted = nil, false
		call := chatCallOf(b, before)
		call.Index = some(c.calls)
		call.Function.Arguments = some("")
		c.calls++
		return c.deltaOf(dst, &chatSaid{Calls: []chatCall{call}})
	}
	return dst, unreadable("has a block that is no text")
}

func (c *chatEncoder) say(dst []byte, text string) []byte {
	if text == "" {
		return dst
	}
	bare := text
	if c.parted {
		text = Separator + text
	}
	c.parted, c.texts[c.open] = false, true
	var delta []byte
	switch c.open {
	case textBlock:
		delta = llm.AppendQuoted([]byte(`{"content":`), text)
	case refusalBlock:
		delta = llm.AppendQuoted([]byte(`{"refusal":`), text)
	case thoughtBlock:
		delta = llm.AppendQuoted([]byte(`{"reasoning":`), text)
		delta = llm.AppendQuoted(append(delta, `,"reasoning_details":[{"type":"reasoning.text","text":`...), bare)
		if c.texted <= c.details && c.format != "" { // once, since clients put the pieces' texts together
			delta = llm.AppendQuoted(append(delta, `,"format":`...), c.format)
		}
		c.texted, c.thought = c.details+1, append(c.thought, bare...)
		delta = strconv.AppendInt(append(delta, `,"index":`...), int64(c.details), 10)
		delta = append(delta, "}]"...)
	default:
		delta = strconv.AppendInt([]byte(`{"tool_calls":[{"index":`), int64(c.calls-1), 10)
		delta = append(llm.AppendQuoted(append(delta, `,"function":{"arguments":`...), text), "}}]"...)
	}
	return c.delta(dst, append(delta, '}'), "")
}

func (c *chatEncoder) sign(dst []byte, s sign) ([]byte, error) {
	b := &block{kind: thoughtBlock, sign: s}
	if signsNext(s) {
		c.before = b
		return dst, nil
	}
	d := detailOf(b, c.details)
	if c.texted > c.details {
		d.Text, d.Format = optional[string]{}, optional[string]{}
	}
	return c.detail(dst, d)
}

// flush writes a signature that no call came behind.
func (c *chatEncoder) flush(dst []byte) ([]byte, error) {
	b := c.before
	c.before = nil
	d := detailOf(b, c.details)
	c.details++
	return c.detail(dst, d)
}

// detail writes a detail that is no piece of a text.
func (c *chatEncoder) detail(dst []byte, d chatDetail) ([]byte, error) {
	for _, text := range []string{d.Text.value, d.Summary.value, d.Data.value, d.Signature.value} {
		c.thought = append(c.thought, text...)
	}
	return c.deltaOf(dst, &chatSaid{Details: []chatDetail{d}})
}

func (c *chatEncoder) stop(dst []byte, e event) ([]byte, error) {
	if c.before != nil {
		var err error
		if dst, err = c.flush(dst); err != nil {
			return dst, err
		}
	}
	c.done = true
	dst = c.delta(dst, []byte("{}"), chatFinish(e.stop))
	u := chatUsageOf(e.usage)
	if u == nil || !c.options.Usage {
		return dst, nil
	}
	doc, err := write(u)
	if err != nil {
		return dst, err
	}
	dst = append(append(append(dst, "data: "...), c.head...), `,"choices":[],"usage":`...)
	return append(append(dst, doc...), "}\n\n"...), nil
}

// thoughts are told at the end: pieces that stand for themselves are what no client sends back.
func (c *chatEncoder) thoughts() []string {
	if !c.done || len(c.thought) == 0 {
		return nil
	}
	return []string{string(c.thought)}
}
