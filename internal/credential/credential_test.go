package credential

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/conf"
)

func secrets(t *testing.T) (good, other conf.Secret) {
	t.Helper()
	t.Setenv("CREDENTIAL_TEST_A", "sk-hunter2-a")
	t.Setenv("CREDENTIAL_TEST_B", "sk-hunter2-b")
	return conf.Secret{Env: "CREDENTIAL_TEST_A"}, conf.Secret{Env: "CREDENTIAL_TEST_B"}
}

func TestPick(t *testing.T) {
	a, b := secrets(t)
	s, err := New([]Entry{
		{Provider: "openrouter", Secret: a},
		{Provider: "openrouter", Team: "finance", Secret: b},
		{Provider: "openrouter", Team: "comms", Secret: a},
		{Provider: "openrouter", Team: "partner/finance", Secret: a},
		{Provider: "openrouter", User: "Sara@Example.com", Secret: b},
		{Provider: "anthropic", User: "kim@example.com", Secret: a, ID: "kims"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		user     string
		teams    []string
		provider string
		want     string // "" for none
	}{
		{"", nil, "openrouter", "openrouter/*"},
		{"x@example.com", nil, "openrouter", "openrouter/*"},
		{"", []string{"finance"}, "openrouter", "openrouter/team:finance"},
		{"", []string{"partner/finance"}, "openrouter", "openrouter/team:partner/finance"},
		{"", []string{"comms", "finance"}, "openrouter", "openrouter/team:finance"},
		{"", []string{"Finance"}, "openrouter", "openrouter/*"},
		{"sara@example.com", []string{"finance"}, "openrouter", "openrouter/user:sara@example.com"},
		{"SARA@example.com", nil, "openrouter", "openrouter/user:sara@example.com"},
		{"kim@example.com", nil, "anthropic", "kims"},
		{"sara@example.com", []string{"finance"}, "anthropic", ""},
		{"", nil, "anthropic", ""},
		{"", nil, "nowhere", ""},
	} {
		k, ok := s.pick(tt.user, tt.teams, tt.provider)
		if ok != (tt.want != "") || k.ID != tt.want || (k.Reveal() != "") != ok {
			t.Errorf("%q %q %s: %q, %v; want %q", tt.user, tt.teams, tt.provider, k.ID, ok, tt.want)
		}
	}
	if _, ok := s.Pick(nil, "openrouter"); ok {
		t.Error("nobody got a key")
	}
	if s.Keyless("openrouter") || s.Keyless("anthropic") || !s.Keyless("ollama") {
		t.Error("keyless is wrong")
	}
}

func TestNewRefuses(t *testing.T) {
	a, _ := secrets(t)
	t.Setenv("CREDENTIAL_TEST_SPACE", "sk hunter2")
	for name, list := range map[string][]Entry{
		"everyone twice":   {{Provider: "p", Secret: a}, {Provider: "p", ID: "x", Secret: a}},
		"a team twice":     {{Provider: "p", Team: "t", Secret: a}, {Provider: "p", Team: "t", ID: "x", Secret: a}},
		"a user twice":     {{Provider: "p", User: "A@b.c", Secret: a}, {Provider: "p", User: "a@B.c", ID: "x", Secret: a}},
		"an id twice":      {{Provider: "p", Team: "t", ID: "x", Secret: a}, {Provider: "p", Team: "u", ID: "x", Secret: a}},
		"user and team":    {{Provider: "p", User: "a@b.c", Team: "t", Secret: a}},
		"no provider":      {{Secret: a}},
		"no secret":        {{Provider: "p"}},
		"unset secret":     {{Provider: "p", Secret: conf.Secret{Env: "CREDENTIAL_TEST_hunter2"}}},
		"no header's text": {{Provider: "p", Secret: conf.Secret{Env: "CREDENTIAL_TEST_SPACE"}}},
	} {
		s, err := New(list)
		if err == nil || s != nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error quotes: %v", name, err)
		}
	}
}

// TestKeyNeverPrints prints keys, and things that hold keys in exported and in unexported fields, in every way.
func TestKeyNeverPrints(t *testing.T) {
	a, _ := secrets(t)
	s, err := New([]Entry{{Provider: "p", Secret: a}, {Provider: "p", Team: "t", Secret: a}, {Provider: "p", User: "a@b.c", Secret: a}})
	if err != nil {
		t.Fatal(err)
	}
	k, _ := s.pick("", nil, "p")
	if k.Reveal() != "sk-hunter2-a" {
		t.Fatal("no key to print")
	}
	own := Own("p", "sk-hunter2-own")
	if own.Reveal() != "sk-hunter2-own" || own.ID != "p/byok" {
		t.Errorf("own: %s", own.ID)
	}
	type exported struct{ K Key }
	type hidden struct {
		k  Key
		p  *Key
		in []Key
	}
	var out bytes.Buffer
	for _, v := range []any{k, &k, own, exported{k}, &exported{k}, hidden{k, &k, []Key{k}}, &hidden{k, &k, []Key{k}}, s, *s, []Key{k}, map[string]Key{"k": k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		if j, err := json.Marshal(v); err == nil {
			out.Write(j)
		}
	}
	if strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing was printed at all")
	}
}
