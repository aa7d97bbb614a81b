package seal

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/store"
)

func box(t testing.TB, keys *store.Keys, purpose string) *Box {
	t.Helper()
	b, err := New(keys, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpensOnlyWhereItBelongs(t *testing.T) {
	keys := store.RandomKeys()
	b := box(t, keys, "state")
	text := b.Seal([]byte("inner"), time.Minute, "sara", "github")
	if got, err := b.Open(text, "sara", "github"); err != nil || string(got) != "inner" {
		t.Fatalf("%q %v", got, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another principal":   func() ([]byte, error) { return b.Open(text, "mallory", "github") },
		"another upstream":    func() ([]byte, error) { return b.Open(text, "sara", "gitlab") },
		"less bound":          func() ([]byte, error) { return b.Open(text, "sara") },
		"bound run together":  func() ([]byte, error) { return b.Open(text, "saragithub") },
		"bound cut elsewhere": func() ([]byte, error) { return b.Open(text, "sar", "agithub") },
		"another purpose":     func() ([]byte, error) { return box(t, keys, "session").Open(text, "sara", "github") },
		"another key":         func() ([]byte, error) { return box(t, store.RandomKeys(), "state").Open(text, "sara", "github") },
		"nothing":             func() ([]byte, error) { return b.Open("", "sara", "github") },
		"cut":                 func() ([]byte, error) { return b.Open(text[:len(text)-4], "sara", "github") },
		"padded":              func() ([]byte, error) { return b.Open(text+"=", "sara", "github") },
		"with a line break":   func() ([]byte, error) { return b.Open(text[:8]+"\n"+text[8:], "sara", "github") },
	} {
		if got, err := open(); !errors.Is(err, ErrOpen) || got != nil {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if text == b.Seal([]byte("inner"), time.Minute, "sara", "github") {
		t.Error("the same bytes are sealed alike")
	}
}

func TestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := box(t, store.RandomKeys(), "state")
		text := b.Seal(nil, time.Minute)
		time.Sleep(time.Minute - time.Millisecond)
		if _, err := b.Open(text); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		if _, err := b.Open(text); !errors.Is(err, ErrOpen) {
			t.Fatal(err)
		}
	})
}

// FuzzOpen: no change of a sealed text opens.
func FuzzOpen(f *testing.F) {
	b := box(f, store.RandomKeys(), "state")
	text := b.Seal([]byte("inner"), time.Hour, "sara")
	f.Add(3, byte(1))
	f.Fuzz(func(t *testing.T, at int, change byte) {
		raw := []byte(text)
		raw[(at%len(raw)+len(raw))%len(raw)] ^= change
		got, err := b.Open(string(raw), "sara")
		if string(raw) != text && err == nil {
			t.Fatalf("opened to %q", got)
		}
		if string(raw) == text && !bytes.Equal(got, []byte("inner")) {
			t.Fatal("does not open")
		}
	})
}
