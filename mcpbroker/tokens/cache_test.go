package tokens

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
)

// TestApart: a token is one person's, by one application, on one's own behalf or another's, for one server, resource, audience and set of
// scopes; and the order of scopes makes no difference.
func TestApart(t *testing.T) {
	w := newWorld(t)
	c := memory()
	s := w.source(c)
	hold := func(claims map[string]any) *identity.Principal {
		p, token := w.person(claims)
		s.Assertions.Hold(p, token)
		return p
	}
	sara := hold(map[string]any{"sub": "sara"})
	seen := map[string]string{}
	get := func(what string, s *Source, p *identity.Principal) {
		t.Helper()
		h, err := header(t.Context(), s, p, false)
		if err != nil {
			t.Fatal(what, err)
		}
		if other := seen[h]; other != "" {
			t.Errorf("%s has the token of %s", what, other)
		}
		seen[h] = what
	}
	get("Sara", s, sara)
	get("Kim", s, hold(map[string]any{"sub": "kim"}))
	get("Sara by another application", s, hold(map[string]any{"sub": "sara", "azp": "other"}))
	get("Sara by somebody", s, hold(map[string]any{"sub": "sara", "act": map[string]any{"sub": "bot"}}))
	for what, change := range map[string]func(*Source){
		"another server":    func(s *Source) { s.Server = "jira" },
		"another resource":  func(s *Source) { s.Want.Resource = "https://other.example.com/mcp" },
		"another audience":  func(s *Source) { s.Want.Audience = "x" },
		"other scopes":      func(s *Source) { s.Want.Scopes = []string{"a"} },
		"scopes and a name": func(s *Source) { s.Want.Scopes = []string{"a", "b", "c"} },
		"another flow":      func(s *Source) { s.Flow = OnBehalfOf{Endpoint: w.as.endpoint()} },
		"the broker itself": func(s *Source) { s.Flow = Own{Endpoint: w.as.endpoint()} },
	} {
		other := *s
		change(&other)
		get(what, &other, sara)
	}
	same := *s
	same.Want.Scopes = []string{"a", "b"}
	if h, err := header(t.Context(), &same, sara, false); err != nil || seen[h] != "Sara" {
		t.Errorf("scopes in another order: %q %v", h, err)
	}
}

// bubble is a cache in a bubble of synctest, and an endpoint that needs no network.
type bubble struct {
	c        *Cache
	at       place
	n        atomic.Int32
	took     time.Duration
	life     time.Duration
	fail     error
	meantime func()
}

func newBubble() *bubble {
	b := &bubble{c: memory(), life: time.Hour}
	slot := b.c.Keys.Slot(scopeOf("sara"))
	b.at = place{slot: slot, name: slot + "t:x0", principal: "sara", entry: "{}"}
	return b
}

func (b *bubble) fetch(context.Context) (given, error) {
	n := b.n.Add(1)
	time.Sleep(b.took)
	if b.meantime != nil {
		b.meantime()
	}
	if b.fail != nil {
		return given{}, b.fail
	}
	return given{token: "token-" + string('0'+n), until: time.Now().Add(b.life)}, nil
}

func (b *bubble) ask(t *testing.T, c *Cache, refused bool) (string, error) {
	return c.token(t.Context(), b.at, refused, b.fetch)
}

// TestFlight: all who need a token wait for one fetch, in one process and in several that share a store.
func TestFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble()
		b.took = time.Second
		caches := []*Cache{b.c, {Store: b.c.Store, Keys: b.c.Keys}, {Store: b.c.Store, Keys: b.c.Keys}, {Store: b.c.Store, Keys: b.c.Keys}}
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if token, err := b.ask(t, caches[i%4], false); err != nil || token != "token-1" {
					t.Error(token, err)
				}
			})
		}
		wg.Wait()
		if b.n.Load() != 1 {
			t.Errorf("%d fetches", b.n.Load())
		}
	})
}

// TestLife: a token is renewed before it ends, and nobody waits for that; one that has ended is never used.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble()
		ask := func(want string) {
			t.Helper()
			began := time.Now()
			if token, err := b.ask(t, b.c, false); err != nil || token != want || time.Since(began) != 0 {
				t.Errorf("%s %v after %v, want %s", token, err, time.Since(began), want)
			}
		}
		ask("token-1")
		time.Sleep(35 * time.Minute)
		ask("token-1")
		b.took = time.Minute - 45*time.Second
		time.Sleep(11 * time.Minute)
		ask("token-1")
		time.Sleep(b.took)
		synctest.Wait()
		ask("token-2")
		b.fail, b.took = ErrUnreachable, 0
		time.Sleep(59*time.Minute + 40*time.Second)
		ask("token-2")
		time.Sleep(11 * time.Second)
		if token, err := b.ask(t, b.c, false); err == nil {
			t.Errorf("a token that has ended: %s", token)
		}
	})
}

