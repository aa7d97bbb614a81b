package revoke

import (
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// until waits for something that another process, or Redis, does by itself.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// TestRedis: two services with nothing in common but a Redis, which is flushed, killed and restarted, and a cluster.
func TestRedis(t *testing.T) {
	r := storetest.Start(t)
	for name, url := range map[string]string{"one server": r.URL(), "cluster": storetest.ClusterURL(storetest.StartCluster(t, 2))} {
		t.Run(name, func(t *testing.T) {
			keys := store.RandomKeys()
			open := func() *Service {
				kept, err := store.Redis(t.Context(), store.RedisConfig{URL: url})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = kept.Close() })
				s, err := New(t.Context(), Config{Store: store.Sealed(kept, keys), Keys: keys, Shared: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(s.Close)
				return s
			}
			here, there := open(), open()
			born := epoch(t, there, "corp|sara")
			if born.Own.IsZero() {
				t.Error("tokens of before the board count")
			}
			revoke(t, here, "corp|sara")
			want := epoch(t, here, "corp|sara")
			until(t, "the other knows", func() bool { e, _ := there.Epoch([]string{"corp|sara"}); return e == want })
			if e := epoch(t, there, "corp|bob"); e != born {
				t.Errorf("%+v, want %+v", e, born)
			}
			if name == "cluster" {
				return
			}
			lost := time.Now()
			r.Flush()
			after := func(e identity.Epoch, err error) bool { return err == nil && !e.Own.Before(lost) }
			until(t, "the floor is above the loss", func() bool {
				return after(there.Epoch([]string{"corp|bob"})) && after(here.Epoch([]string{"corp|sara"}))
			})
			r.Kill()
			until(t, "it is stale", func() bool { _, err := there.Epoch([]string{"corp|sara"}); return err != nil })
			lost = time.Now()
			r.Restart() // it has forgotten everything
			until(t, "it is back, with nothing loosened", func() bool {
				return after(there.Epoch([]string{"corp|bob"})) && after(here.Epoch([]string{"corp|sara"}))
			})
		})
	}
}

// TestSentinel: a replica that takes over has what was raised, or gets it back.
func TestSentinel(t *testing.T) {
	nodes := storetest.StartSentinel(t)
	kept, err := store.Redis(t.Context(), store.RedisConfig{URL: nodes.URL(), Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	s, err := New(t.Context(), Config{Store: kept, Keys: store.RandomKeys(), Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	revoke(t, s, "corp|sara")
	want := epoch(t, s, "corp|sara")
	nodes.Master.Kill()
	nodes.Promoted()
	until(t, "the new master answers", func() bool {
		e, err := s.Epoch([]string{"corp|sara"})
		return err == nil && !e.Own.Before(want.Own) && s.Revoke(t.Context(), Revocation{Handles: []string{"corp|bob"}}) == nil
	})
	if e := epoch(t, s, "corp|sara"); e.Own.Before(want.Own) {
		t.Errorf("%+v, want %+v", e, want)
	}
}
