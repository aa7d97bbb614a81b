package extproc

import (
	"errors"
	"net/http"
	"time"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/translate"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

// keepaliveAfter is how long the client of a stream hears nothing, while a call is held, before a comment keeps its
// watchdog quiet.
const keepaliveAfter = 3 * time.Second

// streamed is an answer in events: each piece goes through the gate, and out comes what may be released.
type streamed struct {
	x    *exchange
	head headerView
	gate gate

	translate *translate.Stream // nil: the client speaks the provider's dialect

	spoke time.Time // when the client last heard something
	begun bool
	held  bool // the gauge counts this stream's held call
	token bool // the first piece was released
}

func newStreamed(x *exchange, head headerView) *streamed {
	l := x.s.cfg.Limits
	s := &streamed{x: x, head: head, translate: x.into(), spoke: time.Now()}
	event := l.EventBytes
	if x.upstream.echoes {
		event += l.RequestBytes + l.ResponseBytes // and the whole answer, at its end
	}
	s.gate = x.upstream.gate(hold.Config{
		MaxHeld: l.HeldBytes, MaxEvent: event, MaxCalls: l.HeldCalls, Choices: x.wanted.Choices,
		Decide: x.decideCalls, Finish: x.finishTurn, Text: x.textFilter(),
		Refuse: func(call llm.ToolCall) string { return x.refuseCall(call, call.Malformed, "malformed").Text },
		Model: func(name string) error {
			if refused := x.answeredBy(name); refused != nil {
				return refused
			}
			return nil
		},
	})
	return s
}

func (s *streamed) started() bool { return s.begun }

// begin releases the headers: the content type is a stream's, and everything after them is decided event by event.
func (s *streamed) begin() []reply {
	s.begun = true
	m := s.x.responseHead(s.head, -1)
	if s.x.between != nil {
		m.set = append(m.set, header{"content-type", s.x.surface.dialect.stream})
	}
	return []reply{answerResponseHeaders(m)}
}

func (s *streamed) body(chunk []byte, end bool) ([]reply, *refuse.Refusal) {
	if !s.begun { // headers that ended the response: a stream with nothing in it
		return nil, invalid("the provider's stream was empty", "empty stream")
	}
	released, err := s.gate.Write(nil, chunk)
	if err == nil && end {
		released, err = s.gate.Close(released)
	}
	released, err = s.say(released, err, end)
	return s.release(released, err, end, nil)
}

func (s *streamed) trailers(h headerView) ([]reply, *refuse.Refusal) {
	released, err := s.gate.Close(nil)
	released, err = s.say(released, err, true)
	return s.release(released, err, true, &h)
}

// release sends what the gate let go; on an error that comes first, and then the refusal in-band.
func (s *streamed) release(body []byte, err error, end bool, trailers *headerView) ([]reply, *refuse.Refusal) {
	s.gauge(s.gate.Held() && err == nil)
	if len(body) > 0 {
		s.spoke = time.Now()
		if !s.token {
			s.token = true
			s.x.s.cfg.Metrics.FirstToken(s.x.record.Provider, s.x.record.ModelLabel, s.spoke.Sub(s.x.now).Seconds())
		}
	}
	if err != nil {
		return releaseBody(nil, body, false, nil), streamRefusal(err)
	}
	if !end {
		if len(body) == 0 { // a held call whose fragments keep coming: the client hears nothing of them
			return s.keepalive(time.Now()), nil
		}
		return releaseBody(nil, body, false, nil), nil
	}
	s.x.used(s.gate.Usage())
	if s.gate.UpstreamError() {
		s.x.record.Decision = "upstream_error"
	}
	return s.x.last(nil, body, trailers), nil
}

// broken ends the stream with an error event of the dialect: never a silent cut.
func (s *streamed) broken(r *refuse.Refusal) []reply {
	event := s.x.surface.dialect.failed(nil, r.Body(s.x.shape, s.x.record.DecisionID))
	return releaseBody(nil, event, true, s.x.metadata())
}

// keepalive is an event that means nothing, when a held call has kept the client waiting.
func (s *streamed) keepalive(now time.Time) []reply {
	if s.x.surface.dialect.quiet == nil || !s.gate.Held() || now.Sub(s.spoke) < keepaliveAfter {
		return nil
	}
	s.spoke = now
	return releaseBody(nil, s.x.surface.dialect.quiet, false, nil)
}

// gauge keeps the metric of held calls true to this stream.
func (s *streamed) gauge(held bool) {
	if held == s.held {
		return
	}
	s.held = held
	change := -1
	if held {
		change = 1
	}
	s.x.s.cfg.Metrics.Held(change)
}

// streamRefusal turns the gate's error into a refusal.
func streamRefusal(err error) *refuse.Refusal {
	var broken *hold.StreamError
	if errors.As(err, &broken) {
		return refuse.New(http.StatusBadGateway, refuse.UpstreamInvalid, "the provider's stream broke and was ended", "stream: %v", err)
	}
	return asRefusal(err)
}
