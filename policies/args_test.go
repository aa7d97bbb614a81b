package policies

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/label"
)

// What a policy sees of where arguments come from: each path once, and what nobody spoke of is the model's.
func TestOriginsOfArguments(t *testing.T) {
	shown := toolcallPolicy(`{"calls": [{"verdict": "deny", "reason": concat(" ", array.concat(
		[sprintf("clean=%v", [c.clean])],
		[sprintf("%s(%s)=%s/%s%s", [a.path, a.name, a.integrity, a.confidentiality, flags(a)]) | some a in c.args],
	))} | some c in input.calls]}

flags(a) := concat("", [f | some f in ["person", "ref", "whole"]; a[f]])`)
	e := engine(t, Config{Data: dataOf(t, office), Folder: folder(t, map[string]string{"p.rego": shown})})
	trusted := label.Label{Integrity: label.Trusted, Confidentiality: label.Public}
	for name, c := range map[string]struct {
		args    string
		origins []Arg
		context label.Label
		want    string
	}{
		"clean":               {`{"a":1,"b":{"c":2}}`, nil, label.Clean(), "clean=true"},
		"clean, and said":     {`{"a":1}`, []Arg{{Path: "a", Label: trusted, Person: true}}, label.Clean(), "clean=true a(a)=trusted/publicperson"},
		"none":                {`{}`, nil, tainted(), "clean=false"},
		"all the model's":     {`{"a":1,"b":{"c":2,"d":[]}}`, nil, tainted(), "clean=false a(a)=constrained/public b.c(b)=constrained/public b.d(b)=constrained/public"},
		"lists are one":       {`{"a":[{"b":1},{"b":2},3]}`, nil, tainted(), "clean=false a[](a)=constrained/public a[].b(a)=constrained/public"},
		"of no object":        {`["x"]`, nil, tainted(), "clean=false []()=constrained/public"},
		"a text":              {`"x"`, nil, tainted(), "clean=false ()=constrained/public"},
		"one said":            {`{"a":1,"b":2}`, []Arg{{Path: "a", Label: trusted}}, tainted(), "clean=false a(a)=trusted/public b(b)=constrained/public"},
		"said above":          {`{"a":{"b":1}}`, []Arg{{Path: "a", Label: trusted}}, tainted(), "clean=false a(a)=trusted/public"},
		"said below":          {`{"a":{"b":1,"c":2}}`, []Arg{{Path: "a.b", Label: trusted}}, tainted(), "clean=false a.b(a)=trusted/public a.c(a)=constrained/public"},
		"one element said":    {`{"a":[1,2]}`, []Arg{{Path: "a[0]", Label: trusted}}, tainted(), "clean=false a[](a)=constrained/public a[](a)=trusted/public"},
		"every element said":  {`{"a":[1,2]}`, []Arg{{Path: "a[0]", Label: trusted}, {Path: "a[1]", Label: trusted}}, tainted(), "clean=false a[](a)=trusted/public"},
		"said of all":         {`{"a":[1,2]}`, []Arg{{Path: "a[]", Label: trusted}}, tainted(), "clean=false a[](a)=trusted/public"},
		"said of everything":  {`{"a":1,"b":2}`, []Arg{{Label: trusted}}, tainted(), "clean=false ()=trusted/public"},
		"no label":            {`{"a":1}`, []Arg{{Path: "a"}}, label.Clean(), "clean=false a(a)=untrusted/secret"},
		"a reference":         {`{"a":1}`, []Arg{{Path: "a", Label: trusted, Ref: true, Whole: true}}, label.Clean(), "clean=false a(a)=trusted/publicrefwhole"},
		"a dot in a name":     {`{"a.b":1}`, nil, tainted(), `clean=false a\.b(a\.b)=constrained/public`},
		"a bracket in a name": {`{"a[0]":1,"a":[1]}`, []Arg{{Path: "a[0]", Label: trusted}}, tainted(), `clean=false a[](a)=trusted/public a\[0](a\[0])=constrained/public`},
		"a backslash":         {`{"a\\.b":1}`, []Arg{{Path: `a.b`, Label: trusted}}, tainted(), `clean=false a.b(a)=trusted/public a\\\.b(a\\\.b)=constrained/public`},
		"an empty name":       {`{"":1}`, []Arg{{Path: "a", Label: trusted}}, tainted(), "clean=false ()=constrained/public a(a)=trusted/public"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &ToolcallInput{Principal: principal(0), Context: c.context, Calls: []Call{{Tool: "mail", Offered: true, Arguments: []byte(c.args), Args: c.origins}}}
			d, err := e.Toolcall(t.Context(), in)
			if err != nil || d.Calls[0].Reason != c.want {
				t.Errorf("%v, %v;\nwant %s", d.Calls, err, c.want)
			}
		})
	}
}

