package provenance

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

func labels() *rapid.Generator[label.Label] {
	return rapid.Custom(func(t *rapid.T) label.Label {
		sources := rapid.SliceOfDistinct(rapid.StringMatching(`[a-z:]{1,8}`), rapid.ID).Draw(t, "sources")
		slices.Sort(sources)
		if len(sources) > label.MaxSources {
			sources = []string{label.Many}
		}
		return label.Label{
			Integrity:       label.Integrity(rapid.IntRange(0, 2).Draw(t, "integrity")),
			Confidentiality: label.Confidentiality(rapid.IntRange(0, 2).Draw(t, "confidentiality")), Sources: sources,
		}
	})
}

func same(a, b label.Label) bool { return a.Covers(b) && b.Covers(a) }

// TestRecords: what is written is read, and what is cut or changed is never read as something cleaner.
func TestRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := entry{ordinal: rapid.Uint32().Draw(t, "ordinal"), at: rapid.Int64Range(0, 1<<40).Draw(t, "at"), label: labels().Draw(t, "label")}
		copy(e.conversation[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "conversation"))
		c := &callRecord{entry: e, tool: rapid.String().Draw(t, "tool"), providerID: rapid.String().Draw(t, "provider"), arguments: rapid.SliceOf(rapid.Byte()).Draw(t, "arguments")}
		b := c.append(nil)
		got := readCall(b)
		if got == nil || got.tool != c.tool || got.providerID != c.providerID || !bytes.Equal(got.arguments, c.arguments) || got.ordinal != e.ordinal || got.at != e.at ||
			got.conversation != e.conversation || !same(got.label, e.label) {
			t.Fatalf("%+v became %+v", c, got)
		}
		turned := &turnRecord{entry: e, rendered: rapid.Bool().Draw(t, "rendered"), upstream: c.arguments}
		if got := readTurn(turned.append(nil)); got == nil || got.rendered != turned.rendered || !bytes.Equal(got.upstream, turned.upstream) || !same(got.label, e.label) {
			t.Fatalf("%+v became %+v", turned, got)
		}
		if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); readCall(b[:cut]) != nil || readTurn(b) != nil || readCall(append(b, 0)) != nil {
			t.Fatal("what is no record is read as one")
		}
		if got := labelOf(membersOf(e.label)); !same(got, e.label) {
			t.Fatalf("%+v became %+v", e.label, got)
		}
		more := labels().Draw(t, "more")
		if got := labelOf(append(membersOf(e.label), membersOf(more)...)); !same(got, e.label.Join(more)) {
			t.Fatalf("%+v and %+v became %+v", e.label, more, got)
		}
	})
	if l := labelOf([]string{memberOpen, "zz"}); l.Integrity != label.Untrusted || l.Confidentiality != label.Secret {
		t.Errorf("an unknown member is read as a clean one: %+v", l)
	}
	in := reader{b: []byte{9, 9, 0}}
	if l := in.label(); l.Integrity != label.Untrusted || l.Confidentiality != label.Secret {
		t.Errorf("an unknown label is read as a clean one: %+v", l)
	}
}

func FuzzRecords(f *testing.F) {
	e := entry{ordinal: 3, at: 7, label: label.Label{Integrity: label.Constrained, Sources: []string{"x", "y"}}}
	f.Add((&callRecord{entry: e, tool: "t", providerID: "p", arguments: []byte("{}")}).append(nil))
	f.Add((&turnRecord{entry: e, rendered: true, upstream: []byte("$ref_a")}).append(nil))
	f.Add(appendLabel(append([]byte{versionGrant}, make([]byte, 16)...), e.label))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := readCall(b); r != nil && readCall(r.append(nil)) == nil {
			t.Fatal("a call is lost")
		}
		if r := readTurn(b); r != nil && readTurn(r.append(nil)) == nil {
			t.Fatal("a turn is lost")
		}
		readGrant(b)
		readMembers([]string{string(b)})
		rawID(string(b))
		tag(string(b))
	})
}

