// Package dial makes the HTTP clients with which the broker reaches servers that a configuration, a metadata document or a
// redirect names.
//
// A name in such a place may lead anywhere, so each address is checked when it is connected to, after its name was resolved:
// what a resolver says later changes nothing (no DNS rebinding). Addresses that are not of the public network are refused, and so
// is anything but https, on the first request and on every redirect. A host that the configuration lists may be private and may
// speak plain http. No proxy of the environment is used: a proxy would connect in our place, unchecked.
package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ErrForbidden is an address or URL that may not be reached.
var ErrForbidden = errors.New("dial: this address may not be reached")

// maxRedirects is how many redirects a request follows.
const maxRedirects = 5

// Config says what may be reached.
type Config struct {
	// Private are hosts, as host or host:port in lower case, that may have addresses of a private network and may speak http.
	Private []string
	TLS     *tls.Config   // roots and the like; nil is the system's
	Timeout time.Duration // of connecting; 0 is 10 s
	// NoRedirects answers a redirect as it is: an MCP server or a token endpoint has no reason to send one.
	NoRedirects bool
}

// Guard makes clients; it is safe for concurrent use.
type Guard struct {
	private map[string]bool
	c       Config
}

// New makes a guard.
func New(c Config) *Guard {
	g := &Guard{private: make(map[string]bool, len(c.Private)), c: c}
	for _, h := range c.Private {
		g.private[strings.ToLower(h)] = true
	}
	if g.c.Timeout == 0 {
		g.c.Timeout = 10 * time.Second
	}
	return g
}

// Client is an HTTP client that reaches only what may be reached. Its Timeout is not set: streams are long.
func (g *Guard) Client() *http.Client {
	transport := &http.Transport{
		DialContext:           g.dial,
		TLSClientConfig:       g.c.TLS.Clone(),
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   g.c.Timeout,
		ExpectContinueTimeout: time.Second,
	}
	client := &http.Client{Transport: checked{g, transport}, CheckRedirect: g.redirect}
	return client
}

// checked refuses a URL before anything of it is resolved.
type checked struct {
	g    *Guard
	next *http.Transport
}

// RoundTrip sends a request whose URL may be reached.
func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := c.g.Check(r.URL); err != nil {
		return nil, err
	}
	return c.next.RoundTrip(r)
}

// CloseIdleConnections lets the client close what it keeps.
func (c checked) CloseIdleConnections() { c.next.CloseIdleConnections() }

// Check tells whether a URL may be asked for at all. The address behind its name is checked when it is connected to.
func (g *Guard) Check(u *url.URL) error {
	switch {
	case u.Hostname() == "" || u.User != nil:
		return fmt.Errorf("%w: the URL has no host, or a user in it", ErrForbidden)
	case u.Scheme == "https" || u.Scheme == "http" && g.isPrivate(u.Hostname(), u.Port()):
		return nil
	}
	return fmt.Errorf("%w: it is not https", ErrForbidden)
}

func (g *Guard) isPrivate(host, port string) bool {
	host = strings.ToLower(host)
	return g.private[host] || g.private[net.JoinHostPort(host, port)]
}

func (g *Guard) redirect(r *http.Request, via []*http.Request) error {
	if g.c.NoRedirects {
		return http.ErrUseLastResponse
	}
	if len(via) >= maxRedirects {
		return fmt.Errorf("%w: more than %d redirects", ErrForbidden, maxRedirects)
	}
	return g.Check(r.URL)
}

// dial connects to an address after its name was resolved and what it resolved to was checked.
func (g *Guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: g.c.Timeout, KeepAlive: 30 * time.Second}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	if !g.isPrivate(host, port) {
		d.ControlContext = func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return public(network, address)
		}
	}
	return d.DialContext(ctx, network, address)
}

// public refuses an address that is not of the public network.
func public(network, address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return fmt.Errorf("%w: not an address of TCP", ErrForbidden)
	}
	ip := at.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.Zone() != "" {
		return fmt.Errorf("%w: it is not of the public network", ErrForbidden)
	}
	for _, p := range special {
		if p.Contains(ip) {
			return fmt.Errorf("%w: it is not of the public network", ErrForbidden)
		}
	}
	return nil
}

// special are global by their form and yet not of the public network, or lead to an IPv4 address that is checked nowhere (IANA's
// registries of special-purpose addresses, RFC 6890).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by carriers, RFC 6598; some clouds' metadata
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),   // NAT64: an IPv4 address inside
	netip.MustParsePrefix("64:ff9b:1::/48"), // NAT64 of a local network
	netip.MustParsePrefix("100::/64"),       // discard
	netip.MustParsePrefix("2001::/23"),      // protocol assignments, Teredo
	netip.MustParsePrefix("2001:db8::/32"),  // documentation
	netip.MustParsePrefix("2002::/16"),      // 6to4: an IPv4 address inside
	netip.MustParsePrefix("fec0::/10"),      // site-local, given up
}
