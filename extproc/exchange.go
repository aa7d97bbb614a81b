package extproc

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/route"
	"github.com/yellowjack/yellowjack/policies"
)

// exchange is one request and its answer. It lives on one goroutine and is not shared.
type exchange struct {
	s     *Service
	ctx   context.Context
	now   time.Time // when the exchange began
	heard time.Time // when Envoy last sent something

	phase    phase
	shape    refuse.Shape
	surface  surface
	op       route.Operation // asked of the provider
	upstream *dialect        // that the provider speaks
	between  *translation    // nil: the client speaks the same
	table    *route.Table    // in force when the exchange began
	finished bool            // the last message was sent: a clean end is safe
	failed   error           // the stream must end with an error status

	explains  bool // nothing of it goes upstream: it is only asked what would
	internal  bool // it came by the internal listener: a model call of our own
	request   headerView
	principal *identity.Principal
	subject   policies.Principal
	held      func() // gives the principal's slot back
	interrupt func() // from any goroutine: the exchange gets a turn at once
	revoked   atomic.Bool
	unwatch   func() // nobody is to be told of the principal's revocation any more
	wanted    *llm.Request
	target    route.Target
	offered   map[string]bool
	results   []policies.Result
	context   label.Label // of all that the model reads
	guard     *quarantine.Session
	parent    func() string // the id of this exchange in the audit lines of our own model calls; "" while there are none
	adds      decoration

	response answer // what the response half does with the body; nil until the headers are there
	record   audit.Record
	own      [2]time.Duration // our own time: the request half, the response half
	audited  bool

	described bool // Envoy has the exchange's metadata
}

// phase says what Envoy's next message may be.
type phase uint8

const (
	beforeRequest phase = iota
	awaitRequestBody
	awaitResponse
	inResponse
	done
)

func newExchange(ctx context.Context, s *Service) *exchange {
	x := &exchange{s: s, ctx: ctx, now: time.Now(), table: s.cfg.Routes.Load()}
	x.record.Time = x.now
	s.cfg.Metrics.Begin()
	return x
}

// handle takes one message of Envoy's and returns what to send. A message out of order is an error that ends the stream.
func (x *exchange) handle(m message) []reply {
	began := time.Now()
	x.heard = began
	half := 0
	if x.phase >= awaitResponse {
		half = 1
	}
	var out []reply
	if !x.isRevoked() {
		out = x.step(m)
	}
	if x.isRevoked() { // before, or while it was decided
		out = x.late()
	}
	x.own[half] += time.Since(began)
	return out
}

func (x *exchange) step(m message) []reply {
	switch m.kind {
	case requestHeaders:
		if x.phase == beforeRequest {
			return x.onRequestHeaders(m.headers, m.end)
		}
	case requestBody:
		if x.phase == awaitRequestBody && m.end {
			return x.onRequestBody(m.body)
		}
	case responseHeaders:
		// A stream may begin here: a local reply that Envoy made before this filter saw the request.
		if x.phase <= awaitResponse {
			return x.onResponseHeaders(m.headers, m.details, m.end)
		}
	case responseBody:
		if x.finished { // what the upstream still sent after we ended the answer
			return nil
		}
		if x.phase == inResponse && x.response != nil {
			return x.settle(x.response.body(m.body, m.end))
		}
	case responseTrailers:
		if x.finished {
			return nil
		}
		if x.phase == inResponse && x.response != nil {
			return x.settle(x.response.trailers(m.headers))
		}
	}
	x.cut("out_of_order", errOutOfOrder)
	return nil
}

// onRequestHeaders decides what headers alone can decide: the surface, the credential, the principal.
func (x *exchange) onRequestHeaders(h headerView, end bool) []reply {
	x.request = h
	path, query, _ := strings.Cut(h.get(":path"), "?")
	x.shape = refuse.ShapeOf(path)
	x.record.Path = clip(path)

	x.record.Internal = x.internal
	surface, refused := x.s.surfaceOf(h.get(":method"), path, identity.StripQuery(query), x.table)
	if refused != nil {
		return x.refuse(refused)
	}
	x.surface, x.record.Surface = surface, surface.name
	principal, refused := x.authenticate(h, query)
	if refused != nil {
		return x.refuse(refused)
	}
	if refused := x.admit(principal); refused != nil {
		return x.refuse(refused)
	}
	x.watch(principal)
	switch {
	case surface.op != route.Chat && x.internal:
		return x.refuse(notInternal("this path"))
	case surface.dialect == nil:
		return x.listModels()
	case end:
		return x.refuse(refuse.New(http.StatusBadRequest, refuse.MalformedJSON, "the request has no body; send a JSON object", "no body"))
	case !jsonContent(h.get("content-type")):
		return x.refuse(refuse.New(http.StatusUnsupportedMediaType, refuse.UnsupportedMediaType,
			"content-type must be application/json", "content-type %q", clip(h.get("content-type"))))
	}
	x.phase = awaitRequestBody
	return []reply{continueRequestHeaders()}
}

