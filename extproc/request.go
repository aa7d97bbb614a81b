package extproc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/anthropic"
	"github.com/yellowjack/yellowjack/internal/llm/gemini"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/route"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/policies"
)

// authenticate finds the one credential and verifies it.
func (x *exchange) authenticate(h headerView, query string) (*identity.Principal, *refuse.Refusal) {
	token, refused := identity.Credential(h.all, query)
	if refused != nil {
		return nil, refused
	}
	if x.internal {
		return x.delegated(token)
	}
	if token == "" {
		if p, ok := x.s.cfg.Identity.Anonymous(); ok {
			return p, nil
		}
		return nil, refuse.New(http.StatusUnauthorized, refuse.NoCredential,
			"send a token of your identity provider as Authorization: Bearer, or as the API key of your SDK", "no credential")
	}
	ctx, cancel := context.WithTimeout(x.ctx, x.s.cfg.Limits.RequestDeadline)
	defer cancel()
	return x.s.cfg.Identity.Verify(ctx, token)
}

// admit takes one of the principal's slots.
func (x *exchange) admit(p *identity.Principal) *refuse.Refusal {
	x.principal = p
	x.subject = policies.Principal{
		Issuer: p.Issuer(), Subject: p.Subject(), User: p.User(), Client: p.Client(), Tenant: p.Tenant(), Actor: p.Actor(),
		Groups: p.Groups(), Teams: p.Teams(), Scopes: p.Scopes(), Subjects: p.Subjects(), Anonymous: p.IsAnonymous(),
	}
	x.record.Issuer, x.record.Subject, x.record.User, x.record.Client = p.Issuer(), p.Subject(), p.User(), p.Client()
	users := x.s.users
	if x.internal {
		users = x.s.internalUsers
	}
	release, ok := users.take(p.Key())
	if !ok {
		return refuse.New(http.StatusTooManyRequests, refuse.Overloaded, "too many of your requests are in progress; try again when one has ended",
			"principal has %d exchanges", x.s.cfg.Limits.ConcurrentPerPrincipal)
	}
	x.held = release
	return nil
}

// parseRequest builds the dialect's view.
func (x *exchange) parseRequest(body []byte) (*llm.Request, *refuse.Refusal) {
	l := x.s.cfg.Limits
	wanted, err := x.surface.dialect.parse(body, x.surface, strictjson.Limits{MaxBytes: l.RequestBytes, MaxDepth: l.JSONDepth})
	if err == nil && x.surface.dialect.asks != nil {
		var asked []llm.Feature
		if asked, err = x.surface.dialect.asks(x.request); err == nil {
			wanted.Features = append(wanted.Features, asked...)
		}
	}
	if err == nil {
		return wanted, nil
	}
	if field, ok := asField(err); ok {
		return nil, refuse.New(http.StatusBadRequest, refuse.UnknownField, field.Error(), "request: %v", err)
	}
	return nil, refuse.New(http.StatusBadRequest, refuse.MalformedJSON, err.Error(), "request: %v", err)
}

// asField finds the field that an error names.
func asField(err error) (*llm.FieldError, bool) { return errors.AsType[*llm.FieldError](err) }

// resolve finds the upstream of the request's model, and of every further model that it names. All must live at the one
// provider: a list across providers is a fallback chain.
func (x *exchange) resolve(wanted *llm.Request) (route.Target, []policies.Model, *refuse.Refusal) {
	target, refused := x.table.Resolve(wanted.Model)
	if x.surface.native != "" {
		target, refused = x.table.Native(x.surface.native, wanted.Model)
	}
	if refused != nil {
		return route.Target{}, nil, refused
	}
	if !x.meet(target, wanted) {
		return route.Target{}, nil, refuse.New(http.StatusBadRequest, refuse.ModelUnknown,
			"the provider of this model does not speak the API of this path ("+x.surface.op.Dialect()+"), nor is it translated; it speaks "+strings.Join(target.Dialects, ", "),
			"%s does not speak %s", target.Provider, x.surface.op.Dialect())
	}
	named := make([]policies.Model, 1, 1+len(wanted.MoreModels))
	named[0] = policies.Model{Named: wanted.Model, Provider: target.Provider, Name: target.Model}
	for _, m := range wanted.MoreModels {
		// models[] reaches the provider as it stands, so its names are the provider's own.
		named = append(named, policies.Model{Named: m.Name, Provider: target.Provider, Name: m.Name})
	}
	x.record.NamedModel, x.record.Model, x.record.Provider = wanted.Model, target.Model, target.Provider
	x.record.ModelLabel = target.Label
	return target, named, nil
}

