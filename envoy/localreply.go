package envoy

import (
	"fmt"
	"net/http"
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	celv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/filters/cel/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

// localReplies shapes Envoy's own answers: the first mapper whose condition holds writes the body. Without it, Envoy's
// body is empty where the ext_proc service failed.
//
// An immediate response of the service is a local reply too, and must stay as it is. Envoy takes over the details that the
// service gives with it, so response.code_details beginning with headers.DetailsPrefix is ours; the first mapper
// recognises it and changes nothing. Nobody else chooses details: Envoy's own are fixed words, and those that quote a
// gRPC status begin with ext_proc_error.
//
// Tried on 1.40.0:
//   - a CEL filter on response.code_details: tells them apart in both halves (this one; OwnAnswers and Shapes test it);
//   - a metadata filter on dynamic metadata that comes with the immediate response: it is set in time, but metadata of
//     the request half is still there when the service dies in the response half, and Envoy's own empty reply then
//     passes for ours;
//   - a response flag filter: an ext_proc failure sets no flag;
//   - a filter on the status: our refusals use the same ones;
//   - :path by a header filter or request.url_path: it is the provider's once the service has rewritten it, hence the
//     filter state.
func (b *builder) localReplies() *hcmv3.LocalReplyConfig {
	ours := fmt.Sprintf("response.code_details.startsWith(%q)", headers.DetailsPrefix)
	out := &hcmv3.LocalReplyConfig{Mappers: []*hcmv3.ResponseMapper{{Filter: b.cel(ours)}}}
	for _, kind := range ownAnswers() {
		for _, shape := range shapes() {
			out.Mappers = append(out.Mappers, b.mapper(kind, shape))
		}
	}
	return out
}

// ownAnswer is one kind of answer that Envoy gives by itself.
type ownAnswer struct {
	when    string // CEL
	status  bool   // whether the status is changed to the refusal's; else it stays what Envoy said
	refusal *refuse.Refusal
}

// ownAnswers lists them; the last one holds for whatever is left: the ext_proc service is dead, hung, broken or gone
// (Envoy says 503, or 504 when it was late), or let a request go on undecided.
func ownAnswers() []ownAnswer {
	return []ownAnswer{
		{"response.code == 413", false, refuse.New(http.StatusRequestEntityTooLarge, refuse.TooLarge, "the request is larger than the gateway takes", "")},
		{"response.code == 408", false, refuse.New(http.StatusRequestTimeout, refuse.Deadline, "the request took too long to arrive", "")},
		{"response.code < 500", false, refuse.New(http.StatusBadRequest, refuse.BadRequest, "the gateway does not take this kind of request; check its path, method and headers", "")},
		{`response.code_details.startsWith("overload")`, false, refuse.New(http.StatusServiceUnavailable, refuse.Overloaded, "the gateway is overloaded; try again shortly", "")},
		{"true", true, refuse.New(http.StatusServiceUnavailable, refuse.Internal, "the gateway could not check this exchange, so nothing was released; try again shortly", "")},
	}
}

// shapeRule says by the client's path which API's errors it reads, as refuse.ShapeOf does (a test holds them together).
type shapeRule struct {
	shape refuse.Shape
	when  string // CEL; PATH stands for the client's path
}

func shapes() []shapeRule {
	under := func(folders ...string) string {
		var out []string
		for _, f := range folders {
			out = append(out, fmt.Sprintf("PATH == %q || PATH.startsWith(%q)", f, f+"/"))
		}
		return strings.Join(out, " || ")
	}
	return []shapeRule{
		{refuse.JSONRPC, under("/mcp")},
		{refuse.Plain, under("/.well-known", "/connect", "/events", "/healthz", "/readyz")},
		{refuse.Anthropic, `PATH.endsWith("/v1/messages") || PATH.contains("/v1/messages/")`},
		{refuse.Gemini, `PATH.contains("/v1beta/") || PATH.contains(":generateContent") || PATH.contains(":streamGenerateContent")`},
		{refuse.Bedrock, `PATH.contains("/model/")`},
		{refuse.OpenAI, "true"},
	}
}

// clientPath is the path the client sent. The service rewrites :path, so the filter state says; a reply that Envoy made
// before any filter ran has none, and its :path is still the client's.
const clientPath = "('" + pathState + "' in filter_state ? string(filter_state['" + pathState + "']) : request.url_path)"

func (b *builder) mapper(kind ownAnswer, s shapeRule) *hcmv3.ResponseMapper {
	body := string(kind.refusal.Body(s.shape, ""))
	out := &hcmv3.ResponseMapper{
		Filter: b.cel(fmt.Sprintf("(%s) && (%s)", kind.when, strings.ReplaceAll(s.when, "PATH", clientPath))),
		BodyFormatOverride: &corev3.SubstitutionFormatString{
			ContentType: kind.refusal.ContentType(s.shape),
			Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
				Specifier: &corev3.DataSource_InlineString{InlineString: strings.ReplaceAll(body, "%", "%%")},
			}},
		},
	}
	if kind.status {
		out.StatusCode = wrapperspb.UInt32(uint32(kind.refusal.Status)) // an HTTP status
	}
	return out
}

func (b *builder) cel(expression string) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ExtensionFilter{
		ExtensionFilter: &accesslogv3.ExtensionFilter{
			Name: "envoy.access_loggers.extension_filters.cel",
			ConfigType: &accesslogv3.ExtensionFilter_TypedConfig{TypedConfig: b.any(&celv3.ExpressionFilter{
				Expression: expression,
				// Filter state is bytes in CEL. What is converted is bounded by max_request_headers_kb.
				CelConfig: &corev3.CelExpressionConfig{EnableStringConversion: true},
			})},
		},
	}}
}
