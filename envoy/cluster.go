package envoy

import (
	"errors"
	"net"
	"os"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	dnscommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// extProcCluster is the ext_proc service's cluster.
const extProcCluster = "yellowjack_extproc"

// httpOptions is the key of a cluster's HTTP options.
const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// responseBuffer is what one upstream connection may have read ahead of a client or a service that is slow.
const responseBuffer = 1 << 20

// extProcCluster reaches the ext_proc service, by HTTP/2 on a Unix socket or on TCP with mutual TLS, for so many requests at
// once.
func (b *builder) extProcCluster(c Config, name string, requests int) *clusterv3.Cluster {
	target, isSocket, err := extProcTarget(c.ExtProc)
	if err != nil && b.err == nil {
		b.err = err
	}
	cluster := b.cluster(name, requests, time.Second)
	h2 := &corev3.Http2ProtocolOptions{
		InitialStreamWindowSize:     wrapperspb.UInt32(h2Window),
		InitialConnectionWindowSize: wrapperspb.UInt32(16 * h2Window),
	}
	if isSocket {
		cluster.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
		cluster.LoadAssignment = endpoint(name, pipeAddress(target))
	} else {
		host, port, err := splitAddress(target)
		if err != nil && b.err == nil {
			b.err = err
		}
		b.resolve(cluster, host, port)
		// A peer that vanished without a word is found within seconds, not at the next exchange's deadline.
		h2.ConnectionKeepalive = &corev3.KeepaliveSettings{Interval: durationpb.New(10 * time.Second), Timeout: durationpb.New(5 * time.Second)}
		if t := c.ExtProcTLS; t != nil {
			expected := t.ServerName
			if expected == "" {
				expected = host
			}
			context := verified(expected, t.CA)
			context.CommonTlsContext.TlsCertificates = []*tlsv3.TlsCertificate{{CertificateChain: fileSource(t.Cert), PrivateKey: fileSource(t.Key)}}
			context.CommonTlsContext.AlpnProtocols = []string{"h2"}
			cluster.TransportSocket = b.tls(context)
		}
	}
	cluster.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptions: b.any(&httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: h2},
		}},
	})}
	return cluster
}

// providerCluster reaches one provider: HTTP/2 where its TLS offers that, else HTTP/1.1.
func (b *builder) providerCluster(c Config, p Provider) *clusterv3.Cluster {
	cluster := b.cluster(p.Cluster, c.Connections+c.InternalRequests, p.ConnectTimeout)
	cluster.AltStatName = p.Name
	cluster.PerConnectionBufferLimitBytes = wrapperspb.UInt32(responseBuffer)
	b.resolve(cluster, p.Host, p.Port)
	// A provider that vanishes in a silent stream is noticed, long before the idle timeout.
	cluster.UpstreamConnectionOptions = &clusterv3.UpstreamConnectionOptions{TcpKeepalive: &corev3.TcpKeepalive{
		KeepaliveTime: wrapperspb.UInt32(60), KeepaliveInterval: wrapperspb.UInt32(15), KeepaliveProbes: wrapperspb.UInt32(4),
	}}
	options := &httpv3.HttpProtocolOptions{
		// Shorter than providers' own keep-alive: nothing is retried, so a connection that they just closed is an error.
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{IdleTimeout: durationpb.New(30 * time.Second)},
	}
	if p.Scheme == "https" {
		ca, err := roots(p.CAFile, c.CAFile)
		if err != nil && b.err == nil {
			b.err = err
		}
		cluster.TransportSocket = b.tls(verified(p.Host, ca))
		options.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_AutoConfig{AutoConfig: &httpv3.HttpProtocolOptions_AutoHttpConfig{
			HttpProtocolOptions: &corev3.Http1ProtocolOptions{},
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
				InitialStreamWindowSize:     wrapperspb.UInt32(h2Window),
				InitialConnectionWindowSize: wrapperspb.UInt32(16 * h2Window),
			},
		}}
	} else {
		options.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{HttpProtocolOptions: &corev3.Http1ProtocolOptions{}},
		}}
	}
	cluster.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptions: b.any(options)}
	return cluster
}

