package policies

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/yellowjack/yellowjack/internal/label"
)

// The Rego tests beside the rules, as `opa test policies/rego` runs them.
func TestRego(t *testing.T) {
	modules, store, err := tester.Load([]string{"rego"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = storage.Txn(t.Context(), store, storage.WriteParams, func(txn storage.Transaction) error {
		results, err := tester.NewRunner().SetStore(store).SetModules(modules).CapturePrintOutput(true).RaiseBuiltinErrors(true).RunTests(t.Context(), txn)
		if err != nil {
			return err
		}
		n := 0
		for r := range results {
			n++
			if !r.Pass() {
				t.Errorf("%s: %s %v", r.Location, r, r.Error)
			}
		}
		if n < 50 {
			t.Errorf("only %d tests ran", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What the binary carries is every policy in the folder, and none of the tests.
func TestShippedIsComplete(t *testing.T) {
	err := filepath.WalkDir("rego", func(p string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(p) != ".rego" {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		pretty, err := format.Source(p, text)
		if err != nil {
			return err
		}
		if string(pretty) != string(text) {
			if *update {
				return os.WriteFile(p, pretty, 0o644)
			}
			t.Errorf("%s is not formatted; run go test ./policies -update", p)
		}
		_, err = fs.Stat(shipped, filepath.ToSlash(p))
		if embedded, isTest := err == nil, strings.HasSuffix(p, "_test.rego"); embedded == isTest {
			t.Errorf("%s: embedded %v", p, embedded)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What the README shows is taken as it stands.
func TestReadmeExamples(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("rego", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, rest, _ := strings.Cut(string(text), "\n```"+language+"\n")
		code, _, ok := strings.Cut(rest, "\n```\n")
		if !ok {
			t.Fatalf("no %s in the README", language)
		}
		return code + "\n"
	}
	e := engine(t, Config{Folder: folder(t, map[string]string{"data.yaml": block("yaml"), "toolcall.rego": block("rego")})})
	d, err := e.Toolcall(t.Context(), &ToolcallInput{Principal: sara(), Context: label.Clean(), Calls: []Call{
		{Tool: "snowflake__query", Offered: true, Arguments: []byte(`{"limit": 1001}`)},
		{Tool: "snowflake__query", Offered: true, Arguments: []byte(`{"limit": 1000}`)},
		{Tool: "slack_post", Offered: true, Arguments: []byte(`{}`)},
	}})
	if err != nil || d.Calls[0].Rule != "acme.rows" || d.Calls[1].Verdict != Allow || d.Calls[2].Rule != "tools.allow" {
		t.Errorf("%+v, %v", d, err)
	}
}
