package provenance

import (
	"bytes"
	"context"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// Remember writes down contents that a principal is about to get from elsewhere than a model, with the label that they have: in
// whatever role they come back, they take it, joined with what the ledger holds of them already. Nothing of them may be handed out
// before, or after an error. Contents under 32 bytes are left out: a person may well say the same.
//
// No conversation is known here, so pieces of them are not found again (fingerprint.go); that begins where a request carries them.
func (a *Analyzer) Remember(ctx context.Context, s label.Scope, l label.Label, contents ...[]byte) error {
	h := &History{a: a, scope: s}
	var ops []store.Op
	seen := map[[32]byte]bool{}
	for _, c := range contents {
		hash := a.contentHash(s, c)
		if len(bytes.TrimSpace(c)) < minLedger || seen[hash] {
			continue
		}
		seen[hash] = true
		ops = append(ops, &store.Union{Key: h.ledgerKey(hash), Members: membersOf(l), TTL: a.c.Keep})
	}
	if len(ops) == 0 {
		return nil
	}
	if err := a.c.Store.Do(ctx, ops...); err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	return nil
}
