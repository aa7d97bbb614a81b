package provenance

import (
	"testing"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// TestRedis: what is written down survives a real Redis, sealed, and is read by another process that shares its key.
func TestRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Redis")
	}
	redis := storetest.Start(t)
	keys := store.RandomKeys()
	replica := func() (*Analyzer, *counting) {
		s, err := store.Redis(t.Context(), store.RedisConfig{URL: redis.URL()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		c := &counting{Store: store.Sealed(s, keys)}
		a, err := New(Config{Store: c, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		return a, c
	}
	a, _ := replica()
	b, trips := replica()
	g := &agent{t: t, a: a, messages: []string{system("You are an agent."), user(question)}}
	g.call("first " + content)
	g.turn("It is a bug.")
	g.user("And 4712?")
	g.a = b
	g.call("second " + content)
	g.a = a
	g.turn("That one is not.")
	g.user("Close it then.")
	g.a = b
	trips.trips = 0
	wantTrusted(t, "on another replica", g.look())
	if trips.trips != 1 {
		t.Errorf("%d round trips", trips.trips)
	}
	g.user("It said: " + content)
	if h := g.look(); !h.Parts[len(h.Parts)-1].Result {
		t.Errorf("%+v", h.Parts[len(h.Parts)-1])
	}
	h := g.look()
	r := h.Release()
	if err := r.Grant("github__close", []byte(arg), label.Clean()); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if grant, err := a.TakeGrant(t.Context(), sara, "github__close", []byte(arg)); err != nil || (grant != nil) != want {
			t.Errorf("%+v %v", grant, err)
		}
	}
}
