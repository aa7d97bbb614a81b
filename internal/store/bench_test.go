package store

import (
	"strconv"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// BenchmarkDo is one half exchange of a conversation: what is looked up, and what is written down.
func BenchmarkDo(b *testing.B) {
	r := storetest.Start(b)
	shared := open(b, RedisConfig{URL: r.URL(), SlotBytes: 1 << 40})
	keys := RandomKeys()
	for _, s := range []struct {
		name string
		s    Store
	}{
		{"memory", Memory(MemoryConfig{Bytes: 1 << 40})},
		{"sealed-memory", Sealed(Memory(MemoryConfig{Bytes: 1 << 40}), keys)},
		{"redis", shared},
		{"sealed-redis", Sealed(shared, keys)},
	} {
		value := make([]byte, 300)
		for _, c := range []struct {
			name string
			ops  func(slot string, i int) []Op
		}{
			{"get1", func(slot string, i int) []Op { return []Op{&Get{Key: slot + strconv.Itoa(i%50)}} }},
			{"lookup40", func(slot string, _ int) []Op {
				ops := make([]Op, 40)
				for n := range ops {
					ops[n] = &Get{Key: slot + strconv.Itoa(n), Follow: n == 0}
				}
				return ops
			}},
			{"release5", func(slot string, i int) []Op {
				var ops []Op
				for n := range 4 {
					ops = append(ops, &Put{Key: slot + "w" + strconv.Itoa(i%1000*4+n), Value: value, Next: slot + "set", TTL: time.Hour})
				}
				return append(ops, &Union{Key: slot + "set", Members: []string{"untrusted/internal", "source:github"}, TTL: time.Hour})
			}},
			{"reserve2", func(slot string, i int) []Op {
				c := func() []Counter {
					return []Counter{{Key: slot + "a", Limit: 1 << 50, TTL: time.Hour}, {Key: slot + "b", Limit: 1 << 50, TTL: time.Hour}, {Key: slot + "c", Limit: 1 << 50, TTL: time.Hour}}
				}
				return []Op{
					&Reserve{Once: slot + "o" + strconv.Itoa(i%1000), TTL: time.Hour, Amount: 1, Counters: c()},
					&Reserve{Once: slot + "p" + strconv.Itoa(i%1000), TTL: time.Hour, Amount: 1, Counters: c()},
				}
			}},
		} {
			b.Run(s.name+"/"+c.name, func(b *testing.B) {
				slot := newSlot()
				for n := range 50 {
					if err := s.s.Do(b.Context(), &Put{Key: slot + strconv.Itoa(n), Value: value, Next: slot + "set", TTL: time.Hour}); err != nil {
						b.Fatal(err)
					}
				}
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					if err := s.s.Do(b.Context(), c.ops(slot, i)...); err != nil {
						b.Fatal(err)
					}
					i++
				}
			})
		}
	}
}

// BenchmarkAtOnce is many principals at once.
func BenchmarkAtOnce(b *testing.B) {
	r := storetest.Start(b)
	for _, s := range []struct {
		name string
		s    Store
	}{{"memory", Memory(MemoryConfig{})}, {"redis", open(b, RedisConfig{URL: r.URL()})}} {
		b.Run(s.name, func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				slot := newSlot()
				for pb.Next() {
					if err := s.s.Do(b.Context(), &Put{Key: slot + "k", Value: []byte("v"), TTL: time.Hour}, &Get{Key: slot + "k"}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkKeys(b *testing.B) {
	k := RandomKeys()
	scope := label.Scope{Tenant: "acme", Principal: "https://issuer.example/sara"}
	b.Run("slot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Slot(scope)
		}
	})
	value := make([]byte, 300)
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.seals[0].record("{a}key", "", value)
		}
	})
	sealed := k.seals[0].record("{a}key", "", value)
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := k.openRecord("{a}key", sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
