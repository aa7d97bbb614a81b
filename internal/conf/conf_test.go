package conf

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// TestLoad runs every testdata/*.txtar: the file called yellowjack.yaml is loaded beside the others, and what
// comes out must be the file called want ("OK", then warnings, or the errors).
func TestLoad(t *testing.T) {
	t.Setenv("CONF_TEST_KEY", "sk-conf-test-value")
	t.Setenv("CONF_TEST_EMPTY", "")
	t.Setenv("CONF_TEST_SPACE", "two words")
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir, want := t.TempDir(), -1
			for i, f := range ar.Files {
				if f.Name == "want" {
					want = i
					continue
				}
				to := filepath.Join(dir, f.Name)
				if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(to, f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := outcome(filepath.Join(dir, "yellowjack.yaml"))
			got = strings.ReplaceAll(got, dir, "$DIR")
			if strings.Contains(got, "SECRET") {
				t.Errorf("a value is quoted:\n%s", got)
			}
			if *update {
				if want < 0 {
					ar.Files, want = append(ar.Files, txtar.File{Name: "want"}), len(ar.Files)
				}
				ar.Files[want].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want < 0 || got != string(ar.Files[want].Data) {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

func outcome(file string) string {
	c, err := Load(file)
	if err != nil {
		return strings.ReplaceAll(err.Error(), file, "F") + "\n"
	}
	s := "OK\n"
	for _, w := range c.Warnings {
		s += "warning: " + strings.ReplaceAll(w.Error(), file, "F") + "\n"
	}
	return s
}

// TestManyErrors: a file that is something else altogether does not fill the screen.
func TestManyErrors(t *testing.T) {
	_, err := parse("f", t.TempDir(), []byte(strings.Repeat("  - x\n", 5)+strings.Repeat("- y\n", 5)))
	if err == nil {
		t.Error("accepted")
	}
	_, err = parse("f", t.TempDir(), []byte("credentials:\n"+strings.Repeat("  - {provider: x, secret: y}\n", 1000)))
	errs, ok := errors.AsType[Errors](err)
	if !ok || len(errs) != maxErrors+1 || !strings.Contains(errs[maxErrors].What, "more mistakes are not shown") {
		t.Errorf("%d errors, %v", len(errs), ok)
	}
}

const minimal = `
identity: {anonymous: true}
providers:
  mock: {base_url: "http://127.0.0.1:9100/v1/"}
`

func load(t *testing.T, text string) *Config {
	t.Helper()
	c, err := parse("c.yaml", t.TempDir(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := load(t, minimal)
	var want Config
	want.defaults()
	if c.Limits != want.Limits || c.Listen != want.Listen || c.Policies.Timeout != want.Policies.Timeout {
		t.Errorf("the defaults did not arrive: %+v", c)
	}
	if c.Envoy.RunDir != filepath.Join(c.Dir, "run") || c.Audit.File != filepath.Join(c.Dir, "audit.jsonl") {
		t.Errorf("paths are not absolute: %q %q", c.Envoy.RunDir, c.Audit.File)
	}
	if want := "unix://" + c.Envoy.RunDir + "/extproc.sock"; c.ExtProc.Listen != want {
		t.Errorf("extproc.listen = %q, want %q", c.ExtProc.Listen, want)
	}
	m := c.Providers["mock"]
	if m.BaseURL != "http://127.0.0.1:9100/v1" || m.Dialect != "openai-chat" || m.ConnectTimeout == 0 {
		t.Errorf("provider %+v", m)
	}
	if c.DefaultProvider != "mock" {
		t.Errorf("the only provider is not the default: %q", c.DefaultProvider)
	}
}

func TestDefaultProvider(t *testing.T) {
	two := minimal + "  openrouter: {base_url: https://openrouter.ai/api/v1}\n"
	if c := load(t, two); c.DefaultProvider != "openrouter" {
		t.Errorf("got %q", c.DefaultProvider)
	}
	other := minimal + "  groq: {base_url: https://api.groq.com/openai/v1}\n"
	if c := load(t, other); c.DefaultProvider != "" {
		t.Errorf("a default was guessed: %q", c.DefaultProvider)
	}
}

func TestLine(t *testing.T) {
	c := load(t, minimal+`
policies:
  data:
    tools:
      a.b: {allow: ["*"]}
      c:
        allow:
          - "group:x"
          - "group:y"
`)
	for _, tt := range []struct {
		keys []string
		want int
	}{
		{[]string{"policies", "data", "tools", "a.b"}, 9},
		{[]string{"policies", "data", "tools", "c", "allow", "1"}, 13},
		{[]string{"policies", "data", "tools", "c", "allow", "7", "x"}, 11},
		{[]string{"nowhere"}, 1},
		{nil, 1},
	} {
		if got := c.Line(tt.keys...); got != tt.want {
			t.Errorf("Line(%q) = %d, want %d", tt.keys, got, tt.want)
		}
	}
	if got := c.Problem("is odd", "mend it", "policies", "data", "tools", "c", "allow", "1").Error(); got !=
		"c.yaml:13: policies.data.tools.c.allow[1]: is odd; mend it" {
		t.Error(got)
	}
}

func TestData(t *testing.T) {
	c := load(t, minimal+`
policies:
  data:
    x: &x [1, 2.5, true, null, 2026-01-02, "y", yes]
    y: *x
`)
	list, _ := c.Policies.Data["y"].([]any)
	want := []any{int64(1), 2.5, true, nil, "2026-01-02", "y", "yes"}
	if len(list) != len(want) {
		t.Fatalf("%#v", list)
	}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("[%d] = %#v, want %#v", i, list[i], want[i])
		}
	}
}

// TestExample holds us to the names of the contract: what is not built yet is refused by its name, and nothing
// else in it is.
func TestExample(t *testing.T) {
	t.Setenv("OPENROUTER_API_KEY", "sk-x")
	b, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range []string{"keys/finance", "keys/sara", "keys/store.key", "policies/x.rego"} {
		_ = os.MkdirAll(filepath.Join(dir, filepath.Dir(f)), 0o700)
		if err := os.WriteFile(filepath.Join(dir, f), []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err = parse("example.yaml", dir, b)
	errs, ok := errors.AsType[Errors](err)
	if !ok {
		t.Fatalf("the whole example was accepted: %v", err)
	}
	want := map[string]bool{
		"identity.virtual_keys":  true,
		"models.fast.candidates": true,
	}
	for _, e := range errs {
		if !want[e.Key] || !strings.Contains(e.What, "not built yet") {
			t.Errorf("unexpected: %v", e)
		}
		delete(want, e.Key)
	}
	for k := range want {
		t.Errorf("%s was not refused", k)
	}
}

// FuzzLoad: whatever the file, there is a configuration or errors with lines, and never a panic.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("a: &a [*a, *a]"))
	f.Add([]byte("policies: {data: &d {x: *d}}"))
	f.Add([]byte("{sk-x}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse("f", "/nowhere", b)
		if (c == nil) == (err == nil) {
			t.Fatal("neither or both")
		}
		if errs, ok := errors.AsType[Errors](err); err != nil && (!ok || len(errs) == 0) {
			t.Fatal("an error without lines", err)
		}
	})
}
