package store

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
	do(t, s, first)
	do(t, s, other, &Put{Key: "{b}l", Value: value, TTL: time.Hour})
	if refused < 100 || refused > 160 || !first.Found || !other.Found {
		t.Errorf("%d refused, %v %v", refused, first.Found, other.Found)
	}
}
