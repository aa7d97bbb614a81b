package envoy

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// brokerCluster is the broker of tools.
const brokerCluster = "yellowjack_mcpbroker"

// brokerPaths are the broker's, each with the paths that it stands for. Envoy matches a regular expression against the whole path
// without its query.
var brokerPaths = [...]struct{ name, path string }{
	{"mcp", `/mcp(/[^/]+)?`},
	{"mcp-metadata", `/\.well-known/oauth-protected-resource(/mcp(/[^/]+)?)?`},
	{"connect", `/connect/.*`}, // the page on which a person connects her accounts
	{"events", `/events/.*`},   // what issuers tell of their users
}

// brokerRoutes lead to the broker, which verifies and decides for itself: the ext_proc service is not asked, so that a long stream
// holds none of its own. The gateway's own model calls have no business there.
func (b *builder) brokerRoutes(c Config, d door) []*routev3.Route {
	if c.Broker == "" || d.own {
		return nil
	}
	// Not in the chain at all, which costs less than a filter that is there and asks nothing. (Which route it is was decided before; it
	// is only the guard that could lead elsewhere.)
	unasked := map[string]*anypb.Any{extProcFilter: b.any(&routev3.FilterConfig{Disabled: true})}
	var out []*routev3.Route
	for _, p := range brokerPaths {
		out = append(out, &routev3.Route{
			Name:  p.name,
			Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: p.path}}},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{
				ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: brokerCluster},
				Timeout:          durationpb.New(0), // streams end when nothing moves on them
			}},
			RequestHeadersToRemove: internalHeaders(c.ClusterHeader),
			TypedPerFilterConfig:   unasked,
		})
	}
	return out
}

// brokerCluster reaches the broker by HTTP/1.1, on its Unix socket or on loopback.
func (b *builder) brokerCluster(c Config) *clusterv3.Cluster {
	target, isSocket, err := extProcTarget(c.Broker)
	if err != nil && b.err == nil {
		b.err = err
	}
	cluster := b.cluster(brokerCluster, c.Connections, time.Second)
	cluster.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	if isSocket {
		cluster.LoadAssignment = endpoint(brokerCluster, pipeAddress(target))
	} else {
		host, port, err := splitAddress(target)
		if err != nil && b.err == nil {
			b.err = err
		}
		cluster.LoadAssignment = endpoint(brokerCluster, socketAddress(host, port))
	}
	cluster.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptions: b.any(&httpv3.HttpProtocolOptions{
		// Shorter than the broker's own keep-alive, and nothing is retried.
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{IdleTimeout: durationpb.New(time.Minute)},
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{HttpProtocolOptions: &corev3.Http1ProtocolOptions{}},
		}},
	})}
	return cluster
}
