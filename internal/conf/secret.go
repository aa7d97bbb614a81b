package conf

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// redacted is what every way of printing a secret shows.
const redacted = "[redacted]"

// maxSecret bounds a secret's file; a key is far smaller.
const maxSecret = 64 << 10

// Secret says where a secret is: in a file or in an environment variable, never in the configuration itself.
// However it is printed it shows [redacted]: someone who put the secret where its place belongs must not find
// it in a log.
type Secret struct {
	File string
	Env  string
}

// IsZero says that nothing was configured.
func (s Secret) IsZero() bool { return s.File == "" && s.Env == "" }

// Reveal reads the secret. One trailing newline is dropped, because editors and `echo` add one. The error never
// holds the secret, the file's path or the variable's name.
func (s Secret) Reveal() (string, error) {
	var v string
	switch {
	case s.File != "" && s.Env != "":
		return "", errors.New("has both a file and an environment variable")
	case s.File != "":
		b, err := readSmall(s.File, maxSecret)
		if err != nil {
			return "", fmt.Errorf("the file cannot be read: %w", err)
		}
		v = string(b)
	case s.Env != "":
		e, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", errors.New("the environment variable is not set")
		}
		v = e
	default:
		return "", errors.New("names neither a file nor an environment variable")
	}
	v = strings.TrimSuffix(strings.TrimSuffix(v, "\n"), "\r")
	if v == "" {
		return "", errors.New("is empty")
	}
	return v, nil
}

// readSmall reads a regular file of at most limit bytes: a device or a pipe would never end.
func readSmall(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("larger than %d bytes", limit)
	}
	return b, nil
}

// withoutPath keeps the reason and drops the path, which may be a secret in the wrong place.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// String redacts.
func (Secret) String() string { return redacted }

// GoString redacts.
func (Secret) GoString() string { return redacted }

// Format redacts whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText redacts.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON redacts.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML redacts.
func (Secret) MarshalYAML() (any, error) { return redacted, nil }

// LogValue redacts.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
