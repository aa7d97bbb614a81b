package identity

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestConfigIsChecked(t *testing.T) {
	two := func(change func(*IssuerConfig)) Config {
		p := partnerConfig()
		change(&p)
		c := corpConfig()
		c.EmailDomains = []string{"Example.com"}
		return Config{Issuers: []IssuerConfig{c, p}}
	}
	one := func(change func(*IssuerConfig)) Config {
		c := corpConfig()
		change(&c)
		return Config{Issuers: []IssuerConfig{c}}
	}
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"nobody":              {Config{}, "nobody could be let in"},
		"no name":             {one(func(c *IssuerConfig) { c.Name = "" }), "is no name"},
		"a slash in a name":   {one(func(c *IssuerConfig) { c.Name = "a/b" }), "is no name"},
		"a colon in a name":   {one(func(c *IssuerConfig) { c.Name = "a:b" }), "is no name"},
		"a bar in a name":     {one(func(c *IssuerConfig) { c.Name = "a|b" }), "is no name"},
		"an upper-case name":  {one(func(c *IssuerConfig) { c.Name = "Corp" }), "is no name"},
		"same name":           {two(func(c *IssuerConfig) { c.Name = "corp" }), "this name"},
		"same issuer":         {two(func(c *IssuerConfig) { c.Issuer = corpURL }), "told apart"},
		"same domain":         {two(func(c *IssuerConfig) { c.EmailDomains = []string{"EXAMPLE.com"} }), "declared by issuer corp"},
		"domain with an @":    {one(func(c *IssuerConfig) { c.EmailDomains = []string{"@example.com"} }), "no plain domain"},
		"wildcard domain":     {one(func(c *IssuerConfig) { c.EmailDomains = []string{"*.example.com"} }), "no plain domain"},
		"no audience":         {one(func(c *IssuerConfig) { c.Audiences = nil }), "audience"},
		"an empty audience":   {one(func(c *IssuerConfig) { c.Audiences = []string{"a", ""} }), "audience"},
		"none":                {one(func(c *IssuerConfig) { c.Algorithms = []string{"none"} }), "none we verify with"},
		"HS256":               {one(func(c *IssuerConfig) { c.Algorithms = []string{"RS256", "HS256"} }), "none we verify with"},
		"tenants, no claim":   {one(func(c *IssuerConfig) { c.Tenants = []string{"acme"} }), "claims.tenant"},
		"endless path":        {one(func(c *IssuerConfig) { c.Claims.Groups = strings.Repeat("a.", 200) }), "path"},
		"no such file":        {one(func(c *IssuerConfig) { c.JWKS = "/nowhere/jwks.json" }), "readable file"},
		"a strange scheme":    {one(func(c *IssuerConfig) { c.JWKS = "ftp://corp.test/jwks" }), "http(s)"},
		"a password":          {one(func(c *IssuerConfig) { c.JWKS = "https://u:p@corp.test/jwks" }), "without user"},
		"keys without TLS":    {one(func(c *IssuerConfig) { c.JWKS = "http://corp.test/jwks" }), "https issuer"},
		"discovery of no URL": {one(func(c *IssuerConfig) { c.JWKS, c.Issuer = "", "corp" }), "http(s)"},
		"no issuer":           {one(func(c *IssuerConfig) { c.Issuer = "" }), "no issuer URL"},
		"a day's skew":        {Config{Issuers: []IssuerConfig{corpConfig()}, Skew: 24 * time.Hour}, "skew"},
		"stale before fresh":  {Config{Issuers: []IssuerConfig{corpConfig()}, Refresh: 2 * time.Hour}, "max stale"},
	} {
		v, err := New(t.Context(), tt.cfg)
		if err == nil {
			v.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want …%s…", name, err, tt.want)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	given := Config{Issuers: []IssuerConfig{corpConfig()}, HTTPClient: &http.Client{}}
	cfg, err := checked(given)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Skew != time.Minute || cfg.MaxStale != time.Hour || cfg.Refresh != 5*time.Minute || cfg.CacheSize != 10_000 {
		t.Errorf("%+v", cfg)
	}
	if got := strings.Join(cfg.Issuers[0].Algorithms, " "); got != "RS256 PS256 ES256 ES384 EdDSA" {
		t.Error(got)
	}
	if given.HTTPClient.CheckRedirect != nil || given.Issuers[0].Algorithms != nil {
		t.Error("the caller's own configuration was changed")
	}
	short, err := checked(Config{Anonymous: true, MaxStale: time.Minute})
	if err != nil || short.Refresh != time.Minute {
		t.Error(short.Refresh, err)
	}
	for alg := range fits {
		if alg == "none" || strings.HasPrefix(alg, "HS") {
			t.Errorf("%s can be configured", alg)
		}
	}
}
