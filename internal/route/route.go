// Package route says which upstream a model's name means.
//
// A Table is built once from the configuration and never changes; whoever reloads builds another and swaps it whole
// through an atomic pointer. Resolve reads a name in this order:
//
//  1. an alias of the configuration, as written; then an alias with a suffix (fast:online), whose suffix goes on to
//     the alias's model, since the suffix asks the provider for a feature that policy decides about;
//  2. auto, which means openrouter/auto where the default provider is OpenRouter;
//  3. provider/model, where the first segment is a configured provider;
//  4. vendor/model, @preset/… and the models that the configuration lists for it: the default provider, unchanged;
//  5. anything else is unknown and refused. A name is never guessed.
//
// Whether the principal may use the model is not asked here: that is policy.
package route

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

const (
	// Other is the label of a model that the configuration does not name.
	Other = "other"
	// openRouterHost is the host whose model names have a vendor, and whose own models have the vendor openrouter.
	openRouterHost = "openrouter.ai"
	// maxName bounds a model's name.
	maxName = 256
	auto    = "auto"
)

// Target is where a request goes.
type Target struct {
	Provider  string   // as the configuration names it
	Cluster   string   // the Envoy cluster of that provider
	Model     string   // as the upstream names it
	Named     string   // as the client named it
	Label     string   // a name of bounded number for metrics: an alias, a model that the configuration lists, or Other
	Host      string   // for :authority, with the port where it is not the scheme's own
	Base      string   // the base URL's path, without a slash at its end
	Dialects  []string // that the provider speaks
	KeyHeader string   // where its key stands; BearerHeader has it behind Bearer
	TLS       bool
	Referer   string // attribution, empty for none
	Title     string
}

// Table resolves names. It is immutable.
type Table struct {
	providers map[string]*Target // without a model
	aliases   map[string]alias
	known     map[string]string // provider/model as listed → label
	normal    *Target           // the default provider, nil without one
	models    []string
}

type alias struct {
	target *Target
	model  string
}

// Cluster is the name of a provider's Envoy cluster.
func Cluster(provider string) string { return "provider_" + provider }

// New builds the table of a configuration.
func New(c *conf.Config) (*Table, error) {
	t := &Table{providers: map[string]*Target{}, aliases: map[string]alias{}, known: map[string]string{}}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		p, err := provider(name, c.Providers[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("providers.%s.base_url: %w", name, err))
			continue
		}
		t.providers[name] = p
		for _, m := range c.Providers[name].Models {
			full := name + "/" + m
			t.known[full] = full
			t.models = append(t.models, full)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Models)) {
		cands := c.Models[name].Candidates
		if len(cands) != 1 {
			errs = append(errs, fmt.Errorf("models.%s.candidates: wants exactly one", name))
			continue
		}
		prov, model, _ := strings.Cut(cands[0], "/")
		p, ok := t.providers[prov]
		if !ok || model == "" {
			errs = append(errs, fmt.Errorf("models.%s.candidates[0]: wants provider/model of a configured provider", name))
			continue
		}
		t.aliases[name] = alias{p, p.upstreamName(model)}
		t.models = append(t.models, name)
	}
	if c.DefaultProvider != "" {
		if t.normal = t.providers[c.DefaultProvider]; t.normal == nil {
			errs = append(errs, errors.New("default_provider: is not configured"))
		}
	}
	slices.Sort(t.models)
	t.models = slices.Compact(t.models)
	return t, errors.Join(errs...)
}

// provider is what is the same for all models of a provider.
func provider(name string, p conf.Provider) (*Target, error) {
	u, err := url.Parse(p.BaseURL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("is no http or https base URL") // not quoted: people put keys into URLs
	}
	t := &Target{
		Provider: name, Cluster: Cluster(name), Host: strings.ToLower(u.Host), TLS: u.Scheme == "https",
		Base: strings.TrimRight(u.EscapedPath(), "/"), Dialects: append([]string{p.Dialect}, p.Dialects...), KeyHeader: p.KeyHeader,
		Referer: p.Attribution.Referer, Title: p.Attribution.Title,
	}
	if t.KeyHeader == "" {
		t.KeyHeader = keyHeader(p.Dialect)
	}
	if port := u.Port(); port == "" || port == "443" && t.TLS || port == "80" && !t.TLS {
		t.Host = strings.ToLower(u.Hostname())
		if strings.Contains(t.Host, ":") {
			t.Host = net.JoinHostPort(t.Host, "")
			t.Host = t.Host[:len(t.Host)-1]
		}
	}
	return t, nil
}

