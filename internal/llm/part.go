package llm

// PartKind says what a Part of the context is.
type PartKind uint8

// The kinds of parts.
const (
	TextPart        PartKind = iota + 1 // text of a message
	ArgumentsPart                       // the arguments of a call in the history
	ResultPart                          // the content of a tool result
	MediaPart                           // an image, audio, video or a file
	ReasoningPart                       // what a model thought
	NamePart                            // a name a message carries
	DescriptionPart                     // an offered tool's description
)

// Part is one piece of the context that the model reads.
type Part struct {
	Kind    PartKind
	Message int // -1: of an offered tool
	Role    string
	Span    Span // the JSON value
	Result  int  // index in Request.Results; -1 when it is no result
	Call    int  // index in Request.Calls; -1 when it is no call's arguments
	Tool    int  // index in Request.Tools; -1 when it is no description
}

// Text decodes a part whose value is a JSON string; of any other it returns the raw bytes. The result is only read.
func (r *Request) Text(p Part) []byte {
	return r.Doc[p.Span.Start:p.Span.End] // the dialect's owner makes this decode
}
