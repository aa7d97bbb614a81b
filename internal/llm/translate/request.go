package translate

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// request is a request in no dialect.
type request struct {
	model    string
	stream   bool
	system   []block
	messages []message
	tools    []tool
	choice   choice
	serial   string // the field that says that calls come one at a time; "" where nothing does

	maxTokens, temperature, topP, topK    number
	frequency, presence, repetition, seed number
	stop                                  []string
	stopField                             string
	format                                format
	effort                                setting // how much is thought
	budget                                number  // of tokens to think
	thinks                                optional[bool]
	user                                  string
}

// setting is a word, and the field that it stood in.
type setting struct{ value, field string }

// roles of a message.
type role byte

const (
	userRole role = iota
	assistantRole
	systemRole
)

// message is what somebody said.
type message struct {
	role   role
	field  string // as the client would name it
	blocks []block
}

// kind says what a block is.
type kind byte

const (
	textBlock    kind = iota
	imageBlock        // inline or by its URL
	fileBlock         // a document
	callBlock         // of a tool that the client runs
	resultBlock       // of such a call
	thoughtBlock      // what a model thought
	refusalBlock      // that a model refuses, and why
)

// block is a piece of a content.
type block struct {
	kind  kind
	field string // as the client would name it; "" in an answer

	text  string // of text, thoughts and refusals
	sign  sign   // of a thought, or of what follows it
	cache raw    // {"type":"ephemeral",…}: what comes before it may be cached

	media media

	id, tool string
	args     raw // one object
	content  []block
	failed   bool // the call did
}

// media is an image or a document.
type media struct {
	mime string
	data string // base64; "" where it is fetched
	url  string
	name string
}

// sign is what a provider signs thoughts with. Any of it may be empty.
type sign struct {
	Signature string `json:"signature,omitzero"`
	Data      string `json:"data,omitzero"`   // thoughts that only the provider reads
	Format    string `json:"format,omitzero"` // as OpenRouter names it
	ID        string `json:"id,omitzero"`
}

// tool is one that the client runs.
type tool struct {
	field             string
	name, description string
	schema            raw // of the arguments; empty where nothing is said
	strict            optional[bool]
	cache             raw
}

// Modes of a choice are those of llm.ToolChoice.
type choice struct {
	mode  string
	names []string
	field string
}

// format is what the answer's text has to be.
type format struct {
	kind              formatKind
	field             string
	name, description string
	schema            raw
	strict            optional[bool]
}

type formatKind byte

const (
	anyText formatKind = iota
	anyJSON
	schemaJSON
)

// noForm is why a field is refused.
const noForm = "has no form in the API of this model's provider"

// cannot refuses what cannot be expressed.
func cannot(field string) error { return &llm.FieldError{Field: field, Reason: noForm} }

func cannotBecause(field, reason string) error { return &llm.FieldError{Field: field, Reason: reason} }

// refuseSettings refuses those that are set. One at its neutral value says nothing.
func (r *request) refuseSettings(settings ...number) error {
	for _, n := range settings {
		neutral := 0.0
		if n.field == r.repetition.field || n.field == r.topP.field {
			neutral = 1
		}
		if n.set() && !n.is(neutral) {
			return cannot(n.field)
		}
	}
	return nil
}

// at is a place in a list, as a client would name it.
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// toolOf is the tool whose call has an id, by the last one before.
func toolOf(messages []message, id string) string {
	for i := len(messages) - 1; i >= 0; i-- {
		for j := range messages[i].blocks {
			if b := &messages[i].blocks[j]; b.kind == callBlock && b.id == id {
				return b.tool
			}
		}
	}
	return ""
}

// merged are the messages with those of one role that follow one another in one, and nothing in the place of messages that are
// empty. Results come first in a message: that is where providers look for them.
func merged(in []message) []message {
	var out []message
	for _, m := range in {
		if len(m.blocks) == 0 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].role == m.role {
			out[n-1].blocks = append(out[n-1].blocks[:len(out[n-1].blocks):len(out[n-1].blocks)], m.blocks...)
			continue
		}
		out = append(out, m)
	}
	for i := range out {
		if out[i].role == userRole {
			out[i].blocks = resultsFirst(out[i].blocks)
		}
	}
	return out
}

func resultsFirst(blocks []block) []block {
	var results, others []block
	for _, b := range blocks {
		if b.kind == resultBlock {
			results = append(results, b)
		} else {
			others = append(others, b)
		}
	}
	return append(results, others...)
}
