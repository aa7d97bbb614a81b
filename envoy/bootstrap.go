package envoy

import (
	"fmt"
	"net"
	"strconv"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"sigs.k8s.io/yaml"
)

// Bootstrap writes the whole configuration. It reads no file but looks for the system's roots where a provider needs
// them.
func Bootstrap(c Config) (*bootstrapv3.Bootstrap, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("envoy: %w", err)
	}
	var b builder
	listeners := []*listenerv3.Listener{b.listener(c, gateway(c))}
	clusters := []*clusterv3.Cluster{b.extProcCluster(c, extProcCluster, c.Connections)}
	if c.InternalSocket != "" {
		listeners = append(listeners, b.listener(c, internal(c)))
		clusters = append(clusters, b.extProcCluster(c, internalExtProcCluster, c.InternalRequests))
	}
	if c.Broker != "" {
		clusters = append(clusters, b.brokerCluster(c))
	}
	for _, p := range c.Providers {
		clusters = append(clusters, b.providerCluster(c, p))
	}
	boot := &bootstrapv3.Bootstrap{
		Node:  &corev3.Node{Id: "yellowjack", Cluster: "yellowjack"},
		Admin: admin(c.AdminSocket),
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{
			Listeners: listeners,
			Clusters:  clusters,
		},
		OverloadManager: b.overload(c),
	}
	if b.err != nil {
		return nil, fmt.Errorf("envoy: %w", b.err)
	}
	if err := boot.ValidateAll(); err != nil {
		return nil, fmt.Errorf("envoy: %w", err)
	}
	return boot, nil
}

// JSON writes the bootstrap as Envoy reads it.
func JSON(boot *bootstrapv3.Bootstrap) ([]byte, error) {
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(boot)
}

// YAML writes the bootstrap for people and for sidecars. Its keys are sorted, so that two of them can be compared.
func YAML(boot *bootstrapv3.Bootstrap) ([]byte, error) {
	doc, err := JSON(boot)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(doc)
}

// builder packs extensions and keeps the first error, so that the builders read like the configuration they write.
type builder struct{ err error }

func (b *builder) any(m proto.Message) *anypb.Any {
	out, err := anypb.New(m)
	if err != nil && b.err == nil {
		b.err = err
	}
	return out
}

func (b *builder) extension(name string, m proto.Message) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: name, TypedConfig: b.any(m)}
}

// admin is on a Unix socket that our user alone may open: over TCP anyone local could read keys by /logging or stop the
// guard. Even there only what supervision and monitoring need is served: no /logging, /config_dump or /quitquitquit.
func admin(socket string) *bootstrapv3.Admin {
	exact := func(path string) *matcherv3.StringMatcher {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: path}}
	}
	prefix := func(path string) *matcherv3.StringMatcher {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: path}}
	}
	return &bootstrapv3.Admin{
		Address: &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: socket, Mode: 0o600}}},
		AllowPaths: []*matcherv3.StringMatcher{
			exact("/ready"), exact("/server_info"), exact("/memory"), exact("/certs"),
			prefix("/stats"), prefix("/clusters"), prefix("/listeners"),
			exact("/healthcheck/fail"), prefix("/drain_listeners"),
		},
	}
}

// address makes a socket address of host:port or a pipe of a path.
func pipeAddress(path string) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path}}}
}

func socketAddress(host string, port int) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)}, // checked to be a port
	}}}
}

// splitAddress reads host:port; an empty host is every IPv4 address.
func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not host:port", address)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q has no usable port", address)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}