// cluster is what both kinds share. Envoy's own circuit breakers stop at 1024, which live streams reach; ours stop where
// the listeners do, and never retry.
func (b *builder) cluster(name string, requests int, connect time.Duration) *clusterv3.Cluster {
	most := wrapperspb.UInt32(uint32(requests)) // positive, and far under 2^32 by conf's limit
	return &clusterv3.Cluster{
		Name:           name,
		ConnectTimeout: durationpb.New(connect),
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxConnections: most, MaxPendingRequests: most, MaxRequests: most, MaxRetries: wrapperspb.UInt32(0),
		}}},
	}
}

// resolve gives a cluster its address: as it is, or by DNS. A name has one address at a time, the next connection may
// have another; both families are tried.
func (b *builder) resolve(cluster *clusterv3.Cluster, host string, port int) {
	cluster.LoadAssignment = endpoint(cluster.Name, socketAddress(host, port))
	if net.ParseIP(host) != nil {
		cluster.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
		return
	}
	cluster.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: "envoy.clusters.dns",
		TypedConfig: b.any(&dnsv3.DnsCluster{
			AllAddressesInSingleEndpoint: true,
			DnsLookupFamily:              dnscommonv3.DnsLookupFamily_ALL,
			RespectDnsTtl:                true,
			DnsRefreshRate:               durationpb.New(30 * time.Second),
			DnsMinRefreshRate:            durationpb.New(5 * time.Second),
			DnsFailureRefreshRate: &dnsv3.DnsCluster_RefreshRate{
				BaseInterval: durationpb.New(time.Second), MaxInterval: durationpb.New(10 * time.Second),
			},
			// Envoy is ready after the first lookups, so they must not take long where there is no DNS.
			TypedDnsResolverConfig: b.extension("envoy.network.dns_resolver.cares", &caresv3.CaresDnsResolverConfig{
				DnsResolverOptions:  &corev3.DnsResolverOptions{},
				QueryTimeoutSeconds: wrapperspb.UInt64(2),
				QueryTries:          wrapperspb.UInt32(2),
			}),
		}),
	}}
}

func endpoint(cluster string, address *corev3.Address) *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: cluster,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
		}}}},
	}
}

func (b *builder) tls(context *tlsv3.UpstreamTlsContext) *corev3.TransportSocket {
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.any(context)},
	}
}

// verified is TLS in which the certificate must come from ca and name host exactly (a certificate's own wildcard counts).
// Envoy verifies neither unless told. An IP address is sent as no SNI (RFC 6066, section 3) and matched as an IP.
func verified(host, ca string) *tlsv3.UpstreamTlsContext {
	san := &tlsv3.SubjectAltNameMatcher{
		SanType: tlsv3.SubjectAltNameMatcher_DNS,
		Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: host}},
	}
	sni := host
	if ip := net.ParseIP(host); ip != nil {
		san.SanType, sni = tlsv3.SubjectAltNameMatcher_IP_ADDRESS, ""
	}
	return &tlsv3.UpstreamTlsContext{
		Sni: sni,
		CommonTlsContext: &tlsv3.CommonTlsContext{
			// Unless told, Envoy's client side stops at TLS 1.2.
			TlsParams: &tlsv3.TlsParameters{
				TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
			},
			ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
				TrustedCa:                 fileSource(ca),
				MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{san},
			}},
		},
	}
}

func fileSource(path string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: path}}
}

// roots is the first CA file of those given, else the system's bundle: Envoy's TLS has no built-in notion of it. The
// places are those that Go's crypto/x509 looks in.
func roots(files ...string) (string, error) {
	for _, file := range append(files, os.Getenv("SSL_CERT_FILE")) {
		if file != "" {
			return file, nil
		}
	}
	for _, file := range []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine, Arch
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL, Fedora
		"/etc/pki/tls/certs/ca-bundle.crt",                  // older RHEL
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/ssl/cert.pem",                                 // Alpine, macOS, BSD
	} {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file, nil
		}
	}
	return "", errors.New("no bundle of root certificates found; install ca-certificates, or name a CA file (SSL_CERT_FILE)")
}
