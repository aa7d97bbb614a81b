// Package extproc is the LLM walk: Envoy's external-processing service, which decides every exchange between an agent
// and a model.
//
// One gRPC stream is one exchange. Envoy sends the request's headers, then its whole body (BUFFERED), then the response's
// headers, its body in pieces (FULL_DUPLEX_STREAMED) and its trailers; server.go turns each message into one call of the
// exchange and sends what that call returns. exchange.go is the request half, read from top to bottom:
//
//	surface → credential → identity → body → parse → resolve → policy.request → quarantine → provider key → route
//
// and response.go and the two answer files are the response half:
//
//	local reply? → status → encoding → parse → model → policy.toolcall → release
//
// A step takes values and returns a value or a *refuse.Refusal; message.go alone reads protobuf and reply.go builds it. What was not decided is
// not sent: a whole answer is withheld until every call in it is decided, and a stream goes through hold.Gate.
//
// The gateway's own model calls come by an internal listener, with a delegated token; internal.go says what differs there.
//
// Envoy takes a cleanly closed stream as leave to go on unguarded, so a stream whose exchange has not finished always
// ends with an error status. The response half has no timeout in Envoy, so each wait has one here.
package extproc
