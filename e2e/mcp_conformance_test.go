package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
)

// all runs whole suites where a sample is usual; `make e2e-mcp` and `make test-all` set it.
var all = flag.Bool("mcp.all", false, "run the whole of the MCP conformance suites and of what takes long")

// conformance is one of the suites.
type conformance struct {
	version string
	other   string   // the fixture that speaks only the other era
	args    []string // of the whole suite
	one     []string // of one scenario
	sample  []string // what runs without -mcp.all
	count   int      // scenarios at least, so that a suite that runs nothing does not pass
}

var suites = []conformance{
	{
		version: "2025-11-25", other: "stateless", args: []string{"--suite", "all"}, count: 32,
		sample: []string{"server-initialize", "server-sse-multiple-streams", "tools-call-elicitation", "tools-call-with-progress", "json-schema-2020-12"},
	},
	{
		version: "2026-07-28", other: "sessions", args: []string{"--requirements", "2026-07-28"}, one: []string{"--spec-version", "2026-07-28"}, count: 37,
		sample: []string{"server-stateless", "caching", "input-required-result-multi-round", "input-required-result-capability-check"},
	},
}

// byDesign are the scenarios that fail through the broker, each with its reason. One that is here and passes is an error too.
var byDesign = map[string]string{
	"2026-07-28 sessions input-required-result-basic-elicitation":       "a server with sessions asks by a request, which has no key of the server's choice",
	"2026-07-28 sessions input-required-result-ignore-extra-params":     "the same: answers that come before a question have no key that is known",
	"2026-07-28 sessions input-required-result-multiple-input-requests": "a server with sessions asks one thing after the other",
}

// extension are the scenarios of extensions that nobody has to have (the suite does not score them), and that the broker says it has
// not: tasks, and skills.
func extension(scenario string) bool {
	return strings.HasPrefix(scenario, "tasks-") || strings.HasPrefix(scenario, "sep-2640-")
}

// conforming is a gateway in front of the suites' fixture in each era, open to who has no token.
func conforming(t *testing.T) *gateway {
	t.Helper()
	tools := ""
	more := "mcp:\n  origins: [ORIGIN]\n  servers:\n"
	sets := "  sets:\n"
	for _, s := range []struct {
		name   string
		change func(*mcpserver.Config)
	}{
		{"both", func(*mcpserver.Config) {}},
		{"sessions", func(c *mcpserver.Config) { c.NoModern = true }},
		{"stateless", func(c *mcpserver.Config) { c.NoLegacy = true }},
	} {
		c := mcpserver.Suite()
		s.change(&c)
		server, err := mcpserver.Start(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		more += fmt.Sprintf("    %s: {url: %q}\n", s.name, server.URL())
		sets += fmt.Sprintf("    %s: {servers: [%s], bare: true}\n", s.name, s.name)
		for _, name := range append(slices.Sorted(maps.Keys(c.Tools)), "test_comes_and_goes") {
			tools += fmt.Sprintf("%s__%s: {allow: [\"*\"], effect: read}\n", s.name, name)
		}
		for _, kind := range []string{"prompts", "resources"} {
			tools += fmt.Sprintf("%s/%s: {allow: [\"*\"], effect: read}\n", kind, s.name)
		}
	}
	return own(t, setup{tools: tools, more: more + sets, change: func(config string) string {
		listen, _, _ := strings.Cut(strings.TrimPrefix(config, "listen: "), "\n")
		config = strings.Replace(config, "ORIGIN", `"http://`+listen+`"`, 1)
		return strings.Replace(config, "identity:\n", "identity:\n  anonymous: true\n", 1)
	}})
}

// tool is a file that `make sdks` has put into .tools/mcp.
func mcpTool(t *testing.T, path string) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("../.tools/mcp", path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%v; run `make sdks`", err)
	}
	return file
}

