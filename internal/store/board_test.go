package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

func marks(t testing.TB, s Store, key string, after int64) *Marks {
	t.Helper()
	m := &Marks{Key: key, After: after, Limit: 100, TTL: time.Hour}
	do(t, s, m)
	return m
}

func names(m *Marks) (out []string) {
	for _, k := range m.Marks {
		out = append(out, k.Name+"="+strconv.FormatInt(k.Value, 10))
	}
	return out
}

func conformBoard(t *testing.T, s Store, slot string) {
	began := time.Now().Add(-time.Minute).UnixMilli()
	empty := marks(t, s, slot+"b", 0)
	if empty.Born < began || empty.Last < empty.Born || empty.Count != 0 || empty.Lost != 0 || len(empty.Marks) != 0 {
		t.Errorf("%+v", empty)
	}
	raise := func(mark string, value int64) *Raise {
		return &Raise{Key: slot + "b", Mark: mark, Value: value, Most: 100, TTL: time.Hour}
	}
	a, b, low, same := raise("a", 5), raise("b", 1<<52), raise("a", 4), raise("a", 5)
	do(t, s, a, b, low, same)
	if !a.Raised || !b.Raised || low.Raised || same.Raised {
		t.Errorf("%+v %+v %+v %+v", a, b, low, same)
	}
	all := marks(t, s, slot+"b", empty.Last)
	if got := names(all); !slices.Equal(got, []string{"a=5", "b=4503599627370496"}) || all.Born != empty.Born || all.Count != 2 || all.Last != all.Marks[1].Number {
		t.Errorf("%+v", all)
	}
	if again := marks(t, s, slot+"b", all.Last); len(again.Marks) != 0 || again.Last != all.Last || again.Count != 2 {
		t.Errorf("%+v", again)
	}
	do(t, s, raise("a", 6), raise("c\x00 \xff", 1))
	next := marks(t, s, slot+"b", all.Last)
	if got := names(next); !slices.Equal(got, []string{"a=6", "c\x00 \xff=1"}) || next.Marks[0].Number <= all.Last {
		t.Errorf("%+v", next)
	}
	page := &Marks{Key: slot + "b", Limit: 2, TTL: time.Hour}
	do(t, s, page)
	rest := marks(t, s, slot+"b", page.Marks[1].Number)
	if got := append(names(page), names(rest)...); !slices.Equal(got, []string{"b=4503599627370496", "a=6", "c\x00 \xff=1"}) {
		t.Errorf("in pages: %q", got)
	}
	// A record and a set under the same key know nothing of it.
	get := &Get{Key: slot + "b"}
	do(t, s, &Put{Key: slot + "b", Value: []byte("v"), TTL: time.Minute}, &Union{Key: slot + "b", Members: []string{"m"}, TTL: time.Minute}, &Delete{Key: slot + "b"}, get)
	if after := marks(t, s, slot+"b", 0); get.Found || after.Count != 3 || after.Born != empty.Born {
		t.Errorf("%+v %+v", get, after)
	}
}

// conformBoardFull: what makes room is told of.
func conformBoardFull(t *testing.T, s Store, slot string) {
	var numbers []int64
	for i := range 5 {
		do(t, s, &Raise{Key: slot + "b", Mark: strconv.Itoa(i), Value: 1, Most: 3, TTL: time.Hour})
		numbers = append(numbers, marks(t, s, slot+"b", 0).Last)
	}
	m := marks(t, s, slot+"b", 0)
	if !slices.Equal(names(m), []string{"2=1", "3=1", "4=1"}) || m.Lost != numbers[1] || m.Count != 3 {
		t.Errorf("%+v, of %d", m, numbers)
	}
	do(t, s, &Raise{Key: slot + "b", Mark: "2", Value: 2, Most: 3, TTL: time.Hour}, &Raise{Key: slot + "b", Mark: "new", Value: 2, Most: 3, TTL: time.Hour})
	if m = marks(t, s, slot+"b", 0); !slices.Equal(names(m), []string{"4=1", "2=2", "new=2"}) || m.Lost != numbers[3] {
		t.Errorf("%+v, of %d", m, numbers)
	}
}

func conformBoardAtOnce(t *testing.T, s Store, slot string) {
	at(20, func(i int) {
		if err := s.Do(context.Background(), &Raise{Key: slot + "b", Mark: strconv.Itoa(i), Value: 1, Most: 100, TTL: time.Hour}, &Raise{Key: slot + "b", Mark: "one", Value: int64(i + 1), Most: 100, TTL: time.Hour}); err != nil {
			t.Error(err)
		}
	})
	m := marks(t, s, slot+"b", 0)
	seen := map[int64]bool{}
	for _, k := range m.Marks {
		if seen[k.Number] || k.Name == "one" && k.Value != 20 {
			t.Errorf("%+v", k)
		}
		seen[k.Number] = true
	}
	if len(seen) != 21 {
		t.Errorf("%d marks", len(seen))
	}
}

