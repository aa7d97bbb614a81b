package ref

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/store"
)

var (
	alice = label.Scope{Tenant: "t", Principal: "alice"}
	first = label.ConversationID{1}
	dirty = label.Label{Confidentiality: label.Internal, Sources: []string{"github"}}
)

func keys(t testing.TB) *store.Keys {
	t.Helper()
	k, err := store.NewKeys(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// away is a store that does not answer.
type away struct{ store.Store }

func (away) Do(context.Context, ...store.Op) error { return store.ErrUnavailable }

// issued is a table with some references, and the names of these.
func issued(t testing.TB, s store.Store) (*Table, []Name) {
	t.Helper()
	table := NewTable(Minter{keys(t)}.For(alice, first), s)
	names := table.Add(Content("github__get_issue", []byte("c")), "github__get_issue", dirty, []project.Reference{
		{At: "/title", Path: "$.title", Text: "crash \"now\"\n", Kind: project.String},
		{At: "/n", Path: "$.n", Text: "4711", Kind: project.Number},
		{At: "/list", Path: "$.list", Text: `["a","b"]`, Kind: project.List},
		{At: "/null", Path: "$.null", Text: "null", Kind: project.Null},
		{At: "/ref", Path: "$.ref", Text: "$ref_aaaaaaaaaaaaaaaa", Kind: project.String},
	})
	return table, names
}

func TestNames(t *testing.T) {
	_, names := issued(t, nil)
	seen := map[Name]bool{}
	for _, n := range names {
		if !isName(string(n)) || seen[n] || n.result() != names[0].result() {
			t.Errorf("%q", n)
		}
		seen[n] = true
	}
	c := Content("github__get_issue", []byte("c"))
	other, err := store.NewKeys(bytes.Repeat([]byte("o"), 32))
	if err != nil {
		t.Fatal(err)
	}
	same := Minter{keys(t)}.For(alice, first).Mint(c, "/title")
	if same != names[0] {
		t.Errorf("%q is not %q", same, names[0])
	}
	for what, n := range map[string]Name{
		"principal":    Minter{keys(t)}.For(label.Scope{Tenant: "t", Principal: "bob"}, first).Mint(c, "/title"),
		"tenant":       Minter{keys(t)}.For(label.Scope{Tenant: "u", Principal: "alice"}, first).Mint(c, "/title"),
		"split":        Minter{keys(t)}.For(label.Scope{Tenant: "ta", Principal: "lice"}, first).Mint(c, "/title"),
		"conversation": Minter{keys(t)}.For(alice, label.ConversationID{2}).Mint(c, "/title"),
		"keys":         Minter{other}.For(alice, first).Mint(c, "/title"),
		"content":      Minter{keys(t)}.For(alice, first).Mint(Content("github__get_issue", []byte("d")), "/title"),
		"tool":         Minter{keys(t)}.For(alice, first).Mint(Content("github__get_issues", []byte("c")), "/title"),
		"split tool":   Minter{keys(t)}.For(alice, first).Mint(Content("github__get_issu", []byte("ec")), "/title"),
	} {
		if n.result() == names[0].result() || n.value() == names[0].value() {
			t.Errorf("another %s gives %q", what, n)
		}
	}
}

// TestScanner: any pieces give the same names and the same text, and less than a name is ever kept back.
func TestScanner(t *testing.T) {
	_, names := issued(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		part := rapid.SampledFrom([]string{string(names[0]), string(names[1]), "$", "$ref", "$ref_", "$ref_abcdefghabcdefg", "$$ref_", "abc", "é", "1", "$ref_ABCDEFGHabcdefgh", "$ref_aaaaaaaaaaaaaaaaaaaaaaaa", "_"})
		text := strings.Join(rapid.SliceOfN(part, 0, 12).Draw(rt, "text"), "")
		want := strings.Builder{}
		last := 0
		for _, f := range Scan([]byte(text)) {
			want.WriteString(text[last:f.Start] + "<" + string(f.Name) + ">")
			last = f.End
			if text[f.Start:f.End] != string(f.Name) || !isName(string(f.Name)) {
				rt.Fatalf("%q at %d", f.Name, f.Start)
			}
		}
		want.WriteString(text[last:])
		var s Scanner
		var got strings.Builder
		in, out := 0, 0
		onText := func(b []byte) { got.Write(b); out += len(b) }
		onName := func(n Name) { got.WriteString("<" + string(n) + ">"); out += len(n) }
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "n")
			s.Write([]byte(rest[:n]), onText, onName)
			in, rest = in+n, rest[n:]
			if in-out >= nameLen {
				rt.Fatalf("%d bytes are kept back", in-out)
			}
			if held := text[out:in]; held != "" && !strings.HasPrefix(prefix, held) && !strings.HasPrefix(held, prefix) {
				rt.Fatalf("%q is kept back", held)
			}
		}
		s.Close(onText)
		if got.String() != want.String() || out != len(text) {
			rt.Fatalf("%q became %q, want %q", text, got.String(), want.String())
		}
	})
}

