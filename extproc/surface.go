package extproc

import (
	"net/http"
	"slices"
	"strings"

	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/route"
)

// surface is what a request's path asks for: an operation in a dialect, by the router's own path (/v1/…) or a provider's native one
// (/{provider}/…, in that provider's own form).
type surface struct {
	name    string // as policy and the audit have it
	op      route.Operation
	dialect *dialect // nil: a list of models
	native  string   // the provider of a native surface; "" is the router's
	model   string   // that the path names; "" where the body does
	method  string
	query   string // that it may have, and goes upstream with it
}

const modelList = "models"

// served lists the paths of the router's surface.
const served = "/v1/chat/completions, /v1/responses, /v1/messages, /v1/messages/count_tokens, /v1/embeddings or /v1/models"

// anthropicBeta is the query with which Anthropic's SDKs call what is beta.
const anthropicBeta = "beta=true"

// surfaceOf names the surface; unknown paths and methods are refused.
func (s *Service) surfaceOf(method, path string, table *route.Table) (surface, *refuse.Refusal) {
	out, ok := s.routerSurface(path)
	if !ok {
		out, ok = s.nativeSurface(path, table)
	}
	switch {
	case !ok:
		return out, refuse.New(http.StatusNotFound, refuse.NotFound, "this path is not served here; use "+served, "path %q", clip(path))
	case method != out.method:
		return out, refuse.New(http.StatusMethodNotAllowed, refuse.MethodNotAllowed, "use "+out.method+" for this path", "method %q", clip(method))
	}
	return out, nil
}

// routerSurface is what a path of the router's own asks for.
func (s *Service) routerSurface(path string) (surface, bool) {
	switch path {
	case "/v1/chat/completions":
		return surface{name: "chat", op: route.Chat, dialect: s.speaks.chat, method: http.MethodPost}, true
	case "/v1/responses":
		return surface{name: "responses", op: route.Responses, dialect: s.speaks.responses, method: http.MethodPost}, true
	case "/v1/messages":
		return surface{name: "messages", op: route.Messages, dialect: s.speaks.messages, method: http.MethodPost, query: anthropicBeta}, true
	case "/v1/messages/count_tokens":
		return surface{name: "count_tokens", op: route.CountTokens, dialect: s.speaks.count, method: http.MethodPost, query: anthropicBeta}, true
	case "/v1/embeddings":
		return surface{name: "embeddings", op: route.Embeddings, dialect: s.speaks.embeddings, method: http.MethodPost}, true
	case "/v1/models":
		return surface{name: modelList, method: http.MethodGet}, true
	}
	return surface{}, false
}

// nativeSurface is what a provider's path asks for. The provider's own path is matched and never passed on: the one that is called
// comes of the configuration.
func (s *Service) nativeSurface(path string, table *route.Table) (surface, bool) {
	provider, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	base, ok := table.Base(provider)
	if !ok {
		return surface{}, false
	}
	rest = "/" + rest
	for _, version := range []string{base, "/v1"} { // an SDK is given the provider's own base, or the gateway's way to write it
		if own, ok := strings.CutPrefix(rest, version); ok && !slices.Contains([]string{"", "/"}, own) {
			if out, ok := s.routerSurface("/v1" + own); ok {
				out.native = provider
				return out, true
			}
		}
	}
	return surface{}, false
}
