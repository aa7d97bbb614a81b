package provenance

import (
	"bytes"
	"context"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// Remember writes down contents that a principal is about to get from elsewhere than a model, with the label that they have: in
// whatever role they come back, they take it. What the ledger holds of one already is joined with it, and a text that a model of ours
// said stays that. Nothing of them may be handed out before, or after an error. Contents under 32 bytes are left out: a person may
// well say the same.
//
// No conversation is known here, so pieces of them are not found again (fingerprint.go); that begins where a request carries them.
func (a *Analyzer) Remember(ctx context.Context, s label.Scope, l label.Label, contents ...[]byte) error {
	slot := a.c.Keys.Slot(s)
	seen := map[[32]byte]bool{}
	var gets []*store.Get
	var ops []store.Op
	for _, c := range contents {
		hash := a.contentHash(s, c)
		if len(bytes.TrimSpace(c)) < windowSize || seen[hash] {
			continue
		}
		seen[hash] = true
		get := &store.Get{Key: contentKey(slot, hash)}
		gets = append(gets, get)
		ops = append(ops, get)
	}
	if len(ops) == 0 {
		return nil
	}
	if err := a.c.Store.Do(ctx, ops...); err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	ops = ops[:0]
	for _, get := range gets {
		record := &contentRecord{kind: kindResult, label: l}
		if old := readContent(get.Value); get.Found && old != nil {
			if old.kind == kindTurn {
				continue
			}
			record.conversation, record.label = old.conversation, l.Join(old.label)
		}
		ops = append(ops, &store.Put{Key: get.Key, Value: record.append(nil), TTL: a.c.Keep})
	}
	if len(ops) == 0 {
		return nil
	}
	if err := a.c.Store.Do(ctx, ops...); err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	return nil
}
