package extproc

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxPiece bounds one body message to Envoy, in bytes, so that one large answer does not become one large gRPC message.
const maxPiece = 256 << 10

// Reply is one message to Envoy, a ProcessingResponse. Append writes it as protobuf; encode.go says how.
type Reply struct {
	kind     replyKind
	mutation mutation
	body     []byte
	replaces bool     // body takes the place of the request's
	end      bool     // of a streamed body
	status   int      // of an immediate response
	details  string   // of an immediate response
	metadata []header // in our namespace
}

type reply = Reply

// replyKind is which reply one is. The numbers are those of their fields in ProcessingResponse.
type replyKind protowire.Number

const (
	replyRequestHeaders   replyKind = 1
	replyResponseHeaders  replyKind = 2
	replyRequestBody      replyKind = 3
	replyResponseBody     replyKind = 4
	replyResponseTrailers replyKind = 6
	replyImmediate        replyKind = 7
)

// header is one header: of a message that came, or to set, replacing every value that was there.
type header struct{ name, value string }

// mutation is what a reply changes about a message's headers.
type mutation struct {
	set    []header
	remove []string
}

// continueRequestHeaders lets Envoy go on to buffer the body; nothing reaches an upstream before the body's reply.
func continueRequestHeaders() reply { return Reply{kind: replyRequestHeaders} }

// forwardRequest answers the buffered body: the headers and, when body is not nil, the body that go upstream, by the
// cluster that the headers name. It clears the route cache, so that Envoy matches the route anew, with that header.
func forwardRequest(m mutation, body []byte, metadata []header) reply {
	return Reply{kind: replyRequestBody, mutation: m, body: body, replaces: body != nil, metadata: metadata}
}

// answerResponseHeaders releases the response's headers as m changes them.
func answerResponseHeaders(m mutation) reply { return Reply{kind: replyResponseHeaders, mutation: m} }

// releaseBody appends the messages that put body, in pieces, into the response; end says that nothing follows it.
// An empty body that does not end anything is no message at all.
func releaseBody(out []reply, body []byte, end bool, metadata []header) []reply {
	for len(body) > maxPiece {
		out = append(out, Reply{kind: replyResponseBody, body: body[:maxPiece]})
		body = body[maxPiece:]
	}
	if len(body) == 0 && !end {
		return out
	}
	return append(out, Reply{kind: replyResponseBody, body: body, end: end, metadata: metadata})
}

// answerTrailers releases the response's trailers, less the named ones.
func answerTrailers(remove []string, metadata []header) reply {
	return Reply{kind: replyResponseTrailers, mutation: mutation{remove: remove}, metadata: metadata}
}

// immediate answers the client ourselves; Envoy sends nothing upstream, or drops what the upstream answered. details
// appears in Envoy's access log as response_code_details.
func immediate(status int, set []header, body []byte, details string, metadata []header) reply {
	return Reply{kind: replyImmediate, status: status, mutation: mutation{set: set}, body: body, details: details, metadata: metadata}
}

// metadata is what Envoy's access log may say of the exchange, in the dynamic metadata namespace "yellowjack". An empty
// string is left out.
func metadata(pairs ...header) []header {
	out := pairs[:0]
	for _, p := range pairs {
		if p.value != "" {
			out = append(out, p)
		}
	}
	return out
}

func contentLength(n int) header { return header{"content-length", strconv.Itoa(n)} }
