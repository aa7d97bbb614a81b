package store

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// script runs a batch within Redis. Its first key is the principal's account; those of the operations follow, in order. Its
// arguments are the quota, what the batch adds, and each operation's letter with its arguments.
//
// A record is kept as the length of Next in two bytes, Next, and the value, so that the script can follow it; a lock is such a
// record of its owner. Counters and outcomes of reservations are decimal numbers. All are Redis strings; sets are hashes, under
// the key and setMark, in which a member stands behind an `m`.
//
//go:embed batch.lua
var script string

// account ends the key of a principal's account.
const account = "\x00q"

// errReply is a reply that is not one of our script's.
var errReply = errors.New("a reply of another shape")

// encoder collects the keys and arguments of a batch.
type encoder struct {
	keys []string
	args []any
	now  time.Time
	seen *floors
}

func encode(ops []Op, b bounds, quota int64, seen *floors) *encoder {
	e := &encoder{keys: make([]string, 1, len(ops)+2), args: make([]any, 0, 2+4*len(ops)), now: time.Now(), seen: seen}
	e.keys[0] = b.slot + account
	more := int64(-1)
	if b.writes {
		more = b.more
	}
	e.args = append(e.args, quota, more)
	for _, op := range ops {
		e.op(op)
	}
	return e
}

func (e *encoder) key(keys ...string) { e.keys = append(e.keys, keys...) }
func (e *encoder) arg(args ...any)    { e.args = append(e.args, args...) }

func (e *encoder) op(op Op) {
	switch o := op.(type) {
	case *Get:
		e.key(o.Key)
		e.arg("G", flag(o.Follow))
	case *Put:
		e.key(o.Key)
		e.arg("P", pack(o.Next, o.Value), millis(o.TTL), flag(o.IfAbsent))
	case *Take:
		e.key(o.Key)
		e.arg("T")
	case *Delete:
		e.key(o.Key)
		e.arg("D")
		e.seen.forget(o.Key)
	case *Union:
		e.key(o.Key)
		e.arg("U", millis(o.TTL), len(o.Members))
		for _, m := range o.Members {
			e.arg("m" + m)
		}
	case *Members:
		e.key(o.Key)
		e.arg("M")
	case *Reserve:
		e.key(o.Once)
		e.arg("R", max(min(o.Amount, MaxAmount+1), -1), millis(o.TTL), len(o.Counters))
		for _, c := range o.Counters {
			e.key(c.Key)
			floor, left := e.seen.at(c.Key, e.now)
			e.arg(max(min(c.Limit, MaxAmount), -1), millis(c.TTL), floor, millis(left))
		}
	case *Lock:
		e.key(o.Key)
		e.arg("L", pack("", []byte(o.Owner)), millis(o.TTL))
	case *PutOwned:
		e.key(o.Lock, o.Key)
		e.arg("O", pack("", []byte(o.Owner)), pack("", o.Value), millis(o.TTL))
	case *Incr:
		e.key(o.Key)
		e.arg("I", o.By, millis(o.TTL))
	case *Raise:
		e.key(o.Key)
		e.arg("B", o.Mark, o.Value, o.Most, millis(o.TTL))
	case *Marks:
		e.key(o.Key)
		e.arg("W", o.After, o.Limit, millis(o.TTL))
	}
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func millis(d time.Duration) int64 { return d.Milliseconds() }

func pack(next string, value []byte) []byte {
	out := make([]byte, 2, 2+len(next)+len(value))
	binary.BigEndian.PutUint16(out, uint16(len(next))) //nolint:gosec // check bounds it
	return append(append(out, next...), value...)
}

func unpack(record string) (next string, value []byte, err error) {
	if len(record) < 2 {
		return "", nil, errReply
	}
	n := int(binary.BigEndian.Uint16([]byte(record[:2])))
	if len(record) < 2+n {
		return "", nil, errReply
	}
	return record[2 : 2+n], []byte(record[2+n:]), nil
}

// decode fills in the results of a batch from the script's reply.
func decode(ops []Op, reply any, seen *floors) error {
	all, ok := reply.([]any)
	if !ok || len(all) != len(ops) {
		return errReply
	}
	now := time.Now()
	for i, op := range ops {
		if err := result(op, all[i], seen, now); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
	}
	return nil
}

func result(op Op, r any, seen *floors, now time.Time) (err error) {
	switch o := op.(type) {
	case *Get:
		return o.result(r)
	case *Put:
		o.Stored, err = yes(r)
	case *Take:
		o.Value, o.Found = nil, false
		if record, ok := r.(string); ok {
			o.Found = true
			_, o.Value, err = unpack(record)
		} else if r != nil {
			return errReply
		}
	case *Delete, *Union:
		_, err = yes(r)
	case *Members:
		o.Members, o.Found, err = members(r)
	case *Reserve:
		return o.result(r, seen, now)
	case *Lock:
		o.Got, err = yes(r)
	case *PutOwned:
		o.Stored, err = yes(r)
	case *Incr:
		if o.Value, err = number(r); err == nil && o.Value <= 0 {
			return errReply
		}
	case *Raise:
		o.Raised, err = yes(r)
	case *Marks:
		return o.result(r)
	}
	return err
}

func (o *Get) result(r any) (err error) {
	o.Value, o.Found, o.Next, o.Followed, o.Members = nil, false, "", nil, nil
	var followed any
	if all, ok := r.([]any); ok {
		if len(all) != 3 {
			return errReply
		}
		r, followed = all[0], all[1]
		if all[2] != nil {
			if o.Members, _, err = members(all[2]); err != nil {
				return err
			}
		}
	}
	if r == nil {
		return nil
	}
	record, ok := r.(string)
	if !ok {
		return errReply
	}
	o.Found = true
	if o.Next, o.Value, err = unpack(record); err != nil || followed == nil {
		return err
	}
	if record, ok = followed.(string); !ok {
		return errReply
	}
	_, o.Followed, err = unpack(record)
	return err
}

func (o *Reserve) result(r any, seen *floors, now time.Time) error {
	all, ok := r.([]any)
	if !ok || len(all) != 2+2*len(o.Counters) {
		return errReply
	}
	var err error
	if o.Granted, err = yes(all[0]); err != nil {
		return err
	}
	if o.Already, err = yes(all[1]); err != nil {
		return err
	}
	for i := range o.Counters {
		c := &o.Counters[i]
		if c.Total, err = number(all[2+2*i]); err != nil {
			return err
		}
		left, err := number(all[3+2*i])
		if err != nil {
			return err
		}
		seen.saw(c.Key, c.Total, now.Add(time.Duration(left)*time.Millisecond), now)
	}
	return nil
}

func members(r any) (out []string, found bool, err error) {
	all, ok := r.([]any)
	if !ok {
		return nil, false, errReply
	}
	for _, one := range all {
		s, ok := one.(string)
		if !ok || s == "" {
			return nil, false, errReply
		}
		if s[0] == 'm' {
			out = append(out, s[1:])
		}
	}
	slices.Sort(out)
	return out, len(all) > 0, nil
}

func number(r any) (int64, error) {
	switch n := r.(type) {
	case int64:
		return n, nil
	case string:
		return strconv.ParseInt(n, 10, 64)
	}
	return 0, errReply
}

func yes(r any) (bool, error) {
	n, err := number(r)
	if err == nil && n != 0 && n != 1 {
		err = errReply
	}
	return n == 1, err
}
