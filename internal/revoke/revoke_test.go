package revoke

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shaky is a store that a test takes away.
type shaky struct {
	store.Store
	mu    sync.Mutex
	fails error
	hangs bool
	raw   [][]byte
}

func (s *shaky) Do(ctx context.Context, ops ...store.Op) error {
	s.mu.Lock()
	fails, hangs, inner := s.fails, s.hangs, s.Store
	for _, op := range ops {
		s.raw = append(s.raw, fmt.Appendf(nil, "%+v", op))
	}
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if fails != nil {
		return fails
	}
	return inner.Do(ctx, ops...)
}

func (s *shaky) set(fails error, hangs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails, s.hangs = fails, hangs
}

// lose makes it forget everything.
func (s *shaky) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Store = store.Memory(store.MemoryConfig{})
}

var errAway = errors.New("away")

type world struct {
	store *shaky
	keys  *store.Keys
}

func newWorld() *world {
	return &world{store: &shaky{Store: store.Memory(store.MemoryConfig{})}, keys: store.RandomKeys()}
}

// service is one process.
func (w *world) service(t testing.TB, change ...func(*Config)) *Service {
	t.Helper()
	c := Config{Store: w.store, Keys: w.keys}
	for _, f := range change {
		f(&c)
	}
	s, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shared(c *Config) { c.Shared = true }

func epoch(t testing.TB, s *Service, handles ...string) identity.Epoch {
	t.Helper()
	e, err := s.Epoch(handles)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func revoke(t testing.TB, s *Service, handles ...string) {
	t.Helper()
	if err := s.Revoke(t.Context(), Revocation{Handles: handles}); err != nil {
		t.Fatal(err)
	}
}

// pass lets time go by, and everything happen that it makes happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestRevoke: the process that revokes knows at once, any other within half a second; nobody else's epoch moves.
func TestRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, there := w.service(t), w.service(t)
		defer here.Close()
		defer there.Close()
		pass(1500 * time.Millisecond)
		before, other := epoch(t, there, "corp|sara"), epoch(t, there, "corp|bob")
		if !before.Own.IsZero() || !before.Issuer.IsZero() {
			t.Errorf("%+v", before)
		}
		revoke(t, here, "corp|sara")
		now := epoch(t, here, "corp|sara")
		if now.Number <= before.Number || now.Own.Before(time.Now()) || time.Until(now.Own) >= time.Second || now.Own.Nanosecond() != 0 || !now.Issuer.IsZero() {
			t.Errorf("%+v at %v", now, time.Now())
		}
		if epoch(t, there, "corp|sara").Number != before.Number {
			t.Error("the other process knew before it looked")
		}
		pass(500 * time.Millisecond)
		if got := epoch(t, there, "corp|sara"); got != now {
			t.Errorf("%+v, want %+v", got, now)
		}
		if got := epoch(t, there, "@sara@example.com", "corp|sara", "corp~s"); got != now {
			t.Errorf("by another handle: %+v, want %+v", got, now)
		}
		if got := epoch(t, there, "corp|bob"); got != other {
			t.Errorf("%+v, want %+v", got, other)
		}
		revoke(t, there, "corp|sara") // in the same second
		if again := epoch(t, there, "corp|sara"); again.Own.Before(now.Own) {
			t.Errorf("%+v after %+v", again, now)
		}
	})
}

// TestIssuersClock: a time that the issuer says is kept as it is, beside ours, and neither falls.
func TestIssuersClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newWorld().service(t)
		defer s.Close()
		at := time.Now().Add(-time.Hour).Truncate(time.Second)
		for _, before := range []time.Time{at, at.Add(-time.Minute), {}, at.Add(-time.Hour)} {
			if err := s.Revoke(t.Context(), Revocation{Handles: []string{"corp|sara"}, Before: before}); err != nil {
				t.Fatal(err)
			}
		}
		if e := epoch(t, s, "corp|sara"); !e.Issuer.Equal(at) || !e.Own.Equal(time.Now()) {
			t.Errorf("%+v", e)
		}
		for name, r := range map[string][]Revocation{"nobody": {{}}, "nothing": nil, "no time": {{Handles: []string{"x"}, Before: time.Unix(-1, 0)}}} {
			if s.Revoke(t.Context(), r...) == nil {
				t.Errorf("%s is taken", name)
			}
		}
	})
}

