package main

import (
	"fmt"
	"path/filepath"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/store"
)

// internalSocket is where the gateway reaches itself for its own model calls; "" when it makes none.
func internalSocket(cfg *conf.Config) string {
	if cfg.Quarantine.QuarantinedModel == "" {
		return ""
	}
	return filepath.Join(cfg.Envoy.RunDir, "internal.sock")
}

// internalExchanges bounds the exchanges on the internal listener: twice the model calls in progress, since Envoy and the
// guard count an exchange a little longer than its caller does.
func internalExchanges(cfg *conf.Config) int {
	if cfg.Quarantine.QuarantinedModel == "" {
		return 0
	}
	return 2 * cfg.Quarantine.Concurrency
}

// storeKeys are the keys made of store_key, or such as end with the process where there is none.
func storeKeys(cfg *conf.Config) (*store.Keys, error) {
	if cfg.StoreKey.IsZero() {
		return store.RandomKeys(), nil
	}
	master, err := cfg.StoreKey.Reveal()
	if err != nil {
		return nil, fmt.Errorf("store_key: %w", err)
	}
	seals := make([][]byte, len(cfg.StoreSeals))
	for i, s := range cfg.StoreSeals {
		seal, err := s.Reveal()
		if err != nil {
			return nil, fmt.Errorf("store_seals[%d]: %w", i, err)
		}
		seals[i] = []byte(seal)
	}
	return store.NewKeys([]byte(master), seals...)
}
