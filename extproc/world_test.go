package extproc_test

import (
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/quarantine/provenance"
	"github.com/yellowjack/yellowjack/internal/route"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/telemetry"
	"github.com/yellowjack/yellowjack/policies"
)

// world is what the transcripts play in: a real issuer, the shipped policies, and Sara of finance and Bo of nobody.
type world struct {
	verifier *identity.Verifier
	engine   *policies.Engine
	data     map[string]any
	table    *route.Table
	keys     *credential.Store
	words    *strings.Replacer // ${sara} and the like
	released func(token, tool string) string
	sara     string

	store     store.Store
	storeKeys *store.Keys
}

const worldConfig = `
identity:
  issuers:
    - {name: corp, issuer: ISSUER, jwks: JWKS, audiences: [yellowjack], email_domains: [example.com]}
providers:
  mock: {base_url: "http://127.0.0.1:9100/v1", models: [small, secret-large]}
  openai: {dialect: openai-responses, dialects: [openai-chat], base_url: "http://127.0.0.1:9300/v1", models: [gpt]}
  aws: {dialect: bedrock, base_url: "http://127.0.0.1:9500"}
  google: {dialect: gemini, base_url: "http://127.0.0.1:9400", models: [flash]}
  claude: {dialect: anthropic, base_url: "http://127.0.0.1:9200", models: [sonnet]}
default_provider: mock
models:
  fast: {candidates: [mock/small]}
credentials:
  - {provider: mock, team: finance, secret: {file: KEY}}
  - {provider: mock, user: sara@example.com, secret: {file: KEY2}}
  - {provider: claude, secret: {file: KEY}}
  - {provider: google, secret: {file: KEY}}
  - {provider: aws, secret: {file: KEY}}
  - {provider: openai, secret: {file: KEY}}
policies:
  data:
    models:
      fast: {allow: ["*"]}
      mock/small: {allow: ["*"]}
      claude/sonnet: {allow: ["*"]}
      google/flash: {allow: ["*"]}
      aws/*: {allow: ["*"]}
      openai/gpt: {allow: ["*"]}
    providers:
      mock: {byok: ["group:byok"]}
    tools:
      snowflake__query: {allow: ["group:finance"], effect: read, result: trusted, confidentiality: internal}
      slack__post_message: {allow: ["group:comms"], effect: write, audience: public}
      github__get_issue: {allow: ["*"], effect: read, result: untrusted}
      notes__write: {allow: ["*"], effect: write, args: {text: text, title: any}}
      files__delete: {allow: ["*"], effect: destructive, args: {path: trusted}}
      ads__banner: {allow: ["*"], effect: read, result: drop}
`

func newWorld(t testing.TB) *world {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	idp, err := issuer.Start(issuer.Config{Alg: "ES256"})
	must(err)
	t.Cleanup(func() { must(idp.Close()) })
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	text := strings.NewReplacer("ISSUER", idp.URL(), "JWKS", idp.JWKSURL(), "KEY2", write("key2", "sk-sara"), "KEY", write("key", "sk-finance")).Replace(worldConfig)
	cfg, err := conf.Load(write("yellowjack.yaml", text))
	must(err)

	w := &world{data: cfg.Policies.Data}
	w.verifier, err = identity.New(t.Context(), identity.Config{Issuers: []identity.IssuerConfig{{
		Name: "corp", Issuer: idp.URL(), JWKS: idp.JWKSURL(), Audiences: []string{"yellowjack"}, EmailDomains: []string{"example.com"},
	}}})
	must(err)
	t.Cleanup(w.verifier.Close)
	w.engine, err = policies.New(t.Context(), policies.Config{Data: cfg.Policies.Data, Logger: slog.New(slog.DiscardHandler)})
	must(err)
	t.Cleanup(w.engine.Close)
	w.table, err = route.New(cfg)
	must(err)
	w.keys, err = credential.New(credential.FromConfig(cfg.Credentials, func(conf.Credential) credential.Source { return nil }))
	must(err)

	w.store, w.storeKeys = store.Memory(store.MemoryConfig{}), store.RandomKeys()
	origins, err := provenance.New(provenance.Config{Store: w.store, Keys: w.storeKeys})
	must(err)
	// released is the id of a call without arguments that was released to the bearer of a token earlier.
	released := func(token, tool string) string {
		p, refused := w.verifier.Verify(t.Context(), token)
		if refused != nil {
			t.Fatal(refused)
		}
		h := origins.Begin(label.Scope{Tenant: p.Tenant(), Principal: p.Key()}, &llm.Request{})
		must(h.Lookup(t.Context()))
		r := h.Release()
		id := r.Call(tool, "call_1", []byte("{}"), []byte("{}"), label.Clean())
		must(r.Commit(t.Context()))
		return id
	}
	token := func(claims map[string]any) string {
		s, err := idp.Mint(claims)
		must(err)
		return s
	}
	sara := token(map[string]any{"sub": "sara", "email": "sara@example.com", "email_verified": true, "groups": []string{"finance"}})
	w.released, w.sara = released, sara
	w.words = strings.NewReplacer(
		"${sara}", sara,
		"${called:query}", released(sara, "snowflake__query"), "${called:issue}", released(sara, "github__get_issue"), "${called:first}", released(sara, "github__get_issue"), "${called:banner}", released(sara, "ads__banner"),
		"${finance}", token(map[string]any{"sub": "fin", "groups": []string{"finance"}}),
		"${bo}", token(map[string]any{"sub": "bo", "groups": []string{"byok"}}),
		"${expired}", token(map[string]any{"sub": "sara", "exp": time.Now().Add(-time.Hour).Unix()}),
		"${audience}", token(map[string]any{"sub": "sara", "aud": "others"}),
	)
	return w
}

