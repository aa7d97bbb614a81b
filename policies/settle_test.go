package policies

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/yellowjack/yellowjack/internal/label"
)

// office is data with a tool of every kind.
const office = `
tools:
  crm: {allow: ["*"], effect: read, result: trusted, confidentiality: internal}
  inbox: {allow: ["*"], effect: read, confidentiality: internal, fields: {"messages[].id": {type: int, min: 1, max: 999}}, rounds: 0}
  web: {allow: ["*"], effect: read, bits: 32, aliases: {agent: [browse]}}
  banner: {allow: ["*"], effect: read, result: drop}
  vault: {allow: ["*"], effect: read, result: trusted, confidentiality: secret, sensitive: true, aliases: {"*": [v]}}
  mail: {allow: ["*"], effect: write, args: {body: text, "cc[]": any}}
features:
  ":online": {allow: ["*"]}
  "plugins:calc": {allow: ["*"], taints: false}
  "tools:search": {allow: ["*"]}
  "provider:order": {allow: ["*"]}
`

func dataOf(t testing.TB, text string) map[string]any {
	t.Helper()
	var data map[string]any
	if err := yaml.Unmarshal([]byte(text), &data); err != nil {
		t.Fatal(err)
	}
	return data
}

func known(tool string) Result {
	return Result{Tool: tool, Attributed: true, Verified: true, Label: label.Clean()}
}

func tainted() label.Label {
	return label.Label{Integrity: label.Constrained, Confidentiality: label.Public, Sources: []string{"web"}}
}

func decided(t testing.TB, e *Engine, change func(*RequestInput)) Decision {
	t.Helper()
	in := requestInput(0)
	change(in)
	d, err := e.Request(t.Context(), in)
	if err != nil || !d.Allowed {
		t.Fatal(d, err)
	}
	return d
}

func say(l label.Label) string {
	return l.Integrity.String() + "/" + l.Confidentiality.String() + " " + strings.Join(l.Sources, ",")
}

// What each result's label and rules are, and what the context's label becomes.
func TestResultsAreLabelled(t *testing.T) {
	e := engine(t, Config{Data: dataOf(t, office)})
	before := known("crm")
	before.Label = tainted()
	unproven := known("crm")
	unproven.Verified = false
	stray := known("inbox")
	stray.Attributed = false
	strayZero := Result{Tool: "crm", Attributed: true, Verified: true}
	for name, c := range map[string]struct {
		result                                Result
		treatment, tool, label, context, rule string
	}{
		"trusted":            {known("crm"), Pass, "crm", "trusted/internal crm", "trusted/internal crm", "tools.result"},
		"untrusted":          {known("inbox"), Quarantine, "inbox", "constrained/internal inbox", "constrained/internal inbox", "tools.result"},
		"by an alias":        {known("browse"), Quarantine, "web", "constrained/public web", "constrained/public web", "tools.result"},
		"dropped":            {known("banner"), Drop, "banner", "trusted/public ", "trusted/public ", "tools.result"},
		"of an unknown tool": {known("ghost"), Quarantine, "", "constrained/secret unknown", "constrained/secret unknown", "tools.result"},
		"not proven":         {unproven, Quarantine, "", "constrained/secret unknown", "constrained/secret unknown", "results.unverified"},
		"without its call":   {stray, Quarantine, "", "constrained/secret unknown", "constrained/secret unknown", "tools.result"},
		"seen elsewhere":     {before, Quarantine, "crm", "constrained/internal crm,web", "constrained/internal crm,web", "results.label"},
		"no label":           {strayZero, Quarantine, "crm", "constrained/secret crm", "constrained/secret crm", "results.label"},
	} {
		t.Run(name, func(t *testing.T) {
			d := decided(t, e, func(in *RequestInput) { in.Results = []Result{c.result} })
			r := d.Results[0]
			if r.Treatment != c.treatment || r.Tool != c.tool || say(r.Label) != c.label || r.Rule != c.rule || r.Reason == "" {
				t.Errorf("decided %+v", r)
			}
			if say(d.Context) != c.context {
				t.Errorf("context %s", say(d.Context))
			}
			if (r.Rules == nil) != (c.tool == "") || r.Rules != e.Rules(c.tool) {
				t.Errorf("rules %p of %q", r.Rules, c.tool)
			}
		})
	}
}

