package translate

import (
	"slices"
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// anthropicEvent is an event of a streamed message.
type anthropicEvent struct {
	Type    string           `json:"type"`
	Index   int              `json:"index"`
	Message *anthropicAnswer `json:"message"`
	Block   *anthropicBlock  `json:"content_block"`
	Delta   *anthropicDelta  `json:"delta"`
	Usage   *anthropicUsage  `json:"usage"`
	Error   raw              `json:"error"`
}

type anthropicDelta struct {
	Type      string           `json:"type"`
	Text      string           `json:"text"`
	JSON      string           `json:"partial_json"`
	Thinking  string           `json:"thinking"`
	Signature string           `json:"signature"`
	Stop      optional[string] `json:"stop_reason"`
	Sequence  optional[string] `json:"stop_sequence"`
}

// anthropicDecoder reads events. Blocks that are open at once are held until those before them have ended.
type anthropicDecoder struct {
	open  []*anthropicOpen // the first one goes on as it comes
	usage llm.Usage
	over  bool
}

type anthropicOpen struct {
	index  int
	is     block
	given  bool // arguments, where it began
	bare   bool // no arguments came
	ended  bool
	events []event // held
}

func newAnthropicDecoder() decoder { return &anthropicDecoder{} }

func (d *anthropicDecoder) event(_ string, data []byte, out func(event) error) error {
	var in anthropicEvent
	if err := readAnswer(data, &in); err != nil {
		return err
	}
	switch in.Type {
	case "message_start":
		if in.Message == nil {
			return unreadable("begins with no message")
		}
		d.usage = in.Message.Usage.over(d.usage)
		return out(event{kind: started, id: in.Message.ID, model: in.Message.Model, usage: d.usage})
	case "ping":
		return out(event{kind: pinged})
	case "content_block_start":
		return d.begin(&in, out)
	case "content_block_delta":
		return d.delta(&in, out)
	case "content_block_stop":
		return d.stop(&in, out)
	case "message_delta":
		d.usage = in.Usage.over(d.usage)
		if in.Delta == nil || !in.Delta.Stop.set {
			return nil
		}
		is := anthropicStops[in.Delta.Stop.value]
		if is == notYet {
			return unreadable("ended for a reason that is not known")
		}
		if len(d.open) > 0 {
			return unreadable("ends within a block")
		}
		return out(event{kind: stopped, stop: is, sequence: in.Delta.Sequence.value, usage: d.usage})
	case "message_stop":
		d.over = true
		return out(event{kind: finished})
	case "error":
		d.over = true
		return out(event{kind: failing, failed: anthropicFailure(in.Error)})
	}
	return unreadable("has an event of a type that is not known")
}

func (d *anthropicDecoder) begin(in *anthropicEvent, out func(event) error) error {
	if in.Block == nil {
		return unreadable("has a block of no kind")
	}
	b, err := in.Block.answered()
	if err != nil {
		return err
	}
	o := &anthropicOpen{index: in.Index, is: b, bare: b.kind == callBlock}
	d.open = append(d.open, o)
	first := b
	first.text, first.args = "", nil
	if first.sign = (sign{Format: b.sign.Format}); b.kind != thoughtBlock {
		first.sign = sign{}
	}
	if err := d.put(o, event{kind: opened, block: first}, out); err != nil {
		return err
	}
	if b.text != "" {
		if err := d.put(o, event{kind: said, text: b.text}, out); err != nil {
			return err
		}
	}
	if len(b.args) > 2 && b.kind == callBlock && string(b.args) != "{}" {
		o.bare, o.given = false, true
		return d.put(o, event{kind: said, text: string(b.args)}, out)
	}
	if b.sign.signed() {
		return d.put(o, event{kind: signed, sign: b.sign}, out)
	}
	return nil
}

func (d *anthropicDecoder) find(index int) *anthropicOpen {
	if i := slices.IndexFunc(d.open, func(o *anthropicOpen) bool { return o.index == index && !o.ended }); i >= 0 {
		return d.open[i]
	}
	return nil
}

func (d *anthropicDecoder) delta(in *anthropicEvent, out func(event) error) error {
	o := d.find(in.Index)
	if o == nil || in.Delta == nil {
		return unreadable("has a piece of no block")
	}
	switch t := in.Delta; t.Type {
	case "text_delta":
		return d.put(o, event{kind: said, text: t.Text}, out)
	case "input_json_delta":
		if t.JSON == "" || o.given {
			return nil
		}
		o.bare = false
		return d.put(o, event{kind: said, text: t.JSON}, out)
	case "thinking_delta":
		return d.put(o, event{kind: said, text: t.Thinking}, out)
	case "signature_delta":
		if t.Signature == "" {
			return nil
		}
		return d.put(o, event{kind: signed, sign: anthropicSign(t.Signature)}, out)
	case "citations_delta":
		return nil
	}
	return unreadable("has a piece of a kind that is not known")
}

func (d *anthropicDecoder) stop(in *anthropicEvent, out func(event) error) error {
	o := d.find(in.Index)
	if o == nil {
		return unreadable("ends a block that is not open")
	}
	if o.bare { // as every client takes it
		if err := d.put(o, event{kind: said, text: "{}"}, out); err != nil {
			return err
		}
	}
	if err := d.put(o, event{kind: closed}, out); err != nil {
		return err
	}
	o.ended = true
	for len(d.open) > 0 && d.open[0].ended {
		if d.open = d.open[1:]; len(d.open) == 0 {
			break
		}
		held := d.open[0].events
		d.open[0].events = nil
		for _, e := range held {
			if err := out(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// put puts an event of a block, or holds it while another one is open.
func (d *anthropicDecoder) put(o *anthropicOpen, e event, out func(event) error) error {
	if d.open[0] == o {
		return out(e)
	}
	o.events = append(o.events, e)
	return nil
}

func (d *anthropicDecoder) end(func(event) error) error {
	if !d.over {
		return unreadable("has no end")
	}
	return nil
}

// anthropicEncoder writes events.
type anthropicEncoder struct {
	options Options
	index   int
	open    kind
	pending bool // the open thought has not been begun
	begun   bool // the message has

	thinks anthropicBlock // the open thought, as a client puts it together
	text   []byte         // of it
	told   []string
}

func newAnthropicEncoder(o Options) encoder { return &anthropicEncoder{options: o} }

func (c *anthropicEncoder) event(dst []byte, e event) ([]byte, error) {
	switch e.kind {
	case started:
		return c.start(dst, e)
	case pinged:
		if !c.begun { // an SDK wants the message to begin first
			return sse.AppendComment(dst, "ping"), nil
		}
		return sse.AppendEvent(dst, "ping", []byte(`{"type":"ping"}`)), nil
	case opened:
		return c.begin(dst, &e.block)
	case said:
		return c.say(dst, e.text)
	case signed:
		return c.sign(dst, e.sign)
	case closed:
		return c.close(dst)
	case stopped:
		return c.stop(dst, e)
	case failing:
		return sse.AppendEvent(dst, "error", encodeAnthropicError(e.failed)), nil
	}
	return sse.AppendEvent(dst, "message_stop", []byte(`{"type":"message_stop"}`)), nil
}

func (c *anthropicEncoder) start(dst []byte, e event) ([]byte, error) {
	if e.id == "" {
		e.id = c.options.ID
	}
	if e.model == "" {
		e.model = c.options.Model
	}
	doc, err := write(&anthropicAnswer{
		ID: e.id, Type: "message", Role: "assistant", Model: e.model, Content: []anthropicBlock{}, Usage: anthropicUsageOf(e.usage),
	})
	if err != nil {
		return dst, err
	}
	c.begun = true
	doc = append(append([]byte(`{"type":"message_start","message":`), doc...), '}')
	return sse.AppendEvent(dst, "message_start", doc), nil
}

// begin begins a block. Of a thought it waits for its first piece, which tells its kind.
func (c *anthropicEncoder) begin(dst []byte, b *block) ([]byte, error) {
	c.open, c.pending = b.kind, b.kind == thoughtBlock
	switch b.kind {
	case textBlock, refusalBlock:
		return c.first(dst, &anthropicBlock{Type: "text", Text: some("")})
	case callBlock:
		return c.first(dst, &anthropicBlock{Type: "tool_use", ID: b.id, Name: b.tool, Input: raw("{}")})
	case thoughtBlock:
		c.thinks, c.text = anthropicBlock{Type: "thinking"}, c.text[:0]
		return dst, nil
	}
	return dst, unreadable("has a block that is no text")
}

func (c *anthropicEncoder) first(dst []byte, b *anthropicBlock) ([]byte, error) {
	doc, err := write(b)
	if err != nil {
		return dst, err
	}
	c.pending = false
	doc = append(append(append(c.head("content_block_start"), `,"content_block":`...), doc...), '}')
	return sse.AppendEvent(dst, "content_block_start", doc), nil
}

func (c *anthropicEncoder) head(kind string) []byte {
	return strconv.AppendInt(append(append([]byte(`{"type":"`), kind...), `","index":`...), int64(c.index), 10)
}

func (c *anthropicEncoder) delta(dst []byte, kind, member, text string) []byte {
	doc := append(append(c.head("content_block_delta"), `,"delta":{"type":"`...), kind...)
	doc = append(append(append(doc, `","`...), member...), `":`...)
	return sse.AppendEvent(dst, "content_block_delta", append(llm.AppendQuoted(doc, text), "}}"...))
}

func (c *anthropicEncoder) say(dst []byte, text string) ([]byte, error) {
	if text == "" {
		return dst, nil
	}
	switch c.open {
	case callBlock:
		return c.delta(dst, "input_json_delta", "partial_json", text), nil
	case thoughtBlock:
		dst, err := c.beginThought(dst)
		c.text = append(c.text, text...)
		return c.delta(dst, "thinking_delta", "thinking", text), err
	}
	return c.delta(dst, "text_delta", "text", text), nil
}

// beginThought begins a thought, unless it has begun.
func (c *anthropicEncoder) beginThought(dst []byte) ([]byte, error) {
	if !c.pending {
		return dst, nil
	}
	return c.first(dst, &anthropicBlock{Type: "thinking", Thinking: some(""), Signature: some("")})
}

func (c *anthropicEncoder) sign(dst []byte, s sign) ([]byte, error) {
	if s.Data != "" && c.pending {
		b := anthropicThought(&block{kind: thoughtBlock, sign: s})
		c.thinks = b
		return c.first(dst, &b)
	}
	dst, err := c.beginThought(dst)
	if err != nil {
		return dst, err
	}
	c.thinks.Signature = some(s.packed())
	return c.delta(dst, "signature_delta", "signature", s.packed()), nil
}

func (c *anthropicEncoder) close(dst []byte) ([]byte, error) {
	dst, err := c.beginThought(dst)
	if err != nil {
		return dst, err
	}
	dst = sse.AppendEvent(dst, "content_block_stop", append(c.head("content_block_stop"), '}'))
	c.index++
	if c.open == thoughtBlock {
		c.thinks.Thinking = some(string(c.text))
		if text := c.thinks.thought(); text != "" {
			c.told = append(c.told, text)
		}
	}
	return dst, nil
}

func (c *anthropicEncoder) thoughts() []string { return c.told }

func (c *anthropicEncoder) stop(dst []byte, e event) ([]byte, error) {
	usage, err := write(anthropicUsageOf(e.usage))
	if err != nil {
		return dst, err
	}
	doc := append([]byte(`{"type":"message_delta","delta":{"stop_reason":"`), anthropicStop(e.stop)...)
	doc = append(doc, `","stop_sequence":`...)
	if e.stop == stoppedAt && e.sequence != "" {
		doc = llm.AppendQuoted(doc, e.sequence)
	} else {
		doc = append(doc, "null"...)
	}
	doc = append(append(append(doc, `},"usage":`...), usage...), '}')
	return sse.AppendEvent(dst, "message_delta", doc), nil
}
