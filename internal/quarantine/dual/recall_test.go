package dual

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/store"
)

// TestRemembered: what was asked once is not asked again, in this process and the next; but for another principal, tenant,
// content, tool, question, model or policy it is.
func TestRemembered(t *testing.T) {
	m, s := says(honest), newFakeStore()
	first := newAsker(t, m, s, nil)
	first.Ask(t.Context(), task(issue))
	trips := s.trip
	if got := first.Ask(t.Context(), task(issue)); !got.Cached || values(got.Answers) != "yes bug $ref_bbbb -1 1 2026-03-01 «1.2.3»" || s.trip != trips {
		t.Errorf("got %+v after %d round trips", got, s.trip-trips)
	}
	next := newAsker(t, m, s, nil)
	if got := next.Ask(t.Context(), task(issue)); !got.Cached || !got.Answers[0].Known || s.trip != trips+1 {
		t.Errorf("the next process: %+v after %d round trips", got, s.trip-trips)
	}
	if n := len(m.calls()); n != 1 {
		t.Fatalf("%d calls", n)
	}
	for name, change := range map[string]func(*Task, *Config){
		"principal":  func(t *Task, _ *Config) { t.Scope.Principal = "corp|bo" },
		"tenant":     func(t *Task, _ *Config) { t.Scope.Tenant = "other" },
		"content":    func(t *Task, _ *Config) { t.ContentHash[0]++ },
		"tool":       func(t *Task, _ *Config) { t.Tool = "x" },
		"text":       func(t *Task, _ *Config) { t.Questions[0].Ask = "Really?" },
		"options":    func(t *Task, _ *Config) { t.Questions[1].Options = []string{"bug", "feature", "none"} },
		"split":      func(t *Task, _ *Config) { t.Questions[1].Options = []string{"bug", "featurequestion"} },
		"range":      func(t *Task, _ *Config) { t.Questions[3].Max = 6 },
		"pattern":    func(t *Task, _ *Config) { t.Questions[6].Pattern = `\d.\d.\d` },
		"order":      func(t *Task, _ *Config) { t.Questions[0], t.Questions[1] = t.Questions[1], t.Questions[0] },
		"reference":  func(t *Task, _ *Config) { t.Questions[0].Ref = "$ref_aaaa" },
		"revision":   func(t *Task, _ *Config) { t.Revision = "r2" },
		"model":      func(_ *Task, c *Config) { c.QuarantinedModel = "mock/other" },
		"store keys": func(_ *Task, c *Config) { c.Keys = store.RandomKeys() },
	} {
		before := len(m.calls())
		one := task(issue)
		a := newAsker(t, m, s, func(c *Config) { change(&one, c) })
		if a.Ask(t.Context(), one); len(m.calls()) != before+1 {
			t.Errorf("another %s: no call", name)
		}
	}
}

// TestFailuresRemembered: a failure is kept for half a minute, here and in other processes, and then tried again.
func TestFailuresRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := "prose"
		m := &model{answer: func(context.Context, asked) (*http.Response, error) { return reply(200, completion(text)), nil }}
		s := newFakeStore()
		a, b := newAsker(t, m, s, nil), newAsker(t, m, s, nil)
		defer a.Close()
		defer b.Close()
		for range 3 {
			for _, asker := range []*Asker{a, b} {
				if got := asker.Ask(t.Context(), task(issue)); got.Answers[0].Reason != Malformed {
					t.Errorf("got %+v", got.Answers[0])
				}
			}
			time.Sleep(9 * time.Second)
		}
		if n := len(m.calls()); n != 1 {
			t.Errorf("%d calls in half a minute", n)
		}
		text = honest
		time.Sleep(4 * time.Second)
		if got := b.Ask(t.Context(), task(issue)); !got.Answers[0].Known {
			t.Errorf("after half a minute: %+v", got.Answers[0])
		}
		if got := a.Ask(t.Context(), task(issue)); !got.Answers[0].Known || len(m.calls()) != 2 {
			t.Errorf("the other process: %+v, %d calls", got.Answers[0], len(m.calls()))
		}
	})
}

// TestUnknownIsKept: that the model cannot tell is an answer, and not a failure.
func TestUnknownIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := says(`{"a1":null}`)
		a := newAsker(t, m, newFakeStore(), nil)
		defer a.Close()
		for range 3 {
			if got := a.Ask(t.Context(), task(issue)); got.Answers[0].Reason != NoValue {
				t.Errorf("got %+v", got.Answers[0])
			}
			time.Sleep(time.Minute)
		}
		if n := len(m.calls()); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestSingleFlight: of all who ask the same at once, in two processes, one asks the model, and all read what it answered.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: func(context.Context, asked) (*http.Response, error) {
			time.Sleep(time.Second)
			return reply(200, completion(honest)), nil
		}}
		s := newFakeStore()
		s.next = store.Memory(store.MemoryConfig{}) // the real one
		a, b := newAsker(t, m, s, nil), newAsker(t, m, s, nil)
		defer a.Close()
		defer b.Close()
		var all sync.WaitGroup
		for _, asker := range []*Asker{a, b} {
			for range 20 {
				all.Go(func() {
					if got := asker.Ask(t.Context(), task(issue)); !got.Answers[0].Known {
						t.Errorf("got %+v", got.Answers[0])
					}
				})
			}
		}
		all.Wait()
		if n := len(m.calls()); n != 1 {
			t.Errorf("%d calls", n)
		}
		// Within a process nobody polls: twenty look, one claims and settles.
		before := s.trip
		for range 20 {
			all.Go(func() { a.Ask(t.Context(), task(issue+"2")) })
		}
		all.Wait()
		if n := s.trip - before; n != 22 {
			t.Errorf("%d round trips", n)
		}
	})
}