// A policy may pass what the data does not trust; the label says so all the same.
func TestWhatAPolicyPassesStaysUntrusted(t *testing.T) {
	pass := requestPolicy(`{"allowed": true, "tools": {n: "offer" | some n in input.names}, "results": ["pass" | some _ in input.results]}`)
	e := engine(t, Config{Data: dataOf(t, office), Folder: folder(t, map[string]string{"p.rego": pass})})
	d := decided(t, e, func(in *RequestInput) {
		in.Results = []Result{known("web")}
		in.Tools = []Tool{{Name: "vault"}}
	})
	if say(d.Context) != "untrusted/public web" || d.Tools["vault"] != Hide {
		t.Errorf("%+v", d)
	}
}

func TestLikeResultsAreDecidedOnce(t *testing.T) {
	count := requestPolicy(`{"allowed": true, "tools": {}, "results": [
		{"treatment": "quarantine", "reason": sprintf("%s %d %d", [r.tool, r.count, r.bytes])} | some r in input.results]}`)
	e := engine(t, Config{Data: dataOf(t, office), Folder: folder(t, map[string]string{"p.rego": count})})
	d := decided(t, e, func(in *RequestInput) {
		for i := range 10 {
			r := known([]string{"crm", "web"}[i%2])
			r.Bytes, r.ID = i, fmt.Sprint(i)
			if i == 9 {
				r.Label = tainted()
			}
			in.Results = append(in.Results, r)
		}
	})
	var got []string
	for _, r := range d.Results {
		got = append(got, r.Reason)
	}
	if want := "crm 5 8,web 4 7,crm 5 8,web 4 7,crm 5 8,web 4 7,crm 5 8,web 4 7,crm 5 8,web 1 9"; strings.Join(got, ",") != want {
		t.Errorf("%v", got)
	}
}

func TestFeaturesTaint(t *testing.T) {
	e := engine(t, Config{Data: dataOf(t, office)})
	for feature, want := range map[string]string{
		":online": "untrusted/public :online", "plugins:calc": "trusted/public ", "provider:order": "trusted/public ",
	} {
		d := decided(t, e, func(in *RequestInput) { in.Features = []Feature{{Name: feature}} })
		if say(d.Context) != want {
			t.Errorf("%s: %s", feature, say(d.Context))
		}
	}
	d := decided(t, e, func(in *RequestInput) { in.Tools = []Tool{{Name: "search", Type: "search", Server: true}} })
	if say(d.Context) != "untrusted/public tools:search" {
		t.Errorf("a server tool: %s", say(d.Context))
	}
}

