package conf

import (
	"fmt"
	"strings"
	"time"
)

// Quarantine says how what third parties wrote is kept from models with tools. Everything has a default: without a model, results
// are projected and passed on by reference, and no question about them is answered.
type Quarantine struct {
	// Provider carries the quarantine's own model calls; empty means the default provider.
	Provider string `yaml:"provider"`
	// QuarantinedModel reads content and answers typed questions about it; empty means that they stay unanswered.
	QuarantinedModel string `yaml:"quarantined_model"`
	// PrivilegedModel thinks of questions and never reads content; empty means only those of policy data are asked.
	PrivilegedModel string             `yaml:"privileged_model"`
	Timeout         QuarantineTimeout  `yaml:"timeout"`
	CapacityBits    QuarantineCapacity `yaml:"capacity_bits"`
	// Rounds bounds the privileged model's rounds of questions for one request.
	Rounds int `yaml:"rounds" min:"1" max:"8"`
	// Concurrency bounds the quarantine's own model calls in progress.
	Concurrency int `yaml:"concurrency" min:"1" max:"10000"`
	// Keep is how long labels, references and released calls are kept after a conversation was last heard of.
	Keep time.Duration `yaml:"keep"`
	// LinkHosts are hosts that links and images in text for the person may point to.
	LinkHosts []string `yaml:"link_hosts"`
	// ShortIDs changes nothing: the ids of tool calls have 37 characters, whatever stands here.
	ShortIDs bool `yaml:"short_ids"`
}

// QuarantineTimeout bounds the model calls of quarantine; what is late is withheld.
type QuarantineTimeout struct {
	Result  time.Duration `yaml:"result"`
	Request time.Duration `yaml:"request"`
}

// QuarantineCapacity bounds the information, in bits, that untrusted content may have on what a model with tools reads.
type QuarantineCapacity struct {
	Result        int `yaml:"result" min:"0" max:"1000000"`
	Conversation  int `yaml:"conversation" min:"0" max:"10000000"`
	PrincipalHour int `yaml:"principal_hour" min:"0" max:"100000000"`
}

// ownWork is what an exchange may take beside the quarantine's model calls.
const ownWork = 5 * time.Second

func (q *Quarantine) defaults() {
	q.Timeout = QuarantineTimeout{Result: 8 * time.Second, Request: 15 * time.Second}
	// Measured on AgentDojo (e2e/agentdojo): at 64 bits a result 45 of 97 tasks are done, at 256 there are 64, and more brings 2.
	q.CapacityBits = QuarantineCapacity{Result: 256, Conversation: 1024, PrincipalHour: 16384}
	q.Rounds = 2
	q.Concurrency = 64
	q.Keep = 24 * time.Hour
}

func (d *decoder) quarantine(c *Config) {
	p, q := path{"quarantine"}, &c.Quarantine
	if q.Provider != "" {
		d.isProvider(c, p.with("provider"), q.Provider)
	} else {
		q.Provider = c.DefaultProvider
	}
	if q.QuarantinedModel == "" && q.PrivilegedModel != "" {
		d.bad(p.with("privileged_model"), "asks questions that nobody answers", "add quarantine.quarantined_model, or remove it")
	}
	if q.QuarantinedModel != "" && q.Provider == "" {
		d.bad(p.with("quarantined_model"), "is of no provider", "add quarantine.provider or default_provider")
	}
	if q.Timeout.Result > q.Timeout.Request {
		d.bad(d.written(path{"quarantine", "timeout", "result"}, path{"quarantine", "timeout", "request"}),
			"quarantine.timeout.result is above quarantine.timeout.request", "let the first be at most the second")
	}
	if q.QuarantinedModel != "" && c.Envoy.MessageTimeout < q.Timeout.Request+ownWork {
		d.bad(d.written(path{"envoy", "message_timeout"}, path{"quarantine", "timeout", "request"}),
			fmt.Sprintf("envoy.message_timeout is %s, less than %s above quarantine.timeout.request, which is %s", c.Envoy.MessageTimeout, ownWork, q.Timeout.Request),
			"let it be longer, so that our own deadline answers first and in the caller's shape")
	}
	for i, h := range q.LinkHosts {
		if h == "" || strings.ContainsAny(h, "/ :@") || h != strings.ToLower(h) {
			d.bad(p.with("link_hosts").item(i), "is no host", "write the host alone, in lower case, such as docs.example.com")
		}
	}
}