// More arguments than are told apart are one of which nothing good is said.
func TestTooManyArguments(t *testing.T) {
	e := engine(t, Config{Data: dataOf(t, office)})
	var args strings.Builder
	c := Call{Tool: "mail", Offered: true}
	for i := range maxArgs + 1 {
		fmt.Fprintf(&args, `,"a%d":1`, i)
		c.Args = append(c.Args, Arg{Path: fmt.Sprintf("a%d", i), Label: label.Clean(), Person: true})
	}
	c.Arguments = []byte("{" + args.String()[1:] + "}")
	d, err := e.Toolcall(t.Context(), &ToolcallInput{Principal: principal(0), Context: tainted(), Calls: []Call{c}})
	if err != nil || d.Calls[0].Rule != "tools.args" {
		t.Errorf("%+v, %v", d, err)
	}
}

// The words of the shipped data by a whole engine, aliases and all.
func TestArgumentsDecide(t *testing.T) {
	e := engine(t, Config{Data: dataOf(t, office)})
	said := func(a Arg) Arg { a.Label = tainted(); return a }
	for name, c := range map[string]struct {
		tool, args string
		origins    []Arg
		want       string
	}{
		"own words":          {"mail", `{"to":"a@b.example","body":"x"}`, []Arg{said(Arg{Path: "to", Person: true})}, Allow},
		"the model's":        {"mail", `{"to":"a@b.example","body":"x"}`, nil, Deny},
		"a reference to":     {"mail", `{"to":"$ref_x","body":"x"}`, []Arg{said(Arg{Path: "to", Ref: true, Whole: true})}, Deny},
		"in the body":        {"mail", `{"body":"see $ref_x"}`, []Arg{said(Arg{Path: "body", Ref: true})}, Allow},
		"cc of the model":    {"mail", `{"cc":["x"],"body":"y"}`, nil, Allow},
		"cc holds a ref":     {"mail", `{"cc":["x $ref_x"]}`, []Arg{said(Arg{Path: "cc[0]", Ref: true})}, Deny},
		"another name":       {"mail", `{"body.":"x"}`, nil, Deny},
		"a name like a list": {"mail", `{"cc[]":"x"}`, nil, Deny},
		"a read":             {"browse", `{"url":"https://x.example"}`, nil, Allow},
		"no arguments":       {"mail", `{}`, nil, Allow},
	} {
		d, err := e.Toolcall(t.Context(), &ToolcallInput{
			Principal: principal(0), Context: tainted(),
			Calls: []Call{{Tool: c.tool, Offered: true, Arguments: []byte(c.args), Args: c.origins}},
		})
		if err != nil || d.Calls[0].Verdict != c.want {
			t.Errorf("%s: %+v, %v", name, d.Calls, err)
		}
	}
}

func drawLabel(t *rapid.T, name string) label.Label {
	return label.Label{
		Integrity:       label.Integrity(rapid.IntRange(0, 2).Draw(t, name+" integrity")),
		Confidentiality: label.Confidentiality(rapid.IntRange(0, 2).Draw(t, name+" confidentiality")),
		Sources:         rapid.SampledFrom([][]string{nil, {"web"}, {"crm", "web"}}).Draw(t, name+" sources"),
	}
}

var leniency = map[string]int{Deny: 0, Confirm: 1, Allow: 2, Drop: 0, Quarantine: 1, Pass: 2, Hide: 0, Offer: 1}

