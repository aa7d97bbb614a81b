// Package yellowjack is the root of the repository. It holds no code, only the house's own rules: who may import whom,
// with the reason beside each rule, and that every package says what it is. See rules_test.go.
package yellowjack

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/yellowjack/yellowjack/"

// A rule is about packages by their path in the module; "x/…" is x and all below it. In `imports`, a path with a dot in its
// first element is another module's, with all below it.
type rule struct {
	imports []string // who imports any of these …
	only    []string // … must be one of these (nil: nobody is), …
	not     []string // … or, instead of `only`, none of these
	tests   bool     // the rule holds for _test.go files too
	reason  string
}

// The rules of the house, from the design.
var rules = []rule{
	{
		imports: []string{"extproc"}, only: []string{"cmd/…"}, tests: true,
		reason: "the LLM walk is composed by the command alone; extproc and mcpbroker never import each other, since each must stand (and fall) by itself",
	},
	{
		imports: []string{"mcpbroker/…"}, only: []string{"cmd/…", "mcpbroker/…"}, tests: true,
		reason: "the tool walk is composed by the command alone; extproc and mcpbroker never import each other, since each must stand (and fall) by itself",
	},
	{
		imports: []string{"cmd/…"}, tests: true,
		reason: "a command composes and is not composed",
	},
	{
		imports: []string{"github.com/envoyproxy"}, only: []string{"extproc", "envoy/…", "bench/…"}, tests: true,
		reason: "Envoy's protobuf types stay at the edge: a change of Envoy's API then touches the builders and the replies, never a decision (the benchmark's no-op service is such an edge of its own)",
	},
	{
		imports: []string{"google.golang.org/grpc"}, only: []string{"extproc", "internal/bidi", "bench/…"},
		reason: "gRPC is how Envoy reaches the walk; a step takes values and returns a value",
	},
	{
		imports: []string{"github.com/open-policy-agent"}, only: []string{"policies"}, tests: true,
		reason: "one engine decides: whoever else evaluated Rego would be a second one, with its own idea of an error",
	},
	{
		imports: []string{"github.com/go-json-experiment"}, only: []string{"internal/strictjson", "internal/llm/…"}, tests: true,
		reason: "there is one strict JSON reader; a second one would accept what the first refuses, and that difference is an attack",
	},
	{
		imports: []string{"github.com/lestrrat-go", "github.com/coreos/go-oidc"}, only: []string{"internal/identity"},
		reason: "tokens are verified in one place, so that a Principal proves that it was done (and the fake issuer signs by hand, so that the library is not tested against itself)",
	},
	{
		imports: []string{"github.com/redis"}, only: []string{"internal/store/…"}, tests: true,
		reason: "go-redis stays behind the store's interface, which memory and Redis share with one conformance suite",
	},
	{
		imports: []string{"internal/revoke"}, only: []string{"cmd/…", "internal/revoke", "mcpbroker/events", "e2e/…"}, tests: true,
		reason: "revocations reach a walk by its verifier alone, which knows whose token counts; who tells of them is the events' edge and the command",
	},
	{
		imports: []string{"github.com/openai"}, only: []string{"internal/quarantine/dual"},
		reason: "a model is called in one place, by the gateway's own internal listener; everything else edits the bytes that somebody else sends",
	},
	{
		imports: []string{"github.com/aws"}, only: []string{"internal/upstreamauth/aws"},
		reason: "AWS' SDK signs and finds credentials, in one place; what it would read of a stream or an answer we read ourselves, strictly",
	},
	{
		imports: []string{"k8s.io"}, only: []string{"mcpbroker/sandbox/pods"}, tests: true,
		reason: "client-go is large, and what it can do to a cluster is more than the broker should: one package makes pods",
	},
	{
		imports: []string{"policies", "internal/hold/…", "internal/audit", "internal/identity"}, not: []string{"internal/quarantine/…"},
		reason: "quarantine takes values and returns values: who asks, what policy says and what goes on record is the walk's",
	},
	{
		imports: []string{"github.com/mark3labs/mcp-go", "github.com/modelcontextprotocol"}, only: []string{"mcpbroker/…", "e2e/…"}, tests: true,
		reason: "MCP is the broker's, and that of tests which come to it as a real client or stand behind it as a real server",
	},
	{
		imports: []string{"policies", "internal/quarantine", "internal/hold", "internal/audit", "internal/identity"},
		not:     []string{"policies", "internal/quarantine", "internal/hold", "internal/audit", "internal/identity"},
		reason:  "steps never import one another: the walk passes values between them, and so is the only place where their order is decided",
	},
	{
		imports: []string{"policies", "internal/quarantine/…", "internal/audit", "internal/identity", "envoy"}, not: []string{"internal/hold/…"},
		reason: "the gates of all dialects are one step; each is built on internal/hold, and on its own dialect in internal/llm",
	},
	{
		imports: []string{
			"internal/identity", "internal/hold/…", "internal/quarantine", "internal/route", "internal/credential", "internal/audit",
			"internal/conf", "internal/telemetry", "internal/budget", "policies", "envoy",
		},
		not:    []string{"internal/llm/…", "internal/refuse", "internal/strictjson", "internal/sse", "internal/headers"},
		reason: "the leaves (llm, refuse, strictjson, sse, headers) know nothing of the steps above them",
	},
	{
		imports: []string{"internal/conf"}, not: []string{"extproc", "policies", "internal/identity", "internal/hold", "internal/audit", "envoy"},
		reason: "Config sits beside the code it configures; the command translates the file, so that a walk can be tested and embedded without one",
	},
	{
		imports: []string{"internal/fake/…", "envoy/envoytest", "internal/txtest", "internal/llm/llmtest", "internal/store/storetest"}, only: []string{"bench/…", "demo/…", "e2e/…", "envoy/envoytest", "internal/fake/…", "internal/llm/llmtest"},
		reason: "fakes say whatever they are told to; nothing that ships may reach one",
	},
	{
		imports: []string{"testing"}, only: []string{"envoy/envoytest", "internal/txtest", "internal/llm/llmtest", "internal/store/storetest"},
		reason: "production code does not import testing (it registers flags, and what it offers is for tests)",
	},
	{
		imports: []string{"encoding/json"}, not: []string{"internal/llm/…", "internal/hold/…", "internal/strictjson", "extproc"},
		reason: "encoding/json accepts duplicate names, other cases of a name and invalid UTF-8, which upstreams read differently; and it was the largest cost of all",
	},
}