// TestRenewalFails: while the server cannot be reached the token that is there serves on.
func TestRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble()
		if _, err := b.ask(t, b.c, false); err != nil {
			t.Fatal(err)
		}
		b.fail = ErrUnreachable
		for range 10 {
			time.Sleep(5*time.Minute + 50*time.Second)
			if token, err := b.ask(t, b.c, false); err != nil || token != "token-1" {
				t.Fatal(token, err)
			}
			synctest.Wait()
		}
	})
}

// TestFailure: a failure is remembered for a moment, so that the server is not asked by every call.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble()
		b.fail = ErrRefused
		for range 10 {
			if _, err := b.ask(t, b.c, false); !errors.Is(err, ErrRefused) {
				t.Fatal(err)
			}
		}
		if b.n.Load() != 1 {
			t.Errorf("%d fetches", b.n.Load())
		}
		b.fail = nil
		time.Sleep(badTime)
		if token, err := b.ask(t, b.c, false); err != nil || token != "token-2" {
			t.Error(token, err)
		}
	})
}

// TestRefusedByServer: a token that the server refuses is had anew, once for all who were refused.
func TestRefusedByServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble()
		if _, err := b.ask(t, b.c, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for range 5 {
			if token, err := b.ask(t, b.c, true); err != nil || token != "token-2" {
				t.Error(token, err)
			}
		}
	})
}

// TestLockLost: what comes after the lock has ended is thrown away.
func TestLockLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble()
		once := true
		b.meantime = func() {
			if once { // another process has the lock by now
				once = false
				lock := &store.Lock{Key: b.at.name + ":l", Owner: "somebody else", TTL: 100 * time.Millisecond}
				if err := b.c.Store.Do(t.Context(), &store.Delete{Key: lock.Key}); err != nil {
					t.Error(err)
				}
				if err := b.c.Store.Do(t.Context(), lock); err != nil || !lock.Got {
					t.Error(err, lock.Got)
				}
			}
		}
		if token, err := b.ask(t, b.c, false); err != nil || token != "token-2" {
			t.Error(token, err)
		}
	})
}

// TestRevoked: a token that is had while its person's epoch changes is thrown away, and one of an earlier epoch is never found again.
func TestRevoked(t *testing.T) {
	w := newWorld(t)
	epoch := atomic.Int64{}
	c := memory()
	c.Epoch = func(context.Context, string) (int64, error) { return epoch.Load(), nil }
	s := w.source(c)
	sara, token := w.person(map[string]any{"sub": "sara"})
	s.Assertions.Hold(sara, token)
	w.as.set(func() {
		w.as.before = func(n int) {
			if n == 1 {
				epoch.Add(1)
			}
		}
	})
	if h, err := header(t.Context(), s, sara, false); !errors.Is(err, ErrRevoked) {
		t.Fatalf("%q %v", h, err)
	}
	if h, err := header(t.Context(), s, sara, false); err != nil || h != "Bearer upstream-2" {
		t.Errorf("%q %v", h, err)
	}
	epoch.Add(1)
	if h, err := header(t.Context(), s, sara, false); err != nil || h != "Bearer upstream-3" {
		t.Errorf("after another revocation: %q %v", h, err)
	}
	boom := errors.New("not known")
	c.Epoch = func(context.Context, string) (int64, error) { return 0, boom }
	if h, err := header(t.Context(), s, sara, false); !errors.Is(err, boom) {
		t.Errorf("an epoch that is not known: %q %v", h, err)
	}
}

// away is a store that does not answer.
type away struct {
	store.Store
	down atomic.Bool
}

func (a *away) Do(ctx context.Context, ops ...store.Op) error {
	if a.down.Load() {
		return store.ErrUnavailable
	}
	return a.Store.Do(ctx, ops...)
}

