// Package headers names the HTTP headers that Envoy and the ext_proc service share.
//
// The first route match decides where a request goes, and a cleanly closed ext_proc stream lets a request go on as the
// client sent it. So a client that could send the routing header would choose its own upstream. Envoy therefore removes
// every header of Internal before it matches a route (envoy/listener.go), and again before a request leaves
// (envoy/route.go). ProviderKey is the one header of this family that a client may send; the exchange takes it, and the
// route removes it too.
package headers

const (
	// Prefix begins every header of ours.
	Prefix = "x-yellowjack-"
	// Cluster names the Envoy cluster that a decided request goes to. Only the ext_proc service may set it.
	Cluster = "x-yellowjack-cluster"
	// ProviderKey carries a caller's own provider key (BYOK).
	ProviderKey = "x-yellowjack-provider-key"
	// DecisionID is on every answer: what to quote when asking why.
	DecisionID = "x-yellowjack-decision-id"
)

// Listener is gRPC metadata of an ext_proc stream, which Envoy's configuration sets (envoy/filter.go) and nothing in a request
// can: which listener the request came by. ListenerInternal is the gateway's own; without it, the clients'.
const (
	Listener         = "x-yellowjack-listener"
	ListenerInternal = "internal"
)

// DetailsPrefix begins the details of every response that the ext_proc service makes itself, Envoy's
// response.code_details. By it Envoy's local-reply mappers know our answers from its own (envoy/localreply.go).
const DetailsPrefix = "yellowjack_"

// Internal lists the headers that no client may send and no provider may see, in lower case.
func Internal() []string {
	return []string{Cluster, DecisionID}
}
