package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/store"
)

// memoryBytes bounds a store in memory: some 800,000 exchanges with a tool call within quarantine.keep. Beyond it calls are refused, since
// nothing is forgotten before its time.
const memoryBytes = 1 << 30

// openStore opens the store of a configuration, with the keys that name and seal what is in it. What leaves this process is sealed.
func openStore(ctx context.Context, cfg *conf.Config, log *slog.Logger) (store.Store, *store.Keys, error) {
	keys, err := storeKeys(cfg)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Store == "memory" {
		return store.Memory(store.MemoryConfig{Bytes: memoryBytes}), keys, nil
	}
	password, err := ifGiven("store_password", cfg.StorePassword)
	if err != nil {
		return nil, nil, err
	}
	sentinelPassword, err := ifGiven("store_sentinel_password", cfg.StoreSentinelPassword)
	if err != nil {
		return nil, nil, err
	}
	shared, err := store.Redis(ctx, store.RedisConfig{
		URL: cfg.Store, Password: password, SentinelUser: cfg.StoreSentinelUser, SentinelPassword: sentinelPassword,
		CAFile: cfg.StoreCAFile, CertFile: cfg.StoreCertFile, KeyFile: cfg.StoreCertKeyFile, Log: log,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s:%d: store: %w", cfg.File, cfg.Line("store"), err)
	}
	return store.Sealed(shared, keys), keys, nil
}

// ifGiven reads the secret of a key that may be absent.
func ifGiven(key string, s conf.Secret) (string, error) {
	if s.IsZero() {
		return "", nil
	}
	value, err := s.Reveal()
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return value, nil
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
