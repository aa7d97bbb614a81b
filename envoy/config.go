package envoy

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/headers"
)

// MetadataNamespace is the dynamic metadata in which the ext_proc service tells the access log what it decided.
const MetadataNamespace = "yellowjack"

// maxSocketPath is the longest Unix socket path that every system takes: sun_path with its ending NUL is 104 bytes on
// BSD and macOS, 108 on Linux.
const maxSocketPath = 103

// Config is what a bootstrap is made of. Zero limits become defaults.
type Config struct {
	// Listen is the gateway's address, host:port. Port 0 lets the kernel choose (Process.Addr tells).
	Listen string
	// AdminSocket is the absolute path of Envoy's admin Unix socket; only our user may open it.
	AdminSocket string
	// ExtProc is where the ext_proc service listens: unix:///absolute/path, or tcp host:port.
	ExtProc string
	// ExtProcTLS is mutual TLS towards the ext_proc service. TCP that is not loopback needs it.
	ExtProcTLS *ClientTLS
	// InternalSocket is the absolute path of the socket on which the gateway reaches itself for its own model calls
	// (internal.go); it must be in a folder that only our user may enter. Empty is no such listener.
	InternalSocket string
	// InternalRequests bounds the requests on it.
	InternalRequests int
	// Broker is where the broker of tools listens, for /mcp: unix:///absolute/path, or a loopback host:port. Empty is none.
	Broker string
	// Providers are the upstreams; nothing else can be reached.
	Providers []Provider
	// ClusterHeader names the cluster a decided request goes to; empty is headers.Cluster.
	ClusterHeader string
	// AccessLog is where the access log goes: "" is nowhere, "-" or "stdout", "stderr", or an absolute path.
	AccessLog string
	// CAFile holds the roots that providers' certificates are verified against; empty is the system's bundle.
	CAFile string

	// RequestBytes is the largest request body that the ext_proc service takes. Envoy's own bound lies above it, so that
	// the service can say which limit was passed.
	RequestBytes int
	// MessageTimeout is how long Envoy waits for each answer of the ext_proc service in the request half.
	MessageTimeout time.Duration
	// StreamIdle ends a stream on which nothing moved for so long. Reasoning models are silent for minutes.
	StreamIdle time.Duration
	// RequestTimeout is how long a client may take to send a whole request; HeadersTimeout, to send its headers.
	RequestTimeout, HeadersTimeout time.Duration
	// Connections bounds downstream connections and sizes the circuit breakers.
	Connections int
	// HeapBytes bounds Envoy's heap: near it, Envoy refuses requests rather than being killed. Zero is no bound.
	HeapBytes uint64
}

// ClientTLS names the PEM files with which Envoy connects to the ext_proc service, and the name it expects there.
type ClientTLS struct {
	Cert, Key, CA string
	// ServerName is matched against the server's certificate; empty is the host of Config.ExtProc.
	ServerName string
}

// Provider is one upstream.
type Provider struct {
	// Name is the provider's name in the configuration; Cluster is Envoy's, what the routing header says.
	Name, Cluster string
	// Scheme is https (verified TLS) or http (plaintext).
	Scheme string
	Host   string
	// Port is 443 or 80 when zero.
	Port int
	// CAFile holds the roots for this provider alone.
	CAFile string
	// ConnectTimeout bounds the connection, TLS included.
	ConnectTimeout time.Duration
}

// withDefaults fills in what was left at zero.
func (c Config) withDefaults() Config {
	c.ClusterHeader = strings.ToLower(c.ClusterHeader)
	if c.ClusterHeader == "" {
		c.ClusterHeader = headers.Cluster
	}
	c.RequestBytes = orElse(c.RequestBytes, 8<<20)
	c.MessageTimeout = orElse(c.MessageTimeout, 10*time.Second)
	c.StreamIdle = orElse(c.StreamIdle, 15*time.Minute)
	c.RequestTimeout = orElse(c.RequestTimeout, time.Minute)
	c.HeadersTimeout = orElse(c.HeadersTimeout, 10*time.Second)
	c.Connections = orElse(c.Connections, 10_000)
	c.InternalRequests = orElse(c.InternalRequests, 64)
	if c.InternalSocket == "" {
		c.InternalRequests = 0
	}
	providers := make([]Provider, len(c.Providers))
	for i, p := range c.Providers {
		p.ConnectTimeout = orElse(p.ConnectTimeout, 5*time.Second)
		if p.Port == 0 {
			p.Port = map[string]int{"https": 443, "http": 80}[p.Scheme]
		}
		providers[i] = p
	}
	c.Providers = providers
	return c
}

