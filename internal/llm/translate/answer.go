package translate

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// answer is a whole answer in no dialect.
type answer struct {
	id, model string
	created   int64 // 0 where the provider does not say
	blocks    []block
	stop      stop
	sequence  string // that the answer stopped at
	usage     llm.Usage
	failed    *failure
}

// stop is why an answer ended.
type stop byte

const (
	notYet stop = iota
	ended
	stoppedAt // a sequence of the client's
	cutOff    // by a limit of tokens
	calls     // that the client is to run
	refused   // by the provider, or a filter of it
)

// failure is a provider's error.
type failure struct {
	status        int
	kind, message string // kind is the provider's own word
	code          string
}

// eventKind is the kind of an event.
type eventKind byte

const (
	started  eventKind = iota // id, model, usage
	opened                    // a block begins: block
	said                      // more of it: text, of a call its arguments
	signed                    // sign, of a thought
	closed                    // the block ends
	stopped                   // stop, sequence, usage
	failing                   // failed: nothing follows
	pinged                    // nothing happened
	finished                  // nothing follows
)

// event is one step of a streamed answer. Blocks come one after the other, and never within one another.
type event struct {
	kind      eventKind
	id, model string
	created   int64
	block     block
	text      string
	sign      sign
	stop      stop
	sequence  string
	usage     llm.Usage
	failed    *failure
}

// ErrUnreadable is why an answer is refused that cannot be said in the client's dialect.
var ErrUnreadable = errors.New("translate: the provider's answer has no form in the client's API")

type unreadableError string

func (e unreadableError) Error() string { return "translate: the provider's answer " + string(e) }
func (unreadableError) Unwrap() error   { return ErrUnreadable }

// unreadable is the error of an answer that cannot be translated; reason quotes nothing of it.
func unreadable(reason string) error { return unreadableError(reason) }

// joined are the texts of a kind as one: each text is a paragraph of its own.
func joined(blocks []block, k kind) (string, bool) {
	out, any := "", false
	for _, b := range blocks {
		if b.kind != k {
			continue
		}
		if out != "" && b.text != "" {
			out += Separator
		}
		out, any = out+b.text, true
	}
	return out, any
}

// Separator stands between two texts of an answer where the client's dialect has one text for both.
const Separator = "\n\n"
