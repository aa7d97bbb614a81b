package envoy

import (
	"fmt"
	"net/http"
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	celv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/filters/cel/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

// localReplies shapes Envoy's own answers.
func (b *builder) localReplies() *hcmv3.LocalReplyConfig {
	out := &hcmv3.LocalReplyConfig{}
	for _, kind := range ownAnswers() {
		for _, shape := range shapes() {
			out.Mappers = append(out.Mappers, b.mapper(kind, shape))
		}
	}
	return out
}

// ownAnswer is one kind of answer that Envoy gives by itself.
type ownAnswer struct {
	when    string // a CEL condition on response.code_details or response.code
	refusal *refuse.Refusal
}

func ownAnswers() []ownAnswer {
	details := func(prefixes ...string) string {
		var out []string
		for _, p := range prefixes {
			out = append(out, fmt.Sprintf("response.code_details.startsWith(%q)", p))
		}
		return strings.Join(out, " || ")
	}
	return []ownAnswer{
		{"response.code == 413", refuse.New(http.StatusRequestEntityTooLarge, refuse.TooLarge, "the request body is larger than this gateway takes", "")},
		{details("upgrade_failed"), refuse.New(http.StatusForbidden, refuse.BadRequest, "this gateway takes no protocol upgrade", "")},
		{"response.code == 408", refuse.New(http.StatusRequestTimeout, refuse.Deadline, "the request took too long to arrive, or nothing moved for too long", "")},
		{"response.code == 504", refuse.New(http.StatusGatewayTimeout, refuse.Deadline, "the provider did not answer in time", "")},
		{"response.code < 500", refuse.New(http.StatusBadRequest, refuse.BadRequest, "this is no request that the gateway understands; check the path, the method and the headers", "")},
		{details("overload"), refuse.New(http.StatusServiceUnavailable, refuse.Overloaded, "the gateway is overloaded; try again shortly", "")},
		{"response.code >= 500", refuse.New(http.StatusServiceUnavailable, refuse.Internal, "the gateway could not check this request, so it was not sent, or could not check the answer, so it is withheld; try again shortly", "")},
	}
}

// shapeRule says by the client's path which API's errors it reads. The last one is for whatever is left.
type shapeRule struct {
	shape refuse.Shape
	when  string
}

func shapes() []shapeRule {
	return []shapeRule{
		{refuse.Anthropic, `path.startsWith("/v1/messages")`},
		{refuse.OpenAI, `path.startsWith("/v1/")`},
		{refuse.Plain, "true"},
	}
}

func (b *builder) mapper(kind ownAnswer, s shapeRule) *hcmv3.ResponseMapper {
	condition := fmt.Sprintf(`!response.code_details.startsWith(%q) && (%s) && (%s)`, headers.DetailsPrefix, kind.when,
		strings.ReplaceAll(s.when, "path.", "filter_state['"+pathState+"']."))
	return &hcmv3.ResponseMapper{
		Filter: &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ExtensionFilter{
			ExtensionFilter: &accesslogv3.ExtensionFilter{
				Name:       "envoy.access_loggers.extension_filters.cel",
				ConfigType: &accesslogv3.ExtensionFilter_TypedConfig{TypedConfig: b.any(&celv3.ExpressionFilter{Expression: condition})},
			},
		}},
		BodyFormatOverride: &corev3.SubstitutionFormatString{
			ContentType: kind.refusal.ContentType(s.shape),
			Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
				Specifier: &corev3.DataSource_InlineString{InlineString: strings.ReplaceAll(string(kind.refusal.Body(s.shape, "")), "%", "%%")},
			}},
		},
	}
}