// decideRequest asks policy whether this principal may use these models with these tools now.
func (x *exchange) decideRequest(wanted *llm.Request, named []policies.Model) (policies.Decision, *refuse.Refusal) {
	in := &policies.RequestInput{
		Principal: x.subject, Surface: x.surfaceName(), Stream: wanted.Stream, Model: named[0], Models: named,
		UnknownFields: wanted.Unknown, ToolChoice: wanted.Choice.Names,
	}
	for _, f := range wanted.Features {
		in.Features = append(in.Features, policies.Feature{Name: f.Name, Value: f.Value})
	}
	if x.request.get(headers.ProviderKey) != "" {
		in.BYOK = x.target.Provider
	}
	for i := range wanted.Tools {
		t := &wanted.Tools[i]
		in.Tools = append(in.Tools, policies.Tool{Name: t.Name, Type: t.Type, Server: t.Server, Hash: x.describe(wanted.Doc, t)})
	}
	in.Results, in.Context = x.pieces()
	x.results = in.Results
	d, err := x.s.cfg.Policies.Request(x.ctx, in)
	x.record.DecisionID, x.record.PolicyRevision = d.ID, d.Revision
	if err != nil {
		return policies.Decision{}, refuse.New(http.StatusForbidden, refuse.PolicyError, "the policy could not be evaluated; ask its authors", "policy.request: %v", err)
	}
	x.adds = decorationOf(d)
	x.notePins(d.Pins)
	if !d.Allowed {
		return policies.Decision{}, denial(d)
	}
	x.record.Rule, x.context = d.Rule, d.Context
	return d, nil
}

// denial turns a policy's refusal into one for the client; the status is the policy's when it is a client error.
func denial(d policies.Decision) *refuse.Refusal {
	status, code, reason := d.HTTPStatus, d.Code, d.Reason
	if status < 400 || status > 499 {
		status = http.StatusForbidden
	}
	if code == "" {
		code = refuse.PolicyDenied
	}
	if reason == "" {
		reason = "policy does not allow this request"
	}
	r := refuse.New(status, code, reason, "denied by policy: %s", reason)
	r.Rule = d.Rule
	return r
}

// clean turns the decision into the edit of the request: tools that are not offered leave it, results are treated.
func (x *exchange) clean(wanted *llm.Request, d policies.Decision) (llm.Edit, *refuse.Refusal) {
	edit := llm.Edit{Model: x.target.Model}
	if x.surface.dialect.stores && !slices.ContainsFunc(wanted.Features, func(f llm.Feature) bool { return f.Name == "store" }) {
		edit.Store = new(bool) // policy was not asked, so the provider keeps nothing
	}
	x.offered = make(map[string]bool, len(wanted.Tools))
	chosen := make(map[string]bool, len(wanted.Tools)) // what tool_choice may name
	for _, t := range wanted.Tools {
		// A server tool was granted as a feature, or the request is refused. A call that reaches the client is never one
		// of a tool that runs inside the provider.
		if t.Server || d.Tools[t.Name] == policies.Offer {
			chosen[t.Name] = true
			if !t.Server {
				x.offered[t.Name] = true
			}
			x.record.ToolsOffered = append(x.record.ToolsOffered, t.Name)
			continue
		}
		if edit.HideTools == nil {
			edit.HideTools = map[string]bool{}
		}
		edit.HideTools[t.Name] = true
		x.record.ToolsHidden = append(x.record.ToolsHidden, t.Name)
	}
	for _, name := range wanted.Choice.Names {
		if !chosen[name] {
			return edit, refuse.New(http.StatusForbidden, refuse.ToolChoiceDenied,
				"tool_choice names "+quoted(name)+", which you may not use", "tool_choice names hidden tool %q", clip(name))
		}
	}
	return edit, x.treat(d, &edit)
}

