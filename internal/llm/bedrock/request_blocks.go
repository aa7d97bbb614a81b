package bedrock

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// readBlock reads one element of a content: an object with one member, which is its kind.
func (p *parser) readBlock(in place, at spot) error {
	start, first := p.r.Next(), len(p.req.Parts)
	kind := ""
	var media llm.Media
	err := p.union(blockNames, func(name string) error {
		switch where := blockKinds[name]; {
		case where == 0:
			return p.failHere("", "changes the tools within the conversation, which is not taken")
		case where&in == 0:
			return p.failHere("", "is a kind of block that has no place there")
		case in&inResult == 0:
			p.message.in &= where
		}
		kind = name
		switch name {
		case kindToolUse:
			return p.readToolUse(at)
		case kindToolResult:
			return p.readToolResult(at)
		}
		media.Type = name
		return p.readWords(name, &media)
	})
	if err != nil {
		return err
	}
	span := llm.Span{Start: start, End: p.r.Offset()}
	switch {
	case kind == kindToolResult:
		p.lay.results[len(p.lay.results)-1].block = span
	case media.Element:
		p.req.Parts = p.req.Parts[:first] // it is replaced as a whole
		media.Bytes = span.Len()
		p.req.AddMedia(media, span)
	case kind == kindReasoning:
		for i := first; i < len(p.req.Parts); i++ {
			if p.lay.blocks == nil {
				p.lay.blocks = map[int]spot{}
			}
			p.lay.blocks[i] = at
		}
	case kind == kindJSON:
		for i := first; i < len(p.req.Parts); i++ {
			if p.lay.values == nil {
				p.lay.values = map[int]llm.Span{}
			}
			p.lay.values[i] = span
		}
	}
	return nil
}

// readWords reads the value of a block that is neither a call nor a result. media.Element tells that it is no text.
func (p *parser) readWords(kind string, media *llm.Media) error {
	const where = "messages.content."
	switch kind {
	case kindText:
		return p.blockText()
	case kindJSON:
		return p.readJSON()
	case kindImage, kindVideo, kindAudio:
		return p.object(mediaNames, where+kind+".", func(name string) error { return p.readMediaMember(media, name) })
	case kindDocument:
		return p.object(documentNames, where+kind+".", func(name string) error {
			switch name {
			case "name":
				start := p.r.Next()
				err := p.words(llm.TextPart)
				if err == nil {
					media.Name = llm.Clip(p.textAt(start))
				}
				return err
			case "context":
				return p.words(llm.TextPart)
			case "citations":
				_, err := p.r.Skip()
				return err
			}
			return p.readMediaMember(media, name)
		})
	case kindGuard:
		return p.readGuard(media)
	case kindCachePoint:
		return p.object(cacheNames, where+kind+".", func(string) error {
			_, err := p.word()
			return err
		})
	case kindReasoning:
		return p.readReasoning()
	case kindCitations:
		return p.object(citationsNames, where+kind+".", func(name string) error {
			if name == "content" {
				return p.readTexts(where + kind + ".content.")
			}
			return p.textPart(llm.TextPart)
		})
	}
	return p.object(searchNames, where+kind+".", func(name string) error {
		switch name {
		case "content":
			return p.readTexts(where + kind + ".content.")
		case "citations":
			_, err := p.r.Skip()
			return err
		}
		return p.words(llm.TextPart)
	})
}

// blockText reads the text of a block, which has to say something.
func (p *parser) blockText() error {
	before := len(p.req.Parts)
	err := p.words(llm.TextPart)
	if len(p.req.Parts) > before {
		if p.lay.texts == nil {
			p.lay.texts = map[int]bool{}
		}
		p.lay.texts[before] = true
	}
	return err
}

// readTexts reads a list of objects with a text each.
func (p *parser) readTexts(where string) error {
	return p.r.Array(func(int) error {
		return p.object(textNames, where, func(string) error { return p.blockText() })
	})
}

// readJSON reads a result that is a document, whatever it holds.
func (p *parser) readJSON() error {
	isText := p.r.Kind() == strictjson.String
	span, err := p.r.Skip()
	if err == nil {
		p.req.Parts = append(p.req.Parts, llm.Part{
			Kind: llm.ResultPart, Span: span, Message: -1, Result: -1, Call: -1, Tool: -1, Media: -1, JSON: !isText,
		})
	}
	return err
}

// readMediaMember reads a member of an image, a video, a sound or a document.
func (p *parser) readMediaMember(media *llm.Media, name string) error {
	switch name {
	case "format":
		format, err := p.word()
		media.Format = format
		return err
	case "source":
		return p.readSource(media)
	}
	return p.textPart(llm.TextPart) // an error, in the history
}

// readSource reads where something comes from. What is fetched is nothing that a proxy sees.
func (p *parser) readSource(media *llm.Media) error {
	return p.union(sourceNames, func(name string) error {
		switch {
		case name == "bytes":
			media.Element = true
			if k := p.r.Kind(); k != strictjson.String && k != strictjson.None {
				return p.failHere("", "must be a string")
			}
			_, err := p.r.Skip()
			return err
		case name == "s3Location":
			media.Element = true
			uri := ""
			err := p.object(locationNames, "messages.content.source.s3Location.", func(name string) error {
				text, _, err := p.r.String()
				if name == "uri" {
					uri = text
				}
				return err
			})
			if err == nil && uri == "" {
				return p.failHere(".uri", "is required")
			}
			p.req.AddRemote(media, uri)
			return err
		case media.Type != kindDocument:
			return p.failHere("", "is no kind of source that goes with its block")
		case name == "text":
			return p.words(llm.TextPart)
		}
		return p.readTexts("messages.content.source.content.")
	})
}

// readGuard reads what a guardrail shall judge.
func (p *parser) readGuard(media *llm.Media) error {
	const where = "messages.content.guardContent."
	return p.union(guardNames, func(name string) error {
		if name == "text" {
			return p.object(guardTextNames, where+"text.", func(name string) error {
				if name == "text" {
					return p.blockText()
				}
				return p.r.Array(func(int) error {
					_, err := p.word()
					return err
				})
			})
		}
		media.Type = kindImage
		return p.object(mediaNames, where+"image.", func(name string) error { return p.readMediaMember(media, name) })
	})
}

// readReasoning reads what a model thought. Where its text is not shown, the model reads what its signature hides.
func (p *parser) readReasoning() error {
	return p.union(reasoningNames, func(name string) error {
		if name == "redactedContent" {
			return p.words(llm.ReasoningPart)
		}
		first := len(p.req.Parts)
		var signature llm.Span
		err := p.object(thoughtNames, "messages.content.reasoningContent.reasoningText.", func(name string) error {
			if name == "text" {
				return p.words(llm.ReasoningPart)
			}
			var err error
			_, signature, err = p.r.String()
			return err
		})
		if err == nil && len(p.req.Parts) == first && signature.Len() > 0 {
			p.req.AddPart(llm.ReasoningPart, signature)
		}
		return err
	})
}

// textAt is the value that begins at a place and was read last, decoded where it is a string.
func (p *parser) textAt(start int) string {
	raw := p.doc[start:p.r.Offset()]
	if text, err := strictjson.AppendUnquote(nil, raw); err == nil {
		return string(text)
	}
	return ""
}