// node22 is the Node that the suites need: the package's, or the system's where there is none for it.
func node22(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("../.tools/mcp/js/node_modules/node-*/bin/node")
	for _, node := range append(found, "node") {
		if node != "node" {
			node, _ = filepath.Abs(node)
		}
		out, err := exec.CommandContext(t.Context(), node, "-p", "process.versions.node").Output()
		var major int
		if _, scanned := fmt.Sscan(string(out), &major); err == nil && scanned == nil && major >= 22 {
			return node
		}
	}
	t.Fatal("there is no Node of at least 22; run `make sdks`")
	return ""
}

// check is one line of a scenario's result.
type check struct {
	ID, Status, ErrorMessage string
}

// scenario runs one suite, or one scenario of it, and returns the checks by scenario.
func (c conformance) run(t *testing.T, url string, more ...string) map[string][]check {
	t.Helper()
	dir := t.TempDir()
	args := append([]string{mcpTool(t, "js/node_modules/conformance-"+c.version+"/dist/index.js"), "server", "--url", url, "-o", dir}, more...)
	cmd := exec.CommandContext(t.Context(), node22(t), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	ran := cmd.Run() // it fails when a check does; which ones is in its files
	found := map[string][]check{}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	for _, file := range files {
		name := strings.TrimPrefix(filepath.Base(filepath.Dir(file)), "server-")
		if i := strings.LastIndex(name, "-20"); i > 0 {
			name = name[:i] // a time follows
		}
		text, err := os.ReadFile(file)
		var checks []check
		if err == nil {
			err = json.Unmarshal(text, &checks)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		found[name] = checks
	}
	if len(found) == 0 {
		t.Fatalf("no scenario ran: %v\n%s", ran, out.String())
	}
	return found
}

// TestMCPConformance runs the official conformance suites through Envoy and the broker: each suite against a server of its own era,
// and against one of the other alone, so that each request is translated.
func TestMCPConformance(t *testing.T) {
	g := conforming(t)
	for _, c := range suites {
		for _, server := range []string{"both", "sessions", "stateless"} {
			if !*all && server != c.other {
				continue
			}
			t.Run(c.version+" before "+server, func(t *testing.T) {
				url := g.url + "/mcp/" + server
				found := map[string][]check{}
				if *all {
					found = c.run(t, url, c.args...)
					if len(found) < c.count {
						t.Errorf("%d scenarios ran", len(found))
					}
				} else {
					for _, name := range c.sample {
						maps.Copy(found, c.run(t, url, append(slices.Clone(c.one), "--scenario", name)...))
					}
					if len(found) != len(c.sample) {
						t.Errorf("%d scenarios ran", len(found))
					}
				}
				c.judge(t, server, found)
			})
		}
	}
}

// judge compares what a suite found with what fails by design, and says the figures.
func (c conformance) judge(t *testing.T, server string, found map[string][]check) {
	t.Helper()
	counts := map[string]int{}
	passed := 0
	maps.DeleteFunc(found, func(name string, _ []check) bool { return extension(name) })
	for _, name := range slices.Sorted(maps.Keys(found)) {
		var failed []string
		for _, ch := range found[name] {
			counts[ch.Status]++
			if ch.Status == "FAILURE" || ch.Status == "WARNING" {
				failed = append(failed, ch.Status+" "+ch.ID+": "+ch.ErrorMessage)
			}
		}
		key := c.version + " " + server + " " + name
		switch reason, known := byDesign[key]; {
		case len(failed) > 0 && !known:
			t.Errorf("%s\n  %s", name, strings.Join(failed, "\n  "))
		case len(failed) == 0 && known:
			t.Errorf("%s passes; it no longer fails since %s", name, reason)
		case len(failed) == 0:
			passed++
		}
	}
	t.Logf("FIGURES %s before %s: %d of %d scenarios pass; checks: %d pass, %d fail, %d warn, %d do not apply",
		c.version, server, passed, len(found), counts["SUCCESS"], counts["FAILURE"], counts["WARNING"], counts["SKIPPED"])
}