// TestStale: a copy answers for two seconds, whether the store fails or hangs, and again as soon as it is back.
func TestStale(t *testing.T) {
	for name, hangs := range map[string]bool{"fails": false, "hangs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				s := w.service(t)
				defer s.Close()
				pass(time.Second)
				w.store.set(errAway, hangs)
				pass(1400 * time.Millisecond)
				epoch(t, s, "x")
				pass(700 * time.Millisecond)
				if _, err := s.Epoch([]string{"x"}); !errors.Is(err, ErrStale) || s.Ready() == nil {
					t.Errorf("a stale copy answers: %v", err)
				}
				if err := s.Revoke(t.Context(), Revocation{Handles: []string{"corp|sara"}}); err == nil {
					t.Error("a revocation that nobody knows of is reported as done")
				}
				at := time.Now()
				w.store.set(nil, false)
				pass(2 * time.Second) // a look that hangs ends by then
				if e := epoch(t, s, "corp|sara"); e.Own.IsZero() || e.Own.After(at.Add(time.Second)) {
					t.Errorf("the revocation was forgotten: %+v", e)
				}
				other := w.service(t)
				defer other.Close()
				if epoch(t, other, "corp|sara") != epoch(t, s, "corp|sara") {
					t.Error("nobody else knows of it")
				}
			})
		})
	}
}

// TestStart: without a store nobody starts, and so nobody is let in.
func TestStart(t *testing.T) {
	w := newWorld()
	w.store.set(errAway, false)
	if _, err := New(t.Context(), Config{Store: w.store, Keys: w.keys}); !errors.Is(err, errAway) {
		t.Error(err)
	}
	if _, err := New(t.Context(), Config{Store: w.store}); err == nil {
		t.Error("without keys")
	}
}

// TestFlushed: a store that lost its memory loosens nothing: what this process knows holds and goes back, and for what nobody knows
// any more, no token of before the loss counts.
func TestFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s, gone := w.service(t, shared), w.service(t, shared)
		defer s.Close()
		pass(time.Hour)
		revoke(t, s, "corp|sara")
		known := epoch(t, s, "corp|sara")
		pass(time.Minute)
		revoke(t, gone, "corp|bob") // and nobody else has looked
		gone.Close()
		pass(time.Second)
		lost := time.Now()
		w.store.lose()
		pass(time.Second)
		for _, who := range []string{"corp|bob", "corp|eve"} {
			if e := epoch(t, s, who); e.Own.Before(lost) || e.Own.After(lost.Add(2*time.Second)) {
				t.Errorf("%s: tokens of before the loss count: %+v", who, e)
			}
		}
		if e := epoch(t, s, "corp|sara"); e.Number <= known.Number || e.Own.Before(lost) {
			t.Errorf("%+v after %+v", e, known)
		}
		fresh := w.service(t, shared)
		defer fresh.Close()
		for _, who := range []string{"corp|sara", "corp|bob", "corp|eve"} {
			if got, want := epoch(t, fresh, who), epoch(t, s, who); got != want {
				t.Errorf("%s: a process that has just started: %+v, want %+v", who, got, want)
			}
		}
		pass(time.Minute)
		if e := epoch(t, fresh, "corp|eve"); e.Own.After(lost.Add(2 * time.Second)) {
			t.Errorf("tokens of after the loss do not count: %+v", e)
		}
	})
}

// TestFlushedFuture: a time that the issuer's clock says is ahead of the loss holds beyond it.
func TestFlushedFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.service(t, shared)
		defer s.Close()
		at := time.Now().Add(time.Minute).Truncate(time.Second)
		if err := s.Revoke(t.Context(), Revocation{Handles: []string{"corp|sara"}, Before: at}); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		w.store.lose()
		pass(time.Second)
		fresh := w.service(t, shared)
		defer fresh.Close()
		if e := epoch(t, fresh, "corp|sara"); !e.Issuer.Equal(at) {
			t.Errorf("%+v, want %v", e, at)
		}
	})
}

// behind is a store as a replica has it that lags: it answers from an earlier state until it is caught up.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		replica := store.Memory(store.MemoryConfig{})
		both := func(ops ...store.Op) {
			for _, s := range []store.Store{w.store, replica} {
				if err := s.Do(t.Context(), ops...); err != nil {
					t.Fatal(err)
				}
			}
		}
		both(&store.Marks{Key: boardKey, Limit: 1, TTL: time.Hour}) // born at the same time
		s := w.service(t)
		defer s.Close()
		revoke(t, s, "corp|sara")
		known := epoch(t, s, "corp|sara")
		pass(time.Second)
		w.store.mu.Lock()
		w.store.Store = replica
		w.store.mu.Unlock()
		pass(time.Second)
		fresh := w.service(t)
		defer fresh.Close()
		if e := epoch(t, fresh, "corp|sara"); !e.Own.Equal(known.Own) {
			t.Errorf("%+v, want %+v", e, known)
		}
		if e := epoch(t, s, "corp|sara"); !e.Own.Equal(known.Own) || e.Number < known.Number {
			t.Errorf("%+v, want %+v", e, known)
		}
	})
}

