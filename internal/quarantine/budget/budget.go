package budget

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// Limits are the capacities. Zero is none.
type Limits struct {
	Result        Bits
	Conversation  Bits
	PrincipalHour Bits
}

// Config says what a Budget reserves with.
type Config struct {
	Store  store.Store
	Keys   *store.Keys
	Limits Limits
	Keep   time.Duration // how long a conversation's counters and charges are kept
}

// Budget reserves information. It may be used by any number of goroutines.
type Budget struct {
	cfg   Config
	known *memory
}

// Shown is what it costs that something is shown at all.
const Shown = Bit

// New makes a budget.
func New(c Config) (*Budget, error) {
	switch {
	case c.Store == nil || c.Keys == nil:
		return nil, errors.New("budget: a store and keys are needed")
	case c.Keep <= 0:
		return nil, errors.New("budget: counters have to be kept for a time")
	case min(c.Limits.Result, c.Limits.Conversation, c.Limits.PrincipalHour) < 0:
		return nil, errors.New("budget: a limit is below zero")
	}
	return &Budget{cfg: c, known: newMemory()}, nil
}

// Capacity is what one result may say beside that it is shown.
func (b *Budget) Capacity() Bits {
	l := b.cfg.Limits
	return max(min(l.Result, l.Conversation, l.PrincipalHour)-Shown, 0)
}

// Charge is what is to be shown of one result.
type Charge struct {
	Result [32]byte // the content's hash
	What   []byte   // what else it depends on: the rules' revision, the questions
	Bits   Bits
}

// Outcome is what became of a Charge.
type Outcome struct {
	Granted bool
	Charged Bits // by this reservation; nothing when it was made before
	// What the conversation and the principal's hour have used; zero when nothing was asked of the store.
	Conversation, PrincipalHour Bits
}

// Reserve reserves charges in one round trip, or in none when all are known. With an error nothing is granted.
func (b *Budget) Reserve(ctx context.Context, scope label.Scope, conversation label.ConversationID, charges []Charge) ([]Outcome, error) {
	out := make([]Outcome, len(charges))
	slot := b.cfg.Keys.Slot(scope)
	var ops []store.Op
	var asked []int
	for i, c := range charges {
		if c.Bits < 0 {
			return nil, errors.New("budget: a charge below zero")
		}
		if c.Bits == 0 { // the same whatever the content is
			out[i].Granted = true
			continue
		}
		once := b.once(slot, scope, conversation, c)
		if granted, ok := b.known.get(once); ok {
			out[i].Granted = granted
			continue
		}
		counters := func() []store.Counter { return b.counters(slot, conversation, c.Result) }
		ops = append(ops,
			&store.Reserve{Once: once + ":s", TTL: b.cfg.Keep, Amount: int64(Shown), Counters: counters()},
			&store.Reserve{Once: once, TTL: b.cfg.Keep, Amount: int64(min(c.Bits, Unlimited)), Counters: counters()})
		asked = append(asked, i)
	}
	if len(ops) == 0 {
		return out, nil
	}
	if err := b.cfg.Store.Do(ctx, ops...); err != nil {
		return nil, fmt.Errorf("budget: reserving: %w", err)
	}
	for n, i := range asked {
		shown, what := ops[2*n].(*store.Reserve), ops[2*n+1].(*store.Reserve)
		o := &out[i]
		o.Granted = shown.Granted && what.Granted
		for _, r := range []*store.Reserve{shown, what} {
			if r.Granted && !r.Already {
				o.Charged += Bits(r.Amount)
			}
		}
		o.Conversation, o.PrincipalHour = Bits(what.Counters[1].Total), Bits(what.Counters[2].Total)
		b.known.put(what.Once, o.Granted, min(b.cfg.Keep/2, rememberFor))
	}
	return out, nil
}

// counters are those of a result, its conversation and the principal's hour.
func (b *Budget) counters(slot string, conversation label.ConversationID, result [32]byte) []store.Counter {
	of := slot + "bits:" + hex.EncodeToString(conversation[:])
	return []store.Counter{
		{Key: of + ":" + hex.EncodeToString(result[:16]), Limit: int64(b.cfg.Limits.Result), TTL: b.cfg.Keep},
		{Key: of, Limit: int64(b.cfg.Limits.Conversation), TTL: b.cfg.Keep},
		{Key: slot + "bits", Limit: int64(b.cfg.Limits.PrincipalHour), TTL: time.Hour},
	}
}

// once is the key of a charge.
func (b *Budget) once(slot string, scope label.Scope, conversation label.ConversationID, c Charge) string {
	mac := b.cfg.Keys.MAC("charge", []byte(scope.Tenant), []byte(scope.Principal), conversation[:], c.Result[:], c.What)
	return slot + "charge:" + hex.EncodeToString(mac[:20])
}
