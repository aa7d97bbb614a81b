package envoy

import (
	"net/http"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/yellowjack/yellowjack/internal/headers"
)

// routes is the whole table: the broker's own paths (broker.go); the provider that the ext_proc service named; or a refusal. A request comes to the refusal
// only when the service let it go on without deciding, which it never does itself: then it is broken, and this is what
// keeps the request here.
func (b *builder) routes(c Config, d door) *routev3.RouteConfiguration {
	anyPath := &routev3.RouteMatch_Prefix{Prefix: "/"}
	return &routev3.RouteConfiguration{
		Name: "gateway",
		// No router may add a cluster's name that is not configured here; it is a 503 of Envoy's own.
		ValidateClusters: wrapperspb.Bool(true),
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    "all",
			Domains: []string{"*"},
			Routes: append(b.brokerRoutes(c, d), []*routev3.Route{{
				Name: "provider",
				Match: &routev3.RouteMatch{
					PathSpecifier: anyPath,
					Headers: []*routev3.HeaderMatcher{{
						Name:                 c.ClusterHeader,
						HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
					}},
				},
				Action: &routev3.Route_Route{Route: &routev3.RouteAction{
					ClusterSpecifier: &routev3.RouteAction_ClusterHeader{ClusterHeader: c.ClusterHeader},
					// Answers take minutes, and silence is bounded by the idle timeout. No retries: they would bill twice.
					Timeout:                     durationpb.New(0),
					ClusterNotFoundResponseCode: routev3.RouteAction_SERVICE_UNAVAILABLE,
				}},
				RequestHeadersToRemove: beforeEgress(c.ClusterHeader),
			}, {
				Name:   "undecided",
				Match:  &routev3.RouteMatch{PathSpecifier: anyPath},
				Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: http.StatusServiceUnavailable}},
			}}...),
		}},
	}
}

// beforeEgress lists what leaves a request as it goes to a provider: our own headers, and those that Envoy adds about
// the client, which the service cannot see or cannot remove.
func beforeEgress(clusterHeader string) []string {
	return append(internalHeaders(clusterHeader), headers.ProviderKey,
		"x-envoy-external-address", "x-envoy-internal", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded")
}
