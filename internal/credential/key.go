package credential

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Key is a provider key. Only Reveal gives its value.
type Key struct {
	// ID is the name of the key in the audit.
	ID string
	// The value is inside a function: fmt prints unexported fields of a struct that holds a Key without asking the
	// Key how, even through a pointer, and of a function it can print only the address.
	value func() string
}

func newKey(id, text string) Key { return Key{ID: id, value: func() string { return text }} }

// Own is a key that the caller brought for a provider (BYOK).
func Own(provider, text string) Key { return newKey(provider+"/byok", text) }

// Reveal is the key's value, for the header towards the provider and nowhere else. The zero Key has none.
func (k Key) Reveal() string {
	if k.value == nil {
		return ""
	}
	return k.value()
}

// String redacts.
func (Key) String() string { return redacted }

// GoString redacts.
func (Key) GoString() string { return redacted }

// Format redacts whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText redacts.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue redacts.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }
