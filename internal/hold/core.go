package hold

import (
	"fmt"
	"hash/maphash"
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Core is what a gate is in every dialect: its limits, the decision on a batch of calls, the model that answers, the
// texts (Texts). A gate has one, for its one stream.
type Core struct {
	Config // every limit is set

	model string
	asked bool            // Model was told something
	ids   map[uint64]bool // hashes of the calls' ids, which may be long
	seed  maphash.Seed
	calls int    // so far
	held  int    // bytes
	kept  int    // bytes of texts
	after []byte // of the text that is being filtered
}

// NewCore makes the core of one stream's gate.
func NewCore(c Config) *Core { return &Core{Config: c.orDefault(), seed: maphash.MakeSeed()} }

// Limits are those of a document within the stream.
func (k *Core) Limits() strictjson.Limits { return strictjson.Limits{MaxBytes: k.MaxEvent} }

// Count counts one more call of the stream.
func (k *Core) Count() error {
	if k.calls++; k.calls > k.MaxCalls {
		return TooLarge("more tool calls than the limit allows")
	}
	return nil
}

// Hold counts bytes that are held from now on, and Free those that are no longer.
func (k *Core) Hold(bytes int) error {
	if k.held += bytes; k.held > k.MaxHeld {
		return TooLarge("more is held than the limit allows")
	}
	return nil
}

// Free counts bytes that are held no longer.
func (k *Core) Free(bytes int) { k.held -= bytes }

// Answered takes the name of the model that answers, as an event has it, and tells Model when it is new. "" is for a
// stream that begins to say something and has named none.
func (k *Core) Answered(name string) error {
	if k.asked && (name == "" || name == k.model) {
		return nil
	}
	k.asked, k.model = true, name
	if k.Config.Model == nil {
		return nil
	}
	if err := k.Config.Model(name); err != nil {
		return fmt.Errorf("the answering model: %w", err)
	}
	return nil
}

// Asked tells whether Model was told something.
func (k *Core) Asked() bool { return k.asked }

// ModelName is the model that answered, as the stream names it last; "" while it is not known.
func (k *Core) ModelName() string { return k.model }

// Call is a call that is held, and what was decided of it. What it says is filled in by the gate.
type Call struct {
	llm.ToolCall

	Allowed      bool
	OutID        string // the id under which it is released; "" keeps its own
	OutArguments []byte // the arguments with which it is released, in the form of ToolCall; nil keeps its own byte for byte
	Refusal      string // what stands in its place when it is not allowed; never empty then
}

// Malform notes the first reason for which a call is refused outright: a few words, as in "it has no id".
func (c *Call) Malform(reason string) {
	if c.Malformed == "" {
		c.Malformed = reason
	}
}

// NotObject is why a call is refused whose arguments no client could read in only one way.
const NotObject = "its arguments are not one JSON object"

// TakeArguments sets a function's arguments, all of them, which must be one strict JSON object. An empty text stands for
// none, as providers write and clients read it.
func (c *Call) TakeArguments(raw []byte) {
	switch {
	case len(raw) == 0:
		c.Arguments = []byte("{}")
	case strictjson.CheckObject(raw, strictjson.Limits{}) != nil:
		c.Malform(NotObject)
	default:
		c.Arguments = raw
	}
}

const sameID = "its id is that of another call"

// DecideAll decides the calls of a choice that has finished, which are complete and stand in their order. Of two with one
// id both are refused, unless one of them was decided before; so is a malformed one, by the text that Refuse gives. All
// others are asked of Decide in one batch. A Call is Allowed only when this returns no error.
func (k *Core) DecideAll(calls []*Call) error {
	k.unique(calls)
	batch := make([]llm.ToolCall, 0, len(calls))
	for _, call := range calls {
		if call.Malformed == "" {
			batch = append(batch, call.ToolCall)
		}
	}
	verdicts := make([]llm.Verdict, len(batch))
	if len(batch) > 0 && k.Decide != nil {
		var err error
		if verdicts, err = k.Decide(batch); err != nil {
			return fmt.Errorf("deciding the tool calls: %w", err)
		}
		if len(verdicts) != len(batch) {
			return fmt.Errorf("deciding the tool calls: %d verdicts on %d calls", len(verdicts), len(batch))
		}
	}
	for _, call := range calls {
		if call.Malformed != "" {
			call.Refusal = k.refusal(call.ToolCall)
			continue
		}
		if err := call.settle(verdicts[0]); err != nil {
			return fmt.Errorf("deciding the tool calls: %w", err)
		}
		verdicts = verdicts[1:]
	}
	return nil
}

// unique refuses calls that share an id with another one of the stream: both, unless one has been decided already.
func (k *Core) unique(calls []*Call) {
	first := map[string]*Call{}
	for _, call := range calls {
		if call.ID == "" {
			continue
		}
		before := first[call.ID]
		if before != nil {
			before.Malform(sameID)
		}
		if before != nil || k.ids[maphash.String(k.seed, call.ID)] {
			call.Malform(sameID)
		}
		first[call.ID] = call
	}
	if k.ids == nil {
		k.ids = make(map[uint64]bool, len(first))
	}
	for id := range first {
		k.ids[maphash.String(k.seed, id)] = true
	}
}

// settle takes the verdict on a call.
func (c *Call) settle(v llm.Verdict) error {
	if !v.Allow {
		if c.Refusal = v.Text; c.Refusal == "" {
			c.Refusal = refusalText(c.ToolCall, "it is not allowed")
		}
		return nil
	}
	if v.ID != c.ID {
		c.OutID = v.ID
	}
	if v.Arguments != nil {
		if err := strictjson.CheckObject(v.Arguments, strictjson.Limits{}); err != nil {
			return fmt.Errorf("the arguments of a call: %w", err)
		}
	}
	c.Allowed, c.OutArguments = true, v.Arguments
	return nil
}

// refusal is the text in the place of a malformed call.
func (k *Core) refusal(c llm.ToolCall) string {
	if k.Refuse != nil {
		if text := k.Refuse(c); text != "" {
			return text
		}
	}
	return refusalText(c, c.Malformed)
}

// maxName is how much of a tool's name, which is the model's text, a refusal repeats.
const maxName = 64

func refusalText(c llm.ToolCall, reason string) string {
	if c.Tool == "" {
		return "A tool call was refused: " + reason + "."
	}
	name := c.Tool
	if len(name) > maxName {
		name = name[:maxName]
	}
	return "The call of the tool " + strconv.QuoteToASCII(name) + " was refused: " + reason + "."
}
