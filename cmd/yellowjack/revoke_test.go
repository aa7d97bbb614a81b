package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/revoke"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

const twoIssuers = `
identity:
  issuers:
    - {name: corp, issuer: "https://idp.example.com/", audiences: [a], email_domains: [example.com]}
    - {name: partner, issuer: "https://partner.example.com/", audiences: [a]}
providers: {mock: {base_url: "http://127.0.0.1:1/v1"}}
`

// TestRevokeCommand: what the command revokes, a gateway that shares the Redis knows.
func TestRevokeCommand(t *testing.T) {
	r := storetest.Start(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := writeConfig(t, twoIssuers+fmt.Sprintf("store: %q\nstore_key: {file: %q}\n", r.URL(), key))
	cfg, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	kept, keys, err := openStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	gateway, err := revoke.New(t.Context(), revokeConfig(cfg, kept, keys, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close()
	for args, handles := range map[string][]string{
		"--user sara@example.com":               {"@sara@example.com"},
		"--user sara@example.com --issuer corp": {"@sara@example.com", "corp|sara@example.com"},
		"--user b@else.org --issuer partner":    {"partner|b@else.org"},
		"--user 00u1 --issuer partner":          {"partner|00u1"},
		"--principal corp#agent":                {"corp#agent"},
	} {
		before := time.Now()
		var out, errs strings.Builder
		if code := execute(t.Context(), append([]string{"revoke", "-c", file}, strings.Fields(args)...), &out, &errs); code != exitOK || !strings.HasPrefix(out.String(), "revoked ") {
			t.Errorf("%s: %d %s%s", args, code, &out, &errs)
			continue
		}
		for _, one := range handles {
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				e, err := gateway.Epoch([]string{one})
				if err == nil && !e.Own.Before(before) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s: the gateway does not know of %s: %+v %v", args, one, e, err)
				}
			}
		}
	}
	for args, want := range map[string]string{
		"":                                    "give one of --user and --principal",
		"--user a --principal corp|a":         "give one of",
		"--principal corp|a --issuer corp":    "goes with --user",
		"--user 00u1":                         "say which one",
		"--user sara@else.org":                "say which one",
		"--user x --issuer nobody":            "no issuer",
		"--principal sara":                    "no principal's key",
		"--user sara@example.com extra":       "unknown command",
		"--user sara@example.com --issuer x ": "no issuer",
	} {
		var out, errs strings.Builder
		if code := execute(t.Context(), append([]string{"revoke", "-c", file}, strings.Fields(args)...), &out, &errs); code != exitUsage || !strings.Contains(errs.String(), want) || out.Len() > 0 {
			t.Errorf("%s: %d %s%s", args, code, &out, &errs)
		}
	}
	r.Kill()
	var out, errs strings.Builder
	if code := execute(t.Context(), []string{"revoke", "-c", file, "--user", "sara@example.com"}, &out, &errs); code != exitFailed || out.Len() > 0 {
		t.Errorf("without a store: %d %s%s", code, &out, &errs)
	}
	memory := writeConfig(t, twoIssuers)
	errs.Reset()
	if code := execute(t.Context(), []string{"revoke", "-c", memory, "--user", "sara@example.com"}, &out, &errs); code != exitFailed || !strings.Contains(errs.String(), "is memory") {
		t.Errorf("in memory: %d %s", code, &errs)
	}
}
