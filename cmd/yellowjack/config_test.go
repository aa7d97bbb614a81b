package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/policies"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestInConfig: an error of the policies' data gets its line, any other stays what it is.
func TestInConfig(t *testing.T) {
	c, err := conf.Load(writeConfig(t, `
identity: {anonymous: true}
providers: {mock: {base_url: "http://127.0.0.1:1/v1"}}
policies:
  data:
    tools:
      a: {allow: ["*"]}
`))
	if err != nil {
		t.Fatal(err)
	}
	err = inConfig(c, policies.DataErrors{{Path: []string{"tools", "a", "alow"}, Reason: "is odd; mend it"}})
	if lines, ok := errors.AsType[conf.Errors](err); !ok || len(lines) != 1 || lines[0].Line != 7 || lines[0].Do != "mend it" {
		t.Errorf("%v", err)
	}
	other := errors.New("other")
	if got := inConfig(c, other); !errors.Is(got, other) {
		t.Errorf("%v", got)
	}
}
