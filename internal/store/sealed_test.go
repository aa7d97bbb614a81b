package store

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// TestSealedTampered: whatever somebody with a hand on the store below does to a record, it opens as what was sealed or not at all.
func TestSealedTampered(t *testing.T) {
	raw := Memory(MemoryConfig{})
	s := Sealed(raw, RandomKeys())
	put := func(value []byte, next string) {
		do(t, raw, &Put{Key: "{a}k", Value: value, Next: next, TTL: time.Hour})
	}
	do(t, s, &Put{Key: "{a}k", Value: []byte("value"), Next: "{a}next", TTL: time.Hour}, &Put{Key: "{a}other", Value: []byte("other"), Next: "{a}next", TTL: time.Hour},
		&Put{Key: "{a}next", Value: []byte("next"), TTL: time.Hour}, &Union{Key: "{a}next", Members: []string{"m"}, TTL: time.Hour}, &Union{Key: "{a}set", Members: []string{"n"}, TTL: time.Hour})
	good, other, set := &Get{Key: "{a}k"}, &Get{Key: "{a}other"}, &Members{Key: "{a}set"}
	do(t, raw, good, other, set)
	if bytes.Contains(good.Value, []byte("value")) || strings.Contains(set.Members[0], "n\x00") || len(set.Members[0]) < 30 {
		t.Fatal("not sealed")
	}
	refused := func(why string) {
		t.Helper()
		for _, op := range []Op{&Get{Key: "{a}k"}, &Get{Key: "{a}k", Follow: true}, &Take{Key: "{a}k"}} {
			if err := s.Do(t.Context(), op); !errors.Is(err, ErrSealed) || !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %T: %v", why, op, err)
			}
		}
	}
	for i := range good.Value {
		changed := bytes.Clone(good.Value)
		changed[i] ^= 1
		put(changed, good.Next)
		refused("a bit changed")
		put(good.Value[:i], good.Next)
		refused("cut off")
	}
	put(append(bytes.Clone(good.Value), 0), good.Next)
	refused("longer")
	put(other.Value, other.Next)
	refused("another's record")
	for _, next := range []string{"{a}other", ""} {
		put(good.Value, next)
		if err := s.Do(t.Context(), &Get{Key: "{a}k", Follow: true}); !errors.Is(err, ErrSealed) {
			t.Errorf("it points to %q: %v", next, err)
		}
	}
	put(nil, good.Next)
	refused("nothing")
	put(good.Value, good.Next)
	get := &Get{Key: "{a}k", Follow: true}
	if do(t, s, get); string(get.Value) != "value" || string(get.Followed) != "next" || !slices.Equal(get.Members, []string{"m"}) {
		t.Errorf("%+v", get)
	}
	do(t, raw, &Union{Key: "{a}next", Members: set.Members, TTL: time.Hour})
	if err := s.Do(t.Context(), get); !errors.Is(err, ErrSealed) {
		t.Errorf("a member of another set: %v", err)
	}
	do(t, raw, &Union{Key: "{a}set", Members: []string{"plain"}, TTL: time.Hour})
	if err := s.Do(t.Context(), &Members{Key: "{a}set"}); !errors.Is(err, ErrSealed) {
		t.Errorf("a member in the clear: %v", err)
	}
}

// TestSealedHides: nothing that was kept is to be read in what Redis writes to its disk.
func TestSealedHides(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t, "appendonly yes", "appendfsync always", "aof-use-rdb-preamble no")
	s := Sealed(open(t, RedisConfig{URL: r.URL()}), RandomKeys())
	const canary = "canary in a coal mine"
	do(t, s, &Put{Key: "{a}k", Value: []byte(canary), Next: "{a}next", TTL: time.Hour}, &Union{Key: "{a}s", Members: []string{canary}, TTL: time.Hour},
		&Lock{Key: "{a}l", Owner: "owner", TTL: time.Hour}, &PutOwned{Lock: "{a}l", Owner: "owner", Key: "{a}p", Value: []byte(canary), TTL: time.Hour})
	written := r.Disk()
	if !bytes.Contains(written, []byte("{a}k")) || bytes.Contains(written, []byte("canary")) {
		t.Errorf("%d bytes on disk", len(written))
	}
	r.Restart()
	get := &Get{Key: "{a}k"}
	eventually(t, func() error { return s.Do(t.Context(), get) })
	if string(get.Value) != canary {
		t.Errorf("%+v", get)
	}
	if _, err := os.Stat("dump.rdb"); err == nil {
		t.Error("it wrote here")
	}
}

// eventually waits for something to succeed.
func eventually(t testing.TB, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// TestSealedMembers: a member that is added again is the same one, so that a set does not grow by it.
func TestSealedMembers(t *testing.T) {
	raw := Memory(MemoryConfig{})
	s := Sealed(raw, RandomKeys())
	set, other := &Members{Key: "{a}s"}, &Members{Key: "{a}t"}
	for range 3 {
		do(t, s, &Union{Key: "{a}s", Members: []string{"m", "n"}, TTL: time.Hour}, &Union{Key: "{a}t", Members: []string{"m"}, TTL: time.Hour})
	}
	if do(t, raw, set, other); len(set.Members) != 2 || len(other.Members) != 1 || slices.Contains(set.Members, other.Members[0]) {
		t.Errorf("%q %q", set.Members, other.Members)
	}
}

// TestSealedKeys: every record has a key of its own, and members another than records.
func TestSealedKeys(t *testing.T) {
	s := RandomKeys().seals[0]
	seen := map[[32]byte]bool{}
	for _, info := range []string{ofRecord, ofMember, ofNonce} {
		for _, key := range []string{"{a}1", "{a}2", "{b}1"} {
			seen[s.expand(info, key, nil)] = true
			seen[s.expand(info, key, []byte{})] = true
			seen[s.expand(info, key, []byte("m"))] = true
		}
	}
	if len(seen) != 27 {
		t.Errorf("%d keys of 27", len(seen))
	}
	if bytes.Equal(s.record("{a}1", "", nil), s.record("{a}1", "", nil)) {
		t.Error("a nonce was used twice")
	}
}

func FuzzOpen(f *testing.F) {
	k := keysOf(f, "m")
	f.Add(k.seals[0].record("{a}k", "{a}n", []byte("v")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		next, value, err := k.openRecord("{a}k", sealed)
		if err == nil && (next != "{a}n" || string(value) != "v") {
			t.Errorf("%x opens as %q %q", sealed, next, value)
		}
		members := []string{string(sealed)}
		_ = k.openMembers("{a}k", members) // it may only not panic
	})
}
