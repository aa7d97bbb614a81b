package hold

import "github.com/yellowjack/yellowjack/internal/llm"

// TextFilter rewrites one text as it streams.
type TextFilter = llm.TextFilter

// Config says how much a gate may hold and who decides. A zero limit takes its default.
type Config struct {
	MaxHeld  int // bytes of held events and of the calls' arguments (default 16 MiB)
	MaxEvent int // bytes of one event (default 1 MiB)
	MaxCalls int // calls of one stream (default 128)
	MaxText  int // bytes of the texts that are kept for Finish (default 4 MiB); one that is over it is not kept
	Choices  int // how many choices were asked for (default 1)

	// Decide decides all calls of one choice, in order; none of them is Malformed. When it fails, none is released and
	// the gate fails with its error. A gate without it denies.
	Decide func(calls []llm.ToolCall) ([]llm.Verdict, error)

	// Model is told which model answers, before any choice is released; "" when the stream does not say. It is told
	// again if the stream later names another. When it fails, the gate fails with its error.
	Model func(name string) error

	// Text makes the filter of each text of a choice: of its content, of what the model thinks, of a refusal. What a filter
	// holds back comes out when another text follows, and before the choice finishes. A gate without it changes no text.
	Text func(choice int) TextFilter

	// Finish is told of each choice when it has finished: after its calls are decided, before any of them is released and
	// before its finish_reason. When it fails, neither is, and the gate fails with its error.
	Finish func(turn llm.Turn) error

	// Refuse is told of each call that is Malformed and gives the text that stands in its place. Without it there is a
	// text that names the tool and the reason.
	Refuse func(call llm.ToolCall) string
}

const (
	defaultHeld  = 16 << 20 // a fragment of a few letters comes in an event of some 300 bytes
	defaultEvent = 1 << 20
	defaultCalls = 128
	defaultText  = 4 << 20
)

func (c Config) orDefault() Config {
	if c.MaxHeld <= 0 {
		c.MaxHeld = defaultHeld
	}
	if c.MaxEvent <= 0 {
		c.MaxEvent = defaultEvent
	}
	if c.MaxCalls <= 0 {
		c.MaxCalls = defaultCalls
	}
	if c.MaxText <= 0 {
		c.MaxText = defaultText
	}
	if c.Choices <= 0 {
		c.Choices = 1
	}
	return c
}
