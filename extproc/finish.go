package extproc

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

var (
	errOutOfOrder = errors.New("Envoy's messages are out of order; is the filter's processing mode that of `yellowjack envoy`?")
	errPanic      = errors.New("a panic; the log has its stack")
	errLate       = errors.New("a wait of the exchange ran out")
)

// drainWait is how long a finished exchange waits for Envoy to close the stream.
const drainWait = 30 * time.Second

// refuse answers the client with a refusal in its own API's shape and finishes the exchange.
func (x *exchange) refuse(r *refuse.Refusal) []reply {
	x.note(r)
	set := append(slices.Clone(x.adds.towardsClient), header{"content-type", r.ContentType(x.shape)})
	if kind := r.ErrorType(x.shape); kind != "" {
		set = append(set, header{"x-amzn-errortype", kind})
	}
	if r.RetryAfter > 0 {
		set = append(set, header{"retry-after", strconv.Itoa(int(r.RetryAfter.Seconds()))})
	}
	return x.answer(r.Status, set, r.Body(x.shape, x.record.DecisionID), r.Code)
}

// note writes a refusal into the record and the log; only its log text says what happened inside.
func (x *exchange) note(r *refuse.Refusal) {
	if x.record.DecisionID == "" {
		x.record.DecisionID = x.s.cfg.NewID()
	}
	x.record.Decision, x.record.Code, x.record.Reason, x.record.Status = "refuse", r.Code, r.Log, r.Status
	if r.Rule != "" {
		x.record.Rule = r.Rule
	}
	x.s.cfg.Metrics.Refused(r.Code)
	x.s.cfg.Log.Debug("refused", "code", r.Code, "status", r.Status, "why", r.Log, "decision_id", x.record.DecisionID)
}

// answer sends a complete response of our own and finishes the exchange.
func (x *exchange) answer(status int, set []header, body []byte, details string) []reply {
	x.record.Status = status
	if x.record.DecisionID == "" {
		x.record.DecisionID = x.s.cfg.NewID()
	}
	if x.record.Decision == "" {
		x.record.Decision = "answer"
	}
	set = append(set, header{headers.DecisionID, x.record.DecisionID})
	if !x.durable() {
		return nil
	}
	out := []reply{immediate(status, set, body, headers.DetailsPrefix+details, x.metadata())}
	x.finish()
	return out
}

// last appends the end of a released answer and finishes the exchange. The audit line is written first.
func (x *exchange) last(out []reply, body []byte, trailers *headerView) []reply {
	if x.record.Decision == "" {
		x.record.Decision = "allow"
	}
	x.record.Status = x.record.UpstreamStatus
	if !x.durable() {
		return nil
	}
	if trailers == nil {
		out = releaseBody(out, body, true, x.metadata())
	} else {
		out = append(releaseBody(out, body, false, nil), answerTrailers(trailers.names(), x.metadata()))
	}
	x.finish()
	return out
}

// durable hands the exchange's line to the audit. When it cannot be written the exchange ends with an error instead.
func (x *exchange) durable() bool {
	if x.audited {
		return true
	}
	x.audited = true
	x.record.Stream = x.wanted != nil && x.wanted.Stream
	x.record.OwnMicros = (x.own[0] + x.own[1]).Microseconds()
	x.record.DurationMS = time.Since(x.now).Milliseconds()
	if err := x.s.cfg.Audit.Write(&x.record); err != nil {
		x.s.cfg.Log.Error("the audit line could not be written; the exchange is ended", "err", err)
		x.failed = err
		return false
	}
	return true
}

// finish marks that Envoy has, or is about to get, the last message.
func (x *exchange) finish() { x.finished, x.phase = true, done }

// fail ends an exchange that can no longer be answered: the stream ends with an error and Envoy resets the client.
func (x *exchange) fail(r *refuse.Refusal) []reply {
	x.failed = r
	return nil
}

// cut records an exchange that ended before its time.
func (x *exchange) cut(code string, err error) {
	if x.finished {
		return
	}
	x.record.Decision, x.record.Code, x.record.Reason = "cut", code, err.Error()
	x.failed = err
}

// end is called once, when the stream is over.
func (x *exchange) end() {
	if s, ok := x.response.(*streamed); ok {
		s.gauge(false)
		if !x.audited {
			x.used(s.gate.Usage()) // what a cancelled stream has told so far
		}
	}
	if x.record.Decision == "" {
		x.record.Decision = "cut"
	}
	if x.record.DecisionID == "" {
		x.record.DecisionID = x.s.cfg.NewID()
	}
	x.durable()
	if x.unwatch != nil {
		x.unwatch()
	}
	if x.held != nil {
		x.held()
	}
	x.s.cfg.Metrics.End(&x.record, x.own, time.Since(x.now))
}

// wait is how long the exchange waits for Envoy's next message.
func (x *exchange) wait() time.Duration {
	l := x.s.cfg.Limits
	switch {
	case x.finished:
		return drainWait
	case x.phase <= awaitRequestBody:
		return l.RequestWait
	case x.phase == awaitResponse:
		return l.ResponseWait
	}
	if s, ok := x.response.(*streamed); ok && s.gate.Held() {
		return min(keepaliveAfter, l.StreamIdle)
	}
	return l.StreamIdle
}

// late is the exchange's turn when a wait has run out.
func (x *exchange) late() []reply {
	if x.isRevoked() {
		return x.endRevoked()
	}
	now := time.Now()
	if s, ok := x.response.(*streamed); ok && !x.finished && s.gate.Held() && now.Sub(x.heard) < x.s.cfg.Limits.StreamIdle {
		return s.keepalive(now)
	}
	refused := refuse.New(504, refuse.Deadline, "the provider did not answer in time", "%v", errLate)
	switch {
	case x.finished:
		x.failed = errLate // Envoy has everything and does not end the stream
		return nil
	case x.phase <= awaitRequestBody:
		refused = refuse.New(408, refuse.Deadline, "the request's body did not arrive in time", "%v", errLate)
		return x.refuse(refused)
	case x.response != nil:
		return x.settle(nil, refused)
	}
	return x.refuse(refused)
}

// metadata is the exchange as Envoy's access log may show it. Envoy merges what it gets: the second time only what was
// not known before is sent.
func (x *exchange) metadata() []header {
	r := &x.record
	if x.described {
		return metadata(header{"decision", r.Decision}, header{"code", r.Code})
	}
	x.described = true
	return append(metadata(
		header{"decision_id", r.DecisionID}, header{"decision", r.Decision}, header{"code", r.Code},
		header{"issuer", r.Issuer}, header{"subject", r.Subject},
		header{"provider", r.Provider}, header{"model", r.Model}, header{"credential", r.Credential},
		header{"policy_revision", r.PolicyRevision},
	), x.adds.metadata...)
}

func sinceSeconds(t time.Time) float64 { return time.Since(t).Seconds() }