func orElse[T int | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// check refuses a configuration that could not run or would not be safe, with every reason at once.
func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if _, _, err := splitAddress(c.Listen); err != nil {
		bad("listen: %w", err)
	}
	if err := checkSocket(c.AdminSocket); err != nil {
		bad("admin socket: %w", err)
	}
	if c.InternalSocket != "" {
		if err := checkSocket(c.InternalSocket); err != nil {
			bad("internal socket: %w", err)
		}
		if c.InternalSocket == c.AdminSocket || "unix://"+c.InternalSocket == c.ExtProc {
			bad("internal socket: %s is another's socket", c.InternalSocket)
		}
	}
	if err := c.checkExtProc(); err != nil {
		bad("extproc: %w", err)
	}
	if err := c.checkBroker(); err != nil {
		bad("broker: %w", err)
	}
	if c.AccessLog != "" && c.AccessLog != "-" && c.AccessLog != "stdout" && c.AccessLog != "stderr" && !filepath.IsAbs(c.AccessLog) {
		bad("access log: %q is neither -, stdout, stderr nor an absolute path", c.AccessLog)
	}
	if c.RequestBytes > 1<<30 {
		bad("request bytes: %d is more than 1 GiB", c.RequestBytes)
	}
	seen := map[string]bool{extProcCluster: true, internalExtProcCluster: true, brokerCluster: true}
	for _, p := range c.Providers {
		if err := p.check(); err != nil {
			bad("provider %q: %w", p.Name, err)
		}
		if seen[p.Cluster] {
			bad("provider %q: the cluster name %q is taken", p.Name, p.Cluster)
		}
		seen[p.Cluster] = true
	}
	return errors.Join(errs...)
}

func (c Config) checkExtProc() error {
	path, isSocket, err := extProcTarget(c.ExtProc)
	switch {
	case err != nil:
		return err
	case isSocket && c.ExtProcTLS != nil:
		return errors.New("TLS is for TCP, not for a Unix socket")
	case isSocket:
		return checkSocket(path)
	}
	host, _, err := splitAddress(path)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); c.ExtProcTLS == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s is not loopback, so it needs mutual TLS", path)
	}
	if t := c.ExtProcTLS; t != nil && (t.Cert == "" || t.Key == "" || t.CA == "") {
		return errors.New("mutual TLS needs a certificate, a key and a CA file")
	}
	return nil
}

// checkBroker: requests with their tokens go there in the clear.
func (c Config) checkBroker() error {
	if c.Broker == "" {
		return nil
	}
	target, isSocket, err := extProcTarget(c.Broker)
	switch {
	case err != nil:
		return err
	case isSocket && (c.Broker == c.ExtProc || target == c.AdminSocket || target == c.InternalSocket):
		return fmt.Errorf("%s is another's socket", target)
	case isSocket:
		return checkSocket(target)
	}
	host, port, err := splitAddress(target)
	if ip := net.ParseIP(host); err == nil && (ip == nil || !ip.IsLoopback() || port == 0) {
		return fmt.Errorf("%s is no loopback address", target)
	}
	return err
}

func (p Provider) check() error {
	switch {
	case p.Cluster == "":
		return errors.New("no cluster name")
	case p.Scheme != "http" && p.Scheme != "https":
		return fmt.Errorf("scheme %q is neither http nor https", p.Scheme)
	case p.Host == "" || strings.ContainsAny(p.Host, "/@ %"):
		return fmt.Errorf("%q is no host name", p.Host)
	case p.Port < 1 || p.Port > 65535:
		return fmt.Errorf("port %d", p.Port)
	case p.Scheme == "http" && p.CAFile != "":
		return errors.New("a CA file for plain http")
	}
	return nil
}

// extProcTarget tells a socket path from a TCP address.
func extProcTarget(address string) (target string, isSocket bool, err error) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return path, true, nil
	}
	if rest, ok := strings.CutPrefix(address, "tcp://"); ok {
		address = rest
	}
	if strings.Contains(address, "/") {
		return "", false, fmt.Errorf("%q is neither unix:///path nor host:port", address)
	}
	return address, false, nil
}

// checkSocket refuses a path that the kernel would cut or that means something else in another working directory.
func checkSocket(path string) error {
	switch {
	case path == "":
		return errors.New("no socket path")
	case !filepath.IsAbs(path):
		return fmt.Errorf("socket path %q is not absolute", path)
	case len(path) > maxSocketPath:
		return fmt.Errorf("socket path %q is %d bytes long and a Unix socket's can have %d; choose a shorter run directory", path, len(path), maxSocketPath)
	}
	return nil
}
