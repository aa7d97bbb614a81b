package extproc

import (
	"errors"
	"net/http"

	"github.com/yellowjack/yellowjack/internal/llm/translate"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// whole is an answer that is not streamed: all of it is withheld until it has been read and every call in it decided.
type whole struct {
	x    *exchange
	head headerView
	buf  []byte
	sent bool
}

func (w *whole) started() bool                    { return w.sent }
func (w *whole) broken(r *refuse.Refusal) []reply { return w.x.fail(r) }
func (w *whole) trailers(h headerView) ([]reply, *refuse.Refusal) {
	return w.release(&h)
}

func (w *whole) body(chunk []byte, end bool) ([]reply, *refuse.Refusal) {
	limit := w.x.s.cfg.Limits.ResponseBytes
	if len(w.buf)+len(chunk) > limit {
		return nil, invalid("the provider's answer is larger than the gateway takes", "answer over %d bytes", limit)
	}
	if end && w.buf == nil {
		w.buf = chunk
	} else {
		w.buf = append(w.buf, chunk...)
	}
	if !end {
		return nil, nil
	}
	return w.release(nil)
}

// release decides the complete answer and sends its headers and body together.
func (w *whole) release(trailers *headerView) ([]reply, *refuse.Refusal) {
	limits := w.x.s.cfg.Limits
	plain, err := decode(w.buf, w.head.all("content-encoding"), limits.ResponseBytes)
	if err != nil {
		return nil, invalid("the provider's answer could not be read", "content-encoding: %v", err)
	}
	parsed, err := w.x.upstream.whole(plain, strictjson.Limits{MaxBytes: limits.ResponseBytes, MaxDepth: limits.JSONDepth})
	if err != nil {
		return nil, invalid("the provider's answer could not be read", "answer: %v", err)
	}
	w.x.used(parsed.usage) // billed, whatever is decided
	if refused := w.x.answeredBy(parsed.model); refused != nil {
		return nil, refused
	}
	verdicts, err := w.x.decideCalls(parsed.calls)
	if err != nil {
		return nil, asRefusal(err)
	}
	body, turns, err := parsed.rewrite(verdicts, w.x.textFilter())
	for _, turn := range turns {
		if err == nil {
			err = w.x.finishTurn(turn)
		}
	}
	if err != nil {
		return nil, asRefusal(err)
	}
	body, refused := w.x.answered(body)
	if refused != nil {
		return nil, refused
	}
	w.sent = true
	out := []reply{answerResponseHeaders(w.x.responseHead(w.head, len(body)))}
	return w.x.last(out, body, trailers), nil
}

// relayed is an upstream's own error: its status, its body and its retry headers, under the size limit. A client's SDK
// reads it as an error, so no call in it can be taken for the model's.
type relayed struct {
	x      *exchange
	head   headerView
	status int
	buf    []byte
	sent   bool
}

func (e *relayed) started() bool                    { return e.sent }
func (e *relayed) broken(r *refuse.Refusal) []reply { return e.x.fail(r) }
func (e *relayed) trailers(h headerView) ([]reply, *refuse.Refusal) {
	return e.release(&h)
}

func (e *relayed) body(chunk []byte, end bool) ([]reply, *refuse.Refusal) {
	if len(e.buf)+len(chunk) > e.x.s.cfg.Limits.ResponseBytes {
		return nil, invalid("the provider's error is larger than the gateway takes", "error over the limit")
	}
	e.buf = append(e.buf, chunk...)
	if !end {
		return nil, nil
	}
	return e.release(nil)
}

func (e *relayed) release(trailers *headerView) ([]reply, *refuse.Refusal) {
	plain, err := decode(e.buf, e.head.all("content-encoding"), e.x.s.cfg.Limits.ResponseBytes)
	if err != nil {
		return nil, invalid("the provider's error could not be read", "content-encoding: %v", err)
	}
	if e.status == http.StatusUnauthorized {
		// It is about our key, parts of which some providers quote, and not about the client's token.
		e.x.s.cfg.Log.Warn("the provider refused the key", "provider", e.x.record.Provider, "credential", e.x.record.Credential)
		return nil, invalid("the provider refused the gateway's key; tell its operators", "upstream %d for credential %s", e.status, e.x.record.Credential)
	}
	if e.answers(plain) {
		return nil, invalid("the provider's error could not be read", "an answer under status %d", e.status)
	}
	e.sent = true
	empty := len(plain) == 0
	var kind []header
	if t := e.x.between; t != nil {
		plain, kind = translate.Error(t.provider, t.client, e.status, plain), []header{{"content-type", "application/json"}}
	}
	if empty && trailers == nil {
		// A response that ends with its headers has no body to answer: an immediate response gives it one.
		e.x.record.Decision = "upstream_error"
		return e.x.answer(e.status, append(e.keep(kind == nil), kind...), plain, "upstream_error"), nil
	}
	m := e.x.responseHead(e.head, len(plain))
	m.set = append(m.set, kind...)
	out := []reply{answerResponseHeaders(m)}
	e.x.record.Decision = "upstream_error"
	return e.x.last(out, plain, trailers), nil
}

// answers tells whether an error's body could be taken for an answer by a client that does not look at the status.
func (e *relayed) answers(plain []byte) bool {
	if kind := e.x.upstream.stream; kind != "" && mediaType(e.head.get("content-type")) == kind {
		return true
	}
	limits := e.x.s.cfg.Limits
	parsed, err := e.x.upstream.whole(plain, strictjson.Limits{MaxBytes: limits.ResponseBytes, MaxDepth: limits.JSONDepth})
	return err == nil && (!parsed.failed || len(parsed.calls) > 0)
}

// keep lists the headers of an upstream's empty error that its client needs; its kind of content where that is still so.
func (e *relayed) keep(same bool) []header {
	var out []header
	for _, name := range []string{"retry-after", "retry-after-ms", "x-ratelimit-reset", "content-type"} {
		if v := e.head.get(name); v != "" && (same || name != "content-type") {
			out = append(out, header{name, v})
		}
	}
	return out
}

// asRefusal finds the refusal in a step's error; any other error is ours.
func asRefusal(err error) *refuse.Refusal {
	var r *refuse.Refusal
	if errors.As(err, &r) {
		return r
	}
	return refuse.New(http.StatusBadGateway, refuse.Internal, "the answer could not be decided", "%v", err)
}
