package conf

import (
	"maps"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// MCP is the broker of tools: the servers behind /mcp. Without a server there is no broker.
type MCP struct {
	// Resource is the URL of /mcp as clients reach it, for which tokens are issued; empty is /mcp at Listen of the gateway.
	Resource string `yaml:"resource"`
	// Listen is where Envoy reaches the broker: unix:///path or a loopback address; empty means a socket in Envoy.RunDir.
	Listen string `yaml:"listen"`
	// Separator stands between a server's name and a tool's.
	Separator string `yaml:"separator"`
	// Scopes are what clients are told to ask their issuer for.
	Scopes []string `yaml:"scopes"`
	// Origins are browsers' pages that may call.
	Origins []string `yaml:"origins"`
	// ListTimeout bounds the wait for one server's list.
	ListTimeout time.Duration `yaml:"list_timeout"`
	// Refresh is how long a list is kept whose server does not say.
	Refresh time.Duration `yaml:"refresh"`
	// PageSize is how many items a page of a list has.
	PageSize int                  `yaml:"page_size" min:"1" max:"10000"`
	Servers  map[string]MCPServer `yaml:"servers"`
	Sets     map[string]MCPSet    `yaml:"sets"`
	// Kubernetes is where servers with an image run.
	Kubernetes MCPKubernetes `yaml:"kubernetes"`
	// Connect is the page on which people connect their accounts at servers.
	Connect *MCPConnect `yaml:"connect"`
}

// MCPServer is one server: a remote one with a URL, or a local one with a command.
type MCPServer struct {
	URL string `yaml:"url"`
	// Private lets the server's host, and those of its token_urls, revocation_url and authorization_servers, have an address of a private network and speak http.
	Private bool `yaml:"private"`
	// CAFile replaces the system's roots for this server and its token_url.
	CAFile string   `yaml:"ca_file" path:"true"`
	Auth   *MCPAuth `yaml:"auth"`
	// Timeout bounds a call, without the waits for a person.
	Timeout time.Duration `yaml:"timeout"`
	// Instructions passes on what the server tells models to do.
	Instructions bool `yaml:"instructions"`
	MCPLocal
}

// MCPSet is a virtual endpoint, /mcp/{set}.
type MCPSet struct {
	// Servers are those behind it; empty means all.
	Servers []string `yaml:"servers"`
	// Tools are all that it has of theirs, by their full names; empty means all.
	Tools []string `yaml:"tools"`
	// Bare leaves the names and uris of the set's one server as they are.
	Bare bool `yaml:"bare"`
}

var (
	mcpServerName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	mcpSeparator  = regexp.MustCompile(`^[_.-]{1,4}$`)
	scopeToken    = regexp.MustCompile(`^[!#-\[\]-~]+$`) // RFC 6749, section 3.3
	headerName    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
)

// ownHeaders are those of the protocol and of HTTP itself, in which no secret may stand.
var ownHeaders = []string{"accept", "connection", "content-length", "content-type", "host", "last-event-id", "origin", "te", "trailer", "transfer-encoding", "upgrade"}

func (m *MCP) defaults() {
	m.Separator = "__"
	m.ListTimeout = 5 * time.Second
	m.Refresh = 5 * time.Minute
	m.PageSize = 1000
}

func (s *MCPServer) defaults() {
	s.Timeout = time.Minute
	s.MCPLocal.defaults()
}

// Enabled says that there is a broker.
func (m *MCP) Enabled() bool { return len(m.Servers) > 0 }

// PrivateHosts are the hosts of a server that may have a private address: those that are written as an address, and those that the
// configuration says it of.
func (s MCPServer) PrivateHosts() []string {
	all := []string{s.URL}
	if s.Auth != nil {
		all = append(all, s.Auth.AuthorizationURL, s.Auth.RevocationURL, s.Auth.TokenURL, s.Auth.AuthorizationServer, s.Auth.Issuer.TokenURL, s.Auth.Issuer.AuthorizationServer)
	}
	var out []string
	for _, text := range all {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			continue
		}
		_, notIP := netip.ParseAddr(u.Hostname())
		if s.Private || notIP == nil || isLoopback(u) {
			out = append(out, strings.ToLower(u.Hostname()))
		}
	}
	return out
}

