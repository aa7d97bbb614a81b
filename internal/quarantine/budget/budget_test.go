package budget

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

var (
	alice = label.Scope{Tenant: "t", Principal: "alice"}
	first = label.ConversationID{1}
)

// counting counts round trips, and may be away.
type counting struct {
	store.Store
	n    int
	away bool
}

func (c *counting) Do(ctx context.Context, ops ...store.Op) error {
	c.n++
	if c.away {
		return store.ErrUnavailable
	}
	return c.Store.Do(ctx, ops...)
}

func fresh(t testing.TB, l Limits) (*Budget, *counting) {
	t.Helper()
	s := &counting{Store: store.Memory(store.MemoryConfig{})}
	return newBudget(t, s, l), s
}

// newBudget is a budget over a store.
func newBudget(t testing.TB, s store.Store, l Limits) *Budget {
	t.Helper()
	b, err := New(Config{Store: s, Keys: store.RandomKeys(), Limits: l, Keep: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func reserve(t testing.TB, b *Budget, conversation label.ConversationID, result byte, bits float64) Outcome {
	t.Helper()
	out, err := b.Reserve(t.Context(), alice, conversation, []Charge{{Result: [32]byte{result}, Bits: From(bits)}})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func TestBits(t *testing.T) {
	for _, c := range []struct {
		got  Bits
		want Bits
	}{
		{From(0), 0},
		{From(-1), 0},
		{From(1), 1000},
		{From(0.0001), 1},
		{From(1.0000000001), 1000}, // a logarithm's last digits
		{From(math.Inf(1)), Unlimited},
		{From(math.NaN()), Unlimited},
		{From(1e300), Unlimited},
		{OneOf(0), 0},
		{OneOf(1), 0},
		{OneOf(2), 1000},
		{OneOf(1 << 40), 40_000},
		{OneOf(3), 1585}, // a nullable yes or no
		{OneOf(21), 4393},
		{OneOf(math.Inf(1)), Unlimited},
	} {
		if c.got != c.want {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}

func TestReserve(t *testing.T) {
	b, s := fresh(t, Limits{Result: 64 * Bit, Conversation: 100 * Bit, PrincipalHour: 150 * Bit})
	if b.Capacity() != 63*Bit {
		t.Errorf("capacity %v", b.Capacity())
	}
	o := reserve(t, b, first, 1, 60)
	if !o.Granted || o.Charged != 61*Bit || o.Conversation != 61*Bit || o.PrincipalHour != 61*Bit {
		t.Errorf("the first: %+v", o)
	}
	before := s.n
	if o := reserve(t, b, first, 1, 60); !o.Granted || o.Charged != 0 || s.n != before {
		t.Errorf("again: %+v, %d round trips", o, s.n-before)
	}
	if o := reserve(t, b, first, 2, 60); o.Granted || o.Charged != Shown {
		t.Errorf("more than the conversation has: %+v", o)
	}
	if o := reserve(t, b, first, 3, 30); !o.Granted {
		t.Errorf("what is left: %+v", o)
	}
	if o := reserve(t, b, label.ConversationID{2}, 1, 60); o.Granted {
		t.Errorf("a fork has more than the hour: %+v", o)
	}
	if o := reserve(t, b, label.ConversationID{2}, 4, 10); !o.Granted {
		t.Errorf("a fork: %+v", o)
	}
	if o := reserve(t, b, first, 9, 0); !o.Granted || o.Charged != 0 {
		t.Errorf("nothing: %+v", o)
	}
}

// TestResultLimit: further charges for one result add up, and so do charges for what differs.
func TestResultLimit(t *testing.T) {
	b, _ := fresh(t, Limits{Result: 64 * Bit, Conversation: 1000 * Bit, PrincipalHour: 1000 * Bit})
	out, err := b.Reserve(t.Context(), alice, first, []Charge{
		{Result: [32]byte{1}, What: []byte("fields"), Bits: 40 * Bit},
		{Result: [32]byte{1}, What: []byte("answers"), Bits: 20 * Bit},
		{Result: [32]byte{1}, What: []byte("more answers"), Bits: 20 * Bit},
		{Result: [32]byte{1}, What: []byte("fields"), Bits: 40 * Bit},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, false, true} {
		if out[i].Granted != want {
			t.Errorf("%d: %+v", i, out[i])
		}
	}
	if out[3].Charged != 0 {
		t.Errorf("the same twice in one request costs %v", out[3].Charged)
	}
}

// TestRemembered: another replica, later, decides alike and charges nothing, also where it was refused and there is room by now.
func TestRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := store.RandomKeys()
		s := &counting{Store: store.Memory(store.MemoryConfig{})}
		defer s.Close()
		replica := func() *Budget {
			b, err := New(Config{Store: s, Keys: keys, Limits: Limits{Result: 64 * Bit, Conversation: 1000 * Bit, PrincipalHour: 70 * Bit}, Keep: 24 * time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		reserve(t, replica(), first, 1, 50)
		if o := reserve(t, replica(), first, 2, 50); o.Granted {
			t.Errorf("%+v", o)
		}
		time.Sleep(2 * time.Hour) // the hour's counter is new
		for result, granted := range map[byte]bool{1: true, 2: false, 3: true} {
			o := reserve(t, replica(), first, result, 50)
			if o.Granted != granted || (o.Charged == 0) != (result != 3) {
				t.Errorf("%d: %+v", result, o)
			}
		}
	})
}

func TestAway(t *testing.T) {
	b, s := fresh(t, Limits{Result: 64 * Bit, Conversation: 100 * Bit, PrincipalHour: 150 * Bit})
	s.away = true
	out, err := b.Reserve(t.Context(), alice, first, []Charge{{Bits: Bit}})
	if out != nil || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, %v", out, err)
	}
	s.away = false
	if o := reserve(t, b, first, 1, 10); !o.Granted {
		t.Errorf("it came back: %+v", o)
	}
	if _, err := b.Reserve(t.Context(), alice, first, []Charge{{Bits: -1}}); err == nil {
		t.Error("a charge below zero")
	}
}

func TestConfig(t *testing.T) {
	s, k := store.Memory(store.MemoryConfig{}), store.RandomKeys()
	for _, c := range []Config{{}, {Store: s, Keep: 1}, {Keys: k, Keep: 1}, {Store: s, Keys: k}, {Store: s, Keys: k, Keep: 1, Limits: Limits{Result: -1}}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v", c)
		}
	}
}

// TestNeverMore: whatever is asked, in whichever order, no more is granted than the limits say, the bit for each answer included.
func TestNeverMore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := Limits{Result: 40 * Bit, Conversation: 100 * Bit, PrincipalHour: 180 * Bit}
		b, s := fresh(t, limits)
		defer s.Close()
		seen := map[[3]byte]bool{}
		results, conversations := map[[2]byte]Bits{}, map[byte]Bits{}
		var hour Bits
		for range rapid.IntRange(1, 40).Draw(rt, "n") {
			conversation, result, what := rapid.Byte().Draw(rt, "conversation")%3, rapid.Byte().Draw(rt, "result")%4, rapid.Byte().Draw(rt, "what")%3
			bits := Bits(rapid.IntRange(0, 50_000).Draw(rt, "bits"))
			out, err := b.Reserve(t.Context(), alice, label.ConversationID{conversation}, []Charge{{Result: [32]byte{result}, What: []byte{what}, Bits: bits}})
			if err != nil {
				rt.Fatal(err)
			}
			o, key := out[0], [3]byte{conversation, result, what}
			if seen[key] && o.Charged > 0 {
				rt.Fatalf("%v is charged twice", key)
			}
			if o.Granted && !seen[key] && bits > 0 && o.Charged != bits+Shown {
				rt.Fatalf("%v bits are granted for %v", bits, o.Charged)
			}
			seen[key] = seen[key] || bits > 0
			results[[2]byte{conversation, result}] += o.Charged
			conversations[conversation] += o.Charged
			hour += o.Charged
			if results[[2]byte{conversation, result}] > limits.Result || conversations[conversation] > limits.Conversation || hour > limits.PrincipalHour {
				rt.Fatal("more than the limit")
			}
		}
	})
}

// TestMemory: it is bounded, and forgets the older.
func TestMemory(t *testing.T) {
	m := newMemory()
	for i := range 3 * rememberMost {
		m.put(string(rune(i)), true, time.Hour)
	}
	if n := len(m.young) + len(m.old); n > rememberMost {
		t.Errorf("%d are remembered", n)
	}
	m.put("late", true, -time.Hour)
	if _, ok := m.get("late"); ok {
		t.Error("remembered beyond its time")
	}
}
