// Package envoy writes the configuration of the Envoy that we stand behind, finds its binary and runs it.
//
// Bootstrap turns a Config into one static bootstrap, one file per Envoy noun:
//
//	listener.go    the connection manager: what a client may send at all; internal headers go before the first route match
//	filter.go      the ext_proc filter and its modes, the router behind it
//	internal.go    the listener by which the gateway reaches itself for its own model calls
//	route.go       one route by cluster_header, and a refusal for whatever has none
//	cluster.go     one cluster per provider (TLS verified), and the ext_proc service's own
//	localreply.go  what Envoy answers by itself, in the shape of the caller's API
//	accesslog.go   one JSON line per exchange, without secrets
//	overload.go    what bounds the whole process
//
// Everything fails closed: a request reaches a provider only by a header that the ext_proc service alone can set, so an
// ext_proc service that is absent, hung, broken or gone leaves Envoy nowhere to send it. Each golden file in testdata is
// validated by the real binary, and failure_test.go breaks the service in every way we know of.
//
// Find looks for a binary that is new enough; Start runs it under supervision, never outlived by it; Process drains it.
package envoy