// many puts ids of calls that were released to Sara in the place of ${called:NAME:N}, another for each N.
func (w *world) many(t testing.TB, text string) string {
	t.Helper()
	ids := map[string]string{}
	return manyCalled.ReplaceAllStringFunc(text, func(s string) string {
		if ids[s] == "" {
			tool := map[string]string{"query": "snowflake__query", "issue": "github__get_issue"}[manyCalled.FindStringSubmatch(s)[1]]
			ids[s] = w.released(w.sara, tool)
		}
		return ids[s]
	})
}

var manyCalled = regexp.MustCompile(`[$][{]called:(\w+):\d+[}]`)

// tokens puts real tokens in the place of ${…}.
func (w *world) tokens(text string) string { return w.words.Replace(text) }

var testLimits = extproc.Limits{
	RequestBytes: 1 << 20, ResponseBytes: 1 << 20, JSONDepth: 32, HeldBytes: 1 << 16, HeldCalls: 8, EventBytes: 1 << 16,
	RequestDeadline: 2 * time.Second, RequestWait: 5 * time.Second, ResponseWait: 5 * time.Second, StreamIdle: 5 * time.Second,
	Exchanges: 100, ConcurrentPerPrincipal: 4,
}

// service is a service in this world; change alters its configuration first.
func (w *world) service(t testing.TB, sink audit.Sink, change func(*extproc.Config)) *extproc.Service {
	t.Helper()
	metrics, err := telemetry.New(telemetry.Config{Registerer: prometheus.NewRegistry(), Providers: w.table.Providers()})
	if err != nil {
		t.Fatal(err)
	}
	var routes atomic.Pointer[route.Table]
	routes.Store(w.table)
	guard, err := quarantine.New(quarantine.Config{
		Store: w.store, Keys: w.storeKeys, Result: 64, Conversation: 256, PrincipalHour: 4096, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := extproc.Config{
		Identity: w.verifier, Policies: w.engine, Routes: &routes, Credentials: w.keys, Quarantine: guard, Audit: sink, Metrics: metrics,
		Log: slog.New(slog.DiscardHandler), Limits: testLimits, NewID: rand.Text,
	}
	if change != nil {
		change(&cfg)
	}
	s, err := extproc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lastRecord is a sink that keeps what it was given.
type lastRecord struct {
	mu      sync.Mutex
	records []audit.Record
	err     error
}

func (l *lastRecord) Write(r *audit.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, *r)
	return l.err
}

// render is the one record of an exchange, without what differs from run to run.
func (l *lastRecord) render(t *testing.T) string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.records) != 1 {
		t.Errorf("%d audit lines for one exchange", len(l.records))
		return ""
	}
	r := l.records[0]
	r.Time, r.OwnMicros, r.DurationMS, r.PolicyRevision = time.Time{}, 0, 0, ""
	r.Calls = slices.Clone(r.Calls)
	for i := range r.Calls {
		if r.Calls[i].PolicyRevision != "" {
			r.Calls[i].PolicyRevision = "REVISION"
		}
	}
	return volatile.ReplaceAllString(pretty(t, r), "ID")
}
