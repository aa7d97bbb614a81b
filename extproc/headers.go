package extproc

import "strings"

// headerView reads one HTTP message's headers as Envoy sent them: names in lower case, several lines of one name apart.
type headerView struct{ list []header }

// get returns the first value of name, or "".
func (v headerView) get(name string) string {
	for _, h := range v.list {
		if h.name == name {
			return h.value
		}
	}
	return ""
}

// all returns every value of name.
func (v headerView) all(name string) []string {
	var out []string
	for _, h := range v.list {
		if strings.EqualFold(h.name, name) {
			out = append(out, h.value)
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

// towardsClient tells whether a provider's header may reach the client: again a list of what passes. What identifies the
// account that paid, sets state for the gateway's host in a client, or describes a body that was changed stays here.
func towardsClient(name string) bool {
	switch name {
	case "content-type", "date", "cache-control", "retry-after", "retry-after-ms", "x-should-retry", "x-request-id",
		"request-id", "x-amzn-requestid", "x-amzn-errortype", "openai-processing-ms", "openai-version", "x-generation-id", "transfer-encoding", "content-length":
		return true
	}
	return strings.HasPrefix(name, "x-ratelimit-") || strings.HasPrefix(name, "anthropic-ratelimit-")
}

// unwanted lists the names in v that keep refuses, once each. Pseudo-headers are Envoy's and never listed.
func (v headerView) unwanted(keep func(string) bool) []string {
	var out []string
	for _, h := range v.list {
		if !keep(h.name) && !strings.HasPrefix(h.name, ":") && !strings.HasPrefix(h.name, "x-envoy-") {
			out = append(out, h.name)
		}
	}
	return out
}
