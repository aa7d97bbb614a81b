package store

import (
	"fmt"
	"strings"
	"time"
)

// overhead is what a record takes beside its key and its value; member what a member of a set takes beside its text.
const (
	overhead = 128
	member   = 16
)

// maxKey is how long a key may be.
const maxKey = 1024

// setMark ends the key under which a set is kept, so that a record may have the same one.
const setMark = "\x00s"

// bounds is what can be said of a batch before it runs: whose it is, whether it writes, and how much at most.
type bounds struct {
	slot   string
	more   int64
	writes bool
	err    error
}

// check looks at a batch. What it replaces is not counted off: this is a bound, not an account.
func check(ops []Op) (bounds, error) {
	var b bounds
	for _, op := range ops {
		op.bound(&b)
	}
	if b.err != nil {
		return bounds{}, fmt.Errorf("%w: %w", ErrBatch, b.err)
	}
	return b, nil
}

func (b *bounds) key(key string) {
	slot := slotOf(key)
	switch {
	case b.err != nil:
	case slot == "":
		b.fail("a key has no slot")
	case b.slot != "" && b.slot != slot:
		b.fail("keys of two slots")
	case len(key) > maxKey || strings.IndexByte(key, 0) >= 0:
		b.fail("a key that is too long or has a zero byte")
	}
	b.slot = slot
}

func (b *bounds) write(key string, bytes int, ttl time.Duration) {
	b.key(key)
	b.writes = true
	b.more += int64(overhead + len(key) + bytes)
	if ttl < time.Millisecond {
		b.fail("a record that expires at once")
	}
}

func (b *bounds) fail(why string) {
	if b.err == nil {
		b.err = fmt.Errorf("%s", why)
	}
}

func (o *Get) bound(b *bounds)     { b.key(o.Key) }
func (o *Members) bound(b *bounds) { b.key(o.Key) }

func (o *Put) bound(b *bounds) {
	b.write(o.Key, len(o.Value)+len(o.Next), o.TTL)
	if o.Next != "" {
		b.key(o.Next)
	}
}

func (o *Take) bound(b *bounds) {
	b.key(o.Key)
	b.writes = true
}

func (o *Delete) bound(b *bounds) {
	b.key(o.Key)
	b.writes = true
}

func (o *Union) bound(b *bounds) {
	b.write(o.Key, 0, o.TTL)
	for _, s := range o.Members {
		b.more += int64(member + len(s))
	}
}

func (o *Reserve) bound(b *bounds) {
	b.write(o.Once, 0, o.TTL)
	for _, c := range o.Counters {
		b.write(c.Key, 0, c.TTL)
	}
}

func (o *Lock) bound(b *bounds) { b.write(o.Key, len(o.Owner), o.TTL) }

func (o *PutOwned) bound(b *bounds) {
	b.key(o.Lock)
	b.write(o.Key, len(o.Value), o.TTL)
}

func (o *Incr) bound(b *bounds) {
	b.write(o.Key, 0, o.TTL)
	if o.By < 1 || o.By > MaxAmount {
		b.fail("a count that does not go up")
	}
}

// slotOf is the part of a key that says whose it is: "{…}" at its beginning.
func slotOf(key string) string {
	if end := strings.IndexByte(key, '}'); strings.HasPrefix(key, "{") && end > 1 {
		return key[:end+1]
	}
	return ""
}
