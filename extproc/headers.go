package extproc

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/yellowjack/yellowjack/internal/headers"
)

// headerView reads one HTTP message's headers as Envoy sent them: names in lower case, several lines of one name apart.
type headerView struct{ list []*corev3.HeaderValue }

func viewOf(m *corev3.HeaderMap) headerView { return headerView{m.GetHeaders()} }

func valueOf(h *corev3.HeaderValue) string {
	if raw := h.GetRawValue(); len(raw) > 0 {
		return string(raw)
	}
	return h.GetValue()
}

// get returns the first value of name, or "".
func (v headerView) get(name string) string {
	for _, h := range v.list {
		if h.GetKey() == name {
			return valueOf(h)
		}
	}
	return ""
}

// all returns every value of name.
func (v headerView) all(name string) []string {
	var out []string
	for _, h := range v.list {
		if strings.EqualFold(h.GetKey(), name) {
			out = append(out, valueOf(h))
		}
	}
	return out
}

// towardsUpstream tells whether a client's header may reach a provider. It is a list of what passes, not of what is
// taken away: credentials, cookies, forwarding and internal headers, and whatever appears tomorrow, stay here.
// Account selectors (openai-organization, openai-project) stay too, since the key that pays is not the client's.
func towardsUpstream(name string) bool {
	switch name {
	case "accept", "accept-language", "content-type", "user-agent", "idempotency-key",
		"http-referer", "x-title", "x-session-id", "openai-beta",
		// Transport headers that Envoy itself owns.
		":method", ":scheme", ":authority", ":path", "content-length", "x-request-id",
		// Envoy matches no route without it (tried); the route takes it off.
		"x-forwarded-proto",
		"traceparent", "tracestate":
		return true
	}
	return strings.HasPrefix(name, "x-stainless-")
}

// withheldFromClient tells whether a response's header stays here: what identifies the account that paid, what would
// set state for the gateway's host in a client, and what only Envoy or we may say.
func withheldFromClient(name string) bool {
	switch name {
	case "set-cookie", "openai-organization", "openai-project", "alt-svc", "strict-transport-security", "server", "via",
		"access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers",
		"access-control-expose-headers", "nel", "report-to", "content-encoding", "content-length",
		"x-clerk-auth-message", "x-clerk-auth-reason", "x-clerk-auth-status", "www-authenticate":
		return true
	}
	return strings.HasPrefix(name, headers.Prefix) || strings.HasPrefix(name, "cf-") || strings.HasPrefix(name, "proxy-")
}

// unwanted lists the names in v that keep refuses, once each. Pseudo-headers are Envoy's and never listed.
func (v headerView) unwanted(keep func(string) bool) []string {
	var out []string
	for _, h := range v.list {
		if name := h.GetKey(); !keep(name) && !strings.HasPrefix(name, ":") && !strings.HasPrefix(name, "x-envoy-") {
			out = append(out, name)
		}
	}
	return out
}
