package conf

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// maxSocketPath is what a Unix socket's address has room for on Linux, less its final zero.
const maxSocketPath = 107

// name is what a provider or an issuer may be called: the names appear in cluster names, URL paths and grants.
var name = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// harmless is what a name that may be quoted in an error looks like.
var harmless = regexp.MustCompile(`^[\w.:/-]{0,32}$`)

// check runs everything that needs more than one key. It runs after decoding even when that found something
// wrong, so it looks only at what is there.
func (d *decoder) check(c *Config) {
	d.addresses(c)
	d.extProc(c)
	d.limits(c)
	d.identity(c)
	d.providers(c)
	d.models(c)
	d.credentials(c)
	d.policies(c)
	d.store(c)
	d.storeSecrets(c)
	d.quarantine(c)
	d.mcp(c)
	d.events(c)
}

// bad reports something wrong at a key.
func (d *decoder) bad(p path, what, do string) { d.fail(d.line(p), p, what, do) }

// doubt reports something that is allowed and probably not meant.
func (d *decoder) doubt(p path, what, do string) {
	d.warn = append(d.warn, &Error{File: d.file, Line: d.line(p), Key: p.String(), What: what, Do: do})
}

func (d *decoder) line(p path) int { return (&Config{lines: d.lines}).Line(p...) }

// written is the first of two keys if the file has it, otherwise the second: the place to mend.
func (d *decoder) written(a, b path) path {
	if _, ok := d.lines[a.id()]; ok {
		return a
	}
	return b
}

// failed says whether something is already known to be wrong at exactly this key.
func (d *decoder) failed(p path) bool {
	key := p.String()
	for _, e := range d.errs {
		if e.Key == key {
			return true
		}
	}
	return false
}

// shown names a thing of some kind by the name that a person wrote, unless that is so odd that it may be a secret.
func shown(kind, s string) string {
	if harmless.MatchString(s) {
		return fmt.Sprintf("%s %q", kind, s)
	}
	return kind + " of that name"
}

func (d *decoder) addresses(c *Config) {
	listen, ok := d.address(path{"listen"}, c.Listen)
	if c.Telemetry.Metrics == "" {
		return
	}
	metrics, ok2 := d.address(path{"telemetry", "metrics"}, c.Telemetry.Metrics)
	if ok && ok2 && listen == metrics && listen.Port() != 0 {
		d.bad(path{"telemetry", "metrics"}, "is the gateway's own address", "give it another port")
	}
}

// address checks that a listener can be bound as written: Envoy resolves no names for its listeners.
func (d *decoder) address(p path, s string) (netip.AddrPort, bool) {
	if d.failed(p) {
		return netip.AddrPort{}, false
	}
	a, err := netip.ParseAddrPort(s)
	if err == nil {
		return a, true
	}
	do := "write IP:port, such as 127.0.0.1:10000"
	if host, port, err := net.SplitHostPort(s); err == nil && (host == "" || host == "localhost") && port != "" {
		do = fmt.Sprintf("write 127.0.0.1:%s, or 0.0.0.0:%s for every interface", port, port)
	}
	d.bad(p, "is no address to listen on", do)
	return a, false
}

