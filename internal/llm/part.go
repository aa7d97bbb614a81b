package llm

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// PartKind says what a Part of the context is.
type PartKind uint8

// The kinds of parts.
const (
	TextPart        PartKind = iota + 1 // text of a message
	ArgumentsPart                       // the arguments of a call in the history
	ResultPart                          // text of a tool result
	MediaPart                           // an image, audio, video or a file
	ReasoningPart                       // what a model thought
	NamePart                            // a name a message carries
	DescriptionPart                     // an offered tool's description, or the schema of its arguments
)

// Part is one piece of the context that the model reads. Empty text is no part, but for a result's.
//
// A message may have several: each text of a content that is a list, each call's arguments. Text that stands outside the
// messages (a response format with descriptions in it, a prediction, a plugin's prompt) is the application's: a TextPart
// of the role "developer", in no message.
type Part struct {
	Kind    PartKind
	Message int // -1: of no message
	Role    string
	Span    Span // the JSON value; of media in a content's list the whole element
	Result  int  // index in Request.Results; -1 when it is no result, nor of one
	Call    int  // index in Request.Calls; -1 when it is no call's arguments
	Tool    int  // index in Request.Tools; -1 when it is no description
	Media   int  // index in Request.Media; -1 when it is no media
	JSON    bool // what a tool answered is this document, and no text
	Details bool // what a model thought, as AppendDetails reads it
}

// Media is what is known of a part that is no text.
type Media struct {
	Type    string // as the dialect names it: image_url, file, …
	Format  string // its media type or format; "" when it is not said
	Name    string // of a file
	URL     string // where the provider fetches it; "" when it is inline. Clipped
	Stored  string // its id at the provider; "" when it is inline. Clipped
	Bytes   int    // of the value on the wire
	Element bool   // an element of a content's list, so that a text can stand for it
}

// Text decodes a part: a JSON string to its text; of media, of arguments that are an object, and of a result that is a
// document, the raw bytes; of Details what AppendDetails says; of any other value the strings in it, names too, a line each. What
// comes back may be part of the document and is only read.
func (r *Request) Text(p Part) []byte {
	raw := p.Span.Of(r.Doc)
	if len(raw) >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1 : len(raw)-1]
	}
	if p.raw(raw) {
		return raw
	}
	if p.Details {
		return AppendDetails(nil, raw)
	}
	return appendStrings(nil, raw)
}

// AppendText is Text into a buffer of the caller's.
func (r *Request) AppendText(dst []byte, p Part) []byte {
	raw := p.Span.Of(r.Doc)
	if p.raw(raw) {
		return append(dst, raw...)
	}
	if p.Details {
		return AppendDetails(dst, raw)
	}
	return appendStrings(dst, raw)
}

// raw tells that a part is its own bytes.
func (p *Part) raw(value []byte) bool {
	return p.Kind == MediaPart || p.JSON || p.Kind == ArgumentsPart && value[0] == '{'
}

// ResultParts are the parts of the i-th result's content: one for a string, one for each element of a list.
func (r *Request) ResultParts(i int) []Part {
	span := r.Results[i].Parts
	return r.Parts[span.Start:span.End]
}

// ResultText is the text of the i-th result: that of its parts which are no media, a line each. What comes back may be
// part of the document and is only read.
func (r *Request) ResultText(i int) []byte {
	parts := r.ResultParts(i)
	if len(parts) == 1 && parts[0].Kind != MediaPart {
		return r.Text(parts[0])
	}
	var out []byte
	any := false
	for _, p := range parts {
		if p.Kind == MediaPart {
			continue
		}
		if any {
			out = append(out, '\n')
		}
		out, any = r.AppendText(out, p), true
	}
	return out
}

// CallArguments are the i-th call's arguments as ToolCall has them: of a custom tool {"input": text}, of a call with a Wrap
// the object that this names, and {} where an empty text or nothing stands for that. What comes back may be part of the
// document and is only read.
func (r *Request) CallArguments(i int) []byte {
	c := &r.Calls[i]
	if c.Custom {
		raw := c.Arguments.Of(r.Doc)
		if len(raw) == 0 {
			raw = []byte(`""`)
		}
		text, err := strictjson.AppendUnquote(nil, raw)
		if err != nil { // cannot be: it was read
			return []byte("{}")
		}
		return CustomArguments(text)
	}
	if c.Wrap != "" {
		return append(append(append(AppendQuoted([]byte("{"), c.Wrap), ':'), c.Arguments.Of(r.Doc)...), '}')
	}
	if c.Arguments.Len() <= len(`""`) {
		return []byte("{}")
	}
	return r.Text(Part{Kind: ArgumentsPart, Span: c.Arguments})
}

// CustomArguments are the arguments of a call of a custom tool, whose input is text: {"input": text}.
func CustomArguments(input []byte) []byte {
	return append(AppendQuoted([]byte(`{"input":`), input), '}')
}

// CustomInput is the input in the arguments of a call of a custom tool.
func CustomInput(arguments []byte) (input []byte, ok bool) {
	d := jsontext.NewDecoder(bytes.NewReader(arguments))
	for i, want := range []jsontext.Kind{'{', '"', '"', '}'} {
		t, err := d.ReadToken()
		if err != nil || t.Kind() != want || (i == 1 && t.String() != "input") {
			return nil, false
		}
		if i == 2 {
			input = []byte(t.String())
		}
	}
	return input, true
}

// AppendQuoted appends text as a JSON string; what is not UTF-8 in it is replaced.
func AppendQuoted[T ~string | ~[]byte](dst []byte, text T) []byte {
	out, err := jsontext.AppendQuote(dst, text)
	if err == nil {
		return out
	}
	out, err = jsontext.AppendQuote(dst, bytes.ToValidUTF8([]byte(text), []byte("\uFFFD")))
	if err != nil { // cannot be: the text is UTF-8 now
		return append(dst, `""`...)
	}
	return out
}

// appendStrings decodes a value that is valid JSON: a string to its text, any other to the strings in it.
func appendStrings(dst, raw []byte) []byte {
	first := true
	for at := 0; at < len(raw); at++ {
		if raw[at] != '"' {
			continue
		}
		end := strictjson.EndOfString(raw, at)
		if !first {
			dst = append(dst, '\n')
		}
		first = false
		if literal := raw[at : end+1]; bytes.IndexByte(literal, '\\') < 0 {
			dst = append(dst, literal[1:len(literal)-1]...)
		} else if decoded, err := strictjson.AppendUnquote(dst, literal); err == nil {
			dst = decoded
		}
		at = end
	}
	return dst
}