// TestSigned: a record counts only for the call that its id was made for, though somebody could write to the store.
func TestSigned(t *testing.T) {
	a, s := analyzer(t)
	h := look(t, a, sara, user(question))
	id := released(t, h, "github__get_issue", arg, arg, label.Label{Integrity: label.Constrained})
	stored := &store.Get{Key: h.callKey(id)}
	if err := s.Do(t.Context(), stored); err != nil || !stored.Found {
		t.Fatal(err)
	}
	messages := []string{user(question), call(id, "github__get_issue", arg), result(id, content)}
	for name, change := range map[string]func(*callRecord){
		"nothing":       func(*callRecord) {},
		"the tool":      func(r *callRecord) { r.tool = "snowflake__query" },
		"the label":     func(r *callRecord) { r.label = label.Clean() },
		"the arguments": func(r *callRecord) { r.arguments = []byte("{}") },
		"the ordinal":   func(r *callRecord) { r.ordinal++ },
	} {
		a.cache = newCache(1 << 20)
		r := readCall(stored.Value)
		change(r)
		if err := s.Do(t.Context(), &store.Put{Key: h.callKey(id), Value: r.append(nil), TTL: a.c.Keep}); err != nil {
			t.Fatal(err)
		}
		messages[1] = call(id, r.tool, arg)
		if got := look(t, a, sara, messages...); got.Calls[0].Verified != (name == "nothing") {
			t.Errorf("%s: %+v", name, got.Calls[0])
		}
		if got := look(t, a, sara, messages[2]); got.New != (name != "nothing") {
			t.Errorf("%s: %+v", name, got.Results[0])
		}
	}
	made := idPrefix + "E" + strings.Repeat("A", 33)
	if err := s.Do(t.Context(), &store.Put{Key: h.callKey(made), Value: stored.Value, TTL: a.c.Keep}); err != nil {
		t.Fatal(err)
	}
	if got := look(t, a, sara, user(question), call(made, "github__get_issue", arg), result(made, content)); got.Calls[0].Verified || got.Results[0].Verified {
		t.Errorf("%+v", got.Calls[0])
	}
}

// TestOrphans: a result whose call the client left out proves nothing, but leads to its conversation.
func TestOrphans(t *testing.T) {
	a, s := analyzer(t)
	h := look(t, a, sara, user(question))
	id := released(t, h, "github__get_issue", arg, arg, label.Label{Integrity: label.Constrained, Confidentiality: label.Internal})
	got := look(t, a, sara, user(question), result(id, content), user("And this?"))
	if o := got.Results[0]; o.Verified || o.Tool != "" || o.Label.Integrity != label.Untrusted {
		t.Errorf("%+v", o)
	}
	if last := got.Parts[2]; !last.Result {
		t.Errorf("%+v", last)
	}
	if got.New || got.Label.Integrity != label.Constrained || got.Label.Confidentiality != label.Internal {
		t.Errorf("%+v", got)
	}
	got = look(t, a, sara, user(question), result(id, content), call(id, "github__get_issue", arg))
	if got.Results[0].Verified {
		t.Error("a result stands before its call")
	}
	if err := s.Do(t.Context(), &store.Delete{Key: h.setKey(h.Conversation)}); err != nil {
		t.Fatal(err)
	}
	got = look(t, a, sara, user(question), result(id, content))
	if got.Results[0].Verified || got.Label.Integrity != label.Untrusted || got.Label.Confidentiality != label.Secret {
		t.Errorf("%+v", got)
	}
	s.away = true
	got = a.Begin(sara, decode(t, user(question), result("other", content)))
	if got.Lookup(t.Context()) == nil {
		t.Fatal("the store is away")
	}
	if got.Forget(); got.Label.Integrity != label.Untrusted || got.Label.Confidentiality != label.Secret {
		t.Errorf("%+v", got.Label)
	}
}