func (d *decoder) extProc(c *Config) {
	p := path{"extproc", "listen"}
	if d.failed(p) {
		return
	}
	if c.ExtProc.Listen == "" {
		c.ExtProc.Listen = "unix://" + filepath.Join(c.Envoy.RunDir, "extproc.sock")
		if len(c.ExtProc.Listen)-len("unix://") > maxSocketPath {
			d.doubt(path{"envoy", "run_dir"}, "is too long a path for a Unix socket in it", "name a folder with a shorter path")
		}
	}
	if sock, ok := strings.CutPrefix(c.ExtProc.Listen, "unix://"); ok {
		sock = d.abs(sock)
		c.ExtProc.Listen = "unix://" + sock
		if _, set := d.lines[p.id()]; set && len(sock) > maxSocketPath {
			d.bad(p, fmt.Sprintf("is longer than the %d bytes that a Unix socket's path may have", maxSocketPath), "choose a shorter path")
		}
		if c.ExtProc.TLS != nil {
			d.bad(path{"extproc", "tls"}, "has no use on a Unix socket", "remove it or listen on host:port")
		}
		return
	}
	a, err := netip.ParseAddrPort(c.ExtProc.Listen)
	if err != nil {
		d.bad(p, "is no address to listen on", "write unix:///path or IP:port")
		return
	}
	loopback := a.Addr().IsLoopback()
	if c.ExtProc.TLS == nil {
		if !loopback {
			d.bad(p, "is open to the network without TLS: whoever reaches it is handed provider keys", "add extproc.tls, or listen on a Unix socket or loopback")
		}
		return
	}
	t := c.ExtProc.TLS
	d.keyPair(path{"extproc", "tls"}, t.Cert, t.Key)
	d.roots(path{"extproc", "tls", "client_ca"}, t.ClientCA)
	if e := c.Envoy.ClientTLS; e != nil {
		d.keyPair(path{"envoy", "client_tls"}, e.Cert, e.Key)
		d.roots(path{"envoy", "client_tls", "ca"}, e.CA)
	} else {
		d.doubt(path{"extproc", "tls"}, "leaves our own Envoy without a certificate", "add envoy.client_tls, unless another Envoy connects")
	}
}

func (d *decoder) keyPair(p path, cert, key string) {
	if cert == "" || key == "" {
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		d.bad(p.with("cert"), "cannot be used with its key: "+withoutPath(err).Error(), "name a PEM certificate and its PEM key")
	}
}

func (d *decoder) roots(p path, file string) {
	if file == "" {
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		d.bad(p, "cannot be read: "+withoutPath(err).Error(), "name a readable file; relative paths start at "+d.dir)
		return
	}
	if !x509.NewCertPool().AppendCertsFromPEM(b) {
		d.bad(p, "holds no certificate", "name a PEM file")
	}
}

func (d *decoder) limits(c *Config) {
	if c.Envoy.MessageTimeout <= c.Limits.RequestDeadline {
		d.bad(d.written(path{"envoy", "message_timeout"}, path{"limits", "request_deadline"}),
			fmt.Sprintf("envoy.message_timeout is %s and not above limits.request_deadline, which is %s", c.Envoy.MessageTimeout, c.Limits.RequestDeadline),
			"let the first be longer, so that our own deadline answers first and in the caller's shape")
	}
	if c.Policies.Timeout > c.Limits.RequestDeadline {
		d.bad(d.written(path{"policies", "timeout"}, path{"limits", "request_deadline"}),
			fmt.Sprintf("policies.timeout is %s and above limits.request_deadline, which is %s", c.Policies.Timeout, c.Limits.RequestDeadline),
			"let the first be shorter")
	}
	if c.Limits.EventBytes > c.Limits.ResponseBytes {
		d.bad(d.written(path{"limits", "event_bytes"}, path{"limits", "response_bytes"}),
			"limits.event_bytes is above limits.response_bytes", "let the first be smaller")
	}
	if c.Limits.HeldBytes > c.Limits.ResponseBytes {
		d.bad(d.written(path{"limits", "held_bytes"}, path{"limits", "response_bytes"}),
			"limits.held_bytes is above limits.response_bytes", "let the first be smaller")
	}
}

// webURL checks an http or https URL that is used as a base: nothing in it but scheme, host, port and path. What
// is wrong with it is said without quoting it, because people put keys into URLs.
func (d *decoder) webURL(p path, s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	var what string
	switch {
	case err != nil:
		what = "is no URL"
	case u.Scheme != "https" && u.Scheme != "http":
		what = "is no http or https URL"
	case u.User != nil:
		what = "has a user or password in it"
	case u.Hostname() == "":
		what = "has no host"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		what = "has a query or a fragment"
	case u.Port() != "" && !validPort(u.Port()):
		what = "has a port out of range"
	default:
		return u, true
	}
	d.bad(p, what, "write one such as https://host.example/v1")
	return nil, false
}

func validPort(s string) bool {
	a, err := netip.ParseAddrPort("127.0.0.1:" + s)
	return err == nil && a.Port() != 0
}

// isLoopback says whether a URL stays on this machine.
func isLoopback(u *url.URL) bool {
	h := u.Hostname()
	a, err := netip.ParseAddr(h)
	return h == "localhost" || strings.HasSuffix(h, ".localhost") || err == nil && a.IsLoopback()
}
