package policies

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/yellowjack/yellowjack/internal/label"
)

// A folder that is not right refuses to start, and says in which file and line.
func TestBrokenFoldersAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string // all in the error; %s is the folder
	}{
		"syntax":           {map[string]string{"p.rego": "package acme\n\nx := {\n"}, []string{"%s/p.rego:4: ", "unexpected eof"}},
		"compile":          {map[string]string{"a/p.rego": "package acme\n\nx := 1\n\ny := z\n"}, []string{"%s/a/p.rego:5: ", "z is unsafe"}},
		"strict":           {map[string]string{"p.rego": "package acme\n\nimport data.yellowjack.lib\n\nx := 1\n"}, []string{"%s/p.rego:3: ", "unused"}},
		"network":          {map[string]string{"p.rego": "package acme\n\nx := http.send({})\n"}, []string{"%s/p.rego:3: ", "undefined function http.send"}},
		"lookup":           {map[string]string{"p.rego": "package acme\n\nx := net.lookup_ip_addr(\"a\")\n"}, []string{"%s/p.rego:3: ", "undefined function"}},
		"environment":      {map[string]string{"p.rego": "package acme\n\nx := opa.runtime().env\n"}, []string{"%s/p.rego:3: ", "undefined function"}},
		"misspelt package": {map[string]string{"p.rego": "package yellowjack.toolcal\n\nx := 1\n"}, []string{"%s/p.rego:1: ", "yellowjack.toolcal", "toolcall"}},
		"our library":      {map[string]string{"p.rego": "package yellowjack.lib\n\nx := 1\n"}, []string{"%s/p.rego:1: ", "yellowjack.lib"}},
		"shipped":          {map[string]string{"p.rego": "package yellowjack.shipped.visible\n\ntools[\"x\"] := \"x\"\n"}, []string{"%s/p.rego:1: ", "not one that a folder may define"}},
		"below an entry":   {map[string]string{"p.rego": "package yellowjack.toolcall.decision\n\nx := 1\n"}, []string{"%s/p.rego:1: "}},
		"root":             {map[string]string{"p.rego": "package yellowjack\n\nlib := 1\n"}, []string{"%s/p.rego:1: "}},
		"misspelt input": {
			map[string]string{"p.rego": "# METADATA\n# schemas:\n#   - input: schema.request\npackage acme\n\nx := input.principle.user\n"},
			[]string{"%s/p.rego:6: ", "undefined ref", "principle"},
		},
		"empty":                      {map[string]string{"p.rego": "# nothing\n"}, []string{"%s/p.rego:"}},
		"yaml":                       {map[string]string{"d.yaml": "tools:\n  a: {allow: [x]}\n b: 1\n"}, []string{"%s/d.yaml:"}},
		"yaml key twice":             {map[string]string{"d.yaml": "tools:\n  a: {allow: [x]}\n  a: {allow: [y]}\n"}, []string{"%s/d.yaml:3: ", "already defined"}},
		"two documents":              {map[string]string{"d.yaml": "tools: {}\n---\nteams: {}\n"}, []string{"%s/d.yaml:1: ", "more than one document"}},
		"json":                       {map[string]string{"d.json": "{\n  \"tools\": {,}\n}\n"}, []string{"%s/d.json:2: "}},
		"json key twice":             {map[string]string{"d.json": "{\n\"tools\": {},\n\"tools\": {}\n}\n"}, []string{"%s/d.json:3: "}},
		"json list":                  {map[string]string{"d.json": "[]"}, []string{"%s/d.json:1: ", "must be an object"}},
		"unknown key":                {map[string]string{"d.yaml": "tools:\n  a:\n    allow: [x]\n    alow: [y]\n"}, []string{"%s/d.yaml:4: tools.a.alow: is not a known key"}},
		"unknown key in json":        {map[string]string{"d.json": "{\n\t\"tools\": {\n\t\t\"a\": {\"pin\": 1}\n\t}\n}\n"}, []string{"%s/d.json:3: tools.a.pin: must be one of warn, taint, refuse"}},
		"rooted by folder":           {map[string]string{"tools/a/d.yaml": "allow: [x]\neffect: jump\n"}, []string{"%s/tools/a/d.yaml:2: tools.a.effect: must be one of read, write"}},
		"given twice":                {map[string]string{"a.yaml": "tools:\n  a: {allow: [x]}\n", "b.yaml": "tools:\n  b: {}\n  a: {allow: [y]}\n"}, []string{"%s/b.yaml:3: tools.a.allow is already given"}},
		"given by the configuration": {map[string]string{"a.yaml": "tools:\n  slack__post_message:\n    allow: [\"*\"]\n"}, []string{"%s/a.yaml:3: tools.slack__post_message.allow is already given"}},
		"reserved":                   {map[string]string{"a.yaml": "derived:\n  aliases: {}\n"}, []string{"%s/a.yaml:1: derived: is reserved"}},
		"our namespace":              {map[string]string{"a.yaml": "yellowjack:\n  lib: {}\n"}, []string{"%s/a.yaml:1: yellowjack: is reserved"}},
		"data over rules":            {map[string]string{"a.yaml": "acme: {x: 1}\n", "p.rego": "package acme\n\nx := 2\n"}, []string{"%s/p.rego:3: ", "conflict"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, c.files)
			e, err := New(t.Context(), Config{Folder: dir, Data: sample(), Registerer: prometheus.NewRegistry()})
			if err == nil {
				e.Close()
				t.Fatal("taken")
			}
			for _, want := range c.want {
				if want = strings.Replace(want, "%s", dir, 1); !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nlacks %q", err, want)
				}
			}
		})
	}
}

