package revoke

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
)

// TestClaims: of two tokens that say different groups the newer one counts, in whatever order and wherever they are seen.
func TestClaims(t *testing.T) {
	token := func(issued int64, groups, context byte) identity.Sighting {
		return identity.Sighting{
			Scope: label.Scope{Principal: "corp|sara"}, Handles: []string{"corp|sara"}, Issued: time.Unix(1e9+issued, 0),
			Groups: [16]byte{groups}, Context: [16]byte{context},
		}
	}
	for name, c := range map[string]struct {
		seen []identity.Sighting
		want []int64 // the time after each; 0: none
	}{
		"the same":            {[]identity.Sighting{token(100, 1, 0), token(200, 1, 0), token(150, 1, 0)}, []int64{0, 0, 0}},
		"changed":             {[]identity.Sighting{token(100, 1, 0), token(200, 2, 0)}, []int64{0, 200}},
		"the older one later": {[]identity.Sighting{token(200, 2, 0), token(100, 1, 0)}, []int64{0, 200}},
		"and stays":           {[]identity.Sighting{token(100, 1, 0), token(200, 2, 0), token(300, 2, 0)}, []int64{0, 200, 200}},
		"and back":            {[]identity.Sighting{token(100, 1, 0), token(200, 2, 0), token(300, 1, 0)}, []int64{0, 200, 300}},
		"an old one again":    {[]identity.Sighting{token(100, 1, 0), token(200, 2, 0), token(150, 1, 0)}, []int64{0, 200, 200}},
		"the same second":     {[]identity.Sighting{token(100, 1, 0), token(100, 2, 0)}, []int64{0, 0}},
		"another client":      {[]identity.Sighting{token(100, 1, 0), token(200, 2, 1)}, []int64{0, 0}},
		"two clients":         {[]identity.Sighting{token(100, 1, 0), token(200, 2, 1), token(300, 3, 0)}, []int64{0, 0, 300}},
		"another's newer":     {[]identity.Sighting{token(100, 1, 0), token(300, 9, 1), token(200, 2, 0)}, []int64{0, 0, 200}},
		"three":               {[]identity.Sighting{token(100, 1, 0), token(200, 2, 0), token(300, 3, 0)}, []int64{0, 200, 300}},
		"no time":             {[]identity.Sighting{{Handles: []string{"corp|sara"}, Issued: time.Time{}}}, []int64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				all := []*Service{w.service(t), w.service(t)}
				for i, one := range c.seen {
					all[i%2].Saw(one)
					pass(time.Second)
					want := time.Time{}
					if c.want[i] != 0 {
						want = time.Unix(1e9+c.want[i], 0)
					}
					for _, s := range all {
						if e := epoch(t, s, "corp|sara"); !e.Issuer.Equal(want) || !e.Own.IsZero() {
							t.Errorf("after %d: %+v, want %v", i, e, want)
						}
					}
				}
				for _, s := range all {
					s.Close()
				}
			})
		})
	}
}

// TestClaimsAway: while the store is away nothing is compared and nobody waits; the next token is compared again.
func TestClaimsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.service(t)
		defer s.Close()
		w.store.set(errAway, true)
		one := identity.Sighting{Scope: label.Scope{Principal: "corp|sara"}, Handles: []string{"corp|sara"}, Issued: time.Unix(1e9, 0)}
		for range 3 * maxSeen {
			s.Saw(one)
		}
		w.store.set(nil, false)
		pass(time.Minute)
		one.Issued, one.Groups = time.Unix(1e9+1, 0), [16]byte{1}
		s.Saw(one)
		pass(time.Second)
		if e := epoch(t, s, "corp|sara"); !e.Issuer.Equal(one.Issued) {
			t.Errorf("%+v", e)
		}
	})
}

// TestLinks: a revocation by an address becomes one of the key, wherever the two were seen together, and when they are seen again.
func TestLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s, knows := w.service(t), w.service(t)
		defer s.Close()
		defer knows.Close()
		sara := identity.Sighting{Scope: label.Scope{Principal: "corp|sara"}, Handles: []string{"corp|sara", "@sara@example.com"}, Issued: time.Unix(1e9, 0)}
		bob := identity.Sighting{Scope: label.Scope{Principal: "corp|bob"}, Handles: []string{"corp|bob", "@bob@example.com", "corp~s"}, Issued: time.Unix(1e9, 0)}
		knows.Saw(sara)
		pass(time.Second)
		at := time.Now()
		revoke(t, s, "@sara@example.com", "corp~s")
		pass(1100 * time.Millisecond)
		if e := epoch(t, s, "corp|sara"); !e.Own.Equal(at) || e.Number <= epoch(t, s, "corp|eve").Number {
			t.Errorf("%+v", e)
		}
		if e := epoch(t, s, "corp|bob"); !e.Own.IsZero() {
			t.Errorf("%+v", e)
		}
		s.Saw(bob)
		pass(time.Millisecond)
		if e := epoch(t, s, "corp|bob"); !e.Own.Equal(at) {
			t.Errorf("%+v", e)
		}
	})
}

// TestLinksBounded: what is known of what belongs together has an end.
func TestLinksBounded(t *testing.T) {
	s := &Service{c: Config{Keys: newWorld().keys}, marks: map[markName]mark{}, links: links{}, keys: map[markName]int64{}}
	for i := range maxLinks + 100 {
		s.link([]string{"corp|x", string(rune(i + 1<<12))})
	}
	if len(s.links) > maxLinks {
		t.Errorf("%d", len(s.links))
	}
}
