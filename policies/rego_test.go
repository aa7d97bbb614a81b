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
)

// The Rego tests beside the rules, as `opa test policies/rego` runs them.
func TestRego(t *testing.T) {
	noSchemas := func(_ string, info os.FileInfo, _ int) bool { return filepath.Ext(info.Name()) == ".json" }
	modules, store, err := tester.Load([]string{"rego"}, noSchemas)
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