func TestMissingFolderIsRefused(t *testing.T) {
	dir := folder(t, map[string]string{"file": ""})
	for _, at := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "file")} {
		if e, err := New(t.Context(), Config{Folder: at, Registerer: prometheus.NewRegistry()}); err == nil {
			e.Close()
			t.Errorf("%s: taken", at)
		} else if !strings.Contains(err.Error(), at) {
			t.Errorf("%v does not name %s", err, at)
		}
	}
}

// A folder adds data and replaces one package; it may ask the shipped one.
func TestAFolderAddsAndReplaces(t *testing.T) {
	e := engine(t, Config{Data: sample(), Folder: folder(t, map[string]string{
		"data/../tools.yaml": "tools:\n  jira__search: {allow: [\"group:finance\"]}\n",
		"limits/data.json":   `{"rows": 10}`,
		"p.rego": `package yellowjack.toolcall

import data.yellowjack.shipped

# Reads of more than so many rows are denied on top of what is shipped.
decision := {"calls": [verdict(i) | some i, _ in input.calls]}

verdict(i) := {"verdict": "deny", "reason": "too many rows", "rule": "acme.rows"} if {
	input.calls[i].arguments.limit > data.limits.rows
} else := shipped.toolcall.decision.calls[i]
`,
		"p_test.rego":   "package broken {{{",
		".git/x.rego":   "package broken {{{",
		"..data/x.yaml": "{{{",
		"README.md":     "not a policy",
	})})
	p := sara()
	d, err := e.Toolcall(t.Context(), &ToolcallInput{Principal: p, Context: label.Clean(), Calls: []Call{
		{Tool: "jira__search", Offered: true, Arguments: []byte(`{"limit":11}`)},
		{Tool: "jira__search", Offered: true, Arguments: []byte(`{"limit":10}`)},
		{Tool: "slack__post_message", Offered: true, Arguments: []byte(`{"limit":1}`)},
	}})
	if err != nil || d.Calls[0].Rule != "acme.rows" || d.Calls[1].Verdict != Allow || d.Calls[2].Verdict != Deny {
		t.Errorf("%+v, %v", d, err)
	}
}

// A replaced package is what the shipped ones then ask, too.
func TestReplacedVisibleIsAskedByAll(t *testing.T) {
	e := engine(t, Config{Data: sample(), Folder: folder(t, map[string]string{
		"v.rego": "package yellowjack.visible\n\ntools[\"slack__post_message\"] := \"slack__post_message\"\n",
	})})
	in := requestInput(0)
	in.Principal, in.Tools = sara(), []Tool{{Name: "slack__post_message"}, {Name: "snowflake__query"}}
	d, err := e.Request(t.Context(), in)
	if err != nil || d.Tools["slack__post_message"] != Offer || d.Tools["snowflake__query"] != Hide {
		t.Errorf("%+v, %v", d, err)
	}
	calls, err := e.Toolcall(t.Context(), &ToolcallInput{Principal: sara(), Context: label.Clean(), Calls: []Call{
		{Tool: "slack__post_message", Offered: true, Arguments: []byte(`{}`)}, {Tool: "snowflake__query", Offered: true, Arguments: []byte(`{}`)},
	}})
	if err != nil || calls.Calls[0].Verdict != Allow || calls.Calls[1].Verdict != Deny {
		t.Errorf("%+v, %v", calls, err)
	}
}

func TestReplacedModelsAreAskedByRequest(t *testing.T) {
	e := engine(t, Config{Data: sample(), Folder: folder(t, map[string]string{
		"m.rego": "package yellowjack.models\n\nallowed := [ok | some m in input.models; ok := m.named == \"good\"]\n",
	})})
	for named, want := range map[string]bool{"good": true, "bad": false} {
		in := requestInput(0)
		in.Model = Model{Named: named}
		d, err := e.Request(t.Context(), in)
		if err != nil || d.Allowed != want {
			t.Errorf("%s: %+v, %v", named, d, err)
		}
	}
}

func TestRevisionFollowsContent(t *testing.T) {
	other := sample()
	other["tools"].(map[string]any)["github__get_issue"].(map[string]any)["result"] = "trusted"
	dir := folder(t, map[string]string{"p.rego": "package acme\n\nx := 1\n"})
	seen := map[string]string{}
	for name, c := range map[string]Config{"plain": {Data: sample()}, "data": {Data: other}, "policy": {Data: sample(), Folder: dir}} {
		a, b := engine(t, c), engine(t, c)
		if a.Revision() != b.Revision() {
			t.Errorf("%s: two revisions for one content", name)
		}
		if before, ok := seen[a.Revision()]; ok {
			t.Errorf("%s and %s have one revision", name, before)
		}
		seen[a.Revision()] = name
	}
}
