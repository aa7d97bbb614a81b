package envoy

import (
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/yellowjack/yellowjack/internal/headers"
)

// requestRoom is how far Envoy's body bound lies above the service's own: the service then sees a body that is a little
// too large and says so, and one that is much too large is Envoy's 413.
const requestRoom = 1 << 20

// h2Window is what one HTTP/2 stream may send before it is read; the connection's is four times that.
const h2Window = 1 << 20

// door is what the clients' listener and the internal one (internal.go) differ in.
type door struct {
	name    string // of the listener and in statistics
	address *corev3.Address
	extProc string                // the cluster that its guard is reached by
	tell    []*corev3.HeaderValue // gRPC metadata: what the guard is told of the listener
	own     bool                  // only the gateway itself comes this way
}

// gateway is the clients' door.
func gateway(c Config) door {
	host, port, _ := splitAddress(c.Listen) // checked
	return door{name: gatewayListener, address: socketAddress(host, port), extProc: extProcCluster}
}

// gatewayListener is the name of the clients' listener.
const gatewayListener = "gateway"

// listener accepts requests at a door. Its buffer limit bounds a BUFFERED ext_proc body; a route's
// request_body_buffer_limit does not.
func (b *builder) listener(c Config, d door) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:                          d.name,
		Address:                       d.address,
		IgnoreGlobalConnLimit:         d.own,
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(uint32(c.RequestBytes + requestRoom)), // at most 1 GiB + 1 MiB
		FilterChains: []*listenerv3.FilterChain{{
			Filters: []*listenerv3.Filter{{
				Name:       "envoy.filters.network.http_connection_manager",
				ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: b.any(b.connectionManager(c, d))},
			}},
		}},
	}
}

// connectionManager says what a client may send at all. No upgrade is configured, so each is refused.
func (b *builder) connectionManager(c Config, d door) *hcmv3.HttpConnectionManager {
	return &hcmv3.HttpConnectionManager{
		StatPrefix:                 d.name,
		CodecType:                  hcmv3.HttpConnectionManager_AUTO,
		RouteSpecifier:             &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: b.routes(c, d)},
		HttpFilters:                b.filters(c, d),
		LocalReplyConfig:           b.localReplies(),
		AccessLog:                  b.accessLog(c.AccessLog),
		ServerName:                 "yellowjack",
		ServerHeaderTransformation: hcmv3.HttpConnectionManager_OVERWRITE,

		EarlyHeaderMutationExtensions: []*corev3.TypedExtensionConfig{
			b.extension("envoy.http.early_header_mutation.header_mutation", earlyMutation(c.ClusterHeader)),
		},
		// The address of the connection is the client's; what it says of itself in x-forwarded-for is not believed, and
		// no network counts as internal, so x-envoy-* from clients is never believed either.
		UseRemoteAddress:      wrapperspb.Bool(true),
		SkipXffAppend:         true,
		InternalAddressConfig: &hcmv3.HttpConnectionManager_InternalAddressConfig{},

		// A path means one thing, here and upstream.
		NormalizePath:                wrapperspb.Bool(true),
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_REJECT_REQUEST,
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			// x-yellowjack_cluster is x-yellowjack-cluster to some parsers.
			HeadersWithUnderscoresAction: corev3.HttpProtocolOptions_REJECT_REQUEST,
			MaxHeadersCount:              wrapperspb.UInt32(100),
			IdleTimeout:                  durationpb.New(c.StreamIdle),
		},
		MaxRequestHeadersKb: wrapperspb.UInt32(60),
		HttpProtocolOptions: &corev3.Http1ProtocolOptions{
			// Java's HttpClient offers h2c on every plaintext request; ignored, the request stays HTTP/1.1 (RFC 9110, 7.8).
			IgnoreHttp_11Upgrade: []*matcherv3.StringMatcher{
				{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "h2c"}, IgnoreCase: true},
			},
		},
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			MaxConcurrentStreams:        wrapperspb.UInt32(256),
			InitialStreamWindowSize:     wrapperspb.UInt32(h2Window),
			InitialConnectionWindowSize: wrapperspb.UInt32(4 * h2Window),
		},

		// The response half has no timeout in Envoy but this one; the service's own deadlines come first.
		StreamIdleTimeout:     durationpb.New(c.StreamIdle),
		RequestTimeout:        durationpb.New(c.RequestTimeout),
		RequestHeadersTimeout: durationpb.New(c.HeadersTimeout),
	}
}

// earlyMutation removes what no client may say, before the first route match: Envoy goes on unprocessed when an ext_proc
// stream is closed cleanly, and the client's own routing header would then choose the upstream. x-envoy-* would set
// timeouts and retries, and the service could not take it away (a mutation of it is a 500).
func earlyMutation(clusterHeader string) *earlyv3.HeaderMutation {
	out := &earlyv3.HeaderMutation{}
	for _, name := range internalHeaders(clusterHeader) {
		out.Mutations = append(out.Mutations, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Remove{Remove: name}})
	}
	out.Mutations = append(out.Mutations, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_RemoveOnMatch_{
		RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{
			KeyMatcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "x-envoy-"}},
		},
	}})
	return out
}

// internalHeaders is headers.Internal with the routing header under the name it has here.
func internalHeaders(clusterHeader string) []string {
	out := headers.Internal()
	if clusterHeader != headers.Cluster {
		out = append(out, clusterHeader)
	}
	return out
}