func everywhere(Use, Entry) Place { return AsValue | InText | AsStructure }

func TestResolve(t *testing.T) {
	table, n := issued(t, nil)
	at := func(p Place) Permit { return func(Use, Entry) Place { return p } }
	for _, c := range []struct {
		name   string
		args   string
		permit Permit
		want   string // "" is refused
		err    error
	}{
		{"none", ` { "a" : 1.50 , "b":"$ref_short"} `, nil, ` { "a" : 1.50 , "b":"$ref_short"} `, nil},
		{"whole", `{"a":"` + string(n[0]) + `","z": 1e3}`, at(AsValue), `{"a":"crash \"now\"\n","z": 1e3}`, nil},
		{"whole by escape", `{"a":"\u0024` + string(n[0][1:]) + `"}`, at(AsValue), `{"a":"crash \"now\"\n"}`, nil},
		{"number", `{"a":"` + string(n[1]) + `"}`, at(AsValue), `{"a":4711}`, nil},
		{"null", `["` + string(n[3]) + `"]`, at(AsValue), `[null]`, nil},
		{"structure", `{"a":"` + string(n[2]) + `"}`, at(AsStructure), `{"a":["a","b"]}`, nil},
		{"structure as text", `{"a":"` + string(n[2]) + `"}`, at(AsValue), `{"a":"[\"a\",\"b\"]"}`, nil},
		{"in text", `{"a":"see ` + string(n[1]) + string(n[0]) + `!"}`, at(InText), `{"a":"see 4711crash \"now\"\n!"}`, nil},
		{"never twice", `"` + string(n[4]) + `"`, at(AsValue), `"$ref_aaaaaaaaaaaaaaaa"`, nil},
		{"no permit", `{"a":"` + string(n[0]) + `"}`, nil, "", ErrPlace},
		{"not here", `{"a":"` + string(n[0]) + `"}`, at(0), "", ErrPlace},
		{"value in text", `{"a":"see ` + string(n[0]) + `"}`, at(AsValue | AsStructure), "", ErrPlace},
		{"structure alone", `{"a":"` + string(n[0]) + `"}`, at(AsStructure), "", ErrPlace},
		{"in a name", `{"` + string(n[0]) + `":1}`, everywhere, "", ErrPlace},
		{"made up", `{"a":"$ref_aaaaaaaaaaaaaaaa"}`, everywhere, "", ErrUnknown},
		{"made up in text", `{"a":["x $ref_aaaaaaaaaaaaaaaa"]}`, everywhere, "", ErrUnknown},
		{"no JSON", `{"a":`, everywhere, "", nil},
		{"name twice", `{"a":1,"a":"` + string(n[0]) + `"}`, everywhere, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := table.Resolve([]byte(c.args), c.permit)
			if string(got) != c.want || (err == nil) != (c.want != "") || c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestUses(t *testing.T) {
	table, n := issued(t, nil)
	args := fmt.Sprintf(`{"to":["x",{"e.mail":%q}],"body":"a %s b %s"}`, n[0], n[1], n[0])
	uses, err := table.Uses(t.Context(), []byte(args))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range uses {
		got = append(got, fmt.Sprint(u.Path, " ", u.From, " ", u.Whole, " ", u.Label.Integrity, " ", u.Tool))
	}
	want := `to[1].e\.mail $.title true untrusted github__get_issue|body $.n false untrusted github__get_issue|body $.title false untrusted github__get_issue`
	if strings.Join(got, "|") != want {
		t.Errorf("%s", strings.Join(got, "|"))
	}
	if _, err := table.Uses(t.Context(), []byte(`"`+strings.Repeat(string(n[0]), 1000)+`"`)); !errors.Is(err, ErrPlace) {
		t.Errorf("a thousand: %v", err)
	}
	if _, err := table.Uses(t.Context(), []byte(`"$ref_aaaaaaaaaaaaaaaa"`)); !errors.Is(err, ErrUnknown) {
		t.Errorf("made up: %v", err)
	}
	if u, err := table.Uses(t.Context(), []byte(`{"a":"$ref_"}`)); err != nil || u != nil {
		t.Errorf("none: %v %v", u, err)
	}
}

// TestStore: references outlive their result, for their owner, until they expire; for anybody else they are as if made up.
func TestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keys(t)
		s := store.Memory(store.MemoryConfig{})
		defer s.Close()
		before, names := issued(t, s)
		content := Content("github__get_issue", []byte("c"))
		op := before.Record(content, time.Hour)
		if op == nil || before.Record(Content("x", nil), time.Hour) != nil {
			t.Fatal(op)
		}
		if err := s.Do(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		again := NewTable(Minter{k}.For(alice, first), s)
		if _, ok := again.Get(names[0]); ok {
			t.Error("known without a look")
		}
		for i, n := range names {
			want, _ := before.Get(n)
			got, err := again.Lookup(t.Context(), n)
			if err != nil || got.Value != want.Value || got.Kind != want.Kind || got.Tool != want.Tool || got.Path != want.Path || !got.Label.Covers(want.Label) || !want.Label.Covers(got.Label) {
				t.Errorf("%d: %+v, %v; want %+v", i, got, err, want)
			}
		}
		if again.Record(content, time.Hour) != nil {
			t.Error("what came from the store is written again")
		}
		refused := func(what string, table *Table, n Name) {
			t.Helper()
			if _, err := table.Lookup(t.Context(), n); err == nil || !errors.Is(err, ErrUnknown) || err.Error() != ErrUnknown.Error() {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("another principal", NewTable(Minter{k}.For(label.Scope{Tenant: "t", Principal: "bob"}, first), s), names[0])
		refused("another conversation", NewTable(Minter{k}.For(alice, label.ConversationID{2}), s), names[0])
		refused("another tenant", NewTable(Minter{k}.For(label.Scope{Tenant: "u", Principal: "alice"}, first), s), names[0])
		refused("made up", again, "$ref_aaaaaaaaaaaaaaaa")
		refused("made up in a known result", again, names[0][:len(prefix)+half]+"aaaaaaaa")
		refused("no name", again, "$ref_1")
		time.Sleep(2 * time.Hour)
		refused("expired", NewTable(Minter{k}.For(alice, first), s), names[0])

		_, err := NewTable(Minter{k}.For(alice, first), away{}).Lookup(t.Context(), names[0])
		if !errors.Is(err, ErrUnknown) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("the store is away: %v", err)
		}
	})
}

// counting counts round trips.
type counting struct {
	store.Store
	n int
}

func (c *counting) Do(ctx context.Context, ops ...store.Op) error {
	c.n++
	return c.Store.Do(ctx, ops...)
}

// TestLoads: one round trip for all that is not known, none for what is, and a model that makes names up soon asks nothing.
func TestLoads(t *testing.T) {
	s := &counting{Store: store.Memory(store.MemoryConfig{})}
	defer s.Close()
	table, n := issued(t, s)
	if _, err := table.Uses(t.Context(), []byte(`"`+string(n[0])+`"`)); err != nil || s.n != 0 {
		t.Errorf("%v, %d round trips", err, s.n)
	}
	_, err := table.Uses(t.Context(), []byte(`["$ref_aaaaaaaaaaaaaaaa","$ref_bbbbbbbbbbbbbbbb","$ref_bbbbbbbbaaaaaaaa"]`))
	if !errors.Is(err, ErrUnknown) || s.n != 1 {
		t.Errorf("%v, %d round trips", err, s.n)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		name := []byte("$ref_aaaaaaaaaaaaaaaa")
		for i := range 16 {
			name[len(prefix)+i] = letters[random.IntN(32)]
		}
		if _, err := table.Lookup(t.Context(), Name(name)); !errors.Is(err, ErrUnknown) {
			t.Fatal(err)
		}
	}
	if s.n > maxLoads {
		t.Errorf("%d round trips", s.n)
	}
}

// TestCollision: two things of one name are neither of them.
func TestCollision(t *testing.T) {
	table, n := issued(t, nil)
	table.put(n[0], &entry{Entry: Entry{Value: "other", Kind: project.String}, at: "/other"})
	if e, ok := table.Get(n[0]); ok {
		t.Errorf("%+v", e)
	}
	if _, ok := table.Get(n[1]); !ok {
		t.Error("the others are gone too")
	}
}

// TestLabelTightens: a content that is seen again with a worse label has that one.
func TestLabelTightens(t *testing.T) {
	table := NewTable(Minter{keys(t)}.For(alice, first), nil)
	r := []project.Reference{{At: "/a", Text: "x", Kind: project.String}}
	for _, l := range []label.Label{label.Clean(), dirty, label.Clean()} {
		table.Add(Content("t", nil), "t", l, r)
	}
	if e, _ := table.Get(table.Add(Content("t", nil), "t", label.Clean(), r)[0]); e.Label.Integrity != label.Untrusted {
		t.Errorf("%+v", e.Label)
	}
}

// TestIdentity: what was issued comes back as it was, in any text.
func TestIdentity(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		value, before, after := rapid.String().Draw(rt, "value"), rapid.String().Draw(rt, "before"), rapid.String().Draw(rt, "after")
		table := NewTable(Minter{keys(t)}.For(alice, first), nil)
		name := table.Add(Content("t", []byte(value)), "t", dirty, []project.Reference{{Text: value, Kind: project.String}})[0]
		args, err := json.Marshal(map[string]any{"whole": name, "text": before + string(name) + after})
		if err != nil {
			rt.Fatal(err)
		}
		out, err := table.Resolve(args, everywhere)
		if err != nil {
			rt.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(out, &got); err != nil {
			rt.Fatalf("%v: %s", err, out)
		}
		if got["whole"] != value || got["text"] != before+value+after && !strings.Contains(before, "$") {
			rt.Fatalf("%q became %q", value, got)
		}
	})
}

func TestRules(t *testing.T) {
	rules := Rules{
		Args:  map[string]string{"body": "text", "list[].name": "any", "ids": "any", "to": "trusted"},
		Allow: []Allow{{Arg: "to", Tool: "crm", From: "$.mail", Values: []string{"a@b.c"}}},
	}
	entry := Entry{Value: "a@b.c", Kind: project.String, Tool: "crm", Path: "$.mail"}
	with := func(change func(*Entry)) Entry { e := entry; change(&e); return e }
	for _, c := range []struct {
		path string
		e    Entry
		want Place
	}{
		{"body", entry, AsValue | InText | AsStructure},
		{"body[3].x", entry, AsValue | InText | AsStructure},
		{"list[12].name", entry, AsValue | AsStructure},
		{"list[12].other", entry, 0},
		{"ids[0]", entry, AsValue | AsStructure},
		{"unnamed", entry, 0},
		{"unnamed", with(func(e *Entry) { e.Label.Integrity = label.Constrained }), 0},
		{"unnamed", with(func(e *Entry) { e.Label.Integrity = label.Trusted }), AsValue | InText},
		{`bo\.dy`, entry, 0},
		{"", entry, 0},
		{"to", entry, AsValue},
		{"to", with(func(e *Entry) { e.Value = "evil@b.c" }), 0},
		{"to", with(func(e *Entry) { e.Tool = "web" }), 0},
		{"to", with(func(e *Entry) { e.Path = "$.note" }), 0},
		{"to", with(func(e *Entry) { e.Kind = project.List }), 0},
		{"to[0]", entry, 0},
	} {
		if got := rules.Permit(Use{Path: c.path}, c.e); got != c.want {
			t.Errorf("%q %+v: %v, want %v", c.path, c.e, got, c.want)
		}
	}
	if got := (Rules{Allow: []Allow{{Values: []string{""}}}}).Permit(Use{}, Entry{Kind: project.String}); got != 0 {
		t.Errorf("the zero Allow lets %v", got)
	}
}

func FuzzResolve(f *testing.F) {
	table, n := issued(f, nil)
	f.Add([]byte(`{"a":"` + string(n[0]) + `","b":["x ` + string(n[2]) + `"]}`))
	f.Add([]byte(`{"$ref_":1}`))
	f.Add([]byte(`"$ref_aaaaaaaaaaaaaaaa"`))
	f.Fuzz(func(t *testing.T, args []byte) {
		uses, uerr := table.Uses(context.Background(), args)
		out, err := table.Resolve(args, everywhere)
		if uerr == nil && err != nil || err == nil && uerr != nil {
			t.Fatalf("%v but %v", uerr, err)
		}
		if err == nil && (!json.Valid(out) || len(uses) == 0 && !bytes.Equal(out, args)) {
			t.Fatalf("%s became %s", args, out)
		}
		for _, name := range n {
			if bytes.Contains(out, []byte(name)) {
				t.Fatalf("%s is left in %s", name, out)
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	table, _ := issued(f, nil)
	f.Add(table.Record(Content("github__get_issue", []byte("c")), 1).(*store.Put).Value)
	f.Fuzz(func(t *testing.T, buf []byte) {
		values, err := decodeRecord(buf)
		if err != nil && values != nil {
			t.Fatal("both")
		}
	})
}
