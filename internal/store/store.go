// Package store keeps what must outlive an exchange: labels, references, released calls, grants, budgets, locks.
//
// A Store answers a batch of operations in one round trip and as one step: no other batch comes between its operations. What it
// cannot answer is an error, never "not found": something that is missing because the store was away must not be read as clean.
// All keys of a batch belong to one principal and begin with its Slot, "{…}", so that a Redis Cluster keeps them in one place and
// a principal has one quota, over which it is refused; nothing is evicted before it expires, its own labels least of all.
//
// Memory is a Store within this process, Redis one that processes share, Sealed a layer that encrypts what another Store keeps;
// Keys are what all names and seals are made of. One suite of tests holds for all.
//
// A store can forget: a Redis that is flushed, or restarted without a copy on disk, or failed over to a replica that lags. So
// nothing here is to be read as clean because it is missing: who keeps labels treats what it cannot find as the worst. Counters
// are the exception, since an absent one counts from zero; each process therefore remembers the totals that it saw, and a Redis
// that knows less is told (see floors). What processes must know alike, and at once, they read from a board (board.go).
package store

import (
	"context"
	"errors"
	"time"
)

// ErrUnavailable is a store that did not answer, or not in time.
var ErrUnavailable = errors.New("store: not available")

// ErrQuota is a principal that holds as much as one principal may, or a store in memory that is full.
var ErrQuota = errors.New("store: the principal's quota is used up")

// ErrSealed is a record that does not open: of another key, or changed. It comes with ErrUnavailable.
var ErrSealed = errors.New("store: a record does not open")

// ErrBatch is a batch that no store runs: keys of several slots, or something that would never expire.
var ErrBatch = errors.New("store: not a batch")

// Store keeps records until they expire.
type Store interface {
	// Do runs the operations in order, in one round trip, and fills in their results. All keys of a batch carry the same Slot.
	// With an error, no result counts; whether something was written is not known then, except with ErrQuota: nothing was.
	Do(ctx context.Context, ops ...Op) error
	// Ready is nil while the store answers.
	Ready(ctx context.Context) error
	Close() error
}

// Op is one operation of a batch: a pointer to one of the types below.
type Op interface{ bound(b *bounds) }

// Get reads a record. With Follow it also reads the record and the set whose key is the record's Next.
type Get struct {
	Key    string
	Follow bool

	Value    []byte
	Found    bool
	Next     string
	Followed []byte   // the record at Next; nil when there is none
	Members  []string // the set at Next
}

// Put writes a record.
type Put struct {
	Key      string
	Value    []byte
	Next     string // key of another record, which Get can follow
	TTL      time.Duration
	IfAbsent bool

	Stored bool
}

// Take reads a record and deletes it: of all who take it, one finds it.
type Take struct {
	Key string

	Value []byte
	Found bool
}

// Delete deletes a record or a set.
type Delete struct{ Key string }

// Union adds members to a set that only grows until it expires. It never expires earlier than an earlier Union said. A set and a
// record may share a key, and know nothing of each other.
type Union struct {
	Key     string
	Members []string
	TTL     time.Duration
}

// Members reads such a set.
type Members struct {
	Key string

	Members []string
	Found   bool
}

// Counter is one of the counters of a Reserve. What is above MaxAmount counts as it.
type Counter struct {
	Key   string
	Limit int64
	TTL   time.Duration // from the first reservation on

	Total int64 // after it
}

// Reserve adds Amount to all Counters, or to none when one of them would exceed its limit. The outcome is remembered under Once,
// so that the same reservation again costs nothing and is answered alike.
type Reserve struct {
	Once     string
	TTL      time.Duration // of Once
	Amount   int64
	Counters []Counter

	Granted bool
	Already bool
}

// MaxAmount is the most that can be counted: every number up to it is exact everywhere.
const MaxAmount = 1<<53 - 1

// Lock takes a lock for an owner, for a time. An owner who holds it already gets it again.
type Lock struct {
	Key, Owner string
	TTL        time.Duration

	Got bool
}

// PutOwned writes a record and gives the lock back, unless the lock is no longer the owner's.
type PutOwned struct {
	Lock, Owner string
	Key         string
	Value       []byte
	TTL         time.Duration

	Stored bool
}

// Incr counts up: an epoch, that is a number which must never go back. It starts at the time in milliseconds, so that it is above
// any earlier one even when the store forgot that; By is at least 1.
type Incr struct {
	Key string
	By  int64
	TTL time.Duration // from now on

	Value int64
}
