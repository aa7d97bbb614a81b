package extproc

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

// answer is what the response half does with an upstream's body, once its headers told the kind. Each method returns the
// replies and, when something is wrong, the refusal that takes the answer's place.
type answer interface {
	body(chunk []byte, end bool) ([]reply, *refuse.Refusal)
	trailers(h headerView) ([]reply, *refuse.Refusal)
	// started tells whether the client has been given this answer's headers: from then on a refusal is in-band.
	started() bool
	// broken ends a started answer with the refusal in-band.
	broken(r *refuse.Refusal) []reply
}

// upstreamDetails is how Envoy marks a response that an upstream gave; every other value of response.code_details is a
// local reply. A status would not tell them apart: an upstream can answer 503 as well.
const upstreamDetails = "via_upstream"

// onResponseHeaders tells what kind of answer comes: Envoy's own, an upstream's error, a whole answer, or a stream.
// Anything else is never relayed.
func (x *exchange) onResponseHeaders(h headerView, details string, end bool) []reply {
	status, err := strconv.Atoi(h.get(":status"))
	if err != nil || status < 100 || status > 599 {
		return x.refuse(refuse.New(http.StatusBadGateway, refuse.UpstreamInvalid, "the provider's answer could not be read", "status %q", clip(h.get(":status"))))
	}
	if details != upstreamDetails || x.wanted == nil {
		return x.localReply(status, details, h.get(":path"))
	}
	x.phase = inResponse
	x.record.UpstreamStatus = status
	x.s.cfg.Metrics.FirstByte(x.record.Provider, sinceSeconds(x.now))
	switch kind := mediaType(h.get("content-type")); {
	case status >= 400:
		x.response = &relayed{x: x, head: h, status: status}
	case status != http.StatusOK:
		return x.refuse(invalid("the provider answered with a status that is no answer", "status %d", status))
	case kind == x.upstream.stream && x.wanted.Stream:
		if encoded(h) {
			return x.refuse(invalid("the provider compressed its stream although it was asked not to", "content-encoding %q", clip(h.get("content-encoding"))))
		}
		x.response = newStreamed(x, h)
	case kind == "application/json":
		// A provider may answer a streaming request whole.
		x.response = &whole{x: x, head: h}
	default:
		return x.refuse(invalid("the provider answered with a content type that is no answer", "content-type %q", clip(h.get("content-type"))))
	}
	if end {
		return x.settle(x.response.body(nil, true))
	}
	if early, ok := x.response.(*streamed); ok {
		return early.begin()
	}
	return nil
}

// localReply shapes a response that Envoy made itself: too large a body, no route, a connection that failed. Nothing
// upstream answered, so what the client reads is ours.
func (x *exchange) localReply(status int, details, path string) []reply {
	if x.phase == beforeRequest {
		x.shape = refuse.ShapeOf(path)
	}
	logged := "envoy: " + clip(details)
	var r *refuse.Refusal
	switch {
	case status == http.StatusRequestEntityTooLarge:
		r = refuse.New(status, refuse.TooLarge, "the body is larger than the gateway takes", "%s", logged)
	case x.phase >= awaitResponse && status == http.StatusGatewayTimeout:
		r = refuse.New(status, refuse.Deadline, "the provider did not answer in time", "%s", logged)
	case x.phase >= awaitResponse && status >= 500:
		r = refuse.New(status, refuse.UpstreamUnavailable, "the provider could not be reached; try again", "%s", logged)
	case status >= 400:
		r = refuse.New(status, refuse.BadRequest, "the gateway refused this request", "%s", logged)
	default:
		r = refuse.New(http.StatusBadGateway, refuse.UpstreamInvalid, "the request could not be answered", "%s", logged)
	}
	return x.refuse(r)
}

// settle turns what an answer returned into what is sent.
func (x *exchange) settle(out []reply, refused *refuse.Refusal) []reply {
	if refused == nil {
		return out
	}
	if !x.response.started() {
		return append(out, x.refuse(refused)...)
	}
	x.note(refused)
	out = append(out, x.response.broken(refused)...)
	x.finish()
	return out
}

// invalid refuses an upstream's answer: 502 in the caller's shape, and none of it relayed.
func invalid(client, logf string, args ...any) *refuse.Refusal {
	return refuse.New(http.StatusBadGateway, refuse.UpstreamInvalid, client, logf, args...)
}

// mediaType is a content type without its parameters, in lower case. Another charset than UTF-8 makes it unknown: bytes
// that mean something else to the client would pass the guard unread.
func mediaType(value string) string {
	kind, params, _ := strings.Cut(strings.ToLower(value), ";")
	for p := range strings.SplitSeq(params, ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if name == "charset" && strings.Trim(v, `"`) != "utf-8" && strings.Trim(v, `"`) != "utf8" {
			return "unknown charset"
		}
	}
	return strings.TrimSpace(kind)
}

func encoded(h headerView) bool {
	v := strings.ToLower(h.get("content-encoding"))
	return v != "" && v != "identity"
}

// responseHead is the header mutation of every released answer: what may not reach the client leaves, and the decision's
// id is added. size is the body's length, or -1 when it streams.
func (x *exchange) responseHead(h headerView, size int) mutation {
	m := mutation{
		set:    []header{{headers.DecisionID, x.record.DecisionID}},
		remove: h.unwanted(towardsClient),
	}
	if size >= 0 {
		m.set = append(m.set, contentLength(size))
	} else {
		m.remove = append(m.remove, "content-length")
	}
	return m
}

// names lists the trailers' names: no dialect here uses trailers, so none of them passes.
func (v headerView) names() []string {
	return v.unwanted(func(string) bool { return false })
}