// aFile is one Go file's imports.
type aFile struct {
	name    string
	pkg     string // path in the module, "." for the root
	test    bool
	imports map[string]token.Position
}

func TestImports(t *testing.T) {
	files := house(t)
	for _, r := range rules {
		for _, f := range files {
			if f.test && !r.tests {
				continue
			}
			for to, at := range f.imports {
				inside := strings.HasPrefix(to, module)
				if !matches(r.imports, strings.TrimPrefix(to, module), !inside) || (inside && strings.TrimPrefix(to, module) == f.pkg) {
					continue
				}
				allowed := matches(r.only, f.pkg, false)
				if r.not != nil {
					allowed = !matches(r.not, f.pkg, false)
				}
				if !allowed {
					t.Errorf("%s: %s may not import %s:\n    %s", at, f.pkg, to, r.reason)
				}
			}
		}
	}
}

// TestRules holds the matching itself, without which every rule above would pass.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		external      bool
		want          bool
	}{
		{"extproc", "extproc", false, true},
		{"extproc", "extproc/x", false, false},
		{"internal/llm/…", "internal/llm", false, true},
		{"internal/llm/…", "internal/llm/openaichat", false, true},
		{"internal/llm/…", "internal/llmx", false, false},
		{"github.com/redis", "github.com/redis/go-redis/v9", true, true},
		{"github.com/redis", "github.com/redisx/y", true, false},
		{"testing", "testing", true, true},
		{"testing", "testing/synctest", true, true},
		{"policies", "policies", true, false},
	} {
		if got := matches([]string{c.pattern}, c.path, c.external); got != c.want {
			t.Errorf("matches(%q, %q, %v) = %v", c.pattern, c.path, c.external, got)
		}
	}
}

// TestDocumented wants a doc comment on every package, long enough to say something.
func TestDocumented(t *testing.T) {
	docs := map[string]string{}
	walk(t, func(name string, f *ast.File, _ *token.FileSet) {
		if f.Name.Name == "main" || !strings.HasSuffix(f.Name.Name, "_test") {
			docs[path.Dir(name)] += f.Doc.Text()
		}
	})
	for pkg, doc := range docs {
		first, _, _ := strings.Cut(doc, " ")
		if first != "Package" && first != "Command" || len(doc) < 80 {
			t.Errorf("%s: no package comment that says what it is and how it works (%q)", pkg, doc)
		}
	}
	if len(docs) < 10 {
		t.Errorf("only %d packages found", len(docs))
	}
}

// matches tells whether a package's path is one of the patterns. Outside our module, a pattern is a path and all below it.
func matches(patterns []string, pkg string, external bool) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		base, below := strings.CutSuffix(p, "/…")
		foreign := strings.Contains(strings.Split(base, "/")[0], ".") || base == "testing" || base == "encoding/json"
		if foreign != external {
			return false
		}
		return pkg == base || (below || foreign) && strings.HasPrefix(pkg, base+"/")
	})
}

// house reads the imports of every Go file.
func house(t *testing.T) []aFile {
	t.Helper()
	var files []aFile
	walk(t, func(name string, f *ast.File, set *token.FileSet) {
		file := aFile{name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), imports: map[string]token.Position{}}
		for _, i := range f.Imports {
			to, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			file.imports[to] = set.Position(i.Pos())
		}
		files = append(files, file)
	})
	return files
}

// walk parses every Go file of the repository.
func walk(t *testing.T, visit func(name string, f *ast.File, set *token.FileSet)) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(set, name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(name), f, set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