// The dynamic tool engine: sensitive tools leave once anything of a third party is there, also in this very request.
func TestSensitiveToolsLeave(t *testing.T) {
	e := engine(t, Config{Data: dataOf(t, office)})
	for name, c := range map[string]struct {
		change func(*RequestInput)
		want   string
	}{
		"clean":             {func(*RequestInput) {}, Offer},
		"trusted result":    {func(in *RequestInput) { in.Results = []Result{known("crm")} }, Offer},
		"dropped result":    {func(in *RequestInput) { in.Results = []Result{known("banner")} }, Offer},
		"quarantined":       {func(in *RequestInput) { in.Results = []Result{known("crm"), known("web")} }, Hide},
		"a tainted context": {func(in *RequestInput) { in.Context = tainted() }, Hide},
		"no context":        {func(in *RequestInput) { in.Context = label.Label{} }, Hide},
		"a feature":         {func(in *RequestInput) { in.Features = []Feature{{Name: ":online"}} }, Hide},
	} {
		d := decided(t, e, func(in *RequestInput) {
			in.Tools = []Tool{{Name: "vault"}, {Name: "v"}, {Name: "crm"}}
			c.change(in)
		})
		if d.Tools["vault"] != c.want || d.Tools["v"] != c.want || d.Tools["crm"] != Offer {
			t.Errorf("%s: %v", name, d.Tools)
		}
	}
	for _, l := range []label.Label{label.Clean(), tainted(), {}} {
		visible, err := e.Visible(t.Context(), principal(0), l, []string{"v", "vault", "crm"})
		want := map[string]string{"crm": "crm"}
		if l.Integrity == label.Trusted {
			want["vault"], want["v"] = "vault", "vault"
		}
		if err != nil || !maps.Equal(visible, want) {
			t.Errorf("%s: %v, %v", say(l), visible, err)
		}
	}
}

// Calls to sensitive tools are refused whatever the policy says.
func TestSensitiveCallsAreRefused(t *testing.T) {
	data := dataOf(t, office)
	allow := folder(t, map[string]string{"p.rego": toolcallPolicy(`{"calls": [{"verdict": "allow"} | some _ in input.calls]}`)})
	for _, dir := range []string{"", allow} {
		e := engine(t, Config{Data: data, Folder: dir})
		for l, want := range map[string]string{"clean": Allow, "tainted": Deny} {
			in := &ToolcallInput{Principal: principal(0), Context: label.Clean(), Calls: []Call{{Tool: "v", Offered: true, Arguments: []byte(`{}`)}}}
			if l == "tainted" {
				in.Context = tainted()
			}
			d, err := e.Toolcall(t.Context(), in)
			if err != nil || d.Calls[0].Verdict != want || want == Deny && d.Calls[0].Rule != "tools.sensitive" || d.Calls[0].Tool != "vault" {
				t.Errorf("%s: %+v, %v", l, d, err)
			}
		}
	}
}

func TestPins(t *testing.T) {
	old, other := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for mode, want := range map[string]struct{ offer, context string }{
		"":       {Offer, "trusted/public "},
		"warn":   {Offer, "trusted/public "},
		"taint":  {Offer, "untrusted/public crm"},
		"refuse": {Hide, "trusted/public "},
	} {
		for _, where := range []string{"tool", "all"} {
			data := dataOf(t, office)
			pins := map[string]any{"tools": map[string]any{"crm": []any{old}}, "authors": []any{"author"}}
			switch {
			case mode == "":
			case where == "tool":
				data["tools"].(map[string]any)["crm"].(map[string]any)["pin"] = mode
			default:
				pins["mode"] = mode
			}
			data["pins"] = pins
			e := engine(t, Config{Data: data})
			for hash, state := range map[string]string{old: PinSame, other: PinChanged, "": PinNone} {
				d := decided(t, e, func(in *RequestInput) { in.Tools = []Tool{{Name: "crm", Hash: hash}} })
				if state != PinChanged {
					if d.Tools["crm"] != Offer || say(d.Context) != "trusted/public " || d.Pins != nil {
						t.Errorf("%s %s: %+v", mode, state, d)
					}
					continue
				}
				if d.Tools["crm"] != want.offer || say(d.Context) != want.context || len(d.Pins) != 1 || d.Pins[0].State != PinChanged || d.Pins[0].Hash != other {
					t.Errorf("%s %s by %s: %+v", mode, state, where, d)
				}
			}
			d := decided(t, e, func(in *RequestInput) {
				in.Principal.Client = "author"
				in.Tools = []Tool{{Name: "crm", Hash: other}}
			})
			if d.Tools["crm"] != Offer || d.Pins != nil {
				t.Errorf("of its author: %+v", d)
			}
			d = decided(t, e, func(in *RequestInput) { in.Tools = []Tool{{Name: "browse", Hash: other}} })
			if len(d.Pins) != 1 || d.Pins[0].State != PinNew || d.Pins[0].Tool != "web" {
				t.Errorf("never approved: %+v", d)
			}
		}
	}
	d := decided(t, engine(t, Config{Data: dataOf(t, office)}), func(in *RequestInput) { in.Tools = []Tool{{Name: "crm", Hash: other}} })
	if d.Pins != nil {
		t.Errorf("without pins: %+v", d)
	}
}