// TestStoreAway: without the store there is no token, not even one that was used a moment ago; and nothing is kept in the open.
func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	c := memory()
	a := &away{Store: c.Store}
	c.Store = a
	s := w.source(c)
	sara, token := w.person(map[string]any{"sub": "sara"})
	s.Assertions.Hold(sara, token)
	if _, err := header(t.Context(), s, sara, false); err != nil {
		t.Fatal(err)
	}
	a.down.Store(true)
	if h, err := header(t.Context(), s, sara, false); !errors.Is(err, store.ErrUnavailable) || h != "" {
		t.Errorf("%q %v", h, err)
	}
	w.as.set(func() { w.as.before = func(int) { a.down.Store(true) } })
	a.down.Store(false)
	kim, token := w.person(map[string]any{"sub": "kim"})
	s.Assertions.Hold(kim, token)
	if h, err := header(t.Context(), s, kim, false); !errors.Is(err, store.ErrUnavailable) || h != "" {
		t.Errorf("one that could not be kept: %q %v", h, err)
	}
}

// TestNames: nothing personal and no token is in what a store sees.
func TestNames(t *testing.T) {
	w := newWorld(t)
	c := memory()
	s := w.source(c)
	sara, _ := w.person(map[string]any{"sub": "sara"})
	at, err := c.placeOf(t.Context(), sara, "github", s.Flow, s.Want)
	if err != nil || strings.Contains(at.name, "sara") || !strings.HasPrefix(at.name, at.slot) {
		t.Errorf("%+v %v", at, err)
	}
}

func TestAssertions(t *testing.T) {
	w := newWorld(t)
	a := &Assertions{}
	sara, old := w.person(map[string]any{"sub": "sara", "exp": time.Now().Add(time.Minute).Unix()})
	later, fresh := w.person(map[string]any{"sub": "sara", "exp": time.Now().Add(time.Hour).Unix()})
	a.Hold(later, fresh)
	a.Hold(sara, old)
	if got, ok := a.of(holder(sara)); !ok || got != fresh {
		t.Error("the older one counts")
	}
	newer, short := w.person(map[string]any{"sub": "sara", "iat": time.Now().Add(5 * time.Second).Unix(), "exp": time.Now().Add(10 * time.Minute).Unix()})
	a.Hold(newer, short)
	a.Hold(later, fresh)
	if got, ok := a.of(holder(sara)); !ok || got != short {
		t.Error("one that was issued before it counts, since it ends later")
	}
	before := later.Issued().Add(time.Second) // when all of before was revoked
	a.Counts = func(p *identity.Principal) bool { return !p.Issued().Before(before) }
	if a.Drop(sara.Key()); len(a.all) != 1 {
		t.Error("one that counts was dropped")
	}
	before = newer.Issued().Add(time.Second)
	a.Drop(sara.Key() + "x")
	if len(a.all) != 1 {
		t.Error("somebody else's was dropped")
	}
	if a.Drop(sara.Key()); len(a.all) != 0 {
		t.Error("it is held still")
	}
	a.Hold(later, fresh)
	if _, ok := a.of(holder(sara)); ok {
		t.Error("one that was revoked is shown")
	}
	a.Counts = nil
	soon, ending := w.person(map[string]any{"sub": "kim", "exp": time.Now().Add(-30 * time.Second).Unix()}) // within the skew of clocks
	a.Hold(soon, ending)
	if _, ok := a.of(holder(soon)); ok {
		t.Error("one that has ended")
	}
	nobody, _ := w.verifier.Anonymous()
	a.Hold(nobody, "x")
	a.Hold(nil, "x")
	if len(a.all) != 0 {
		t.Errorf("%d are held", len(a.all))
	}
}

func TestAssertionsBounded(t *testing.T) {
	a := &Assertions{all: map[string]assertion{}}
	now := time.Now()
	for i := range maxAssertions {
		a.all[string(rune(i))] = assertion{until: now.Add(time.Duration(i+1) * time.Second)}
	}
	w := newWorld(t)
	sara, token := w.person(map[string]any{"sub": "sara"})
	a.Hold(sara, token)
	if _, ok := a.of(holder(sara)); !ok || len(a.all) != maxAssertions {
		t.Errorf("%d are held", len(a.all))
	}
	if _, there := a.all[string(rune(0))]; there {
		t.Error("not the one that ends first was forgotten")
	}
}

func TestDecode(t *testing.T) {
	r := record{token: "x", issued: time.UnixMilli(5), until: time.UnixMilli(7)}
	if got, err := decode(r.encode()); err != nil || got != r {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := decode([]byte("short")); err == nil {
		t.Error("taken")
	}
}

func leaks(m *testing.M) int {
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		println(err.Error())
		return 1
	}
	return code
}
