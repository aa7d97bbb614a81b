package policies

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// shipped holds the policies that come with the program; shippedFiles is
// checked against the folder by a test, and leaves the tests out.
//
//go:embed rego/lib.rego rego/models.rego rego/request.rego rego/toolcall.rego rego/visible.rego rego/entry/*.rego schemas/*.json
var shipped embed.FS

// What a folder's modules may call themselves below yellowjack: a package of
// that name replaces the shipped one.
var entries = []string{"models", "request", "toolcall", "visible"}

// unsafe builtins reach out of the process, or tell of it.
var unsafe = []string{"http.send", "net.lookup_ip_addr", "opa.runtime"}

// file is one policy or data file, under the name that errors give it.
type file struct {
	name string
	dir  []string // folders between the policy folder and it: where its data goes
	text []byte
}

func (f file) rego() bool { return strings.HasSuffix(f.name, ".rego") }

// readFolder reads what a policy folder holds. Tests and hidden names are left
// out: a Kubernetes volume keeps its real files under ..data and links to them.
func readFolder(folder string) ([]file, error) {
	if folder == "" {
		return nil, nil
	}
	root, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return nil, errors.Join(fmt.Errorf("policies: %s is not a folder", folder), err)
	}
	var files []file
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != root && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || !wanted(d.Name()):
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f := file{name: filepath.Join(folder, rel), text: text}
		if dir := path.Dir(filepath.ToSlash(rel)); dir != "." {
			f.dir = strings.Split(dir, "/")
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	return files, nil
}

