// Package headers names the HTTP headers that are Yellowjack's own. Envoy's configuration and the ext_proc service must
// agree on them to the letter: Internal is stripped from every client's request before Envoy matches a route.
package headers

// Prefix begins every header of ours.
const Prefix = "x-yellowjack-"

const (
	// Cluster names the upstream cluster. Envoy routes by it, so no client may ever send it.
	Cluster = Prefix + "cluster"
	// ProviderKey is the caller's own provider key (BYOK). It is a client's header, and never goes upstream.
	ProviderKey = Prefix + "provider-key"
	// DecisionID is on every answer: it finds the exchange in the audit.
	DecisionID = Prefix + "decision-id"
)

// Internal lists the headers that only we may set; a client's are removed before the first route match.
func Internal() []string { return []string{Cluster, DecisionID} }
