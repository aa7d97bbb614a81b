package conf

import "time"

// defaulter is a type with defaults of its own; the decoder calls it before it reads a value of that type.
type defaulter interface{ defaults() }

func (c *Config) defaults() {
	c.Listen = "127.0.0.1:10000"
	c.Envoy.Concurrency = 2
	c.Envoy.RunDir = "run"
	c.Envoy.MessageTimeout = 20 * time.Second
	c.Store = "memory"
	c.Quarantine.defaults()
	c.MCP.defaults()
	c.Telemetry.Metrics = "127.0.0.1:9464"
	c.Telemetry.LogLevel = "info"
	c.Telemetry.LogFormat = "text"
	c.Audit.File = "audit.jsonl"
	c.Identity.Skew = time.Minute
	c.Identity.Refresh = 5 * time.Minute
	c.Identity.MaxStale = time.Hour
	c.Identity.CacheSize = 10_000
	c.Policies.Timeout = time.Second
	c.Limits = Limits{
		RequestBytes:           8 << 20,
		ResponseBytes:          32 << 20,
		JSONDepth:              64,
		RequestDeadline:        5 * time.Second,
		ResponseWait:           5 * time.Minute,
		StreamIdle:             5 * time.Minute,
		HeldCalls:              128,
		HeldBytes:              16 << 20, // a fragment of a few letters comes in an event of some 300 bytes
		EventBytes:             1 << 20,
		Connections:            10_000,
		ConcurrentPerPrincipal: 256,
	}
}

// defaults of an issuer: only signatures whose key is not a shared secret.
func (i *Issuer) defaults() {
	i.Algorithms = []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
	// What stays empty here has more than one place to look at; identity.Claims says which.
	i.Claims = Claims{Groups: "groups", Email: "email", EmailVerified: "email_verified"}
}

func (p *Provider) defaults() {
	p.Dialect = "openai-chat"
	p.ConnectTimeout = 5 * time.Second
}
