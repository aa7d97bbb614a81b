package e2e

import (
	"fmt"
	"strings"
)

// configuration is the gateway's: two issuers; a provider with all models allowed, one with a model for the board alone,
// one that nobody listens for; three kinds of keys; the tools of the two stories.
func (g *gateway) configuration(s setup) (string, error) {
	listen, err := freePort()
	if err != nil {
		return "", err
	}
	if g.metrics, err = freePort(); err != nil {
		return "", err
	}
	nobody, err := freePort()
	if err != nil {
		return "", err
	}
	g.url = "http://" + listen
	if s.issuer == "" {
		s.issuer = theStage.corp.JWKSURL()
	}
	text := fmt.Sprintf(`listen: %s
envoy: {concurrency: 1, run_dir: run}
telemetry: {metrics: %q}
audit: {file: audit.jsonl}
identity:
  skew: 1s
  issuers:
    - name: corp
      issuer: %q
      jwks: %q
      audiences: [yellowjack]
      claims: {groups: groups, email: email, tenant: org}
      email_domains: [example.com]
    - name: partner
      issuer: %q
      audiences: [yellowjack]
      claims: {groups: realm_access.roles}
providers:
  mock: {base_url: "%s/v1", models: [small, large]}
  strict: {base_url: "%s/v1", models: [small, large]}
  claude: {dialect: anthropic, base_url: "%s", models: [small]}
  openai: {dialect: openai-responses, base_url: "%s/v1", models: [small]}
  google: {dialect: gemini, base_url: "%s", models: [small]}
  bedrock: {dialect: bedrock, base_url: "%s", models: [small]}
  nobody: {base_url: "http://%s/v1"}
default_provider: mock
models:
  fast: {candidates: [mock/small]}
credentials:
  - {provider: mock, secret: {file: everyone.key}}
  - {provider: mock, team: finance, secret: {file: finance.key}}
  - {provider: mock, user: sara@example.com, secret: {file: sara.key}}
  - {provider: strict, secret: {file: everyone.key}}
  - {provider: claude, secret: {file: everyone.key}}
  - {provider: openai, secret: {file: everyone.key}}
  - {provider: google, secret: {file: everyone.key}}
  - {provider: bedrock, secret: {file: everyone.key}}
  - {provider: nobody, secret: {file: everyone.key}}
policies:
  data:
    tools:
      snowflake__query: {allow: ["group:finance"], effect: read, result: trusted, confidentiality: internal}
      slack__post_message: {allow: ["group:comms"], effect: write, audience: public, args: {channel: trusted, text: text}}
      github__get_issue: {allow: ["*"], effect: read, result: untrusted, fields: {number: {type: int, min: 0, max: 99999}, state: {type: enum, enum: [open, closed]}, title: {type: ref}, body: {type: ref}}}
      github__get_readme: {allow: ["*"], effect: read, result: drop}
      github__get_label: {allow: ["*"], effect: read, result: trusted}
`, listen, g.metrics, theStage.corp.URL(), s.issuer, theStage.partner.URL(), theStage.upstream.URL(), theStage.upstream.URL(), theStage.upstream.URL(), theStage.upstream.URL(), theStage.upstream.URL(), theStage.upstream.URL(), nobody)
	for line := range strings.Lines(s.tools) {
		text += "      " + line
	}
	text = strings.TrimSuffix(text, "\n") + "\n"
	text += indented("    ", `models:
  mock/*: {allow: ["*"]}
  strict/small: {allow: ["*"]}
  strict/large: {allow: ["group:board"]}
  claude/*: {allow: ["*"]}
  openai/*: {allow: ["*"]}
  google/*: {allow: ["*"]}
  bedrock/*: {allow: ["*"]}
  nobody/*: {allow: ["*"]}
`)
	text += indented("    ", s.data)
	if s.bundle != "" {
		text += fmt.Sprintf("  bundle: %q\n", s.bundle)
	}
	if s.limits != "" {
		text += "limits: " + s.limits + "\n"
	}
	text += s.more
	if s.change != nil {
		text = s.change(text)
	}
	return text, nil
}

func indented(by, text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(by + line)
	}
	return out.String()
}
