package extproc

import (
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// maxPiece bounds one body message to Envoy, in bytes, so that one large answer does not become one large gRPC message.
const maxPiece = 256 << 10

// reply is one message to Envoy.
type reply = *extprocv3.ProcessingResponse

// header is one header to set, replacing every value that was there.
type header struct{ name, value string }

// mutation is what a reply changes about a message's headers.
type mutation struct {
	set    []header
	remove []string
}

func (m mutation) proto() *extprocv3.HeaderMutation {
	if len(m.set) == 0 && len(m.remove) == 0 {
		return nil
	}
	out := &extprocv3.HeaderMutation{RemoveHeaders: m.remove}
	if len(m.set) > 0 {
		// One slab each instead of three allocations a header: this runs on every request.
		options := make([]corev3.HeaderValueOption, len(m.set))
		values := make([]corev3.HeaderValue, len(m.set))
		out.SetHeaders = make([]*corev3.HeaderValueOption, len(m.set))
		for i, h := range m.set {
			values[i].Key = h.name
			values[i].RawValue = []byte(h.value)
			options[i].Header = &values[i]
			options[i].AppendAction = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
			out.SetHeaders[i] = &options[i]
		}
	}
	return out
}

// continueRequestHeaders lets Envoy go on to buffer the body; nothing reaches an upstream before the body's reply.
func continueRequestHeaders() reply {
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{
		RequestHeaders: &extprocv3.HeadersResponse{},
	}}
}

// forwardRequest answers the buffered body: the headers and, when body is not nil, the body that go upstream, by the
// cluster that the headers name. clear_route_cache makes Envoy match the route anew, with that header.
func forwardRequest(m mutation, body []byte, metadata *structpb.Struct) reply {
	common := &extprocv3.CommonResponse{HeaderMutation: m.proto(), ClearRouteCache: true}
	if body != nil {
		common.BodyMutation = &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_Body{Body: body}}
	}
	return &extprocv3.ProcessingResponse{
		Response:        &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{Response: common}},
		DynamicMetadata: metadata,
	}
}

// answerResponseHeaders releases the response's headers as m changes them.
func answerResponseHeaders(m mutation) reply {
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{
		ResponseHeaders: &extprocv3.HeadersResponse{Response: &extprocv3.CommonResponse{HeaderMutation: m.proto()}},
	}}
}

// releaseBody appends the messages that put body, in pieces, into the response; end says that nothing follows it.
// An empty body that does not end anything is no message at all.
func releaseBody(out []reply, body []byte, end bool, metadata *structpb.Struct) []reply {
	for len(body) > maxPiece {
		out = append(out, bodyPiece(body[:maxPiece], false))
		body = body[maxPiece:]
	}
	if len(body) == 0 && !end {
		return out
	}
	last := bodyPiece(body, end)
	last.DynamicMetadata = metadata
	return append(out, last)
}

func bodyPiece(body []byte, end bool) reply {
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseBody{
		ResponseBody: &extprocv3.BodyResponse{Response: &extprocv3.CommonResponse{
			BodyMutation: &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_StreamedResponse{
				StreamedResponse: &extprocv3.StreamedBodyResponse{Body: body, EndOfStream: end},
			}},
		}},
	}}
}

// answerTrailers releases the response's trailers, less the named ones.
func answerTrailers(remove []string, metadata *structpb.Struct) reply {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseTrailers{
			ResponseTrailers: &extprocv3.TrailersResponse{HeaderMutation: mutation{remove: remove}.proto()},
		},
		DynamicMetadata: metadata,
	}
}

// immediate answers the client ourselves; Envoy sends nothing upstream, or drops what the upstream answered. details
// appears in Envoy's access log as response_code_details.
func immediate(status int, set []header, body []byte, details string, metadata *structpb.Struct) reply {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: &extprocv3.ImmediateResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(status)}, //nolint:gosec // an HTTP status
			Headers: mutation{set: set}.proto(),
			Body:    body,
			Details: details,
		}},
		DynamicMetadata: metadata,
	}
}

// metadata is what Envoy's access log may say of the exchange, in the dynamic metadata namespace "yellowjack". An empty
// string is left out.
func metadata(pairs ...header) *structpb.Struct {
	fields := make(map[string]*structpb.Value, len(pairs))
	for _, p := range pairs {
		if p.value != "" {
			fields[p.name] = structpb.NewStringValue(p.value)
		}
	}
	return &structpb.Struct{Fields: map[string]*structpb.Value{
		"yellowjack": structpb.NewStructValue(&structpb.Struct{Fields: fields}),
	}}
}

func contentLength(n int) header { return header{"content-length", strconv.Itoa(n)} }