func (d *decoder) mcp(c *Config) {
	p, m := path{"mcp"}, &c.MCP
	if !m.Enabled() {
		if _, written := d.lines[p.id()]; written && !d.failed(p) && !d.failed(p.with("servers")) {
			d.bad(p, "has no server", "add one, such as servers: {github: {url: https://mcp.example.com/mcp}}, or remove it")
		}
		return
	}
	d.mcpResource(p.with("resource"), c)
	d.mcpListen(p.with("listen"), c)
	if !mcpSeparator.MatchString(m.Separator) {
		d.bad(p.with("separator"), "is not one to four of _ . and -", "write one, such as __")
	}
	for i, s := range m.Scopes {
		if !scopeToken.MatchString(s) {
			d.bad(p.with("scopes").item(i), "is no scope", "use visible characters without quotes, one scope an item")
		}
	}
	for i, o := range m.Origins {
		if u, err := url.Parse(o); err != nil || u.Scheme+"://"+u.Host != o || u.Host == "" {
			d.bad(p.with("origins").item(i), "is no origin", "write scheme and host, such as https://app.example.com")
		}
	}
	for _, n := range slices.Sorted(maps.Keys(m.Servers)) {
		sp := p.with("servers").with(n)
		switch {
		case !mcpServerName.MatchString(n):
			d.bad(sp, "is no name for a server", "use lower-case letters, digits and -, a letter first")
		case strings.Index(n+m.Separator, m.Separator) != len(n):
			d.bad(sp, "collides: it holds the separator, or ends like it, so that its tools could be another server's", "choose another name or separator")
		}
		d.mcpServer(sp, c, m.Servers[n])
	}
	d.mcpKubernetes(p.with("kubernetes"), m.Kubernetes)
	d.mcpConnect(p.with("connect"), c)
	d.mcpSets(p.with("sets"), m)
}

func (d *decoder) mcpResource(p path, c *Config) {
	if c.MCP.Resource == "" {
		a, err := netip.ParseAddrPort(c.Listen)
		if err != nil || !a.Addr().IsLoopback() || a.Port() == 0 {
			d.bad(p, "is missing", "give the URL of /mcp as clients reach it, such as https://gateway.example.com/mcp")
			return
		}
		c.MCP.Resource = "http://" + c.Listen + "/mcp"
		return
	}
	u, ok := d.webURL(p, c.MCP.Resource)
	switch {
	case !ok:
	case u.Path != "/mcp":
		d.bad(p, "is not the URL of /mcp", "let it end in /mcp, right behind the host")
	case u.Scheme == "http" && !isLoopback(u):
		d.doubt(p, "is reached without TLS: tokens can be read on the way", "use https")
	}
}

func (d *decoder) mcpListen(p path, c *Config) {
	m := &c.MCP
	if m.Listen == "" {
		m.Listen = "unix://" + filepath.Join(c.Envoy.RunDir, "mcpbroker.sock")
	}
	if sock, ok := strings.CutPrefix(m.Listen, "unix://"); ok {
		sock = d.abs(sock)
		m.Listen = "unix://" + sock
		if len(sock) > maxSocketPath {
			d.doubt(d.written(p, path{"envoy", "run_dir"}), "leads to a longer path than a Unix socket's may be", "choose a shorter path")
		}
		if m.Listen == c.ExtProc.Listen {
			d.bad(p, "is the ext_proc service's socket", "choose another path")
		}
		return
	}
	if a, err := netip.ParseAddrPort(m.Listen); err != nil || !a.Addr().IsLoopback() || a.Port() == 0 {
		d.bad(p, "is no Unix socket and no loopback address", "write unix:///path or 127.0.0.1:port: Envoy brings it tokens without TLS")
	}
}

func (d *decoder) mcpServer(p path, c *Config, s MCPServer) {
	d.mcpLocal(p, s)
	if s.Local() || d.failed(p.with("command")) {
		return
	}
	if s.URL == "" {
		d.bad(p, "has no url and no command", "add one, such as url: https://mcp.example.com/mcp")
	} else {
		d.mcpURL(p.with("url"), s, s.URL)
	}
	d.roots(p.with("ca_file"), s.CAFile)
	if s.Auth != nil {
		d.mcpAuth(p.with("auth"), c, s, s.Auth)
	}
}

func (d *decoder) mcpURL(p path, s MCPServer, text string) {
	if u, ok := d.webURL(p, text); ok && u.Scheme == "http" && !slices.Contains(s.PrivateHosts(), strings.ToLower(u.Hostname())) {
		d.bad(p, "is reached without TLS: credentials can be read on the way", "use https, or say private: true of a server on a network of yours")
	}
}

func (d *decoder) mcpSets(p path, m *MCP) {
	known := slices.Sorted(maps.Keys(m.Servers))
	for _, n := range slices.Sorted(maps.Keys(m.Sets)) {
		sp, s := p.with(n), m.Sets[n]
		if !name.MatchString(n) {
			d.bad(sp, "is no name for a set", "use lower-case letters, digits, - and _")
		}
		for i, server := range s.Servers {
			if !slices.Contains(known, server) {
				d.bad(sp.with("servers").item(i), "there is no "+shown("server", server), "known servers: "+strings.Join(known, ", "))
			}
		}
		if s.Bare && len(s.Servers) != 1 {
			d.bad(sp.with("bare"), "is for a set of one server: of two, tools could be called alike", "name the one in servers, or remove it")
		}
		for i, tool := range s.Tools {
			server, rest, ok := strings.Cut(tool, m.Separator)
			if !ok || rest == "" || !slices.Contains(known, server) || len(s.Servers) > 0 && !slices.Contains(s.Servers, server) {
				d.bad(sp.with("tools").item(i), "is no tool of the set's servers", "write server"+m.Separator+"tool")
			}
		}
	}
}