// The rules are made once for each revision, and what cannot be compiled refuses the data.
func TestRulesAreCompiledOnce(t *testing.T) {
	compiled := 0
	e := engine(t, Config{Data: dataOf(t, office), Compile: func(r *ToolRules) (any, error) {
		compiled++
		return "of " + r.Tool, nil
	}})
	for range 3 {
		d := decided(t, e, func(in *RequestInput) { in.Results = []Result{known("web"), known("web")} })
		if d.Results[0].Rules.Compiled != "of web" || d.Results[0].Rules != d.Results[1].Rules {
			t.Errorf("%+v", d.Results)
		}
	}
	if compiled != 6 {
		t.Errorf("compiled %d times", compiled)
	}
	_, err := New(t.Context(), Config{Data: dataOf(t, office), Compile: func(r *ToolRules) (any, error) {
		if r.Tool == "web" {
			return nil, fmt.Errorf("no such thing")
		}
		return nil, nil
	}})
	if err == nil || err.Error() != "tools.web: no such thing" {
		t.Errorf("%v", err)
	}
	_, err = New(t.Context(), Config{Folder: folder(t, map[string]string{"d.yaml": office}), Compile: func(r *ToolRules) (any, error) {
		return nil, fmt.Errorf("no such thing")
	}})
	if err == nil || !strings.Contains(err.Error(), "d.yaml:4: tools.inbox: no such thing") {
		t.Errorf("%v", err)
	}
}

func TestRulesAreRead(t *testing.T) {
	data := dataOf(t, `
tools:
  all:
    result: untrusted
    effect: destructive
    sensitive: true
    grant: required
    args: {to: trusted}
    format: csv
    names: [note]
    schema: {type: object, maxItems: 3}
    max_items: 12
    bits: 2.5
    rounds: 3
    fields:
      number: int
      state: [open, closed]
      at: {type: date, min: 2020, max: 2030}
      price: {type: number, min: -1.5, max: 9, decimals: 1, bits: 4}
      sku: {type: pattern, pattern: "[A-Z]{3}", max_len: 3}
    questions:
      - {ask: "Is it urgent?", type: yesno}
      - {id: due, ask: "When is it due?", type: date, min: "2026-01-01", max: "2026-12-31", about: body}
      - {ask: "How many?", type: int, min: -1, max: 7}
  none: {}
`)
	e := engine(t, Config{Data: data})
	r := e.Rules("all")
	if r.Trusted || r.Effect != Destructive || !r.Sensitive || !r.Grant || r.Args["to"] != ArgTrusted || r.Format != "csv" || !slices.Equal(r.Names, []string{"note"}) ||
		string(r.Schema) != `{"maxItems":3,"type":"object"}` || r.MaxItems != 12 || r.Bits != 2.5 || r.Rounds != 3 || r.Confidentiality != label.Public {
		t.Errorf("%+v", r)
	}
	f := r.Fields
	if f["number"].Type != "int" || f["number"].Min != nil || f["state"].Type != "enum" || !slices.Equal(f["state"].Enum, []string{"open", "closed"}) ||
		*f["at"].Min != 2020 || *f["at"].Max != 2030 || *f["price"].Min != -1.5 || f["price"].Decimals != 1 || f["price"].Bits != 4 ||
		f["sku"].Pattern != "[A-Z]{3}" || f["sku"].MaxLen != 3 {
		t.Errorf("%+v", f)
	}
	q := r.Questions
	if len(q) != 3 || q[0].ID != "q1" || q[0].Ask != "Is it urgent?" || q[1].ID != "due" || q[1].Min != 20454 || q[1].Max != 20818 || q[1].About != "body" ||
		q[2].ID != "q3" || q[2].Min != -1 || q[2].Max != 7 {
		t.Errorf("%+v", q)
	}
	n := e.Rules("none")
	if n.Effect != Write || n.Trusted || n.Rounds != -1 || n.Pin != PinWarn || n.Fields != nil || n.Schema != nil {
		t.Errorf("%+v", n)
	}
	if e.Rules("ghost") != nil {
		t.Error("rules of a tool that is not there")
	}
}

