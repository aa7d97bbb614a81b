package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// TestConform runs one suite for every Store.
func TestConform(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t)
	nodes := storetest.StartCluster(t, 3)
	for _, c := range []struct {
		name string
		open func(t *testing.T) Store
	}{
		{"memory", func(*testing.T) Store { return Memory(MemoryConfig{}) }},
		{"sealed memory", func(*testing.T) Store { return Sealed(Memory(MemoryConfig{}), RandomKeys()) }},
		{"redis", func(t *testing.T) Store { return open(t, RedisConfig{URL: r.URL()}) }},
		{"sealed redis", func(t *testing.T) Store { return Sealed(open(t, RedisConfig{URL: r.URL()}), RandomKeys()) }},
		{"cluster", func(t *testing.T) Store { return open(t, RedisConfig{URL: storetest.ClusterURL(nodes)}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.open(t)
			for name, test := range map[string]func(*testing.T, Store, string){
				"records": conformRecords, "sets": conformSets, "take": conformTake, "reserve": conformReserve, "reserve at once": conformReserveAtOnce,
				"locks": conformLocks, "lock lost": conformLockLost, "count": conformCount, "expiry": conformExpiry, "batches": conformBatches,
				"one step": conformOneStep, "large": conformLarge,
				"board": conformBoard, "a full board": conformBoardFull, "board at once": conformBoardAtOnce, "board expiry": conformBoardExpiry,
			} {
				t.Run(name, func(t *testing.T) { test(t, s, newSlot()) })
			}
			if err := s.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// newSlot is that of a principal nobody else has.
func newSlot() string { return "{" + rand.Text() + "}" }

// open opens a Redis for a test.
func open(t testing.TB, c RedisConfig) Store {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second // the machine may be busy
	}
	s, err := Redis(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func do(t testing.TB, s Store, ops ...Op) {
	t.Helper()
	if err := s.Do(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
}

func conformRecords(t *testing.T, s Store, slot string) {
	put := &Put{Key: slot + "1", Value: []byte("v"), Next: slot + "next", TTL: time.Minute}
	again := &Put{Key: slot + "1", Value: []byte("w"), TTL: time.Minute, IfAbsent: true}
	get, none := &Get{Key: slot + "1", Follow: true}, &Get{Key: slot + "none", Follow: true}
	do(t, s, put, again, get, none)
	if !put.Stored || again.Stored || string(get.Value) != "v" || !get.Found || get.Next != slot+"next" || get.Followed != nil || get.Members != nil {
		t.Errorf("%+v %+v %+v", put, again, get)
	}
	if none.Found || none.Value != nil || none.Members != nil || none.Next != "" {
		t.Errorf("%+v", none)
	}
	do(t, s, &Put{Key: slot + "next", Value: []byte("n"), Next: slot + "1", TTL: time.Minute}, &Union{Key: slot + "next", Members: []string{"b", "a"}, TTL: time.Minute}, get)
	if string(get.Followed) != "n" || !slices.Equal(get.Members, []string{"a", "b"}) {
		t.Errorf("%+v", get)
	}
	plain := &Get{Key: slot + "1"}
	do(t, s, plain)
	if !plain.Found || plain.Next != slot+"next" || plain.Followed != nil || plain.Members != nil {
		t.Errorf("%+v", plain)
	}
	do(t, s, &Put{Key: slot + "1", TTL: time.Minute}, get)
	if !get.Found || len(get.Value) != 0 || get.Next != "" || get.Followed != nil || get.Members != nil {
		t.Errorf("an empty one: %+v", get)
	}
	do(t, s, &Delete{Key: slot + "1"}, &Delete{Key: slot + "none"}, get)
	if get.Found || get.Value != nil {
		t.Errorf("%+v", get)
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	do(t, s, &Put{Key: slot + "bytes", Value: every, TTL: time.Minute})
	if get := (&Get{Key: slot + "bytes"}); s.Do(t.Context(), get) != nil || !bytes.Equal(get.Value, every) {
		t.Errorf("%+v", get)
	}
}

func conformSets(t *testing.T, s Store, slot string) {
	members, nobody := &Members{Key: slot + "s"}, &Members{Key: slot + "none"}
	do(t, s, &Union{Key: slot + "s", Members: []string{"y", "x", "\x00\xff", ""}, TTL: time.Minute}, &Union{Key: slot + "s", Members: []string{"x", "z"}, TTL: time.Minute}, members, nobody)
	if !slices.Equal(members.Members, []string{"", "\x00\xff", "x", "y", "z"}) || !members.Found || nobody.Found || nobody.Members != nil {
		t.Errorf("%+v %+v", members, nobody)
	}
	get, put := &Get{Key: slot + "s"}, &Put{Key: slot + "s", Value: []byte("v"), TTL: time.Minute}
	do(t, s, get)
	if get.Found {
		t.Error("a set is read as a record")
	}
	do(t, s, put, &Take{Key: slot + "s"}, members)
	if len(members.Members) != 5 {
		t.Errorf("a record of the same key took members: %q", members.Members)
	}
	do(t, s, &Delete{Key: slot + "s"}, members)
	if members.Found || members.Members != nil {
		t.Errorf("%+v", members)
	}
	do(t, s, &Union{Key: slot + "e", TTL: time.Minute}, &Members{Key: slot + "e"})
}

func conformTake(t *testing.T, s Store, slot string) {
	take := &Take{Key: slot + "none"}
	if do(t, s, take); take.Found || take.Value != nil {
		t.Errorf("%+v", take)
	}
	for range 20 {
		do(t, s, &Put{Key: slot + "take", Value: []byte("v"), TTL: time.Minute})
		var got atomic.Int32
		at(20, func(int) {
			take := &Take{Key: slot + "take"}
			if err := s.Do(context.Background(), take); err != nil {
				t.Error(err)
			} else if take.Found && string(take.Value) == "v" {
				got.Add(1)
			}
		})
		if got.Load() != 1 {
			t.Errorf("taken %d times", got.Load())
		}
	}
}

// at runs n goroutines at once.
func at(n int, run func(i int)) {
	var wait sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			run(i)
		})
	}
	close(start)
	wait.Wait()
}

func conformReserve(t *testing.T, s Store, slot string) {
	counter := func(name string, limit int64) Counter {
		return Counter{Key: slot + name, Limit: limit, TTL: time.Minute}
	}
	r := &Reserve{Once: slot + "1", TTL: time.Minute, Amount: 90, Counters: []Counter{counter("small", 100), counter("large", 1000)}}
	do(t, s, r)
	if !r.Granted || r.Already || r.Counters[0].Total != 90 || r.Counters[1].Total != 90 {
		t.Errorf("%+v", r)
	}
	r = &Reserve{Once: slot + "2", TTL: time.Minute, Amount: 20, Counters: []Counter{counter("large", 1000), counter("small", 100)}}
	do(t, s, r)
	if r.Granted || r.Already || r.Counters[0].Total != 90 || r.Counters[1].Total != 90 {
		t.Errorf("all or none: %+v", r)
	}
	r.Counters = r.Counters[:1]
	if do(t, s, r); r.Granted || !r.Already {
		t.Errorf("a refusal is remembered: %+v", r)
	}
	r.Once = slot + "3"
	if do(t, s, r, r); !r.Granted || !r.Already || r.Counters[0].Total != 110 {
		t.Errorf("the same again costs nothing: %+v", r)
	}
	for name, c := range map[string]struct {
		amount, limit int64
		granted       bool
	}{
		"gives back":        {-1, 1000, false},
		"to the limit":      {890, 1000, true},
		"beyond":            {1, 1000, false},
		"nothing at all":    {0, 1000, true},
		"nothing, too late": {0, 999, false},
		"overflows":         {1<<63 - 1, 1<<63 - 1, false},
		"least":             {-1 << 63, 1<<63 - 1, false},
		"below zero":        {1, -1, false},
	} {
		do(t, s, &Delete{Key: slot + "c"}, &Delete{Key: slot + "o"},
			&Reserve{Once: slot + "before" + name, TTL: time.Minute, Amount: 110, Counters: []Counter{counter("c", 1000)}})
		if name == "beyond" || name == "nothing at all" || name == "nothing, too late" {
			do(t, s, &Reserve{Once: slot + "more" + name, TTL: time.Minute, Amount: 890, Counters: []Counter{counter("c", 1000)}})
		}
		r := &Reserve{Once: slot + "o", TTL: time.Minute, Amount: c.amount, Counters: []Counter{counter("c", c.limit)}}
		if do(t, s, r); r.Granted != c.granted {
			t.Errorf("%s: %+v", name, r)
		}
	}
	exact := &Reserve{Once: slot + "exact0", TTL: time.Minute, Amount: MaxAmount - 1, Counters: []Counter{counter("exact", 1<<62)}}
	one := &Reserve{Once: slot + "exact1", TTL: time.Minute, Amount: 1, Counters: []Counter{counter("exact", 1<<62)}}
	over := &Reserve{Once: slot + "exact2", TTL: time.Minute, Amount: 1, Counters: []Counter{counter("exact", 1<<62)}}
	if do(t, s, exact, one, over); !exact.Granted || !one.Granted || over.Granted || one.Counters[0].Total != MaxAmount {
		t.Errorf("%+v %+v %+v", exact, one, over)
	}
}

func conformReserveAtOnce(t *testing.T, s Store, slot string) {
	var granted atomic.Int32
	at(50, func(i int) {
		r := &Reserve{Once: slot + "once" + strconv.Itoa(i), TTL: time.Minute, Amount: 10, Counters: []Counter{
			{Key: slot + "large", Limit: 1000, TTL: time.Minute}, {Key: slot + "small", Limit: 100, TTL: time.Minute},
		}}
		if err := s.Do(context.Background(), r); err != nil {
			t.Error(err)
		} else if r.Granted {
			granted.Add(1)
		}
	})
	look := &Reserve{Once: slot + "look", TTL: time.Minute, Counters: []Counter{{Key: slot + "large", Limit: 1000, TTL: time.Minute}}}
	if do(t, s, look); granted.Load() != 10 || look.Counters[0].Total != 100 {
		t.Errorf("granted %d times, %d in all", granted.Load(), look.Counters[0].Total)
	}
	granted.Store(0)
	at(20, func(int) {
		r := &Reserve{Once: slot + "same", TTL: time.Minute, Amount: 1, Counters: []Counter{{Key: slot + "same counter", Limit: 100, TTL: time.Minute}}}
		if err := s.Do(context.Background(), r); err != nil {
			t.Error(err)
		} else if r.Granted && !r.Already {
			granted.Add(1)
		}
	})
	if granted.Load() != 1 {
		t.Errorf("one reservation was made %d times", granted.Load())
	}
}

func conformLocks(t *testing.T, s Store, slot string) {
	lock := slot + "lock"
	mine, other := &Lock{Key: lock, Owner: "me", TTL: time.Minute}, &Lock{Key: lock, Owner: "you", TTL: time.Minute}
	put := func(owner, value string) *PutOwned {
		return &PutOwned{Lock: lock, Owner: owner, Key: slot + "result", Value: []byte(value), TTL: time.Minute}
	}
	again, stolen, first, second, get := &Lock{Key: lock, Owner: "me", TTL: time.Minute}, put("you", "no"), put("me", "yes"), put("me", "no"), &Get{Key: slot + "result"}
	do(t, s, mine, other, again, stolen, first, second, get)
	if !mine.Got || other.Got || !again.Got || stolen.Stored || !first.Stored || second.Stored || string(get.Value) != "yes" {
		t.Errorf("%+v %+v %+v %+v %+v %+v", mine, other, stolen, first, second, get)
	}
	if do(t, s, other); !other.Got {
		t.Error("a lock that was given back is not to be had")
	}
	var got atomic.Int32
	at(20, func(i int) {
		l := &Lock{Key: slot + "race", Owner: strconv.Itoa(i), TTL: time.Minute}
		if err := s.Do(context.Background(), l); err != nil {
			t.Error(err)
		} else if l.Got {
			got.Add(1)
		}
	})
	if got.Load() != 1 {
		t.Errorf("%d hold the lock", got.Load())
	}
}

// conformLockLost: who was too slow does not overwrite what the next owner wrote, nor give the next owner's lock back.
func conformLockLost(t *testing.T, s Store, slot string) {
	slow, next := &Lock{Key: slot + "l", Owner: "slow", TTL: 50 * time.Millisecond}, &Lock{Key: slot + "l", Owner: "next", TTL: time.Minute}
	do(t, s, slow)
	for deadline := time.Now().Add(10 * time.Second); !next.Got && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		do(t, s, next)
	}
	late := &PutOwned{Lock: slot + "l", Owner: "slow", Key: slot + "r", Value: []byte("late"), TTL: time.Minute}
	put := &PutOwned{Lock: slot + "l", Owner: "next", Key: slot + "r", Value: []byte("good"), TTL: time.Minute}
	get := &Get{Key: slot + "r"}
	if do(t, s, late, get); !slow.Got || !next.Got || late.Stored || get.Found {
		t.Errorf("%+v %+v %+v %+v", slow, next, late, get)
	}
	if do(t, s, put, late, get); !put.Stored || late.Stored || string(get.Value) != "good" {
		t.Errorf("%+v %+v %+v", put, late, get)
	}
}

func conformCount(t *testing.T, s Store, slot string) {
	began := time.Now().Add(-time.Minute).UnixMilli()
	first, second := &Incr{Key: slot + "e", By: 1, TTL: time.Hour}, &Incr{Key: slot + "e", By: 1e9, TTL: time.Hour}
	if do(t, s, first, second); first.Value < began || second.Value < first.Value+1e9 {
		t.Errorf("%d %d", first.Value, second.Value)
	}
	third := &Incr{Key: slot + "e", By: 1, TTL: time.Hour}
	if do(t, s, third); third.Value != second.Value+1 {
		t.Errorf("%d after %d", third.Value, second.Value)
	}
	var seen sync.Map
	at(20, func(int) {
		i := &Incr{Key: slot + "e", By: 1, TTL: time.Hour}
		if err := s.Do(context.Background(), i); err != nil {
			t.Error(err)
		} else if _, twice := seen.LoadOrStore(i.Value, true); twice {
			t.Errorf("%d twice", i.Value)
		}
	})
}

func conformExpiry(t *testing.T, s Store, slot string) {
	const short = 300 * time.Millisecond
	counters := func(ttl time.Duration) []Counter { return []Counter{{Key: slot + "c", Limit: 5, TTL: ttl}} }
	do(t, s,
		&Put{Key: slot + "k", Value: []byte("v"), TTL: short}, &Union{Key: slot + "gone", Members: []string{"m"}, TTL: short},
		&Union{Key: slot + "kept", Members: []string{"m"}, TTL: time.Minute}, &Union{Key: slot + "kept", Members: []string{"n"}, TTL: short},
		&Union{Key: slot + "longer", Members: []string{"m"}, TTL: short}, &Union{Key: slot + "longer", Members: []string{"n"}, TTL: time.Minute},
		&Lock{Key: slot + "l", Owner: "me", TTL: short},
		&Reserve{Once: slot + "o1", TTL: short, Amount: 4, Counters: counters(short)},
		&Reserve{Once: slot + "o2", TTL: time.Minute, Amount: 1, Counters: counters(time.Minute)})
	time.Sleep(2 * short)
	get, put := &Get{Key: slot + "k"}, &PutOwned{Lock: slot + "l", Owner: "me", Key: slot + "r", TTL: time.Minute}
	gone, kept, longer := &Members{Key: slot + "gone"}, &Members{Key: slot + "kept"}, &Members{Key: slot + "longer"}
	again := &Reserve{Once: slot + "o1", TTL: time.Minute, Amount: 4, Counters: counters(time.Minute)}
	if do(t, s, get, put, gone, kept, longer, again); get.Found || put.Stored || gone.Found {
		t.Errorf("%+v %+v %+v", get, put, gone)
	}
	if len(kept.Members) != 2 || len(longer.Members) != 2 {
		t.Errorf("a set lost members: %q %q", kept.Members, longer.Members)
	}
	if !again.Granted || again.Already || again.Counters[0].Total != 4 {
		t.Errorf("a counter lives from its first reservation on: %+v", again)
	}
}

func conformBatches(t *testing.T, s Store, slot string) {
	if err := s.Do(t.Context()); err != nil {
		t.Error(err)
	}
	for name, ops := range map[string][]Op{
		"no slot":        {&Get{Key: "k"}},
		"an empty slot":  {&Get{Key: "{}k"}},
		"no end":         {&Get{Key: "{a"}},
		"two slots":      {&Put{Key: slot + "never", TTL: time.Minute}, &Get{Key: "{other}k"}},
		"next elsewhere": {&Put{Key: slot + "never", Next: "{other}k", TTL: time.Minute}},
		"a lock of another": {
			&Lock{Key: slot + "never", Owner: "me", TTL: time.Minute},
			&PutOwned{Lock: "{other}l", Key: slot + "never", Owner: "me", TTL: time.Minute},
		},
		"a counter of another":  {&Reserve{Once: slot + "never", TTL: time.Minute, Counters: []Counter{{Key: "{other}c", TTL: time.Minute}}}},
		"expires at once":       {&Put{Key: slot + "never"}},
		"expires before":        {&Union{Key: slot + "never", TTL: -time.Second}},
		"a counter without end": {&Reserve{Once: slot + "never", TTL: time.Minute, Counters: []Counter{{Key: slot + "c"}}}},
		"a zero byte":           {&Put{Key: slot + "never\x00", TTL: time.Minute}},
		"too long":              {&Put{Key: slot + strings.Repeat("k", maxKey), TTL: time.Minute}},
		"counts down":           {&Incr{Key: slot + "never", By: -1, TTL: time.Minute}},
	} {
		if err := s.Do(t.Context(), ops...); !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if get := (&Get{Key: slot + "never"}); s.Do(t.Context(), get) != nil || get.Found {
		t.Error("a part of a refused batch was done")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Do(ctx, &Get{Key: slot + "k"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("cancelled: %v", err)
	}
}

// conformOneStep: no batch comes between the operations of another.
func conformOneStep(t *testing.T, s Store, slot string) {
	at(10, func(i int) {
		for n := range 20 {
			v := []byte(strconv.Itoa(i*1000 + n))
			one, two := &Get{Key: slot + "1"}, &Get{Key: slot + "2"}
			if err := s.Do(context.Background(), &Put{Key: slot + "1", Value: v, TTL: time.Minute}, one, &Put{Key: slot + "2", Value: v, TTL: time.Minute}); err != nil {
				t.Error(err)
			}
			if err := s.Do(context.Background(), one, two); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(one.Value, two.Value) {
				t.Errorf("%q beside %q", one.Value, two.Value)
			}
		}
	})
}

func conformLarge(t *testing.T, s Store, slot string) {
	const n = 3000
	ops := make([]Op, 0, 2*n)
	members := make([]string, n)
	for i := range n {
		members[i] = strconv.Itoa(i)
		ops = append(ops, &Put{Key: slot + strconv.Itoa(i), Value: []byte(strconv.Itoa(i)), TTL: time.Minute, Next: slot + "set"})
	}
	ops = append(ops, &Union{Key: slot + "set", Members: members, TTL: time.Minute})
	for i := range n {
		ops = append(ops, &Get{Key: slot + strconv.Itoa(i)})
	}
	follow, big := &Get{Key: slot + "7", Follow: true}, bytes.Repeat([]byte("x"), 2<<20)
	get := &Get{Key: slot + "big"}
	do(t, s, append(ops, follow, &Put{Key: slot + "big", Value: big, TTL: time.Minute}, get)...)
	for i := range n {
		if g := ops[n+1+i].(*Get); string(g.Value) != strconv.Itoa(i) {
			t.Fatalf("%d: %+v", i, g)
		}
	}
	if len(follow.Members) != n || !bytes.Equal(get.Value, big) {
		t.Errorf("%d members, %d bytes", len(follow.Members), len(get.Value))
	}
}
