package openaichat

import (
	"bytes"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// partsFor guesses how many parts a document has, so that the list seldom grows.
func partsFor(size int) int { return min(4+size/256, 4096) }

// left guesses how many calls or results there still are in the document.
func (p *parser) left() int { return min(1+(len(p.doc)-p.r.Offset())>>10, 512) }

// textPart reads one value as a part, unless there is nothing in it.
func (p *parser) textPart(kind llm.PartKind) error {
	span, err := p.r.Skip()
	if err == nil {
		p.req.AddPart(kind, span)
	}
	return err
}

// settleParts says of the parts of a complete message whose they are.
func (p *parser) settleParts(m *message, result int) {
	parts := p.req.Parts[m.first:]
	for i := range parts {
		part := &parts[i]
		part.Message, part.Role, part.Result = m.index, m.role, result
	}
	if result < 0 {
		return
	}
	content := p.req.Parts[m.parts.Start:m.parts.End]
	for i := range content {
		if content[i].Kind != llm.MediaPart {
			content[i].Kind = llm.ResultPart
		}
	}
}

// extra is what a result's message carries besides its content: whoever replaces the content takes it out.
type extra struct {
	members []llm.Span // of the message, every one
	leave   []bool     // which of them leave
	isName  []bool     // which of them are the name
	name    llm.Span   // the name's value, where it must stay and is not that of the tool; empty when there is none
	named   string     // the name
}

// harmless are the members of a result's message that say nothing.
var harmless = map[string]bool{ //nolint:gochecknoglobals // a constant in all but syntax
	"role": true, "content": true, "tool_call_id": true, "cache_control": true,
}

// noteExtra remembers what a result's message carries besides its content. A name that is not that of the tool which was
// called may be any text: it leaves too, or becomes another where the role wants one.
func (p *parser) noteExtra(m *message, result int) error {
	strange := m.name != "" && m.name != p.req.Results[result].Tool
	if !m.extra && m.name == "" {
		return nil
	}
	x := extra{named: m.name}
	span := llm.Span{Start: m.start, End: p.r.Offset()}
	r := strictjson.NewReader(span.Of(p.doc), strictjson.Limits{MaxBytes: len(p.doc), MaxDepth: len(p.doc)}) // it was read before
	defer r.Close()
	err := r.Object(messageNames, func(is strictjson.Member) error {
		value, err := r.Skip()
		leave := !harmless[is.Name]
		if is.Name == "name" {
			leave = strange && m.role == "tool"
			if m.role == "function" {
				x.name = llm.Span{Start: m.start + value.Start, End: m.start + value.End}
			}
		}
		x.members = append(x.members, llm.Span{Start: m.start + is.NameSpan.Start, End: m.start + value.End})
		x.leave, x.isName = append(x.leave, leave), append(x.isName, is.Name == "name")
		return err
	})
	if p.lay.extras == nil {
		p.lay.extras = map[int]extra{}
	}
	p.lay.extras[result] = x
	return err
}

// readContent reads a content: a string, a list of parts, or null.
func (p *parser) readContent(m *message) error {
	switch p.r.Kind() {
	case strictjson.String:
		return p.textPart(llm.TextPart)
	case strictjson.Array:
		return p.r.Array(func(int) error { return p.readContentPart(m) })
	case strictjson.Null, strictjson.None:
		_, err := p.r.Skip()
		return err
	}
	return p.failHere("", "must be a string, a list of parts, or null")
}

// readContentPart reads one element of a content. Besides its type it has the member that the type names: what stands in
// another one would be read by some and overlooked by others.
func (p *parser) readContentPart(m *message) error {
	start, first, kind, others := p.r.Next(), len(p.req.Parts), "", 0
	held := ""
	var media llm.Media
	err := p.r.Object(partNames, func(is strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		var err error
		switch is.Name {
		case "type":
			kind, err = p.r.Word(words)
			return err
		case "cache_control", "signature":
			return nil
		case "text", "refusal":
			if k := p.r.Kind(); k != strictjson.String && k != strictjson.None {
				return p.failHere("", "must be a string")
			}
			err = p.textPart(llm.TextPart)
		case "thinking":
			err = p.textPart(llm.ReasoningPart)
		case "image_url", "input_audio", "file", "video_url":
			media, err = p.readMedia(is.Name)
		default:
			m.text = false
			if err = p.req.AddUnknown("messages.content.", is.Name); err == nil {
				err = p.textPart(llm.TextPart)
			}
			return err
		}
		held = is.Name
		others++
		return err
	})
	switch {
	case err != nil:
		return err
	case !partKinds[kind]:
		return p.failHere(".type", "is not a kind of part that is known")
	case others > 1 || held != "" && held != kind:
		return p.failHere("", "has a member that does not go with its type")
	}
	m.text = m.text && kind == "text"
	if media.Type != "" {
		p.req.Parts = p.req.Parts[:first] // it is replaced as a whole
		media.Element = true
		p.req.AddMedia(media, llm.Span{Start: start, End: p.r.Offset()})
	}
	return nil
}

// readMessageMedia reads what stands in an assistant's message beside its content: audio, by its id, or a list of images.
func (p *parser) readMessageMedia(name string) error {
	start := p.r.Next()
	media := llm.Media{Type: name}
	var err error
	if p.r.Kind() == strictjson.Array {
		err = p.r.Array(func(int) error {
			return p.r.Object(partNames, func(is strictjson.Member) error {
				if is.Name != "image_url" || p.r.Kind() == strictjson.Null {
					return nil
				}
				inner, err := p.readMedia(is.Name)
				media.Format, media.URL = inner.Format, inner.URL
				return err
			})
		})
	} else {
		_, err = p.r.Skip()
	}
	span := llm.Span{Start: start, End: p.r.Offset()}
	if err == nil {
		media.Bytes = span.Len()
		p.req.AddMedia(media, span)
	}
	return err
}

// readMedia reads the value of a part that is no text, and notes as a feature what the provider fetches, or finds in its
// own store: what it says is nothing that a proxy sees.
func (p *parser) readMedia(kind string) (llm.Media, error) {
	media := llm.Media{Type: kind}
	start := p.r.Next()
	var err error
	switch p.r.Kind() {
	case strictjson.String: // Mistral
		err = p.readSource(&media)
	case strictjson.Object:
		err = p.r.Object(mediaNames, func(is strictjson.Member) error {
			if p.r.Kind() == strictjson.Null {
				return nil
			}
			if k := p.r.Kind(); mediaNames.Has(is.Name) && k != strictjson.String && k != strictjson.None {
				return p.failHere("", "must be a string")
			}
			var err error
			switch is.Name {
			case "url", "file_url", "file_data":
				err = p.readSource(&media)
			case "file_id":
				var id string
				id, _, err = p.r.String()
				p.req.AddStored(&media, id)
			case "filename":
				media.Name, _, err = p.r.String()
				media.Name = llm.Clip(media.Name)
			case "format":
				media.Format, _, err = p.r.String()
				media.Format = llm.Clip(media.Format)
			case "data", "detail":
			default:
				err = p.unknown("messages.content."+kind+".", is.Name)
			}
			return err
		})
	default:
		err = p.failHere("", "must be an object")
	}
	media.Bytes = p.r.Offset() - start
	return media, err
}

// readSource reads a URL, or a file's content in its place. What is neither a data URL nor base64 alone is fetched.
func (p *parser) readSource(media *llm.Media) error {
	span, err := p.r.Skip()
	if err != nil {
		return err
	}
	raw := span.Of(p.doc)
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') >= 0 {
		if raw, err = strictjson.AppendUnquote(nil, span.Of(p.doc)); err != nil {
			return p.failHere("", "cannot be read")
		}
	}
	if len(raw) >= 5 && strings.EqualFold(string(raw[:5]), "data:") {
		head, _, _ := bytes.Cut(raw[5:min(len(raw), 5+llm.MaxValue)], []byte(","))
		format, _, _ := strings.Cut(string(head), ";")
		media.Format = llm.Clip(format)
		return nil
	}
	if len(raw) == 0 || media.Type == "file" && bytes.IndexByte(raw, ':') < 0 {
		return nil
	}
	p.req.AddRemote(media, string(raw))
	return nil
}