// Results that differ in anything that decides are decided apart.
func TestResultsThatDifferAreDecidedApart(t *testing.T) {
	e := engine(t, Config{Data: dataOf(t, office)})
	unproven, untrusted, secret, stray := known("crm"), known("crm"), known("crm"), known("crm")
	unproven.Verified, stray.Attributed = false, false
	untrusted.Integrity, secret.Confidentiality = label.Untrusted, label.Secret
	d := decided(t, e, func(in *RequestInput) {
		in.Results = []Result{known("crm"), unproven, untrusted, secret, stray, known("web")}
	})
	if got := treatments(d); got != "pass quarantine quarantine pass quarantine quarantine" {
		t.Errorf("%s", got)
	}
	if d.Results[0].Label.Confidentiality != label.Internal || d.Results[3].Label.Confidentiality != label.Secret {
		t.Errorf("%+v", d.Results)
	}
}

// Integrities and confidentialities that do not exist are the worst ones.
func TestUnknownLabelsAreTheWorst(t *testing.T) {
	odd := label.Label{Integrity: 9, Confidentiality: 9}
	shown := labelTerm(odd).Value.String()
	if want := labelTerm(label.Label{}).Value.String(); shown != want {
		t.Errorf("%s, want %s", shown, want)
	}
}

// A clean call still needs what its tool asks for.
func TestCleanCallsNeedWhatTheirToolAsks(t *testing.T) {
	e := engine(t, Config{Data: dataOf(t, `
tools:
  plain: {allow: ["*"]}
  tweet: {allow: ["*"], audience: public}
  wipe: {allow: ["*"], confirm: always}
  brokered: {allow: ["*"], grant: required}
`)})
	internal := label.Label{Integrity: label.Trusted, Confidentiality: label.Internal}
	in := &ToolcallInput{Principal: principal(0), Context: internal, Walk: WalkBroker}
	for _, tool := range []string{"plain", "tweet", "wipe", "brokered"} {
		in.Calls = append(in.Calls, Call{Tool: tool, Offered: true, Arguments: []byte(`{"a":1}`)})
	}
	d, err := e.Toolcall(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range d.Calls {
		got = append(got, c.Verdict+" "+c.Rule)
	}
	if want := "allow ,deny tools.audience,confirm tools.confirm,deny tools.grant"; strings.Join(got, ",") != want {
		t.Errorf("%v", got)
	}
}

// A visible tool that is none of the data's is not called: nothing is known of it.
func TestToolsBeyondTheDataAreNotCalled(t *testing.T) {
	visible := folder(t, map[string]string{"v.rego": "package yellowjack.visible\n\ntools := {n: n | some n in input.names}\n"})
	d, err := engine(t, Config{Folder: visible}).Toolcall(t.Context(), &ToolcallInput{
		Principal: principal(0), Context: label.Clean(), Calls: []Call{{Tool: "ghost", Offered: true, Arguments: []byte(`{}`)}},
	})
	if err != nil || d.Calls[0].Rule != "tools.allow" {
		t.Errorf("%+v, %v", d, err)
	}
}
