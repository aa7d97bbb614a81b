package store

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// TestAlike: whatever batches are run, the stores answer alike.
func TestAlike(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t)
	shared := open(t, RedisConfig{URL: r.URL()})
	rapid.Check(t, func(rt *rapid.T) {
		stores := []Store{Memory(MemoryConfig{}), Sealed(Memory(MemoryConfig{}), RandomKeys()), shared, Sealed(shared, RandomKeys())}
		slots := []string{newSlot(), newSlot(), newSlot(), newSlot()}
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			make := batch(rt)
			var first []Op
			for i, s := range stores {
				ops := make(slots[i])
				if err := s.Do(t.Context(), ops...); err != nil {
					rt.Fatalf("store %d: %v", i, err)
				}
				if i == 0 {
					first = ops
					continue
				}
				for n := range ops {
					if want, got := plain(first[n], slots[0]), plain(ops[n], slots[i]); !reflect.DeepEqual(want, got) {
						rt.Fatalf("store %d, operation %d: %+v, want %+v", i, n, got, want)
					}
				}
			}
		}
	})
}

// batch draws a batch, and gives it for any slot.
func batch(rt *rapid.T) func(slot string) []Op {
	var makers []func(slot string) Op
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	value := rapid.SliceOfN(rapid.Byte(), 0, 5)
	owner := rapid.SampledFrom([]string{"me", "you"})
	amount := rapid.Int64Range(-1, 8)
	for range rapid.IntRange(1, 6).Draw(rt, "operations") {
		n, v, w, a, yes := name.Draw(rt, "name"), value.Draw(rt, "value"), owner.Draw(rt, "owner"), amount.Draw(rt, "amount"), rapid.Bool().Draw(rt, "flag")
		other := name.Draw(rt, "other")
		// What differs in kind stands under keys that differ, except a record and a set.
		makers = append(makers, rapid.SampledFrom([]func(slot string) Op{
			func(slot string) Op { return &Get{Key: slot + n, Follow: yes} },
			func(slot string) Op {
				return &Put{Key: slot + n, Value: v, Next: slot + other, TTL: time.Hour, IfAbsent: yes}
			},
			func(slot string) Op { return &Put{Key: slot + n, Value: v, TTL: time.Hour} },
			func(slot string) Op { return &Take{Key: slot + n} },
			func(slot string) Op { return &Delete{Key: slot + n} },
			func(slot string) Op {
				return &Union{Key: slot + n, Members: []string{string(v), other}, TTL: time.Hour}
			},
			func(slot string) Op { return &Members{Key: slot + n} },
			func(slot string) Op {
				return &Reserve{Once: slot + "once" + n, Amount: a, TTL: time.Hour, Counters: []Counter{
					{Key: slot + "count" + other, Limit: 20, TTL: time.Hour}, {Key: slot + "count", Limit: 30, TTL: time.Hour},
				}}
			},
			func(slot string) Op { return &Lock{Key: slot + "lock" + n, Owner: w, TTL: time.Hour} },
			func(slot string) Op {
				return &PutOwned{Lock: slot + "lock" + n, Owner: w, Key: slot + other, Value: v, TTL: time.Hour}
			},
			func(slot string) Op { return &Delete{Key: slot + "lock" + n} },
			func(slot string) Op {
				return &Raise{Key: slot + "board", Mark: n + other, Value: a + 2, Most: 3, TTL: time.Hour}
			},
			func(slot string) Op { return &Marks{Key: slot + "board", Limit: 9, TTL: time.Hour} },
		}).Draw(rt, "operation"))
	}
	return func(slot string) []Op {
		out := make([]Op, len(makers))
		for i, m := range makers {
			out[i] = m(slot)
		}
		return out
	}
}

// plain is what came of an operation, without its slot.
func plain(op Op, slot string) any {
	switch o := op.(type) {
	case *Get:
		return []any{o.Value, o.Found, string(bytes.TrimPrefix([]byte(o.Next), []byte(slot))), o.Followed, append([]string{}, o.Members...)}
	case *Put:
		return o.Stored
	case *Take:
		return []any{o.Value, o.Found}
	case *Members:
		return []any{append([]string{}, o.Members...), o.Found}
	case *Reserve:
		out := []any{o.Granted, o.Already}
		for _, c := range o.Counters {
			out = append(out, c.Total)
		}
		return out
	case *Lock:
		return o.Got
	case *PutOwned:
		return o.Stored
	case *Raise:
		return o.Raised
	case *Marks:
		out := []any{o.Count, o.Lost > 0}
		for _, k := range o.Marks {
			out = append(out, k.Name, k.Value)
		}
		return out
	}
	return nil
}
