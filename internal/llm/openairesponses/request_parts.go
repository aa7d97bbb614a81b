package openairesponses

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// partKinds are the parts that a content may have, and the member that goes with each. A tool_result among them, as other
// dialects have it, would be a result in a user's turn: it is no part of this one, and refused.
var partKinds = map[string]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"input_text": "text", "output_text": "text", "text": "text", "summary_text": "text", "reasoning_text": "text",
	"refusal": "refusal", "input_image": "image", "computer_screenshot": "image", "input_file": "file", "input_audio": "input_audio",
}

// readContent reads a content: a string, a list of parts, one part (a screenshot), or null. In the content of a message or
// a result a text can stand for a part that is no text.
func (p *parser) readContent(element bool) error {
	switch p.r.Kind() {
	case strictjson.String:
		return p.textPart(llm.TextPart)
	case strictjson.Array:
		return p.r.Array(func(int) error { return p.readPart(element) })
	case strictjson.Object:
		return p.readPart(false)
	case strictjson.Null, strictjson.None:
		_, err := p.r.Skip()
		return err
	}
	return p.failHere("", "must be a string, a list of parts, or null")
}

// readPart reads one part of a content. Besides its type it has the members that go with it: what stands in another one
// would be read by some and overlooked by others.
func (p *parser) readPart(element bool) error {
	start, first, kind, holds := p.r.Next(), len(p.req.Parts), "", ""
	mixed := false
	hold := func(what string) {
		mixed = mixed || holds != "" && holds != what
		holds = what
	}
	media := llm.Media{}
	err := p.r.Object(partNames, func(m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		switch m.Name {
		case "type":
			var err error
			kind, err = p.r.Word(words)
			return err
		case "text", "refusal":
			hold(m.Name)
			return p.readString(llm.TextPart)
		case "stdout", "stderr":
			hold("shell")
			return p.readString(llm.TextPart)
		case "annotations":
			return p.textPart(llm.TextPart)
		case "image_url":
			hold("image")
			return p.readSource(&media, false)
		case "file_url", "file_data":
			hold("file")
			return p.readSource(&media, m.Name == "file_data")
		case "file_id":
			if holds == "" {
				hold("stored")
			}
			return p.readStored(&media)
		case "filename":
			hold("file")
			name, _, err := p.r.String()
			media.Name = llm.Clip(name)
			return err
		case "input_audio":
			hold(m.Name)
			return p.readAudio(&media)
		case "logprobs", "detail", "prompt_cache_breakpoint", "outcome", "created_by":
			return nil
		}
		p.item.text = false
		if err := p.req.AddUnknown("input.content.", m.Name); err != nil {
			return err
		}
		return p.textPart(llm.TextPart)
	})
	if err != nil {
		return err
	}
	return p.settlePart(kind, holds, mixed, element, first, media, llm.Span{Start: start, End: p.r.Offset()})
}

func (p *parser) settlePart(kind, holds string, mixed, element bool, first int, media llm.Media, span llm.Span) error {
	goes, known := partKinds[kind]
	if kind == "" && holds == "shell" { // an output of a shell has no type
		goes, known = "shell", true
	}
	stored := holds == "stored" && (goes == "image" || goes == "file")
	if holds == "file" && goes == "image" && media.Name == "" && media.URL == "" && media.Format == "" {
		stored = true
	}
	switch {
	case !known:
		return p.failHere(".type", "is not a kind of part that is known")
	case mixed && !(goes == "file" && (holds == "file" || holds == "stored")), holds != "" && holds != goes && !stored:
		return p.failHere("", "has a member that does not go with its type")
	}
	switch goes {
	case "text", "refusal", "shell":
		return nil
	}
	p.item.text = false
	p.req.Parts = p.req.Parts[:first] // it is replaced as a whole
	media.Type, media.Element = kind, element
	if media.Bytes == 0 {
		media.Bytes = span.Len()
	}
	switch {
	case media.Stored != "":
		p.req.AddStored(&media, media.Stored)
	case media.URL != "":
		p.req.AddRemote(&media, media.URL)
	}
	p.req.AddMedia(media, span)
	switch {
	case element || len(p.req.Parts) == first:
	case goes == "image" && kind != "input_image":
		p.blank(first, `{"type":"computer_screenshot","image_url":`+emptyImage+`}`)
	default: // the value of a variable
		p.blank(first, `""`)
	}
	return nil
}

// readString is textPart of a value that must be a string.
func (p *parser) readString(kind llm.PartKind) error {
	if k := p.r.Kind(); k != strictjson.String && k != strictjson.None {
		return p.failHere("", "must be a string")
	}
	return p.textPart(kind)
}

// readSource reads a URL, or a file's content in its place. What is neither a data URL nor base64 alone is fetched, and
// asked of policy.
func (p *parser) readSource(media *llm.Media, bare bool) error {
	text, span, err := p.readClipped()
	if err != nil {
		return err
	}
	media.Bytes = span.Len()
	if format, ok := dataURL(text); ok {
		media.Format = format
		return nil
	}
	if len(text) > 0 && !(bare && bytes.IndexByte(text, ':') < 0) {
		media.URL = string(text)
	}
	return nil
}

// readStored reads the id of what the provider has in a store of its own.
func (p *parser) readStored(media *llm.Media) error {
	text, _, err := p.readClipped()
	media.Stored = string(text)
	return err
}

func (p *parser) readAudio(media *llm.Media) error {
	start := p.r.Next()
	err := p.r.Object(audioNames, func(m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		switch m.Name {
		case "data":
			_, _, err := p.readClipped()
			return err
		case "format":
			format, _, err := p.r.String()
			media.Format = llm.Clip(format)
			return err
		}
		return p.unknown("input.content.input_audio.", m.Name)
	})
	media.Bytes = p.r.Offset() - start
	return err
}

// readClipped reads a string of which only the beginning is looked at: inline media are long.
func (p *parser) readClipped() (text []byte, span llm.Span, err error) {
	if p.r.Kind() != strictjson.String {
		return nil, span, p.failHere("", "must be a string")
	}
	if span, err = p.r.Skip(); err != nil {
		return nil, span, err
	}
	raw := span.Of(p.doc)
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') >= 0 {
		if raw, err = strictjson.AppendUnquote(nil, span.Of(p.doc)); err != nil {
			return nil, span, p.failHere("", "cannot be read")
		}
	}
	return raw, span, nil
}

// dataURL tells whether a source is inline, and its media type.
func dataURL(source []byte) (format string, ok bool) {
	const scheme = "data:"
	if len(source) < len(scheme) || !bytes.EqualFold(source[:len(scheme)], []byte(scheme)) {
		return "", false
	}
	head, _, _ := bytes.Cut(source[len(scheme):min(len(source), len(scheme)+llm.MaxValue)], []byte(","))
	kind, _, _ := bytes.Cut(head, []byte(";"))
	return llm.Clip(string(kind)), true
}
