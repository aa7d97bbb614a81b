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
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// TestStore: the configured store shows the configured certificate, and seals are replaced without losing what is kept.
func TestStore(t *testing.T) {
	r, certificates := storetest.StartTLS(t)
	dir := t.TempDir()
	for _, name := range []string{"master", "old", "new"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat(name[:1], 32)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opened := func(seals string, certified bool) (store.Store, error) {
		text := twoIssuers + fmt.Sprintf("store: %q\nstore_key: {file: %q}\nstore_ca_file: %q\nstore_seals: [%s]\n", r.URL(), filepath.Join(dir, "master"), certificates.CA, seals)
		if certified {
			text += fmt.Sprintf("store_cert_file: %q\nstore_cert_key_file: %q\n", certificates.Cert, certificates.Key)
		}
		cfg, err := conf.Load(writeConfig(t, text))
		if err != nil {
			t.Fatal(err)
		}
		s, _, err := openStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Cleanup(func() { _ = s.Close() })
		}
		return s, err
	}
	if _, err := opened("", false); err == nil || !strings.Contains(err.Error(), ": store: ") {
		t.Errorf("Redis let in somebody without a certificate: %v", err)
	}
	sealing := func(names ...string) string {
		for i, n := range names {
			names[i] = fmt.Sprintf("{file: %q}", filepath.Join(dir, n))
		}
		return strings.Join(names, ", ")
	}
	reads := func(s store.Store, key string) bool {
		t.Helper()
		get := &store.Get{Key: key}
		err := s.Do(t.Context(), get)
		return err == nil && get.Found && string(get.Value) == "kept"
	}
	written := map[string]string{}
	for i, seals := range []string{"", sealing("old"), sealing("old", "new"), sealing("new", "old"), sealing("new")} {
		s, err := opened(seals, true)
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("{a}%d", i)
		if err := s.Do(t.Context(), &store.Put{Key: key, Value: []byte("kept"), TTL: time.Hour}); err != nil {
			t.Fatal(err)
		}
		written[key] = seals
		for key, under := range written {
			lost := !strings.Contains(seals, "old") && strings.HasPrefix(under, sealing("old")) // left out too early
			if reads(s, key) == lost {
				t.Errorf("with [%s], what was sealed with [%s] is read: %t", seals, under, !lost)
			}
		}
	}
}
