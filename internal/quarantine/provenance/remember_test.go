package provenance

import (
	"errors"
	"testing"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// TestRemember: what was handed out elsewhere is known again, in whatever role it comes back, for its principal alone.
func TestRemember(t *testing.T) {
	a, s := analyzer(t)
	secret := label.Label{Integrity: label.Untrusted, Confidentiality: label.Internal, Sources: []string{"github__get_issue"}}
	const short = "a short one"
	if err := a.Remember(t.Context(), sara, secret, []byte(content), []byte(content), []byte(short), nil); err != nil {
		t.Fatal(err)
	}
	if s.trips != 1 {
		t.Errorf("%d round trips", s.trips)
	}
	h := look(t, a, sara, user(question))
	id := released(t, h, "github__get_issue", arg, arg, label.Clean())
	before := []string{user(question), call(id, "github__get_issue", arg), result(id, "x"), assistant("Fine.")}
	turn(t, look(t, a, sara, before[:3]...), "Fine.", "", label.Clean())
	h = look(t, a, sara, append(before, user(" "+content+"\r\n"))...)
	if last := h.Parts[len(h.Parts)-1]; !last.Result || last.Label.Integrity != label.Untrusted || last.Label.Confidentiality != label.Internal {
		t.Errorf("as the person: %+v", last)
	}
	h = look(t, a, sara, append(before[:2:2], result(id, content))...)
	if o := h.Results[0]; !o.Known || !o.Label.Covers(secret) {
		t.Errorf("as a result: %+v", o)
	}
	if h = look(t, a, sara, append(before, user(short))...); h.Parts[len(h.Parts)-1].Result {
		t.Error("what a person may well say is held for a tool's")
	}
	other := label.Scope{Tenant: "t", Principal: "corp|mona"}
	if h = look(t, a, other, user(question), call("x", "t", arg), result("x", content)); h.Results[0].Known {
		t.Error("another principal's content is known")
	}
}

// TestRememberTightens: a label in the ledger never loosens, and a model's own words stay that.
func TestRememberTightens(t *testing.T) {
	a, s := analyzer(t)
	tight := label.Label{Integrity: label.Untrusted, Confidentiality: label.Secret, Sources: []string{"a"}}
	loose := label.Label{Integrity: label.Trusted, Confidentiality: label.Public, Sources: []string{"b"}}
	for _, l := range []label.Label{tight, loose} {
		if err := a.Remember(t.Context(), sara, l, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	h := look(t, a, sara, user(question), call("x", "t", arg), result("x", content))
	if o := h.Results[0]; !o.Label.Covers(tight.Join(loose)) {
		t.Errorf("%+v", o.Label)
	}
	h = look(t, a, sara, user(question))
	said := "What the model itself said to the person."
	turn(t, h, said, "", label.Clean())
	if err := a.Remember(t.Context(), sara, tight, []byte(said)); err != nil {
		t.Fatal(err)
	}
	if h = look(t, a, sara, user(question), assistant(said), user("go on")); h.New || h.Parts[1].Result {
		t.Errorf("a turn of ours is no longer known: %+v", h.Parts)
	}
	s.away = true
	if err := a.Remember(t.Context(), sara, tight, []byte(content)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a store that is away: %v", err)
	}
}