// TestDeadHolder: a process that dies with the lock keeps the others waiting no longer than its lock lives; what a holder
// writes although it lost the lock is not what counts.
func TestDeadHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := says(honest), store.Memory(store.MemoryConfig{})
		a := newAsker(t, m, s, nil)
		defer a.Close()
		u := a.unitOf(task(issue), everyType())
		if err := s.Do(t.Context(), &store.Lock{Key: u.key + ":l", Owner: "dead", TTL: 10 * time.Second}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		got := a.Ask(t.Context(), task(issue))
		if took := time.Since(began); !got.Answers[0].Known || took < 10*time.Second || took > 11*time.Second {
			t.Errorf("got %+v after %v", got.Answers[0], took)
		}
	})
}

func TestLostLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		key := ""
		m := &model{answer: func(ctx context.Context, _ asked) (*http.Response, error) {
			// Meanwhile the lock ran out, and another process took it and answered.
			s.mu.Lock()
			defer s.mu.Unlock()
			s.m[key+":l"] = record{[]byte("another"), time.Now().Add(time.Minute)}
			s.m[key] = record{[]byte(`v{"a1":false}`), time.Now().Add(time.Minute)}
			return reply(200, completion(honest)), nil
		}}
		a := newAsker(t, m, s, nil)
		defer a.Close()
		key = a.unitOf(task(issue), everyType()).key
		for range 2 {
			if got := a.Ask(t.Context(), task(issue)); values(got.Answers) != "no ? ? ? ? ? ?" {
				t.Errorf("got %s", values(got.Answers))
			}
		}
	})
}

// TestGone: when all who wait have gone the call ends, and that is nobody's failure; who is still there gets the answer.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: func(ctx context.Context, _ asked) (*http.Response, error) {
			select {
			case <-time.After(time.Second):
				return reply(200, completion(honest)), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		a := newAsker(t, m, newFakeStore(), nil)
		defer a.Close()
		leaving := func() (Asked, chan struct{}) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			done := make(chan struct{})
			var got Asked
			go func() { got = a.Ask(ctx, task(issue)); close(done) }()
			<-done
			return got, done
		}
		if got, _ := leaving(); got.Answers[0].Reason != Gone {
			t.Errorf("who left got %+v", got.Answers[0])
		}
		synctest.Wait()
		if len(a.flights) != 0 || m.running != 0 {
			t.Error("the call goes on for nobody")
		}
		stays := make(chan Asked)
		go func() { stays <- a.Ask(t.Context(), task(issue)) }()
		time.Sleep(time.Millisecond)
		_, _ = leaving()
		if got := <-stays; !got.Answers[0].Known {
			t.Errorf("who stayed got %+v", got.Answers[0])
		}
		if n := len(m.calls()); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestStoreAway: without a store nothing is asked; and what it cannot keep does not count.
func TestStoreAway(t *testing.T) {
	m, s := says(honest), newFakeStore()
	a := newAsker(t, m, s, nil)
	s.setAway(store.ErrUnavailable)
	if got := a.Ask(t.Context(), task(issue)); got.Answers[0].Reason != NoStore || len(m.calls()) != 0 {
		t.Errorf("got %+v, %d calls", got.Answers[0], len(m.calls()))
	}
	s.setAway(nil)
	m.answer = func(context.Context, asked) (*http.Response, error) {
		s.setAway(store.ErrUnavailable)
		return reply(200, completion(honest)), nil
	}
	if got := a.Ask(t.Context(), task(issue)); got.Answers[0].Reason != NoStore {
		t.Errorf("got %+v", got.Answers[0])
	}
	s.setAway(nil)
	m.answer = says(honest).answer
	s.mu.Lock()
	clear(s.m) // the lock that could not be given back
	s.mu.Unlock()
	if got := a.Ask(t.Context(), task(issue)); !got.Answers[0].Known {
		t.Errorf("it did not recover: %+v", got.Answers[0])
	}
}

// TestForeignRecord: a record that is none of ours, or of another shape, is asked for again or unknown, never believed.
func TestForeignRecord(t *testing.T) {
	for value, want := range map[string]string{
		"": "yes", "v": "yes", "x": "yes", `v{"a1":1}`: "", `v{"a1":true,"b":1}`: "", "vprose": "", "flate": "",
	} {
		m, s := says(honest), newFakeStore()
		a := newAsker(t, m, s, nil)
		s.m[a.unitOf(task(issue), everyType()).key] = record{[]byte(value), time.Now().Add(time.Hour)}
		if got := a.Ask(t.Context(), task(issue)); got.Answers[0].Value != want {
			t.Errorf("%q: got %+v", value, got.Answers[0])
		}
	}
}

func TestMemory(t *testing.T) {
	m, now := newMemory[string](2), time.Now()
	for _, k := range []string{"a", "b", "a", "c"} {
		m.put(k, k, now.Add(time.Second))
	}
	for k, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, ok := m.get(k, now); ok != want {
			t.Errorf("%s: %v", k, ok)
		}
	}
	if _, ok := m.get("a", now.Add(time.Second)); ok || m.order.Len() != 1 {
		t.Error("what has run out is still there")
	}
}

// BenchmarkCached is twenty results whose answers this process knows.
func BenchmarkCached(b *testing.B) {
	a := newAsker(b, says(honest), newFakeStore(), nil)
	var tasks []Task
	for i := range 20 {
		t := task(issue)
		t.ContentHash[0] = byte(i)
		tasks = append(tasks, t)
	}
	a.AskAll(b.Context(), tasks)
	b.ReportAllocs()
	for b.Loop() {
		a.AskAll(b.Context(), tasks)
	}
}
