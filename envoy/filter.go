package envoy

import (
	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	matchingv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	compositev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	setstatehttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// pathState is the filter state that keeps the path as the client sent it, without its query. The service rewrites :path
// for the provider; local replies and the access log are about the client's.
const pathState = "yellowjack.path"

// extProcFilter is the name under which the guard stands in the chain, and by which a route turns it off.
const extProcFilter = "envoy.filters.http.ext_proc"

// filters is the chain: remember the path, ask the service, drop what it does not see, route.
func (b *builder) filters(c Config, d door) []*hcmv3.HttpFilter {
	return []*hcmv3.HttpFilter{
		b.filter("envoy.filters.http.set_filter_state", rememberPath()),
		b.filter(extProcFilter, b.onceRequested(b.extension(extProcFilter, extProc(c, d)))),
		b.filter("envoy.filters.http.header_mutation", dropTrailers()),
		b.filter("envoy.filters.http.router", &routerv3.Router{SuppressEnvoyHeaders: true}),
	}
}

func (b *builder) filter(name string, m proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: b.any(m)}}
}

func rememberPath() *setstatehttpv3.Config {
	return &setstatehttpv3.Config{OnRequestHeaders: []*setstatev3.FilterStateValue{{
		Key:        &setstatev3.FilterStateValue_ObjectKey{ObjectKey: pathState},
		FactoryKey: "envoy.string",
		Value: &setstatev3.FilterStateValue_FormatString{FormatString: &corev3.SubstitutionFormatString{
			Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
				Specifier: &corev3.DataSource_InlineString{InlineString: "%PATH(NQ:PATH)%"},
			}},
		}},
	}}}
}

// onceRequested puts the guard into the chain when a request's headers are there, which is before anything of the
// request can go anywhere. What Envoy answers earlier, to what is no HTTP request at all (400, 426, 431), then goes out
// in its local-reply shape. With the guard always in the chain that answer would begin an ext_proc stream of its own,
// the codec would close the connection meanwhile, and the client would get nothing (tried on 1.40.0).
//
// Should the condition ever not hold, the guard is missing and the request meets the route of the undecided.
func (b *builder) onceRequested(guard *corev3.TypedExtensionConfig) *matchingv3.ExtensionWithMatcher {
	anyMethod := &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
		Input: b.xdsExtension("method", &matcherv3.HttpRequestHeaderMatchInput{HeaderName: ":method"}),
		Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: &xdsmatcherv3.StringMatcher{
			MatchPattern: &xdsmatcherv3.StringMatcher_SafeRegex{SafeRegex: &xdsmatcherv3.RegexMatcher{
				EngineType: &xdsmatcherv3.RegexMatcher_GoogleRe2{GoogleRe2: &xdsmatcherv3.RegexMatcher_GoogleRE2{}}, Regex: ".+",
			}},
		}},
	}
	return &matchingv3.ExtensionWithMatcher{
		ExtensionConfig: b.extension("envoy.filters.http.composite", &compositev3.Composite{}),
		XdsMatcher: &xdsmatcherv3.Matcher{MatcherType: &xdsmatcherv3.Matcher_MatcherList_{MatcherList: &xdsmatcherv3.Matcher_MatcherList{
			Matchers: []*xdsmatcherv3.Matcher_MatcherList_FieldMatcher{{
				Predicate: &xdsmatcherv3.Matcher_MatcherList_Predicate{
					MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{SinglePredicate: anyMethod},
				},
				OnMatch: &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{
					Action: b.xdsExtension("guard", &compositev3.ExecuteFilterAction{TypedConfig: guard}),
				}},
			}},
		}}},
	}
}

func (b *builder) xdsExtension(name string, m proto.Message) *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{Name: name, TypedConfig: b.any(m)}
}

// extProc is the guard.
//
// The request is BUFFERED: its headers and body are changed in one reply, content-length stays right, and the message
// timeout covers each answer. The response is FULL_DUPLEX_STREAMED: the service holds, releases, inserts or drops bytes
// as it likes; Envoy has no timeout there, so the service has its own. Trailers of a response are asked for because that
// mode needs them to know the end.
//
// What must stay as it is: failure_mode_allow false; no mode override; immediate responses never disabled;
// grpc_service.timeout unset, as it would end long streams.
func extProc(c Config, d door) *extprocv3.ExternalProcessor {
	return &extprocv3.ExternalProcessor{
		StatPrefix: "yellowjack",
		GrpcService: &corev3.GrpcService{
			TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: d.extProc, Authority: "yellowjack-extproc"},
			},
			InitialMetadata: d.tell,
		},
		FailureModeAllow: false,
		StatusOnError:    &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable},
		MessageTimeout:   durationpb.New(c.MessageTimeout),
		ProcessingMode: &extprocv3.ProcessingMode{
			RequestHeaderMode:   extprocv3.ProcessingMode_SEND,
			RequestBodyMode:     extprocv3.ProcessingMode_BUFFERED,
			RequestTrailerMode:  extprocv3.ProcessingMode_SKIP,
			ResponseHeaderMode:  extprocv3.ProcessingMode_SEND,
			ResponseBodyMode:    extprocv3.ProcessingMode_FULL_DUPLEX_STREAMED,
			ResponseTrailerMode: extprocv3.ProcessingMode_SEND,
		},
		AllowModeOverride: false,
		// :authority is the provider's; a mutation that is not allowed is an error, never skipped.
		MutationRules: &mutationv3.HeaderMutationRules{
			AllowAllRouting: wrapperspb.Bool(true),
			DisallowIsError: wrapperspb.Bool(true),
		},
		// How the service tells an upstream's answer from one of Envoy's own.
		ResponseAttributes: []string{"response.code_details"},
		MetadataOptions: &extprocv3.MetadataOptions{
			ReceivingNamespaces: &extprocv3.MetadataOptions_MetadataNamespaces{Untyped: []string{MetadataNamespace}},
		},
	}
}

// dropTrailers takes away a request's trailers, which no step has looked at. (HTTP/1 trailers are dropped by the codec.)
func dropTrailers() *headermutationv3.HeaderMutation {
	return &headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{
		RequestTrailersMutations: []*mutationv3.HeaderMutation{{Action: &mutationv3.HeaderMutation_RemoveOnMatch_{
			RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{
				KeyMatcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
					SafeRegex: &matcherv3.RegexMatcher{Regex: ".*"},
				}},
			},
		}}},
	}}
}