// payingKey is the provider key of this exchange: the caller's own where the client sent one and policy allows it, else
// the most specific credential that the principal may use.
func (x *exchange) payingKey(d policies.Decision) (credential.Key, *refuse.Refusal) {
	if own := x.request.all(headers.ProviderKey); len(own) > 0 {
		if !d.BYOK || len(own) > 1 || own[0] == "" || !sendable(own[0]) {
			return credential.Key{}, refuse.New(http.StatusForbidden, refuse.BYOKDenied,
				"you may not bring your own key for "+x.target.Provider, "byok for %s", x.target.Provider)
		}
		x.record.Credential = x.target.Provider + "/byok"
		return credential.Own(x.target.Provider, own[0]), nil
	}
	key, ok := x.s.cfg.Credentials.Pick(x.principal, x.target.Provider)
	if !ok && x.s.cfg.Credentials.Keyless(x.target.Provider) {
		x.record.Credential = "none" // a model server that wants no key
		return credential.Key{}, nil
	}
	if !ok {
		return credential.Key{}, refuse.New(http.StatusForbidden, refuse.NoProviderKey,
			"no key of "+x.target.Provider+" may be used by you; ask for one to be configured", "no credential for %s", x.target.Provider)
	}
	x.record.Credential = key.ID
	return key, nil
}

// listModels answers GET /v1/models with what this principal may use.
func (x *exchange) listModels() []reply {
	var named []policies.Model
	for _, name := range x.table.Models() {
		target, refused := x.table.Resolve(name)
		if refused != nil || x.surface.native != "" && target.Provider != x.surface.native {
			continue
		}
		if _, ok := x.s.cfg.Credentials.Pick(x.principal, target.Provider); ok || x.s.cfg.Credentials.Keyless(target.Provider) {
			named = append(named, policies.Model{Named: name, Provider: target.Provider, Name: target.Model})
		}
	}
	allowed, err := x.s.cfg.Policies.Models(x.ctx, x.subject, named)
	if err != nil || len(allowed) != len(named) {
		return x.refuse(refuse.New(http.StatusForbidden, refuse.PolicyError, "the policy could not be evaluated; ask its authors", "policy.models: %v", err))
	}
	mine := named[:0]
	for i, m := range named {
		if allowed[i] {
			if x.surface.native != "" {
				m.Named = m.Name // as the provider's own path takes it
			}
			mine = append(mine, m)
		}
	}
	return x.answer(http.StatusOK, []header{{"content-type", "application/json"}}, x.modelList(mine), "models")
}

// modelList writes models as the API of the client's SDK does: Anthropic's names its version.
func (x *exchange) modelList(all []policies.Model) []byte {
	if x.surface.gemini.Version != "" {
		list := make([]gemini.Model, len(all))
		for i, m := range all {
			list[i] = gemini.Model{ID: m.Name, OwnedBy: m.Provider}
		}
		return gemini.ModelList(list)
	}
	if x.request.get(anthropic.VersionHeader) != "" {
		list := make([]anthropic.Model, len(all))
		for i, m := range all {
			list[i] = anthropic.Model{ID: m.Named, Name: m.Named}
		}
		return anthropic.ModelList(list)
	}
	list := make([]openaichat.Model, len(all))
	for i, m := range all {
		list[i] = openaichat.Model{ID: m.Named, OwnedBy: m.Provider}
	}
	return openaichat.ModelList(list)
}

// jsonContent tells whether a content type is JSON in UTF-8.
func jsonContent(value string) bool {
	kind, params, _ := strings.Cut(strings.ToLower(value), ";")
	params = strings.ReplaceAll(strings.TrimSpace(params), `"`, "")
	return strings.TrimSpace(kind) == "application/json" && (params == "" || params == "charset=utf-8")
}

// sendable tells whether a client's own key may stand in a header: visible ASCII only.
func sendable(key string) bool {
	return len(key) <= 1024 && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}
