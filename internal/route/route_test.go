package route

import (
	"slices"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

func config() *conf.Config {
	return &conf.Config{
		DefaultProvider: "openrouter",
		Providers: map[string]conf.Provider{
			"openrouter": {
				BaseURL: "https://openrouter.ai/api/v1", Models: []string{"openai/gpt-5-mini"},
				Attribution: conf.Attribution{Referer: "https://example.com", Title: "Example"},
			},
			"mock": {BaseURL: "http://127.0.0.1:9100/v1", Models: []string{"small", "bare"}},
			"groq": {BaseURL: "https://api.groq.com:443/openai/v1/"},
			"six":  {BaseURL: "http://[::1]:80/v1"},
			"seis": {BaseURL: "http://[::1]:8080"},
		},
		Models: map[string]conf.Model{
			"fast":       {Candidates: []string{"mock/small"}},
			"local":      {Candidates: []string{"mock/llama3:8b"}},
			"llama3:8b":  {Candidates: []string{"mock/llama3:8b"}},
			"openai/old": {Candidates: []string{"openrouter/openai/gpt-5-mini"}},
		},
	}
}

func table(t testing.TB, change func(*conf.Config)) *Table {
	t.Helper()
	c := config()
	if change != nil {
		change(c)
	}
	tab, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestResolve(t *testing.T) {
	mockDefault := func(c *conf.Config) { c.DefaultProvider = "mock" }
	noDefault := func(c *conf.Config) { c.DefaultProvider = "" }
	ownAuto := func(c *conf.Config) { c.Models["auto"] = conf.Model{Candidates: []string{"mock/small"}} }
	for _, tt := range []struct {
		name     string
		change   func(*conf.Config)
		provider string // "" when refused
		model    string
		label    string
	}{
		{"fast", nil, "mock", "small", "fast"},
		{"fast:online", nil, "mock", "small:online", "fast"},
		{"local", nil, "mock", "llama3:8b", "local"},
		{"llama3:8b", nil, "mock", "llama3:8b", "llama3:8b"},
		{"openai/old", nil, "openrouter", "openai/gpt-5-mini", "openai/old"},
		{"mock/small", nil, "mock", "small", "mock/small"},
		{"mock/small:online", nil, "mock", "small:online", "mock/small"},
		{"mock/unheard-of", nil, "mock", "unheard-of", Other},
		{"mock/a/b/c", nil, "mock", "a/b/c", Other},
		{"openrouter/openai/gpt-5-mini", nil, "openrouter", "openai/gpt-5-mini", "openrouter/openai/gpt-5-mini"},
		{"openai/gpt-5-mini", nil, "openrouter", "openai/gpt-5-mini", "openrouter/openai/gpt-5-mini"},
		{"openai/gpt-5-mini:free", nil, "openrouter", "openai/gpt-5-mini:free", "openrouter/openai/gpt-5-mini"},
		{"anthropic/claude", nil, "openrouter", "anthropic/claude", Other},
		{"openrouter/auto", nil, "openrouter", "openrouter/auto", Other},
		{"openrouter/@preset/mine", nil, "openrouter", "@preset/mine", Other},
		{"@preset/mine", nil, "openrouter", "@preset/mine", Other},
		{"openai/gpt-5@preset/mine", nil, "openrouter", "openai/gpt-5@preset/mine", Other},
		{"auto", nil, "openrouter", "openrouter/auto", "auto"},
		{"auto", ownAuto, "mock", "small", "auto"},
		{"auto", mockDefault, "", "", ""},
		{"auto", noDefault, "", "", ""},
		{"openai/gpt-5-mini", mockDefault, "mock", "openai/gpt-5-mini", Other},
		{"bare", mockDefault, "mock", "bare", "mock/bare"},
		{"bare:8b", mockDefault, "mock", "bare:8b", "mock/bare"},
		{"bare", nil, "", "", ""},
		{"gpt-5", nil, "", "", ""},
		{"openai/gpt-5-mini", noDefault, "", "", ""},
		{"Fast", nil, "", "", ""},
		{"fast:", nil, "mock", "small:", "fast"},
		{":online", nil, "", "", ""},
		{"mock/", nil, "", "", ""},
		{"mock", nil, "", "", ""},
		{"/x", nil, "", "", ""},
		{"x/", nil, "", "", ""},
		{"", nil, "", "", ""},
		{"open ai/x", nil, "", "", ""},
		{"openai/x\n", nil, "", "", ""},
		{"öpenai/x", nil, "", "", ""},
		{strings.Repeat("a/", maxName), nil, "", "", ""},
	} {
		got, refused := table(t, tt.change).Resolve(tt.name)
		if tt.provider == "" {
			if refused == nil || refused.Code != refuse.ModelUnknown {
				t.Errorf("%q: %+v, %v; want it unknown", tt.name, got, refused)
			}
			continue
		}
		if refused != nil {
			t.Errorf("%q: refused: %v", tt.name, refused)
			continue
		}
		if got.Provider != tt.provider || got.Model != tt.model || got.Label != tt.label || got.Named != tt.name || got.Cluster != "provider_"+tt.provider {
			t.Errorf("%q: %+v", tt.name, got)
		}
	}
}

func TestTarget(t *testing.T) {
	tab := table(t, nil)
	for name, want := range map[string]Target{
		"openrouter/a/b": {Host: "openrouter.ai", Base: "/api/v1", TLS: true, Referer: "https://example.com", Title: "Example"},
		"mock/x":         {Host: "127.0.0.1:9100", Base: "/v1"},
		"groq/x":         {Host: "api.groq.com", Base: "/openai/v1", TLS: true},
		"six/x":          {Host: "[::1]", Base: "/v1"},
		"seis/x":         {Host: "[::1]:8080", Base: ""},
	} {
		got, refused := tab.Resolve(name)
		if refused != nil {
			t.Fatal(name, refused)
		}
		if got.Host != want.Host || got.Base != want.Base || got.TLS != want.TLS || got.Referer != want.Referer || got.Title != want.Title {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestModels(t *testing.T) {
	tab := table(t, nil)
	want := []string{"fast", "llama3:8b", "local", "mock/bare", "mock/small", "openai/old", "openrouter/openai/gpt-5-mini"}
	if got := tab.Models(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	tab.Models()[0] = "changed"
	if tab.Models()[0] == "changed" {
		t.Error("the table can be changed from outside")
	}
	for _, name := range want {
		if _, refused := tab.Resolve(name); refused != nil {
			t.Errorf("%s is listed and unknown: %v", name, refused)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*conf.Config){
		"user in URL":       func(c *conf.Config) { c.Providers["mock"] = conf.Provider{BaseURL: "https://hunter2@x"} },
		"query in URL":      func(c *conf.Config) { c.Providers["mock"] = conf.Provider{BaseURL: "https://x?key=hunter2"} },
		"no URL":            func(c *conf.Config) { c.Providers["mock"] = conf.Provider{BaseURL: "hunter2"} },
		"no candidate":      func(c *conf.Config) { c.Models["fast"] = conf.Model{} },
		"two candidates":    func(c *conf.Config) { c.Models["fast"] = conf.Model{Candidates: []string{"mock/a", "mock/b"}} },
		"unknown candidate": func(c *conf.Config) { c.Models["fast"] = conf.Model{Candidates: []string{"openai/a"}} },
		"no model":          func(c *conf.Config) { c.Models["fast"] = conf.Model{Candidates: []string{"mock/"}} },
		"unknown default":   func(c *conf.Config) { c.DefaultProvider = "x" },
	} {
		c := config()
		change(c)
		_, err := New(c)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the URL is quoted: %v", name, err)
		}
	}
}

// FuzzResolve: a name is unknown, or goes to a configured provider with a model that the name ends with.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"fast", "fast:online", "mock/x", "a/b", "@preset/x", "auto", "openrouter/auto", "x:y:z/w"} {
		f.Add(s)
	}
	tab := table(f, nil)
	f.Fuzz(func(t *testing.T, name string) {
		got, refused := tab.Resolve(name)
		if refused != nil {
			if got.Provider != "" {
				t.Fatalf("%q is refused and has a target", name)
			}
			return
		}
		if tab.providers[got.Provider] == nil || got.Cluster != Cluster(got.Provider) || got.Named != name || got.Model == "" || !plain(got.Model) {
			t.Fatalf("%q: %+v", name, got)
		}
		base, suffix := cutSuffix(name)
		if _, isAlias := tab.aliases[name]; !isAlias {
			_, isAlias = tab.aliases[base]
			if !isAlias && name != auto && !strings.HasSuffix(name, strings.TrimPrefix(got.Model, "openrouter/")) {
				t.Fatalf("%q became %q", name, got.Model)
			}
			if !strings.HasSuffix(got.Model, suffix) {
				t.Fatalf("%q lost its suffix: %q", name, got.Model)
			}
		}
		if got.Label != Other && !slices.Contains(tab.models, got.Label) && got.Label != auto {
			t.Fatalf("%q has an unbounded label %q", name, got.Label)
		}
	})
}

func BenchmarkResolve(b *testing.B) {
	tab := table(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, refused := tab.Resolve("openai/gpt-5-mini"); refused != nil {
			b.Fatal(refused)
		}
	}
}
