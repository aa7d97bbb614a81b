package gemini

import (
	"net/url"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// part is what is known of one part when all of it has been read.
type part struct {
	first   int    // its first part in Request.Parts
	holds   string // the member that says what it is; "" when there is none
	sibling string // a member that a result takes nobody beside
	thought bool
	media   llm.Media
	signed  llm.Span // the member that signs a thought; empty when there is none
}

// readPart reads one part of a content. It holds one thing: of two, some readers would take the one and some the other.
func (p *parser) readPart(c *content) error {
	is := part{first: len(p.req.Parts)}
	start := p.r.Next()
	err := object(p.r, partNames, func(name string, m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null && name != "" {
			return nil // as if it were not there
		}
		return p.readPartMember(&is, name, m)
	})
	if err != nil {
		return err
	}
	result := is.holds == "functionResponse" || is.holds == "codeExecutionResult" || is.holds == "toolResponse"
	switch {
	case result && is.sibling != "":
		return p.failHere("."+is.sibling, "has no place beside a result")
	case c.system && is.holds != "" && is.holds != "text" && is.media.Type == "":
		return p.failHere("", "has no place in a system instruction")
	}
	if is.holds == "text" && is.thought {
		for i := is.first; i < len(p.req.Parts); i++ {
			p.req.Parts[i].Kind = llm.ReasoningPart
		}
	}
	if is.media.Type != "" {
		p.req.Parts = p.req.Parts[:is.first] // it is replaced as a whole
		is.media.Element = true
		if p.lay.media == nil {
			p.lay.media = map[int]llm.Span{}
		}
		p.lay.media[len(p.req.Parts)] = is.signed
		p.req.AddMedia(is.media, llm.Span{Start: start, End: p.r.Offset()})
	}
	return nil
}

// kindsOf says of which kind the value of each member of a part is.
var kindsOf = map[string]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"text": aString, "thought": aBool, "thoughtSignature": aString, "mediaProcessing": aString,
}

func (p *parser) readPartMember(is *part, name string, m strictjson.Member) error {
	if name == "" {
		is.sibling = "part"
		if err := p.req.AddUnknown("contents.parts.", m.Name); err != nil {
			return err
		}
		return p.textPart(llm.TextPart)
	}
	kinds, told := kindsOf[name]
	if !told {
		kinds = anObject
	}
	if there, err := p.typed(kinds); !there {
		return err
	}
	switch name {
	case "thought":
		var err error
		is.thought, err = p.r.Bool()
		return err
	case "thoughtSignature":
		value, err := p.r.Skip()
		is.signed = llm.Span{Start: m.NameSpan.Start, End: value.End}
		return err
	case "partMetadata", "speechMetadata", "audioTranscription":
		is.sibling = name
		return p.textPart(llm.TextPart)
	case "videoMetadata", "mediaResolution", "mediaProcessing":
		return nil
	}
	if is.holds != "" {
		return p.failHere("", "stands beside "+is.holds+" in one part")
	}
	is.holds = name
	switch name {
	case "text":
		return p.textPart(llm.TextPart)
	case "inlineData", "fileData":
		return p.readMedia(name, &is.media)
	case "functionCall":
		return p.readCall()
	case "functionResponse":
		return p.readResult(is.first)
	case "executableCode":
		return p.readCode()
	case "codeExecutionResult":
		return p.readOutput()
	case "toolCall":
		return p.readToolCall()
	}
	return p.readToolResponse()
}

// readMedia reads what is no text, and notes as a feature what the provider fetches, or finds in its own store: what it
// says is nothing that a proxy sees.
func (p *parser) readMedia(kind string, media *llm.Media) error {
	media.Type = kind
	start := p.r.Next()
	source := ""
	err := object(p.r, mediaNames, func(name string, m strictjson.Member) error {
		if name == "" {
			return p.unknown("contents.parts."+kind+".", m.Name)
		}
		if there, err := p.typed(aString); !there {
			return err
		}
		if name == "data" && kind == "fileData" || name == "fileUri" && kind == "inlineData" {
			return p.failHere("", "does not go with "+kind)
		}
		var err error
		switch name {
		case "mimeType":
			media.Format, _, err = p.r.String()
			media.Format = llm.Clip(media.Format)
		case "displayName":
			media.Name, _, err = p.r.String()
			media.Name = llm.Clip(media.Name)
		case "fileUri":
			source, _, err = p.r.String()
		}
		return err
	})
	media.Bytes = p.r.Offset() - start
	if err == nil && kind == "fileData" {
		if stored(source) {
			p.req.AddStored(media, source)
		} else {
			p.req.AddRemote(media, source)
		}
	}
	return err
}

// filesAt is the host whose files are those that the caller has uploaded.
const filesAt = "generativelanguage.googleapis.com"

// stored tells a file that the provider has from an address that it fetches.
func stored(source string) bool {
	u, err := url.Parse(source)
	if err != nil {
		return false
	}
	return u.Scheme == "" && u.Host == "" && strings.HasPrefix(source, "files/") || u.Scheme == "https" && u.Host == filesAt
}