// Labels never loosen: what is decided with a tighter label of the context, a result or an argument, or with less said
// for an argument, is at most what is decided without.
func TestTighterLabelsNeverLoosen(t *testing.T) {
	data := dataOf(t, office)
	tools := data["tools"].(map[string]any)
	tools["pay"] = map[string]any{"allow": []any{"*"}, "effect": "destructive", "confirm": "tainted", "audience": "internal"}
	tools["wipe"] = map[string]any{"allow": []any{"*"}, "confirm": "always"}
	tools["post"] = map[string]any{"allow": []any{"*"}, "effect": "read", "audience": "public", "args": map[string]any{"url": "trusted"}}
	e := engine(t, Config{Data: data, Timeout: time.Minute})
	names := []string{"crm", "inbox", "web", "browse", "banner", "vault", "v", "mail", "pay", "wipe", "post", "ghost"}
	rapid.Check(t, func(t *rapid.T) {
		context := drawLabel(t, "context")
		var results []Result
		for range rapid.IntRange(0, 3).Draw(t, "results") {
			results = append(results, Result{
				Tool: rapid.SampledFrom(names).Draw(t, "result"), Attributed: true, Verified: rapid.Bool().Draw(t, "verified"), Label: drawLabel(t, "result"),
			})
		}
		var calls []Call
		for i := range rapid.IntRange(1, 4).Draw(t, "calls") {
			c := Call{Index: i, Tool: rapid.SampledFrom(names).Draw(t, "call"), Offered: true, Arguments: []byte(`{"to":"x","body":["y","z"],"url":1}`)}
			for _, path := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"to", "body", "body[]", "body[0]", "url", ""}), rapid.ID).Draw(t, "paths") {
				c.Args = append(c.Args, Arg{
					Path: path, Label: drawLabel(t, path), Person: rapid.Bool().Draw(t, "person"), Ref: rapid.Bool().Draw(t, "ref"), Whole: rapid.Bool().Draw(t, "whole"),
				})
			}
			calls = append(calls, c)
		}
		before, offered := outcome(t, e, context, results, calls)
		// Tighten something.
		tighter := drawLabel(t, "tighter")
		results, calls = slices.Clone(results), slices.Clone(calls)
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0:
			context = context.Join(tighter)
		case 1:
			for i := range results {
				results[i].Label, results[i].Verified = results[i].Join(tighter), false
			}
		case 2:
			for i := range results {
				results[i].Label = results[i].Join(tighter)
			}
		case 3:
			for i := range calls {
				calls[i].Args = slices.Clone(calls[i].Args)
				for k := range calls[i].Args {
					a := &calls[i].Args[k]
					a.Label, a.Person, a.Ref, a.Whole = a.Join(tighter), false, true, false
				}
			}
		}
		after, left := outcome(t, e, context, results, calls)
		for i := range before {
			if leniency[after[i]] > leniency[before[i]] {
				t.Fatalf("%d: %s became %s", i, before[i], after[i])
			}
		}
		for name := range left {
			if leniency[left[name]] > leniency[offered[name]] {
				t.Fatalf("%s: %s became %s", name, offered[name], left[name])
			}
		}
	})
}

// outcome is every word of a request half and its calls: those of results, then those of calls.
func outcome(t *rapid.T, e *Engine, context label.Label, results []Result, calls []Call) (words []string, tools map[string]string) {
	in := &RequestInput{Principal: principal(0), Results: results, Context: context}
	for _, name := range []string{"crm", "vault", "v", "mail"} {
		in.Tools = append(in.Tools, Tool{Name: name})
	}
	d, err := e.Request(t.Context(), in)
	if err != nil || !d.Allowed {
		t.Fatal(d, err)
	}
	for _, r := range d.Results {
		words = append(words, r.Treatment)
	}
	if !d.Context.Covers(context) {
		t.Fatalf("the context %v loosened to %v", context, d.Context)
	}
	c, err := e.Toolcall(t.Context(), &ToolcallInput{Principal: principal(0), Context: d.Context, Calls: calls})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range c.Calls {
		words = append(words, call.Verdict)
	}
	return words, d.Tools
}