// TestBounded: there are never more marks than the most, and what makes room loosens nothing.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		few := func(c *Config) { c.Most = 10 }
		s, other := w.service(t, few), w.service(t, few)
		defer s.Close()
		defer other.Close()
		var last time.Time
		var number int64
		for i := range 100 {
			revoke(t, s, fmt.Sprintf("corp|%d", i))
			if i == 89 {
				last, number = time.Now(), epoch(t, s, "corp|89").Number
			}
			pass(time.Minute)
		}
		for _, one := range []*Service{s, other, w.service(t, few)} {
			defer one.Close()
			if n := len(one.marks); n > 10 {
				t.Errorf("%d marks", n)
			}
			for i := range 100 {
				e := epoch(t, one, fmt.Sprintf("corp|%d", i))
				if e.Number < number {
					t.Errorf("%d: number %d after %d", i, e.Number, number)
				}
				if e.Own.Before(last.Add(time.Duration(max(i, 89)-89) * time.Minute)) {
					t.Errorf("%d: %+v", i, e)
				}
			}
		}
	})
}

// TestKept: what is older than is kept becomes the floor.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		day := func(c *Config) { c.Keep, c.Interval, c.Stale = 24*time.Hour, time.Minute, time.Hour }
		s := w.service(t, day)
		defer s.Close()
		revoke(t, s, "corp|sara")
		at := time.Now()
		pass(25 * time.Hour)
		revoke(t, s, "corp|bob")
		if e := epoch(t, s, "corp|sara"); len(s.marks) != 1 || e.Own.Before(at) || e.Own.After(at.Add(time.Hour)) {
			t.Errorf("%+v of %d marks", e, len(s.marks))
		}
	})
}

// TestWatch: who watches hears of revocations of theirs, by every handle, until they stop, and when the floor rises.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s, other := w.service(t, shared), w.service(t, shared)
		defer s.Close()
		defer other.Close()
		pass(time.Second)
		var heard atomic.Int32
		stop := s.Watch([]string{"corp|sara", "@sara@example.com"}, func() {
			if _, err := s.Epoch([]string{"corp|sara"}); err != nil {
				t.Error(err)
			}
			heard.Add(1)
		})
		want := func(n int32) {
			t.Helper()
			pass(600 * time.Millisecond)
			if heard.Load() != n {
				t.Errorf("heard %d times, want %d", heard.Load(), n)
			}
		}
		revoke(t, other, "corp|bob")
		want(0)
		revoke(t, other, "@sara@example.com")
		want(1)
		revoke(t, s, "corp|sara", "@sara@example.com")
		want(2)
		want(2)
		w.store.lose()
		want(3)
		stop()
		stop()
		revoke(t, s, "corp|sara")
		want(3)
		if len(s.watchers) != 0 {
			t.Errorf("%d are left", len(s.watchers))
		}
	})
}

// TestNothingPersonal: what goes to the store names nobody.
func TestNothingPersonal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.service(t)
		defer s.Close()
		revoke(t, s, "corp|sara", "@sara@example.com")
		s.Saw(identity.Sighting{Scope: label.Scope{Principal: "corp|sara"}, Handles: []string{"corp|sara"}, Issued: time.Now()})
		pass(time.Second)
		all := fmt.Sprintf("%s", w.store.raw)
		if strings.Contains(all, "sara") || strings.Contains(all, "corp") || strings.Contains(all, "example") || len(w.store.raw) < 4 {
			t.Error(all)
		}
	})
}

// TestNonsense: a mark that is none of ours is an error, and so a refusal.
func TestNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.service(t)
		defer s.Close()
		if err := w.store.Do(t.Context(), &store.Raise{Key: boardKey, Mark: "else", Value: 1, Most: 9, TTL: time.Hour}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		if _, err := s.Epoch([]string{"x"}); !errors.Is(err, ErrStale) {
			t.Error(err)
		}
	})
}

// TestMany: what does not fit one batch is raised and read in several.
func TestMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s, other := w.service(t), w.service(t)
		defer s.Close()
		defer other.Close()
		var all []string
		for i := range 2*page + 7 {
			all = append(all, fmt.Sprintf("corp|%d", i))
		}
		revoke(t, s, all...)
		pass(time.Second)
		for _, name := range all {
			if epoch(t, other, name).Own.IsZero() || epoch(t, s, name).Own.IsZero() {
				t.Fatal(name)
			}
		}
	})
}

// BenchmarkEpoch is what each request pays: among many revocations, for a principal with three handles.
func BenchmarkEpoch(b *testing.B) {
	s := newWorld().service(b)
	defer s.Close()
	if _, err := s.Epoch([]string{"corp|sara"}); err != nil {
		b.Fatal(err)
	}
	for i := range 10 {
		var all []string
		for n := range 1000 {
			all = append(all, fmt.Sprintf("corp|%d", i*1000+n))
		}
		revoke(b, s, all...)
	}
	handles := []string{"corp|sara", "@sara@example.com", "corp~0b5d7c0e-7f4e-4f0e-b9c0-0d5a7c0e7f4e"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Epoch(handles); err != nil {
			b.Fatal(err)
		}
	}
}