// onRequestBody is the request half's walk.
func (x *exchange) onRequestBody(body []byte) []reply {
	plain, refused := decodeBody(body, x.request.all("content-encoding"), x.s.cfg.Limits.RequestBytes)
	if refused != nil {
		return x.refuse(refused)
	}
	wanted, refused := x.parseRequest(plain)
	if refused != nil {
		return x.refuse(refused)
	}
	x.wanted = wanted
	if x.internal {
		if refused := modelCallOnly(wanted); refused != nil {
			return x.refuse(refused)
		}
	}
	target, named, refused := x.resolve(wanted)
	if refused != nil {
		return x.refuse(refused)
	}
	x.target = target
	x.recall(wanted)
	decision, refused := x.decideRequest(wanted, named)
	if refused != nil {
		return x.refuse(refused)
	}
	edit, refused := x.clean(wanted, decision)
	if refused != nil {
		return x.refuse(refused)
	}
	key, refused := x.payingKey(decision)
	if refused != nil {
		return x.refuse(refused)
	}
	upstream, refused := x.write(wanted, edit)
	if refused != nil {
		return x.refuse(refused)
	}
	x.record.BytesIn = len(plain)
	authorized, refused := x.authorize(key, upstream)
	if refused != nil {
		return x.refuse(refused)
	}
	x.phase = awaitResponse
	out := []reply{x.forward(authorized, upstream, len(body) != len(plain) || &upstream[0] != &body[0])}
	// An answer takes minutes: of the request only what its half needs stays in memory.
	x.wanted = &llm.Request{Model: wanted.Model, MoreModels: wanted.MoreModels, Choices: wanted.Choices, Stream: wanted.Stream}
	x.request = headerView{}
	return out
}

// authorize makes the headers with which the paying key authorizes the request as it will leave.
func (x *exchange) authorize(key credential.Key, body []byte) ([]header, *refuse.Refusal) {
	made, err := key.Authorize(x.ctx, x.target.KeyHeader, http.MethodPost, x.target.Host, x.endpoint(), body)
	if err != nil {
		return nil, refuse.New(http.StatusBadGateway, refuse.UpstreamUnavailable, "the gateway cannot get what "+x.target.Provider+" wants of it; try again, or tell its operators",
			"credential %s: %v", key.ID, err)
	}
	var out []header
	for _, name := range slices.Sorted(maps.Keys(made)) {
		out = append(out, header{strings.ToLower(name), made.Get(name)})
	}
	return out, nil
}

// forward sends the cleaned request to the target with the paying key's headers.
func (x *exchange) forward(authorized []header, body []byte, changed bool) reply {
	t := x.target
	m := mutation{
		set: []header{
			{headers.Cluster, t.Cluster},
			{":authority", t.Host},
			{":path", x.endpoint()},
			{"accept-encoding", "identity"},
			contentLength(len(body)),
		},
		remove: x.request.unwanted(x.towardsUpstream),
	}
	m.set = append(m.set, authorized...)
	for _, h := range x.upstream.sets {
		if x.between != nil || x.request.get(h.name) == "" {
			m.set = append(m.set, h)
		}
	}
	if t.Referer != "" && x.request.get("http-referer") == "" {
		m.set = append(m.set, header{"http-referer", t.Referer})
	}
	if t.Title != "" && x.request.get("x-title") == "" {
		m.set = append(m.set, header{"x-title", t.Title})
	}
	// Ours come last, and so take the place of a policy's.
	m.set = append(x.adds.towardsProvider[:len(x.adds.towardsProvider):len(x.adds.towardsProvider)], m.set...)
	m.remove = except(m.remove, m.set)
	if !changed {
		body = nil
	}
	return forwardRequest(m, body, x.metadata())
}

// endpoint is the path that is called, with the request's query where the surface has one.
func (x *exchange) endpoint() string {
	path := x.target.Endpoint(x.op)
	if x.surface.forward != "" && x.between == nil {
		path += "?" + x.surface.forward
	}
	return path
}

// towardsUpstream tells whether a client's header goes upstream: one that all dialects have, or one of this.
func (x *exchange) towardsUpstream(name string) bool {
	return towardsUpstream(name) || x.between == nil && slices.Contains(x.surface.dialect.passes, name)
}

// except leaves out of remove what set sets: Envoy removes after it sets.
func except(remove []string, set []header) []string {
	kept := remove[:0]
next:
	for _, name := range remove {
		for _, h := range set {
			if h.name == name {
				continue next
			}
		}
		kept = append(kept, name)
	}
	return kept
}
