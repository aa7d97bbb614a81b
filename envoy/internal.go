package envoy

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/yellowjack/yellowjack/internal/headers"
)

// internalExtProcCluster is the ext_proc service once more, for the internal listener. The calls on it are made by exchanges
// that wait for them, so they have connections and a bound of their own: were they behind the others, a gateway that is full
// would wait for itself.
const internalExtProcCluster = "yellowjack_extproc_internal"

// internal is the door by which the gateway comes back to itself for a model call of its own. It is a Unix socket in our own
// folder, for our user alone. What stands behind it is what stands behind the clients' door, but that the guard is told, by
// gRPC metadata which this configuration sets and nothing in a request can, that the request came this way: there a token
// that the gateway sealed itself counts, and no other.
func internal(c Config) door {
	return door{
		name:    "internal",
		address: &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: c.InternalSocket, Mode: 0o600}}},
		extProc: internalExtProcCluster,
		tell:    []*corev3.HeaderValue{{Key: headers.Listener, Value: headers.ListenerInternal}},
		own:     true,
	}
}
