package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMCPMusts: each test and each scenario that e2e/mcp/MUSTS.md names is there.
func TestMCPMusts(t *testing.T) {
	table, err := os.ReadFile("mcp/MUSTS.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, pattern := range []string{"*_test.go", "../mcpbroker/*_test.go", "../mcpbroker/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(table), -1)
	for _, n := range names {
		if !strings.Contains(code.String(), "func "+n[1]+"(") {
			t.Errorf("there is no %s", n[1])
		}
	}
	suites := ""
	for _, c := range suitesOf(t) {
		suites += c
	}
	scenarios := 0
	for line := range strings.Lines(string(table)) {
		_, list, ok := strings.Cut(line, "conformance ")
		if !ok || !strings.HasPrefix(line, "|") {
			continue
		}
		for _, s := range regexp.MustCompile(`[a-z]+(-[a-z0-9]+)+|\bping\b|\bcaching\b`).FindAllString(list, -1) {
			scenarios++
			if !strings.Contains(suites, "`"+s+"`") {
				t.Errorf("no suite has a scenario %s", s)
			}
		}
	}
	if len(names) < 100 || scenarios < 20 {
		t.Errorf("%d tests and %d scenarios are named", len(names), scenarios)
	}
}

// suitesOf are the programs of the conformance suites.
func suitesOf(t *testing.T) (all []string) {
	t.Helper()
	for _, c := range suites {
		text, err := os.ReadFile(mcpTool(t, "js/node_modules/conformance-"+c.version+"/dist/index.js"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}