// Models lists the aliases and the models that the configuration names, in order.
func (t *Table) Models() []string { return slices.Clone(t.models) }

// Providers lists the configured providers, in order.
func (t *Table) Providers() []string { return slices.Sorted(maps.Keys(t.providers)) }

// Native is a provider's model by the provider's own name for it, for its native surface.
func (t *Table) Native(provider, model string) (Target, *refuse.Refusal) {
	p, ok := t.providers[provider]
	if !ok || !plain(model) {
		return Target{}, t.unknown(model)
	}
	return p.with(model, model, t.label(p, model)), nil
}

// Base is the path of a provider's base URL, as its native surface has it; false when there is no such provider.
func (t *Table) Base(provider string) (string, bool) {
	p, ok := t.providers[provider]
	if !ok {
		return "", false
	}
	return p.Base, true
}

// Resolve finds the target that a model's name means.
func (t *Table) Resolve(name string) (Target, *refuse.Refusal) {
	if !plain(name) {
		return Target{}, refuse.New(http.StatusBadRequest, refuse.ModelUnknown,
			"the model's name is empty, too long or has characters that no model's name has", "model name of %d bytes", len(name))
	}
	if a, ok := t.aliases[name]; ok {
		return a.target.with(name, a.model, name), nil
	}
	if base, suffix := cutSuffix(name); suffix != "" {
		if a, ok := t.aliases[base]; ok {
			return a.target.with(name, a.model+suffix, base), nil
		}
	}
	if name == auto {
		if t.normal == nil || !t.normal.isOpenRouter() {
			return Target{}, t.unknown(name)
		}
		return t.normal.with(name, openRouterAuto, auto), nil
	}
	first, rest, slash := strings.Cut(name, "/")
	if p, ok := t.providers[first]; ok && slash {
		if rest == "" {
			return Target{}, t.unknown(name)
		}
		return p.with(name, p.upstreamName(rest), t.label(p, rest)), nil
	}
	if t.normal != nil && (slash && first != "" && rest != "" || t.lists(t.normal, name)) {
		return t.normal.with(name, name, t.label(t.normal, name)), nil
	}
	return Target{}, t.unknown(name)
}

// openRouterAuto is the model with which OpenRouter chooses a model.
const openRouterAuto = "openrouter/auto"

func (t *Target) isOpenRouter() bool { return t.Host == openRouterHost && t.TLS }

// upstreamName is a provider's own name for the rest of a provider/model name. At OpenRouter every model has a
// vendor, and openrouter is also the vendor of its own models: openrouter/auto stays openrouter/auto.
func (t *Target) upstreamName(rest string) string {
	if t.isOpenRouter() && !strings.Contains(rest, "/") && !strings.HasPrefix(rest, "@") {
		return "openrouter/" + rest
	}
	return rest
}

func (t *Target) with(named, model, label string) Target {
	out := *t
	out.Named, out.Model, out.Label = named, model, label
	return out
}

// lists says whether the configuration lists this model, with or without a suffix, for a provider.
func (t *Table) lists(p *Target, model string) bool { return t.label(p, model) != Other }

func (t *Table) label(p *Target, model string) string {
	if l, ok := t.known[p.Provider+"/"+model]; ok {
		return l
	}
	if base, suffix := cutSuffix(model); suffix != "" {
		if l, ok := t.known[p.Provider+"/"+base]; ok {
			return l
		}
	}
	return Other
}

// cutSuffix parts a name from what follows the first colon of its last segment: openai/gpt-5:online.
func cutSuffix(name string) (base, suffix string) {
	last := strings.LastIndexByte(name, '/') + 1
	if i := strings.IndexByte(name[last:], ':'); i > 0 {
		return name[:last+i], name[last+i:]
	}
	return name, ""
}

// plain says whether a name can be a model's: visible ASCII of bounded length.
func plain(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (t *Table) unknown(name string) *refuse.Refusal {
	client := "this model is not known here; name it as provider/model, or see GET /v1/models"
	if t.normal != nil {
		client = "this model is not known here; name it as provider/model or vendor/model, or see GET /v1/models"
	}
	return refuse.New(http.StatusNotFound, refuse.ModelUnknown, client, "no route for model %q", name)
}