func wanted(name string) bool {
	switch filepath.Ext(name) {
	case ".rego":
		return !strings.HasSuffix(name, "_test.rego")
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// bundle is what a snapshot is made of: checked, compiled, hashed.
type bundle struct {
	compiler *ast.Compiler
	texts    map[string][]byte
	data     map[string]any
	tables   *tables
	replaced map[string]bool // entry packages that the folder defines
	revision string
}

// entry is the package to ask for a decision.
func (b *bundle) entry(name string) string {
	if b.replaced[name] {
		return "data.yellowjack." + name
	}
	return "data.yellowjack.shipped." + name
}

// build checks and compiles the shipped policies with a folder's and the
// configuration's data. Its errors name file and line.
func build(files []file, config map[string]any) (*bundle, error) {
	data, err := mergeData(files, config)
	if err != nil {
		return nil, err
	}
	b := &bundle{data: data, texts: map[string][]byte{}, replaced: map[string]bool{}}
	modules, err := b.parse(files)
	if err != nil {
		return nil, err
	}
	schemas, err := schemaSet()
	if err != nil {
		return nil, err
	}
	compiler := ast.NewCompiler().
		WithStrict(true).
		WithCapabilities(capabilities()).
		WithSchemas(schemas).
		WithUseTypeCheckAnnotations(true).
		WithPathConflictsCheck(func(p []string) (bool, error) { return pathExists(data, p), nil })
	if compiler.Compile(modules); compiler.Failed() {
		return nil, located(compiler.Errors)
	}
	b.compiler = compiler
	b.revision, err = revisionOf(b.texts, data)
	return b, err
}

// parse reads the folder's modules and then those shipped ones that the folder
// does not replace.
func (b *bundle) parse(files []file) (map[string]*ast.Module, error) {
	modules := map[string]*ast.Module{}
	opts := ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1, Capabilities: capabilities()}
	for _, f := range files {
		if !f.rego() {
			continue
		}
		m, err := ast.ParseModuleWithOpts(f.name, string(f.text), opts)
		if err != nil {
			return nil, located(err)
		}
		if m == nil {
			return nil, fmt.Errorf("%s:1: holds no package", f.name)
		}
		entry, err := packageName(m)
		if err != nil {
			return nil, err
		}
		if entry != "" {
			b.replaced[entry] = true
		}
		b.texts[f.name], modules[f.name] = f.text, m
	}
	err := fs.WalkDir(shipped, "rego", func(p string, _ fs.DirEntry, err error) error {
		entry := path.Dir(p) == "rego/entry" && b.replaced[strings.TrimSuffix(path.Base(p), ".rego")]
		if err != nil || path.Ext(p) != ".rego" || entry {
			return err
		}
		text, err := shipped.ReadFile(p)
		if err != nil {
			return err
		}
		id := "shipped:" + p
		m, err := ast.ParseModuleWithOpts(id, string(text), opts)
		if err != nil {
			return err
		}
		b.direct(m)
		b.texts[id], modules[id] = text, m
		return nil
	})
	return modules, err
}

// direct points a shipped module's imports of entry packages at what they pass
// on to, where the folder does not replace them: a rule less in each decision.
func (b *bundle) direct(m *ast.Module) {
	for _, i := range m.Imports {
		if name := strings.TrimPrefix(i.Path.String(), "data.yellowjack."); slices.Contains(entries, name) {
			i.Path = ast.MustParseTerm(b.entry(name))
		}
	}
}

// packageName tells which of our packages a folder's module replaces, and
// refuses names below yellowjack that nothing would ask.
func packageName(m *ast.Module) (string, error) {
	p := strings.Split(strings.TrimPrefix(m.Package.Path.String(), "data."), ".")
	if p[0] != "yellowjack" {
		return "", nil
	}
	if len(p) == 2 && slices.Contains(entries, p[1]) {
		return p[1], nil
	}
	return "", fmt.Errorf("%s:%d: package %s is not one that a folder may define; below yellowjack those are %s",
		m.Package.Location.File, m.Package.Location.Row, strings.Join(p, "."), strings.Join(entries, ", "))
}

// located turns OPA's errors into FILE:LINE: lines.
func located(err error) error {
	var all ast.Errors
	if !errors.As(err, &all) {
		return err
	}
	out := make([]error, 0, len(all))
	for _, e := range all {
		switch {
		case e.Location == nil:
			out = append(out, errors.New(e.Message))
		default:
			out = append(out, fmt.Errorf("%s:%d: %s", e.Location.File, e.Location.Row, e.Message))
		}
	}
	return errors.Join(out...)
}

// capabilities is this OPA's without the unsafe builtins and without a network.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return slices.Contains(unsafe, b.Name) })
	c.AllowNet = []string{}
	return c
}

// schemaSet reads the schemas that METADATA in the policies refers to as
// schema.request and so on; a misspelt input member is then a compile error.
func schemaSet() (*ast.SchemaSet, error) {
	set := ast.NewSchemaSet()
	for _, name := range entries {
		text, err := shipped.ReadFile("schemas/" + name + ".json")
		if err != nil {
			return nil, err
		}
		var schema any
		if err := util.Unmarshal(text, &schema); err != nil {
			return nil, err
		}
		set.Put(ast.SchemaRootRef.Append(ast.StringTerm(name)), schema)
	}
	return set, nil
}

func pathExists(data map[string]any, p []string) bool {
	var at any = data
	for _, key := range p {
		m, ok := at.(map[string]any)
		if !ok {
			return false
		}
		if at, ok = m[key]; !ok {
			return false
		}
	}
	return true
}

// revisionOf names policies and data by their content.
func revisionOf(texts map[string][]byte, data map[string]any) (string, error) {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		fmt.Fprintf(h, "%q %d\n", name, len(texts[name]))
		h.Write(texts[name])
	}
	// Map keys come out sorted, so equal data gives equal bytes.
	doc, err := json.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("policies: data: %w", err)
	}
	h.Write(doc)
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// sameFiles tells whether two readings of the folder agree.
func sameFiles(a, b []file) bool {
	return slices.EqualFunc(a, b, func(x, y file) bool { return x.name == y.name && bytes.Equal(x.text, y.text) })
}