// conformBoardExpiry: a mark goes when its time is over, and so does a board that nobody looks at; each says so.
func conformBoardExpiry(t *testing.T, s Store, slot string) {
	const short = 200 * time.Millisecond
	do(t, s, &Raise{Key: slot + "b", Mark: "old", Value: 1, Most: 9, TTL: short})
	before := marks(t, s, slot+"b", 0) // it lives on
	waitUntil(t, func() bool {
		do(t, s, &Raise{Key: slot + "b", Mark: "new", Value: time.Now().UnixMilli(), Most: 9, TTL: short})
		return marks(t, s, slot+"b", 0).Count == 1
	})
	after := marks(t, s, slot+"b", 0)
	if after.Born != before.Born || after.Lost != before.Last || after.Marks[0].Name != "new" {
		t.Errorf("%+v after %+v", after, before)
	}
	do(t, s, &Raise{Key: slot + "b", Mark: "last", Value: 1, Most: 9, TTL: short})
	waitUntil(t, func() bool {
		m := &Marks{Key: slot + "b", Limit: 1, TTL: time.Millisecond}
		do(t, s, m)
		return m.Born > after.Born && m.Count == 0
	})
}

func waitUntil(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time")
		}
	}
}

func TestBoardRefuses(t *testing.T) {
	for name, op := range map[string]Op{
		"no slot":        &Raise{Key: "b", Mark: "m", Value: 1, Most: 1, TTL: time.Hour},
		"no value":       &Raise{Key: "{a}b", Mark: "m", Most: 1, TTL: time.Hour},
		"too much":       &Raise{Key: "{a}b", Mark: "m", Value: MaxAmount + 1, Most: 1, TTL: time.Hour},
		"none":           &Raise{Key: "{a}b", Mark: "m", Value: 1, TTL: time.Hour},
		"at once":        &Raise{Key: "{a}b", Mark: "m", Value: 1, Most: 1},
		"no limit":       &Marks{Key: "{a}b", TTL: time.Hour},
		"before it":      &Marks{Key: "{a}b", After: -1, Limit: 1, TTL: time.Hour},
		"read at once":   &Marks{Key: "{a}b", Limit: 1},
		"read elsewhere": &Marks{Key: "b", Limit: 1, TTL: time.Hour},
	} {
		if err := Memory(MemoryConfig{}).Do(t.Context(), op); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestBoardLost: a Redis that forgot has a board that was born later, and numbers above those before.
func TestBoardLost(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t)
	s := open(t, RedisConfig{URL: r.URL()})
	do(t, s, &Raise{Key: "{a}b", Mark: "m", Value: 1, Most: 9, TTL: time.Hour})
	before := marks(t, s, "{a}b", 0)
	waitUntil(t, func() bool { return time.Now().UnixMilli() > before.Last })
	r.Flush()
	after := marks(t, s, "{a}b", before.Last)
	if after.Born <= before.Last || after.Count != 0 || after.Last < after.Born {
		t.Errorf("%+v after %+v", after, before)
	}
}

// TestBoardClock: numbers are times, and go on when the clock goes back.
func TestBoardClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Memory(MemoryConfig{})
		for i := range 3 {
			do(t, s, &Raise{Key: "{a}b", Mark: fmt.Sprint(i), Value: 1, Most: 9, TTL: time.Hour})
		}
		m := marks(t, s, "{a}b", 0)
		for i, k := range m.Marks {
			if k.Number != m.Born+int64(i)+1 {
				t.Errorf("%+v", m)
			}
		}
		time.Sleep(time.Minute)
		do(t, s, &Raise{Key: "{a}b", Mark: "later", Value: 1, Most: 9, TTL: time.Hour})
		if last := marks(t, s, "{a}b", 0).Last; last != time.Now().UnixMilli() {
			t.Errorf("%d", last)
		}
	})
}

// TestBoardReply: a reply of another shape is an error, never an empty board.
func TestBoardReply(t *testing.T) {
	for name, reply := range map[string]any{
		"nothing": nil, "short": []any{"1", "1", "0"}, "unborn": []any{"0", "1", "0", int64(0)}, "no number": []any{"1", "x", "0", int64(0)},
		"half a mark": []any{"1", "1", "0", int64(1), "m"}, "no value": []any{"1", "1", "0", int64(1), "m", nil, "9"},
		"zero": []any{"1", "1", "0", int64(1), "m", "0", "9"}, "a known one": []any{"1", "1", "0", int64(1), "m", "1", "5"},
	} {
		if err := (&Marks{After: 5}).result(reply); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
