// Package store keeps what must outlive an exchange: labels, references, released calls, grants, budgets, locks.
//
// A Store answers a batch of operations in one round trip. What it cannot answer is an error, never "not found": something that
// is missing because the store was away must not be read as clean.
package store

import (
	"context"
	"errors"
	"time"
)

// ErrUnavailable is a store that did not answer, or not in time.
var ErrUnavailable = errors.New("store: not available")

// ErrQuota is a principal that holds as much as one principal may.
var ErrQuota = errors.New("store: the principal's quota is used up")

// Store keeps records until they expire.
type Store interface {
	// Do runs the operations in order, in one round trip, and fills in their results. All keys of a batch carry the same Slot.
	// With an error, no result counts.
	Do(ctx context.Context, ops ...Op) error
	// Ready is nil while the store answers.
	Ready(ctx context.Context) error
	Close() error
}

// Op is one operation of a batch: a pointer to one of the types below.
type Op interface{ op() }

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

// Union adds members to a set that only grows until it expires.
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

// Counter is one of the counters of a Reserve.
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

// Lock takes a lock for an owner, for a time.
type Lock struct {
	Key, Owner string
	TTL        time.Duration

	Got bool
}

// PutOwned writes a record and gives the lock back, unless the lock is another's by now.
type PutOwned struct {
	Lock, Owner string
	Key         string
	Value       []byte
	TTL         time.Duration

	Stored bool
}

func (*Get) op()      {}
func (*Put) op()      {}
func (*Take) op()     {}
func (*Delete) op()   {}
func (*Union) op()    {}
func (*Members) op()  {}
func (*Reserve) op()  {}
func (*Lock) op()     {}
func (*PutOwned) op() {}
