package mcpbroker

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/edge"
)

// metadataPath is where a client finds out whose tokens are taken (RFC 9728, section 3).
const metadataPath = "/.well-known/oauth-protected-resource"

// Verifier turns a token into a principal; *identity.Verifier does.
type Verifier interface {
	Verify(ctx context.Context, token string) (*identity.Principal, *refuse.Refusal)
	Anonymous() (*identity.Principal, bool)
	Watch(p *identity.Principal, revoked func()) (stop func())
	Changes(p *identity.Principal, changed func()) (stop func())
}

// HandlerConfig is what clients see of a broker.
type HandlerConfig struct {
	Broker   *Broker
	Verifier Verifier
	Keys     *store.Keys
	// Verified is given each token that was taken, with whose it is, for who exchanges it. nil: nobody does.
	Verified func(p *identity.Principal, token string)
	// Revoked hears of each revocation of a principal whose tokens were taken. nil: nobody does.
	Revoked func(principal string)

	Resource string   // the broker's own URI, …/mcp; what tokens are for (RFC 8707)
	Issuers  []string // whose tokens are taken
	Scopes   []string // that a client asks its issuer for
	Origins  []string // browsers' pages that may call

	PerPrincipal int // calls and streams of one principal at once; default 256
	BodyBytes    int
	Depth        int
	Log          *slog.Logger
}

// Handler serves /mcp, /mcp/{set} and their metadata. Here a client's credential is verified; it goes
// no further than to Verified.
type Handler struct {
	c        HandlerConfig
	edge     *edge.Edge
	resource string
	base     string // scheme and host
	present  *present

	mu    sync.Mutex
	users map[string]int
}

// NewHandler makes the handler.
func NewHandler(c HandlerConfig) (*Handler, error) {
	if c.Broker == nil || c.Verifier == nil {
		return nil, errors.New("mcpbroker: a broker and a verifier are needed")
	}
	u, err := url.Parse(c.Resource)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.TrimSuffix(u.Path, "/") != "/mcp" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("mcpbroker: the resource is the URL of /mcp as clients reach it")
	}
	orDefault(&c.PerPrincipal, 256)
	h := &Handler{c: c, users: map[string]int{}, base: u.Scheme + "://" + u.Host}
	h.resource = h.base + "/mcp"
	h.edge, err = edge.New(edge.Config{
		Receiver: c.Broker, Authenticate: h.authenticate, Watch: c.Verifier.Watch, Params: c.Broker.Params, Keys: c.Keys, Origins: c.Origins,
		Name: c.Broker.c.Name, Version: c.Broker.c.Version, BodyBytes: c.BodyBytes, Depth: c.Depth, StateTTL: c.Broker.c.StateTTL, Log: c.Log,
	})
	h.present = newPresent(c.Verifier.Changes, func(principal string) {
		h.edge.Revoked(principal)
		c.Broker.Revoked(principal)
		if c.Revoked != nil {
			c.Revoked(principal)
		}
	})
	return h, err
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rest, ok := strings.CutPrefix(r.URL.Path, metadataPath); ok {
		h.metadata(w, r, rest)
		return
	}
	done := &seat{}
	defer func() { h.leave(done.key) }()
	h.edge.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), seatKey{}, done)))
}

// seat is the principal whose place a request has taken, to be given back.
type seat struct{ key string }

type seatKey struct{}

// authenticate verifies the request's credential for the resource of a set.
func (h *Handler) authenticate(r *http.Request, set string) (*identity.Principal, *edge.Denied) {
	if !h.c.Broker.HasSet(set) {
		return nil, &edge.Denied{Status: http.StatusNotFound, Message: "there is no such endpoint"}
	}
	// A token in the query string is none (Authorization, "Token Requirements").
	token, refused := identity.Credential(r.Header.Values, "")
	var p *identity.Principal
	switch {
	case refused != nil:
	case token == "":
		var ok bool
		if p, ok = h.c.Verifier.Anonymous(); !ok {
			return nil, &edge.Denied{Status: http.StatusUnauthorized, Challenge: h.challenge(set, ""), Message: "send a token of your identity provider as Authorization: Bearer"}
		}
	default:
		p, refused = h.c.Verifier.Verify(r.Context(), token)
	}
	if refused != nil {
		denied := &edge.Denied{Status: refused.Status, Message: refused.Client}
		if refused.Status == http.StatusUnauthorized {
			denied.Challenge = h.challenge(set, "invalid_token")
		}
		return nil, denied
	}
	h.present.note(p)
	if h.c.Verified != nil {
		h.c.Verified(p, token)
	}
	if !h.enter(r, p.Key()) {
		return nil, &edge.Denied{Status: http.StatusTooManyRequests, Message: "too many of your requests are in progress; try again when one has ended"}
	}
	return p, nil
}

// enter takes one of the principal's places.
func (h *Handler) enter(r *http.Request, key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users[key] >= h.c.PerPrincipal {
		return false
	}
	h.users[key]++
	if s, ok := r.Context().Value(seatKey{}).(*seat); ok {
		s.key = key
	}
	return true
}

func (h *Handler) leave(key string) {
	if key == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users[key]--; h.users[key] <= 0 {
		delete(h.users, key)
	}
}

// resourceOf is the resource of a set.
func (h *Handler) resourceOf(set string) string {
	if set == "" {
		return h.resource
	}
	return h.resource + "/" + set
}

// challenge tells a client where to find out whose token it needs, and for which scopes, all at once (RFC 9728, section 5.1; RFC
// 6750, section 3). Nothing in it is the client's.
func (h *Handler) challenge(set, code string) string {
	path := "/mcp"
	if set != "" {
		path += "/" + set
	}
	out := `Bearer resource_metadata="` + h.base + metadataPath + path + `"`
	if len(h.c.Scopes) > 0 {
		out += `, scope="` + strings.Join(h.c.Scopes, " ") + `"`
	}
	if code != "" {
		out += `, error="` + code + `"`
	}
	return out
}

// metadata is the document of a resource (RFC 9728, section 2): of /mcp, of a set, and for clients that look for it at the root the
// one of /mcp.
func (h *Handler) metadata(w http.ResponseWriter, r *http.Request, path string) {
	set, ok := "", path == "" || path == "/mcp"
	if !ok {
		set, ok = strings.CutPrefix(path, "/mcp/")
	}
	if !ok || !h.c.Broker.HasSet(set) || path == "/mcp/" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	out := llm.AppendQuoted([]byte(`{"resource":`), h.resourceOf(set))
	out = append(append(out, `,"authorization_servers":`...), quotedList(h.c.Issuers)...)
	if len(h.c.Scopes) > 0 {
		out = append(append(out, `,"scopes_supported":`...), quotedList(h.c.Scopes)...)
	}
	out = llm.AppendQuoted(append(out, `,"bearer_methods_supported":["header"],"resource_name":`...), h.c.Broker.c.Name)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "max-age=300")
	w.Header().Set("Access-Control-Allow-Origin", "*") // it is public, and clients in browsers read it
	_, _ = w.Write(append(out, '}'))
}
