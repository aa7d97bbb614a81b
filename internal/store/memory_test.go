package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func do(t *testing.T, s Store, ops ...Op) {
	t.Helper()
	if err := s.Do(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
}

// conform is what every Store does.
func conform(t *testing.T, s Store) {
	t.Run("records", func(t *testing.T) {
		put := &Put{Key: "{a}1", Value: []byte("v"), Next: "{a}next", TTL: time.Minute}
		again := &Put{Key: "{a}1", Value: []byte("w"), TTL: time.Minute, IfAbsent: true}
		get, none := &Get{Key: "{a}1", Follow: true}, &Get{Key: "{a}none", Follow: true}
		do(t, s, &Union{Key: "{a}next", Members: []string{"y", "x"}, TTL: time.Minute}, &Union{Key: "{a}next", Members: []string{"x", "z"}, TTL: time.Minute}, put, again, get, none)
		if !put.Stored || again.Stored || string(get.Value) != "v" || !get.Found || get.Next != "{a}next" {
			t.Errorf("%+v %+v", put, get)
		}
		slices.Sort(get.Members)
		if !slices.Equal(get.Members, []string{"x", "y", "z"}) || none.Found || none.Value != nil || none.Members != nil {
			t.Errorf("%+v %+v", get, none)
		}
		members, nobody := &Members{Key: "{a}next"}, &Members{Key: "{a}none"}
		do(t, s, members, nobody)
		if !members.Found || len(members.Members) != 3 || nobody.Found {
			t.Errorf("%+v %+v", members, nobody)
		}
		do(t, s, &Delete{Key: "{a}1"}, get)
		if get.Found || get.Value != nil || get.Members != nil {
			t.Errorf("%+v", get)
		}
	})
	t.Run("take", func(t *testing.T) {
		do(t, s, &Put{Key: "{a}take", Value: []byte("v"), TTL: time.Minute})
		var got atomic.Int32
		var wait sync.WaitGroup
		for range 50 {
			wait.Go(func() {
				take := &Take{Key: "{a}take"}
				if err := s.Do(context.Background(), take); err == nil && take.Found && string(take.Value) == "v" {
					got.Add(1)
				}
			})
		}
		wait.Wait()
		if got.Load() != 1 {
			t.Errorf("taken %d times", got.Load())
		}
	})
	t.Run("reserve", func(t *testing.T) {
		var granted atomic.Int32
		var wait sync.WaitGroup
		for i := range 50 {
			wait.Go(func() {
				r := &Reserve{Once: "{a}once" + strconv.Itoa(i), TTL: time.Minute, Amount: 10, Counters: []Counter{{Key: "{a}small", Limit: 100, TTL: time.Minute}, {Key: "{a}large", Limit: 1000, TTL: time.Minute}}}
				if err := s.Do(context.Background(), r); err == nil && r.Granted {
					granted.Add(1)
				}
			})
		}
		wait.Wait()
		if granted.Load() != 10 {
			t.Errorf("granted %d times", granted.Load())
		}
		r := &Reserve{Once: "{a}more", TTL: time.Minute, Amount: 10, Counters: []Counter{{Key: "{a}large", Limit: 1000, TTL: time.Minute}, {Key: "{a}small", Limit: 100, TTL: time.Minute}}}
		do(t, s, r)
		if r.Granted || r.Already || r.Counters[0].Total != 100 {
			t.Errorf("all or none: %+v", r)
		}
		r.Counters = r.Counters[:1]
		do(t, s, r)
		if r.Granted || !r.Already {
			t.Errorf("a refusal is remembered: %+v", r)
		}
		r.Once = "{a}other"
		do(t, s, r, r)
		if !r.Granted || !r.Already || r.Counters[0].Total != 110 {
			t.Errorf("the same again costs nothing: %+v", r)
		}
		bad := &Reserve{Once: "{a}bad", TTL: time.Minute, Amount: -1, Counters: []Counter{{Key: "{a}large", Limit: 1000, TTL: time.Minute}}}
		if do(t, s, bad); bad.Granted {
			t.Error("a reservation gives back")
		}
	})
	t.Run("locks", func(t *testing.T) {
		mine, other := &Lock{Key: "{a}lock", Owner: "me", TTL: time.Minute}, &Lock{Key: "{a}lock", Owner: "you", TTL: time.Minute}
		stolen := &PutOwned{Lock: "{a}lock", Owner: "you", Key: "{a}result", Value: []byte("no"), TTL: time.Minute}
		put := &PutOwned{Lock: "{a}lock", Owner: "me", Key: "{a}result", Value: []byte("yes"), TTL: time.Minute}
		again := &PutOwned{Lock: "{a}lock", Owner: "me", Key: "{a}result", Value: []byte("no"), TTL: time.Minute}
		get := &Get{Key: "{a}result"}
		do(t, s, mine, other, stolen, put, again, get)
		if !mine.Got || other.Got || stolen.Stored || !put.Stored || again.Stored || string(get.Value) != "yes" {
			t.Errorf("%+v %+v %+v %+v %+v %+v", mine, other, stolen, put, again, get)
		}
		do(t, s, other)
		if !other.Got {
			t.Error("a lock that was given back is not to be had")
		}
	})
}

func TestMemory(t *testing.T) { conform(t, Memory(MemoryConfig{})) }

func TestMemoryExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Memory(MemoryConfig{}).(*memory)
		counter := func(once string) *Reserve {
			return &Reserve{Once: once, TTL: time.Hour, Amount: 5, Counters: []Counter{{Key: "{a}c", Limit: 5, TTL: time.Minute}}}
		}
		r, get, lock := counter("{a}1"), &Get{Key: "{a}k"}, &Lock{Key: "{a}l", Owner: "me", TTL: time.Minute}
		do(t, s, &Put{Key: "{a}k", Value: []byte("v"), TTL: time.Minute}, lock, r)
		time.Sleep(59 * time.Second)
		late := counter("{a}2")
		if do(t, s, get, late); !get.Found || late.Granted {
			t.Errorf("%+v %+v", get, late)
		}
		time.Sleep(time.Second)
		late = counter("{a}3")
		put := &PutOwned{Lock: "{a}l", Owner: "me", Key: "{a}r", TTL: time.Minute}
		if do(t, s, get, late, put); get.Found || !late.Granted || put.Stored {
			t.Errorf("%+v %+v %+v", get, late, put)
		}
		time.Sleep(2 * time.Hour)
		do(t, s, get)
		if len(s.all) != 0 || len(s.order) != 0 || s.held != 0 || len(s.slots) != 0 {
			t.Errorf("%d records, %d bytes stay", len(s.all), s.held)
		}
	})
}

// TestMemoryQuota: who holds too much is refused, and nothing of anybody is forgotten for it.
func TestMemoryQuota(t *testing.T) {
	s := Memory(MemoryConfig{Bytes: 1 << 20, SlotBytes: 1 << 16})
	do(t, s, &Put{Key: "{b}k", Value: []byte("v"), TTL: time.Hour})
	value, refused := []byte(strings.Repeat("x", 1000)), 0
	for i := range 200 {
		if err := s.Do(t.Context(), &Put{Key: "{a}" + strconv.Itoa(i), Value: value, TTL: time.Hour}); errors.Is(err, ErrQuota) {
			refused++
		}
	}
	first, other := &Get{Key: "{a}0"}, &Get{Key: "{b}k"}
	do(t, s, first, other, &Put{Key: "{b}l", Value: value, TTL: time.Hour})
	if refused < 100 || refused > 160 || !first.Found || !other.Found {
		t.Errorf("%d refused, %v %v", refused, first.Found, other.Found)
	}
}

func TestMemoryCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Memory(MemoryConfig{}).Do(ctx, &Get{Key: "{a}k"}); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}
