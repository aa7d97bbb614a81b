package extproc

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/translate"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/route"
)

// translation is what lies between a client and a provider that speak different dialects. The guard stands on the provider's side of
// it on the way down, and on the client's on the way up: what is translated is what it saw.
type translation struct {
	client, provider string // dialects, as the configuration names them
	options          translate.Options
}

// of is a dialect by its name in the configuration.
func (d *dialects) of(name string) *dialect {
	return map[string]*dialect{
		translate.Chat: d.chat, translate.Responses: d.responses, translate.Anthropic: d.messages, translate.Gemini: d.gemini, translate.Bedrock: d.bedrock,
	}[name]
}

// operation is what is asked of a provider of a dialect in the place of what the client asks.
func operation(dialect string, stream bool) route.Operation {
	switch dialect {
	case translate.Responses:
		return route.Responses
	case translate.Anthropic:
		return route.Messages
	case translate.Gemini:
		if stream {
			return route.StreamGenerate
		}
		return route.Generate
	case translate.Bedrock:
		if stream {
			return route.ConverseStream
		}
		return route.Converse
	}
	return route.Chat
}

// meet finds out what is spoken with the provider: the path's own dialect, or the first of the provider's that it can be translated to.
// A provider's native path is none but that provider's.
func (x *exchange) meet(target route.Target, wanted *llm.Request) bool {
	x.op, x.upstream, x.between = x.surface.op, x.surface.dialect, nil
	if target.Speaks(x.op) {
		return true
	}
	if x.surface.native != "" || x.op == route.CountTokens || x.op == route.Embeddings {
		return false
	}
	for _, name := range target.Dialects {
		if translate.Can(x.op.Dialect(), name) {
			x.between = &translation{client: x.op.Dialect(), provider: name, options: translate.Options{
				Model: target.Model, Now: x.now, Usage: wanted.Stream && translate.WantsUsage(x.op.Dialect(), wanted.Doc),
			}}
			x.op, x.upstream = operation(name, wanted.Stream), x.s.speaks.of(name)
			return true
		}
	}
	return false
}

// write is the request as it leaves: edited in the client's dialect, and then translated where the provider speaks another.
func (x *exchange) write(wanted *llm.Request, edit llm.Edit) ([]byte, *refuse.Refusal) {
	t := x.between
	if t != nil {
		nameCalls(wanted, &edit)
	}
	doc, err := x.surface.dialect.apply(wanted, edit)
	if err == nil && t != nil {
		doc, err = translate.Request(t.client, t.provider, doc, x.target.Model, wanted.Stream)
	}
	if field, ok := asField(err); ok && t != nil {
		return nil, refuse.New(http.StatusBadRequest, refuse.UnknownField, field.Error(), "translate: %v", err)
	}
	if err != nil {
		return nil, refuse.New(http.StatusInternalServerError, refuse.Internal, "the request could not be rewritten", "apply: %v", err)
	}
	return doc, nil
}

// nameCalls gives calls to which their provider gave no id one by which their results are found until they are translated.
func nameCalls(wanted *llm.Request, edit *llm.Edit) {
	named := map[string]string{}
	for i, id := range edit.CallIDs {
		if id == "" {
			edit.CallIDs[i] = translate.NoID + strconv.Itoa(i)
			named[wanted.Calls[i].ID] = edit.CallIDs[i]
		}
	}
	for i, id := range edit.ResultIDs {
		if id == "" {
			edit.ResultIDs[i] = named[wanted.Results[i].ID]
		}
	}
}

// answered is a whole answer as the client gets it.
func (x *exchange) answered(body []byte) ([]byte, *refuse.Refusal) {
	if x.between == nil {
		return body, nil
	}
	out, err := translate.Whole(x.between.provider, x.between.client, body, x.between.named(x))
	if err != nil {
		return nil, invalid("the provider's answer cannot be said in the API of this path", "%v", err)
	}
	x.told(translate.Thoughts(x.between.client, out))
	return out, nil
}

// told writes down what a model thought, as the client will send it back: with what the provider's dialect has in another place. What
// could not be written down is one that nobody knows when it comes back.
func (x *exchange) told(thoughts []string) {
	if x.guard == nil || len(thoughts) == 0 {
		return
	}
	t := llm.Turn{}
	for _, text := range thoughts {
		t.Texts = append(t.Texts, llm.TurnText{Member: "reasoning", Shown: text, Said: text})
	}
	if err := x.guard.Finish(x.ctx, t); err != nil {
		x.s.cfg.Log.Warn("a released thought could not be written down", "err", err)
	}
}

// named are the options with an id for answers that have none.
func (t *translation) named(x *exchange) translate.Options {
	o := t.options
	o.ID = strings.ToLower(x.record.DecisionID)
	l := x.s.cfg.Limits
	o.MaxEvent = l.EventBytes + l.HeldBytes + l.ResponseBytes
	return o
}

// into is what translates a stream; nil where nothing is to be translated.
func (x *exchange) into() *translate.Stream {
	if x.between == nil {
		return nil
	}
	s, err := translate.NewStream(x.between.provider, x.between.client, x.between.named(x))
	if err != nil { // cannot be: meet has asked
		return nil
	}
	return s
}

// say is what the gate released, as the client gets it; with an error of the gate's, what came before it.
func (s *streamed) say(released []byte, err error, end bool) ([]byte, error) {
	if s.x.between == nil {
		return released, err
	}
	out, broken := s.translate.Write(nil, released)
	if broken == nil && err == nil && end {
		out, broken = s.translate.Close(out)
	}
	s.x.told(s.translate.Thoughts())
	if err == nil && broken != nil {
		err = invalid("the provider's answer cannot be said in the API of this path", "%v", broken)
	}
	return out, err
}

// joined adds to a turn's texts those that the client has as one and the provider as several.
func (x *exchange) joined(t llm.Turn) llm.Turn {
	if x.between == nil || x.between.client != translate.Chat || x.between.provider == translate.Gemini {
		return t // Gemini's turns tell both
	}
	all := map[string]*llm.TurnText{}
	count := map[string]int{}
	for _, text := range t.Texts {
		whole := all[text.Member]
		if whole == nil {
			whole = &llm.TurnText{Member: text.Member}
			all[text.Member] = whole
		}
		if whole.Shown != "" && text.Shown != "" {
			whole.Shown, whole.Said = whole.Shown+translate.Separator, whole.Said+translate.Separator
		}
		whole.Shown, whole.Said, whole.Cut = whole.Shown+text.Shown, whole.Said+text.Said, whole.Cut || text.Cut
		count[text.Member]++
	}
	texts := t.Texts
	t.Texts = texts[:len(texts):len(texts)]
	for _, text := range texts {
		if whole := all[text.Member]; whole != nil && count[text.Member] > 1 && !whole.Cut {
			t.Texts = append(t.Texts, *whole)
			delete(all, text.Member)
		}
	}
	return t
}
