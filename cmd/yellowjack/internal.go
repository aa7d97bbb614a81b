package main

import (
	"path/filepath"

	"github.com/yellowjack/yellowjack/internal/conf"
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
