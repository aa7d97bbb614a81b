package extproc

import (
	"net/http"
	"slices"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm/bedrock"
	"github.com/yellowjack/yellowjack/internal/llm/gemini"
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
	gemini  gemini.Path
	bedrock bedrock.Path
	method  string
	query   string // that it may have
	forward string // the query that goes upstream
}

const modelList = "models"

// served lists the paths of the router's surface.
const served = "/v1/chat/completions, /v1/responses, /v1/messages, /v1/messages/count_tokens, /v1/embeddings or /v1/models"

// anthropicBeta is the query with which Anthropic's SDKs call what is beta.
const anthropicBeta = "beta=true"

// surfaceOf names the surface; unknown paths, methods and queries are refused. The query is without a credential.
func (s *Service) surfaceOf(method, path, query string, table *route.Table) (surface, *refuse.Refusal) {
	out, ok := s.routerSurface(path)
	if !ok {
		var refused *refuse.Refusal
		if out, query, refused = s.nativeSurface(path, query, table); refused != nil {
			return out, refused
		}
	}
	switch {
	case method != out.method:
		return out, refuse.New(http.StatusMethodNotAllowed, refuse.MethodNotAllowed, "use "+out.method+" for this path", "method %q", clip(method))
	case query != "" && query != out.query:
		return out, refuse.New(http.StatusBadRequest, refuse.UnknownField, "this path does not take these query parameters", "query parameters")
	}
	out.forward = query
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

// nativeSurface is what a provider's path asks for, and what is left of the query when that is read. The provider's own path is matched
// and never passed on: the one that is called comes of the configuration.
func (s *Service) nativeSurface(path, query string, table *route.Table) (surface, string, *refuse.Refusal) {
	provider, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	base, ok := table.Base(provider)
	if !ok {
		return surface{}, "", unserved(path, "use "+served)
	}
	rest = "/" + rest
	for _, version := range []string{base, "/v1"} { // an SDK is given the provider's own base, or the gateway's way to write it
		if own, ok := strings.CutPrefix(rest, version); ok && !slices.Contains([]string{"", "/"}, own) {
			if out, ok := s.routerSurface("/v1" + own); ok {
				out.native = provider
				return out, query, nil
			}
		}
	}
	switch {
	case rest == "/v1beta/models":
		return surface{name: modelList, method: http.MethodGet, native: provider, gemini: gemini.Path{Version: "v1beta"}}, query, nil
	case strings.HasPrefix(rest, "/model/"):
		out, refused := s.bedrockSurface(rest, query)
		out.native = provider
		return out, "", refused
	case strings.Contains(rest, ":"):
		out, refused := s.geminiSurface(rest, query)
		out.native = provider
		return out, "", refused
	}
	return surface{}, "", unserved(path, "see docs/configuration.md for those of a provider")
}

// geminiSurface is what a path of Gemini's or Vertex' asks for.
func (s *Service) geminiSurface(path, query string) (surface, *refuse.Refusal) {
	target := path
	if query != "" {
		target += "?" + query
	}
	p, err := gemini.ParsePath(target)
	if err != nil {
		return surface{}, unserved(path, err.Error())
	}
	if p.Kind != "models" && p.Kind != "publishers/google/models" {
		return surface{}, unserved(path, p.Kind+" are not served, models are")
	}
	out := surface{name: "generate", op: route.Generate, dialect: s.speaks.gemini, method: http.MethodPost, gemini: p}
	if p.Stream {
		out.op = route.StreamGenerate
	}
	return out, nil
}

// bedrockSurface is what a path of Bedrock's asks for.
func (s *Service) bedrockSurface(path, query string) (surface, *refuse.Refusal) {
	if query != "" {
		path += "?" + query
	}
	p, err := bedrock.ParsePath(path)
	if err != nil {
		return surface{}, unserved(path, err.Error())
	}
	out := surface{name: "converse", op: route.Converse, dialect: s.speaks.bedrock, method: http.MethodPost, bedrock: p}
	if p.Stream {
		out.op = route.ConverseStream
	}
	return out, nil
}

// unserved refuses a path.
func unserved(path, do string) *refuse.Refusal {
	return refuse.New(http.StatusNotFound, refuse.NotFound, "this path is not served here; "+do, "path %q", clip(path))
}
