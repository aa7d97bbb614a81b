package store

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/label"
)

func keysOf(t testing.TB, master string, seals ...string) *Keys {
	t.Helper()
	all := make([][]byte, len(seals))
	for i, s := range seals {
		all[i] = []byte(strings.Repeat(s, 32))
	}
	k, err := NewKeys([]byte(strings.Repeat(master, 32)), all...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysShort(t *testing.T) {
	long := bytes.Repeat([]byte("k"), 32)
	if _, err := NewKeys(long[:31]); err == nil {
		t.Error("a short master key")
	}
	if _, err := NewKeys(long, long[:31]); err == nil {
		t.Error("a short sealing key")
	}
	master := bytes.Clone(long)
	k, err := NewKeys(master)
	if err != nil {
		t.Fatal(err)
	}
	before := k.MAC("one")
	master[0] = 'x'
	if k.MAC("one") != before || k.MAC("two") == before || !bytes.Equal(k.Derive("one"), keysOf(t, "k").Derive("one")) {
		t.Error("the key is the caller's slice, or purposes are alike")
	}
}

// TestMACParts: parts are told apart, whatever they hold.
func TestMACParts(t *testing.T) {
	k := RandomKeys()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 6), 0, 4)
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		same := len(a) == len(b)
		for i := range a {
			same = same && bytes.Equal(a[i], b[i])
		}
		if (k.MAC("p", a...) == k.MAC("p", b...)) != same {
			t.Errorf("%q %q", a, b)
		}
	})
}

func TestSlot(t *testing.T) {
	k := RandomKeys()
	slot := k.Slot(label.Scope{Tenant: "acme", Principal: "sara"})
	if slotOf(slot+"x") != slot || slot != k.Slot(label.Scope{Tenant: "acme", Principal: "sara"}) || strings.Contains(slot, "sara") {
		t.Error(slot)
	}
	for _, other := range []string{
		k.Slot(label.Scope{Tenant: "acm", Principal: "esara"}), k.Slot(label.Scope{Tenant: "sara", Principal: "acme"}),
		RandomKeys().Slot(label.Scope{Tenant: "acme", Principal: "sara"}),
	} {
		if slot == other {
			t.Error(slot)
		}
	}
}

// TestRotation walks through what an operator does, with two replicas of which one is a step ahead.
func TestRotation(t *testing.T) {
	s := Memory(MemoryConfig{})
	steps := []struct {
		name string
		keys *Keys
	}{
		{"the master alone", keysOf(t, "m")},
		{"a key that opens", keysOf(t, "m", "m", "a")},
		{"it seals", keysOf(t, "m", "a")},
		{"the next opens", keysOf(t, "m", "a", "b")},
		{"the next seals", keysOf(t, "m", "b", "a")},
		{"the first is gone", keysOf(t, "m", "b")},
	}
	key := func(step int) string { return "{a}" + string(rune('0'+step)) }
	for i, step := range steps {
		mine := Sealed(s, step.keys)
		if step.keys.Slot(label.Scope{}) != steps[0].keys.Slot(label.Scope{}) {
			t.Fatal("names change with the sealing key")
		}
		do(t, mine, &Put{Key: key(i), Value: []byte(step.name), Next: "{a}set", TTL: time.Hour}, &Union{Key: "{a}set", Members: []string{"always", step.name}, TTL: time.Hour})
		if i+1 < len(steps) && i != 4 {
			get, members := &Get{Key: key(i)}, &Members{Key: "{a}set"}
			do(t, Sealed(s, steps[i+1].keys), get, members)
			if string(get.Value) != step.name || len(members.Members) != i+2 {
				t.Errorf("%s, a replica that is ahead: %+v %q", step.name, get, members.Members)
			}
		}
		if i > 0 {
			get := &Get{Key: key(i)}
			if do(t, Sealed(s, steps[i-1].keys), get); string(get.Value) != step.name {
				t.Errorf("%s, a replica that is behind: %+v", step.name, get)
			}
		}
	}
	last := Sealed(s, steps[5].keys)
	if err := last.Do(t.Context(), &Get{Key: key(2)}); err == nil {
		t.Error("a key that is gone opens")
	}
	if err := last.Do(t.Context(), &Get{Key: key(0)}); err != nil {
		t.Errorf("the master always opens: %v", err)
	}
}
