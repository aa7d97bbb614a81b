package tokens

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// TestSuite: tokens are kept alike in memory and in a Redis.
func TestSuite(t *testing.T) {
	t.Run("memory", func(t *testing.T) { suite(t, store.Memory(store.MemoryConfig{})) })
	t.Run("redis", func(t *testing.T) {
		r := storetest.Start(t, "appendonly yes", "appendfsync always")
		kept, err := store.Redis(t.Context(), store.RedisConfig{URL: r.URL(), Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = kept.Close() }()
		suite(t, kept)
		disk := string(r.Disk())
		if len(disk) == 0 {
			t.Fatal("Redis has written nothing")
		}
		for _, secret := range []string{"upstream-", "sara", "github", "hers-", "exchange"} {
			if strings.Contains(disk, secret) {
				t.Errorf("Redis has %q in the open", secret)
			}
		}
		r.Kill()
		w := newWorld(t)
		s := w.source(&Cache{Store: store.Sealed(kept, store.RandomKeys()), Keys: store.RandomKeys()})
		sara, token := w.person(map[string]any{"sub": "sara"})
		s.Assertions.Hold(sara, token)
		if h, err := header(t.Context(), s, sara, false); !errors.Is(err, store.ErrUnavailable) || h != "" || w.as.exchanges() != 0 {
			t.Errorf("without Redis: %q %v, %d exchanges", h, err, w.as.exchanges())
		}
	})
}

// bench is a world, two brokers that share a store, and a person.
type bench struct {
	*world
	one, two *Source
	sara     *identity.Principal
	epoch    *atomic.Int64
	kept     store.Store // what they share, without its seal
}

func suite(t *testing.T, kept store.Store) {
	for name, check := range map[string]func(*testing.T, *bench){
		"shared": shared, "renewed": renewed, "refused": refusedOnce, "lock lost": lockLost, "revoked": revokedMeanwhile, "forgotten": forgotten, "connected": connectedTwice,
		"listed": listed, "changed": changed,
	} {
		t.Run(name, func(t *testing.T) {
			keys, epoch := store.RandomKeys(), &atomic.Int64{}
			w := newWorld(t)
			b := &bench{world: w, epoch: epoch, kept: kept}
			var token string
			b.sara, token = w.person(map[string]any{"sub": "sara"})
			source := func() *Source {
				s := w.source(&Cache{
					Store: store.Sealed(kept, keys), Keys: keys, Epoch: func(context.Context, string) (int64, error) { return epoch.Load(), nil },
				})
				s.Assertions.Hold(b.sara, token)
				return s
			}
			b.one, b.two = source(), source()
			check(t, b)
		})
	}
}

func (b *bench) gets(s *Source, again bool, want string) {
	b.t.Helper()
	if h, err := header(b.t.Context(), s, b.sara, again); err != nil || h != "Bearer "+want {
		b.t.Errorf("%q %v, want %s", h, err, want)
	}
}

func (b *bench) place(s *Source) place {
	b.t.Helper()
	at, err := s.Cache.placeOf(b.t.Context(), b.sara, s.Server, s.Flow, s.Want)
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

func (b *bench) do(ops ...store.Op) {
	b.t.Helper()
	if err := b.one.Cache.Store.Do(b.t.Context(), ops...); err != nil {
		b.t.Error(err)
	}
}

func shared(t *testing.T, b *bench) {
	b.gets(b.one, false, "upstream-1")
	b.gets(b.two, false, "upstream-1")
	b.gets(b.one, true, "upstream-1") // the server refuses what it was given a moment ago: no reason for another
	if b.as.exchanges() != 1 {
		t.Errorf("%d exchanges", b.as.exchanges())
	}
}

// renewed: a record that is near its end is no answer, nor one that the server refused a while ago.
func renewed(t *testing.T, b *bench) {
	at, now := b.place(b.one), time.Now()
	b.do(&store.Put{Key: at.name, Value: record{token: "old", issued: now.Add(-time.Hour), until: now.Add(early / 2)}.encode(), TTL: time.Minute})
	b.gets(b.one, false, "upstream-1")
	b.do(&store.Put{Key: at.name, Value: record{token: "old", issued: now.Add(-time.Minute), until: now.Add(time.Hour)}.encode(), TTL: time.Minute})
	b.gets(b.two, false, "old")
	b.gets(b.two, true, "upstream-2")
	b.gets(b.one, false, "upstream-2")
}

func refusedOnce(t *testing.T, b *bench) {
	b.refuses("invalid_target")
	for _, s := range []*Source{b.one, b.two, b.one} {
		if h, err := header(t.Context(), s, b.sara, false); !errors.Is(err, ErrRefused) || h != "" {
			t.Errorf("%q %v", h, err)
		}
	}
	if b.as.exchanges() != 1 {
		t.Errorf("%d exchanges", b.as.exchanges())
	}
}

func lockLost(_ *testing.T, b *bench) {
	at := b.place(b.one)
	b.as.set(func() {
		b.as.before = func(n int) {
			if n == 1 {
				b.do(&store.Delete{Key: at.name + ":l"}, &store.Lock{Key: at.name + ":l", Owner: "somebody else", TTL: 100 * time.Millisecond})
			}
		}
	})
	b.gets(b.one, false, "upstream-2")
	b.gets(b.two, false, "upstream-2")
}

func revokedMeanwhile(t *testing.T, b *bench) {
	b.as.set(func() {
		b.as.before = func(n int) {
			if n == 1 {
				b.epoch.Add(1)
			}
		}
	})
	if h, err := header(t.Context(), b.one, b.sara, false); !errors.Is(err, ErrRevoked) || h != "" {
		t.Errorf("%q %v", h, err)
	}
	b.gets(b.two, false, "upstream-2")
	b.epoch.Add(-1)
	b.gets(b.two, false, "upstream-3") // what came for the earlier epoch is nowhere
}

// listed: what is kept is told without what it is, each person's apart, and what was there before a revocation is not there.
func listed(t *testing.T, b *bench) {
	b.gets(b.one, false, "upstream-1")
	own := *b.one
	own.Flow = Own{Endpoint: b.as.endpoint()}
	b.gets(&own, false, "upstream-2")
	code := b.connected(b.one.Cache)
	b.connect(code, b.sara, "hers-a1", "hers-r1")
	sara := Owner{Tenant: b.sara.Tenant(), Principal: b.sara.Key()}
	for _, c := range []struct {
		owner Owner
		want  string
	}{
		{sara, "github authorization-code [a b] \"\" true, github token-exchange [a b] \"agent\" false"},
		{Owner{}, "github client-credentials [a b] \"\" false"},
		{Owner{Principal: "corp|kim"}, ""},
	} {
		all, err := b.two.Cache.List(t.Context(), c.owner)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range all {
			got = append(got, fmt.Sprintf("%s %s %v %q %v", k.Server, k.Flow, k.Scopes, k.Application, k.Connected))
			if left := time.Until(k.Until); left < 50*time.Minute || left > time.Hour || k.Resource != "https://mcp.example.com/mcp" {
				t.Errorf("%+v", k)
			}
			if text := fmt.Sprintf("%+v", k); strings.Contains(text, "upstream-") || strings.Contains(text, "hers-") {
				t.Errorf("a token is told: %s", text)
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%+v has %q, want %q", c.owner, got, c.want)
		}
	}
	b.epoch.Add(1)
	if all, err := b.one.Cache.List(t.Context(), sara); err != nil || len(all) != 0 {
		t.Errorf("after a revocation: %+v %v", all, err)
	}
}

// forgotten: what is forgotten is had anew, or has to be connected anew, and what comes for it meanwhile is thrown away.
func forgotten(t *testing.T, b *bench) {
	sara := Owner{Tenant: b.sara.Tenant(), Principal: b.sara.Key()}
	forget := func(c *Cache, flow string) {
		t.Helper()
		all, err := c.List(context.Background(), sara)
		all = slices.DeleteFunc(all, func(k Kept) bool { return k.Flow != flow })
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v %v", all, err)
		}
		if err := c.Forget(context.Background(), all...); err != nil {
			t.Fatal(err)
		}
	}
	b.gets(b.one, false, "upstream-1")
	forget(b.two.Cache, "token-exchange")
	b.gets(b.one, false, "upstream-2")
	code := b.connected(b.one.Cache)
	b.connect(code, b.sara, "hers-a1", "hers-r1")
	b.ends(code, b.sara)
	b.grants("hers-a2", "hers-r2")
	b.as.set(func() { b.as.before = func(int) { forget(b.two.Cache, "authorization-code") } })
	if h, err := header(t.Context(), code, b.sara, false); err == nil {
		t.Errorf("what came meanwhile is used: %q", h)
	}
	if there, err := b.connected(b.two.Cache).Connected(t.Context(), b.sara); there || err != nil {
		t.Errorf("she is connected: %v %v", there, err)
	}
}

// connectedTwice: a connection is one for all brokers, and is renewed by one of them.
func connectedTwice(t *testing.T, b *bench) {
	one, two := b.connected(b.one.Cache), b.connected(b.two.Cache)
	b.connect(one, b.sara, "hers-a1", "hers-r1")
	b.wants(two, b.sara, "hers-a1", nil)
	b.ends(one, b.sara)
	b.grants("hers-a2", "hers-r2")
	b.wants(two, b.sara, "hers-a2", nil)
	b.wants(one, b.sara, "hers-a2", nil)
	if form, _ := b.as.last(); b.as.exchanges() != 2 || form.Get("refresh_token") != "hers-r1" {
		t.Errorf("%d exchanges, the last with %v", b.as.exchanges(), form)
	}
	if err := two.Disconnect(t.Context(), b.sara); err != nil {
		t.Fatal(err)
	}
	b.wants(one, b.sara, "", ErrConnect)
}

// changed: another's record in her place does not open, and is no token.
func changed(t *testing.T, b *bench) {
	kim, token := b.person(map[string]any{"sub": "kim"})
	b.one.Assertions.Hold(kim, token)
	if _, err := header(t.Context(), b.one, kim, false); err != nil {
		t.Fatal(err)
	}
	hers, err := b.one.Cache.placeOf(t.Context(), kim, b.one.Server, b.one.Flow, b.one.Want)
	if err != nil {
		t.Fatal(err)
	}
	sealed := &store.Get{Key: hers.name}
	if err := b.kept.Do(t.Context(), sealed); err != nil || !sealed.Found {
		t.Fatal(err, sealed.Found)
	}
	// into her own slot, since no batch has two
	if err := b.kept.Do(t.Context(), &store.Put{Key: b.place(b.one).name, Value: sealed.Value, TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if h, err := header(t.Context(), b.one, b.sara, false); !errors.Is(err, store.ErrSealed) || h != "" {
		t.Errorf("%q %v", h, err)
	}
}
