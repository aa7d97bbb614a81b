package credential

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
)

const redacted = "[redacted]"

// Key is a provider key. Only Reveal gives its value.
type Key struct {
	// ID is the name of the key in the audit.
	ID string
	// The value is inside a function: fmt prints unexported fields of a struct that holds a Key without asking the
	// Key how, even through a pointer, and of a function it can print only the address.
	value func() string
	// source makes what a provider that takes no plain key wants, anew for each request; nil: value is the key.
	source Source
}

// Source makes the headers that authorize a request as it will leave; body is all of it.
type Source interface {
	Authorize(ctx context.Context, method, host, path string, body []byte) (http.Header, error)
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

// Authorize gives the headers that authorize a request as it will leave: the key in the header that is named (in authorization, behind
// Bearer), or what its source makes of the request. Of the zero Key there are none.
func (k Key) Authorize(ctx context.Context, header, method, host, path string, body []byte) (http.Header, error) {
	if k.source != nil {
		return k.source.Authorize(ctx, method, host, path, body)
	}
	value := k.Reveal()
	if value == "" {
		return nil, nil
	}
	if header = http.CanonicalHeaderKey(header); header == "Authorization" {
		value = "Bearer " + value
	}
	return http.Header{header: {value}}, nil
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
