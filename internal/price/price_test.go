package price

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestShipped(t *testing.T) {
	table, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for host, model := range map[string]string{
		"api.openai.com": "gpt-4o", "API.Anthropic.com": "claude-sonnet-4-5", "generativelanguage.googleapis.com": "gemini-2.5-pro",
		"bedrock-runtime.eu-west-1.amazonaws.com": "anthropic.claude-sonnet-4-20250514-v1:0", "ours.openai.azure.com": "gpt-4o",
	} {
		r, ok := table.Of(host, model)
		if !ok || r.Input == nil || r.Output == nil || *r.Input <= 0 || *r.Output < *r.Input {
			t.Errorf("%s %s: %+v %v", host, model, r, ok)
		}
	}
	for host, model := range map[string]string{
		"api.openai.com": "gpt-4", "openai.com": "gpt-4o", "api.openai.com.evil.example": "gpt-4o", "": "gpt-4o", "127.0.0.1": "gpt-4o",
	} {
		if r, ok := table.Of(host, model+"-of-tomorrow"); ok {
			t.Errorf("%s %s: %+v", host, model, r)
		}
	}
	if _, ok := table.Of("api.openai.com.evil.example", "gpt-4o"); ok {
		t.Error("another host's prices")
	}
	if _, ok := table.Of("api.openai.com", "none", "gpt-4o"); !ok {
		t.Error("the second name is not looked for")
	}
	if _, ok := (*Table)(nil).Of("api.openai.com", "gpt-4o"); ok {
		t.Error("no table has a price")
	}
}

func TestCost(t *testing.T) {
	p := func(x float64) *float64 { return &x }
	all := Rates{Input: p(1), Output: p(10), CachedRead: p(.1), CachedWrite: p(2), Over: &Over{Tokens: 1000, Input: p(3)}}
	for _, c := range []struct {
		rates Rates
		used  Tokens
		want  float64
		ok    bool
	}{
		{all, Tokens{Input: 1000, Output: 100}, 0.002, true},
		{all, Tokens{Input: 1000, Output: 100, CachedRead: 500, CachedWrite: 100}, (400*1 + 100*10 + 500*.1 + 100*2) / 1e6, true},
		{all, Tokens{Input: 2000, Output: 100, CachedRead: 500}, (1500*3 + 100*10 + 500*.1) / 1e6, true},
		{all, Tokens{Input: 10, CachedRead: 20}, 0, false},
		{Rates{Input: p(1), Output: p(10)}, Tokens{Input: 10, Output: 1, CachedRead: 5}, 0, false},
		{Rates{Input: p(1)}, Tokens{Input: 10, Output: 1}, 0, false},
		{Rates{Input: p(1)}, Tokens{Input: 10}, 1e-5, true},
		{Rates{}, Tokens{}, 0, true},
		{Rates{}, Tokens{Input: 1}, 0, false},
	} {
		got, ok := c.rates.Cost(c.used)
		if ok != c.ok || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v: %g %v, want %g %v", c.used, got, ok, c.want, c.ok)
		}
	}
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prices.json")
	load := func(doc string) (*Table, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(file)
	}
	table, err := load(`{"as_of":"2026-01-01","catalogs":{"ours":{"hosts":["vllm.corp"],"models":{"m":{"input":0,"output":0.5}}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := table.Of("vllm.corp", "m"); !ok || *r.Output != 0.5 || *r.Input != 0 {
		t.Errorf("%+v", r)
	}
	for _, doc := range []string{
		``, `[]`, `{"catalogs":{"x":{"hosts":["["]}}}`, `{"catalogs":{"x":{"hosts":[""]}}}`, `{"catalogs":{"x":{"models":{"m":{"input":-1}}}}}`,
		`{"catalogs":{"x":{"models":{"m":{"input":"1"}}}}}`, `{"catalogs":{"x":{"models":{"m":{"Input":1}}}}}`, `{"catalogs":{"x":{"models":{"m":{"over":{"input":1}}}}}}`,
		`{"unknown":1}`, `{"catalogs":{"x":{"models":{"m":{"over":{"tokens":1,"output":-2}}}}}}`,
	} {
		if table, err := load(doc); err == nil {
			t.Errorf("%s: %+v", doc, table)
		}
	}
	if _, err := Load(filepath.Dir(file)); err == nil {
		t.Error("a folder is a table")
	}
}
