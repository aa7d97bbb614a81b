package mcpbroker

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// maxTexts is how many pieces of one result are remembered by themselves.
const maxTexts = 256

// found is what a result holds for us: where its uris stand, and its texts.
type found struct {
	uris  []place
	texts [][]byte
	lists [][]byte // content as it is written
}

// place is a uri in a result.
type place struct {
	span strictjson.Span
	uri  string
}

// look walks a result of a method.
func look(method string, result []byte) *found {
	f := &found{}
	switch method {
	case protocol.CallTool:
		f.contents(result, strictjson.Span{End: len(result)}, "content", f.block)
		if raw := rpc.Raw(result, "structuredContent"); raw != nil {
			f.lists = append(f.lists, raw)
		}
	case protocol.ReadResource:
		f.contents(result, strictjson.Span{End: len(result)}, "contents", f.resource)
	case protocol.GetPrompt:
		f.contents(result, strictjson.Span{End: len(result)}, "messages", func(doc []byte, at strictjson.Span) {
			span, ok := rpc.Find(at.Of(doc), "content")
			if !ok {
				return
			}
			inner := shift(span, at.Start)
			if raw := inner.Of(doc); len(raw) > 0 && raw[0] == '[' {
				f.contents(doc, at, "content", f.block)
				return
			}
			f.block(doc, inner)
		})
	}
	return f
}

func shift(s strictjson.Span, by int) strictjson.Span {
	return strictjson.Span{Start: s.Start + by, End: s.End + by}
}

// contents calls each with every object of the list that a member of an object is.
func (f *found) contents(doc []byte, object strictjson.Span, name string, each func(doc []byte, at strictjson.Span)) {
	span, ok := rpc.Find(object.Of(doc), name)
	if !ok {
		return
	}
	span = shift(span, object.Start)
	list := span.Of(doc)
	if len(list) == 0 || list[0] != '[' {
		return
	}
	f.lists = append(f.lists, list)
	r := strictjson.NewReader(list, strictjson.Limits{MaxBytes: 1 << 30, MaxDepth: 1000})
	defer r.Close()
	_ = r.Array(func(int) error { // it was parsed before
		s, err := r.Skip()
		if raw := s.Of(list); err == nil && len(raw) > 0 && raw[0] == '{' {
			each(doc, shift(s, span.Start))
		}
		return err
	})
}

// block is one piece of content.
func (f *found) block(doc []byte, at strictjson.Span) {
	switch kind, _ := rpc.Text(at.Of(doc), "type"); kind {
	case "text":
		f.text(at.Of(doc), "text")
	case "resource_link":
		f.link(doc, at)
		f.text(at.Of(doc), "description")
	case "resource":
		if span, ok := rpc.Find(at.Of(doc), "resource"); ok {
			f.resource(doc, shift(span, at.Start))
		}
	}
}

func (f *found) resource(doc []byte, at strictjson.Span) {
	f.link(doc, at)
	f.text(at.Of(doc), "text")
}

func (f *found) text(object []byte, name string) {
	if text, ok := rpc.Text(object, name); ok && len(f.texts) < maxTexts {
		f.texts = append(f.texts, []byte(text))
	}
}

func (f *found) link(doc []byte, at strictjson.Span) {
	span, ok := rpc.Find(at.Of(doc), "uri")
	if !ok {
		return
	}
	span = shift(span, at.Start)
	if uri, ok := rpc.String(span.Of(doc)); ok {
		f.uris = append(f.uris, place{span, uri})
	}
}

// renamed is the result with its uris as clients write them.
func (f *found) renamed(n names, s *server, result []byte) []byte {
	if len(f.uris) == 0 || n.bare != nil {
		return result
	}
	var splices llm.Splices
	for _, p := range f.uris {
		splices.Replace(p.span, llm.AppendQuoted(nil, n.joinURI(s, p.uri)))
	}
	return splices.Apply(result)
}

// renamedError is a server's error with the uri that it is about as clients write it.
func (n names) renamedError(s *server, method string, e *relay.Error) *relay.Error {
	uri, ok := rpc.Text(e.Data, "uri")
	if method != protocol.ReadResource || !ok || n.bare != nil {
		return e
	}
	data, err := rpc.Change(e.Data).SetText(n.joinURI(s, uri), "uri").Bytes()
	if err != nil {
		return e
	}
	changed := *e
	changed.Data = data
	return &changed
}

// forms are the texts that a client may make of a result when it hands it to a model: each piece, all of them together as is usual,
// and the JSON that they stand in, as it is written and canonically.
func (f *found) forms() [][]byte {
	out := slices.Clone(f.texts)
	if len(f.texts) > 1 {
		for _, between := range []string{"\n", "", "\n\n", " "} {
			out = append(out, bytes.Join(f.texts, []byte(between)))
		}
	}
	for _, list := range f.lists {
		out = append(out, list)
		if canonical, err := strictjson.Canonical(list); err == nil && !bytes.Equal(canonical, list) {
			out = append(out, canonical)
		}
	}
	return out
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
