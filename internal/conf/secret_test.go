package conf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestSecretNeverPrints: a secret that someone wrote where its place belongs must not come out by any printing.
func TestSecretNeverPrints(t *testing.T) {
	type holder struct {
		S Secret
		P *Secret
		L []Secret
		M map[string]Secret
	}
	s := Secret{File: "hunter2", Env: "hunter2"}
	h := holder{s, &s, []Secret{s}, map[string]Secret{"k": s}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", h.L)
		fmt.Fprintf(&out, verb+"\n", h.M)
		fmt.Fprintf(&out, verb+"\n", holder{S: s, L: h.L, M: h.M})
	}
	fmt.Fprintln(&out, s, &s, h.L)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "s", s, "p", &s, "h", h.L)
	}
	for _, v := range []any{s, &s, h} {
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		y, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(j)
		out.Write(y)
	}
	if strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing was printed at all")
	}
}

func TestReveal(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	t.Setenv("CONF_TEST_A", "fromenv\n")
	t.Setenv("CONF_TEST_B", "")
	for _, tt := range []struct {
		name, want string
		s          Secret
	}{
		{"plain", "k", Secret{File: write("a", "k")}},
		{"one newline goes", "k\n", Secret{File: write("b", "k\n\n")}},
		{"CRLF goes", "k", Secret{File: write("c", "k\r\n")}},
		{"spaces stay", " k ", Secret{File: write("d", " k ")}},
		{"environment", "fromenv", Secret{Env: "CONF_TEST_A"}},
		{"empty file", "", Secret{File: write("e", "\n")}},
		{"empty variable", "", Secret{Env: "CONF_TEST_B"}},
		{"unset", "", Secret{Env: "CONF_TEST_UNSET_hunter2"}},
		{"missing", "", Secret{File: filepath.Join(dir, "hunter2")}},
		{"a folder", "", Secret{File: dir}},
		{"too large", "", Secret{File: write("f", strings.Repeat("x", maxSecret+1))}},
		{"nothing", "", Secret{}},
		{"both", "", Secret{File: "a", Env: "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.s.Reveal()
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v", got, err)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), dir)) {
				t.Errorf("the error says where: %v", err)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	for in, want := range map[string]Bytes{"0": 0, "17": 17, "8MiB": 8 << 20, "1 KiB": 1024, "2GiB": 2 << 30} {
		if got, ok := parseBytes(in); !ok || got != want {
			t.Errorf("%q = %d, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "-1", "8MB", "1.5MiB", "MiB", "9999999999GiB"} {
		if _, ok := parseBytes(in); ok {
			t.Errorf("%q was read", in)
		}
	}
	for b, want := range map[Bytes]string{0: "0", 8 << 20: "8MiB", 1536: "1536", 1 << 30: "1GiB"} {
		if got := b.String(); got != want {
			t.Errorf("%d = %s, want %s", b, got, want)
		}
	}
}
