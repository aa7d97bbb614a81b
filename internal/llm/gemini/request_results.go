package gemini

import (
	"bytes"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// readResult reads what a client's function answered. Its content is the response and the media that come with it. A name
// that is not its call's is a part of its own, before them.
func (p *parser) readResult(first int) error {
	result := llm.ToolResult{Text: true}
	at := resultPlace{object: llm.Span{Start: p.r.Next()}, call: -1}
	err := p.readMembers(resultNames, &at.members, "contents.parts.functionResponse.", func(name string) error {
		var err error
		switch name {
		case "id":
			if there, err := p.typed(aString); !there {
				return err
			}
			result.ID, result.IDSpan, err = p.repeated(p.callID)
		case "name":
			if there, err := p.typed(aString); !there {
				return err
			}
			at.named, at.name, err = p.repeated(p.lastTool)
			p.tool = at.named
		case "response":
			result.Content, err = p.readResponse()
		case "parts":
			if there, err := p.typed(messages); !there {
				return err
			}
			err = p.each(func(int) error { return p.readResultPart(&result) })
		}
		return err
	})
	if err != nil {
		return err
	}
	at.object.End = p.r.Offset()
	result.Parts.Start = first
	p.attribute(&result, &at)
	if !result.Attributed && at.named != "" { // a name that is no tool's may be any text
		named := llm.Part{Kind: llm.NamePart, Span: at.name, Message: -1, Result: len(p.req.Results), Call: -1, Tool: -1, Media: -1}
		p.req.Parts = slices.Insert(p.req.Parts, first, named)
		result.Parts.Start++
	}
	return p.addResult(result, at)
}

// readResponse reads a result's object. Where all that is in it is what the tool said, by a word that the API has for it,
// the part is that; else it is the object.
func (p *parser) readResponse() (llm.Span, error) {
	start := p.r.Next()
	if there, err := p.typed(anObject); !there { // null has its place, where another may stand
		return llm.Span{Start: start, End: p.r.Offset()}, err
	}
	span, err := p.r.Skip()
	if err != nil {
		return span, err
	}
	said := unwrap(p.doc, span)
	if i := p.req.AddPart(llm.ResultPart, said); i >= 0 {
		p.req.Parts[i].JSON = p.doc[said.Start] != '"'
	}
	return span, nil
}

// unwrap finds what stands in an object behind a word that says nothing but that it is a result, if nothing stands beside it. A
// number says more with its name.
func unwrap(doc []byte, object llm.Span) llm.Span {
	rest := bytes.TrimLeft(object.Of(doc)[1:], " \t\r\n")
	if !bytes.HasPrefix(rest, []byte(`"output"`)) && !bytes.HasPrefix(rest, []byte(`"result"`)) {
		return object
	}
	r := strictjson.NewReader(object.Of(doc), strictjson.Limits{MaxBytes: len(doc), MaxDepth: len(doc)}) // it was read before
	defer r.Close()
	inner, count := llm.Span{}, 0
	err := r.Object(nil, func(strictjson.Member) error {
		span, err := r.Skip()
		inner = llm.Span{Start: object.Start + span.Start, End: object.Start + span.End}
		count++
		return err
	})
	if err == nil && count == 1 {
		switch doc[inner.Start] {
		case '"', '{', '[', 'n':
			return inner
		}
	}
	return object
}

// readResultPart reads what comes with a result and is no text.
func (p *parser) readResultPart(result *llm.ToolResult) error {
	start := p.r.Next()
	var media llm.Media
	err := object(p.r, resultParts, func(name string, m strictjson.Member) error {
		if name == "" {
			result.Text = false
			if err := p.req.AddUnknown("contents.parts.functionResponse.parts.", m.Name); err != nil {
				return err
			}
			return p.textPart(llm.ResultPart)
		}
		kinds := anObject
		if name == "mediaProcessing" {
			kinds = aString
		}
		if there, err := p.typed(kinds); !there || kinds == aString {
			return err
		}
		if media.Type != "" {
			return p.failHere("", "stands beside "+media.Type+" in one part")
		}
		return p.readMedia(name, &media)
	})
	if err == nil && media.Type != "" {
		result.Text = false
		p.req.AddMedia(media, llm.Span{Start: start, End: p.r.Offset()})
	}
	return err
}

// readOutput reads what the provider's run of the model's code answered.
func (p *parser) readOutput() error {
	result := llm.ToolResult{Text: true, Parts: llm.Span{Start: len(p.req.Parts)}}
	at := resultPlace{kind: codeResult, object: llm.Span{Start: p.r.Next()}, named: codeExecution, call: -1}
	err := p.readMembers(outputNames, &at.members, "contents.parts.codeExecutionResult.", func(name string) error {
		start := p.r.Next()
		there, err := p.typed(aString)
		if name != "output" {
			if there {
				err = p.plain()
			}
			return err
		}
		if there {
			_, err = p.r.Skip()
		}
		if result.Content = (llm.Span{Start: start, End: p.r.Offset()}); err == nil {
			p.req.AddPart(llm.ResultPart, result.Content)
		}
		return err
	})
	if at.object.End = p.r.Offset(); err != nil {
		return err
	}
	return p.addResult(result, at)
}

// readToolResponse reads what another tool of the provider's own answered.
func (p *parser) readToolResponse() error {
	result := llm.ToolResult{Text: true, Parts: llm.Span{Start: len(p.req.Parts)}}
	at := resultPlace{kind: toolResult, object: llm.Span{Start: p.r.Next()}, call: -1}
	err := p.readMembers(toolBackNames, &at.members, "contents.parts.toolResponse.", func(name string) error {
		var err error
		if name == "response" {
			result.Content, err = p.readResponse()
			return err
		}
		if there, err := p.typed(aString); !there {
			return err
		}
		word, err := p.plainText()
		if name == "toolType" {
			at.named = word
		}
		return err
	})
	if at.object.End = p.r.Offset(); err != nil {
		return err
	}
	return p.addResult(result, at)
}

// addResult takes a result into the view.
func (p *parser) addResult(result llm.ToolResult, at resultPlace) error {
	if len(p.req.Results) >= llm.MaxResults {
		return fail("contents", "has too many tool results")
	}
	result.Parts.End = len(p.req.Parts)
	result.Role, result.Bytes = roleOfResult, result.Content.Len()
	for i := result.Parts.Start; i < result.Parts.End; i++ {
		part := &p.req.Parts[i]
		if part.Result = len(p.req.Results); part.Kind == llm.TextPart {
			part.Kind = llm.ResultPart
		}
	}
	p.req.Results = append(p.req.Results, result)
	p.lay.results = append(p.lay.results, at)
	return nil
}
