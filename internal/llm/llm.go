// Package llm is what every dialect shares: the view of a request and of an answer that the walk decides on.
//
// A dialect (a package below this one) reads a provider's wire format once, to spans over the raw bytes, and fills in
// the types here: which model is asked for, which tools are offered, which results the history carries, which calls the
// model makes. It edits by splicing (Splices), so whatever nobody changed reaches the other side byte for byte.
package llm

import "github.com/yellowjack/yellowjack/internal/strictjson"

// Span is where a value stands in its document.
type Span = strictjson.Span

// Request is the view of one request.
type Request struct {
	Doc        []byte // the raw document, which nobody changes
	Model      string
	ModelSpan  Span
	Stream     bool
	Choices    int        // how many answers are asked for; at least 1
	MoreModels []ModelRef // every further model that the request lets answer
	Tools      []Tool
	Choice     ToolChoice
	Calls      []HistoryCall
	Results    []ToolResult
	Messages   int
	Parts      []Part    // every piece of context, in the order of the document
	Media      []Media   // of the parts that are no text
	Features   []Feature // what runs tools or selects models outside our sight; asked of policy
	Unknown    []string  // fields in no table ("name", or "messages.name"); refused unless policy lists them
	Nameless   bool      // its calls may have no ids, and clients may leave out those that they were given

	Layout any // what the dialect's editor needs besides
}

// ModelRef names a model.
type ModelRef struct{ Name string }

// Tool is one offered tool.
type Tool struct {
	Name            string // as the client names it; the type, of a server tool
	Type            string
	Function        bool   // runs at the client
	Server          bool   // runs inside the provider, where no proxy can see
	Legacy          bool   // stands in the legacy list
	Span            Span   // the element of the list
	Description     Span   // the value; empty when there is none
	DescriptionText string // decoded
	Schema          Span   // of the arguments; empty when there is none
}

// Modes of a ToolChoice.
const (
	ChoiceUnset    = ""
	ChoiceAuto     = "auto"
	ChoiceNone     = "none"
	ChoiceRequired = "required"
	ChoiceNamed    = "named"
	ChoiceAllowed  = "allowed"
)

// ToolChoice is what the request says of which tool must be called.
type ToolChoice struct {
	Mode  string
	Names []string // for named and allowed
	Span  Span
}

// ToolResult is one result in the history, under whatever role and shape.
type ToolResult struct {
	ID         string
	IDSpan     Span   // the value; empty when there is none
	Tool       string // the tool whose call it answers; "" when unknown
	Role       string
	Attributed bool // its call stands earlier in the history
	Message    int  // index of its message
	Content    Span // the content's value
	Parts      Span // of the content, as indexes in Request.Parts
	Bytes      int  // the content's length on the wire
	Text       bool // the content is text alone
	Call       int  // one more than the index of the call that it answers, of a Nameless request; 0 where that is not known
}

// HistoryCall is one tool call in the history.
type HistoryCall struct {
	ID, Tool  string
	IDSpan    Span // the value; empty when there is none
	ToolSpan  Span // the name's value
	Message   int
	Arguments Span // the value, a string or an object as the dialect has it; empty when there is none
	Custom    bool // of a custom tool, whose arguments are a text

	// Wrap is not empty where the value at Arguments is no object: the arguments are one with this name and that value.
	Wrap string
}

// Feature is one thing asked of policy by name: "plugins:web", ":online", "web_search_options", …
type Feature struct{ Name, Value string }

// ToolCall is one call that a model makes.
type ToolCall struct {
	Choice, Index int
	ID, Tool      string
	Arguments     []byte // one JSON object; of a custom tool {"input": text}
	Legacy        bool   // function_call
	Custom        bool
	Malformed     string // not empty: refused outright, and why
}

// Usage is what an answer cost. Tokens, whatever the dialect's own way to count: Input has those that were read from and written to a
// cache in it, Output those of reasoning. Cost is in US dollars as the provider says it.
type Usage struct {
	Input, Output, CachedRead, CachedWrite, Reasoning int64
	Cost                                              float64
	HasCost                                           bool
	Known                                             bool // the provider said something
}

// Verdict is what was decided of a ToolCall. The zero Verdict denies.
type Verdict struct {
	Allow     bool
	Text      string // what the model's client reads instead of a denied call
	ID        string // the call's id as the client sees it; "" keeps the provider's
	Arguments []byte // what the call goes out with, in the form of ToolCall's; nil keeps the model's byte for byte
}

// TextFilter rewrites one text as it streams. What it appends for all pieces together may not depend on where they were
// cut. It may hold back what it cannot tell yet, until it is closed.
type TextFilter interface {
	Write(dst, text []byte) []byte
	Close(dst []byte) []byte
}

// Turn is an assistant's turn that is about to be released: all of one choice.
type Turn struct {
	Choice int
	Reason string // for which it finished, as the client sees it
	Texts  []TurnText
	Calls  []ToolCall // the released ones, as they were decided
}

// TurnText is one text of a turn, as the client will send it back.
type TurnText struct {
	Member string // where it stands: content, refusal, reasoning, …
	Shown  string // as the client reads it, with the texts in the place of denied calls
	Said   string // the same as the model wrote it, before the filter
	Cut    bool   // it was longer than what is kept, and both are empty
}
