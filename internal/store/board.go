package store

import (
	"cmp"
	"slices"
	"time"
)

// A board is how processes come to know the same thing: who has something to say raises a mark, and everybody reads, again and
// again, what was raised since the last look. That is right with one server, a sentinel and a cluster alike: nothing is missed by
// who was away for a while (as published messages are), and an answer says by itself that it is fresh.
//
// Each raise gets the next number of the board, at least the time in milliseconds, as an Incr does. A board that was lost begins
// anew, with another time of birth; one that went back to an earlier state has fewer marks than its readers know. What a reader
// makes of that is its own: a mark that is not there is not known to have been low.

// Raise raises a mark of a board; a mark never falls. Boards have Most marks, and count towards no quota.
type Raise struct {
	Key   string // of the board
	Mark  string
	Value int64         // 1 to MaxAmount
	Most  int           // the marks that were raised the longest ago make room, and Marks.Lost says so
	TTL   time.Duration // of the board, and of a mark since it was last raised

	Raised bool // it stood lower before
}

// Marks reads a board from a place on. One that is not there begins.
type Marks struct {
	Key   string
	After int64 // the last number that is known already; zero: everything is read
	Limit int   // how many marks at most
	TTL   time.Duration

	Born  int64 // when the board began, in milliseconds by the store's clock
	Last  int64 // the number of the last raise
	Lost  int64 // marks up to this number may have made room, or expired
	Count int64 // marks on the board
	Marks []Mark
}

// Mark is one mark, as it was last raised.
type Mark struct {
	Name          string
	Value, Number int64
}

// boardMark ends the key under which a board's marks are kept; in Redis their order is beside them.
const boardMark = "\x00b"

func (o *Raise) bound(b *bounds) {
	b.board(o.Key, o.TTL)
	if len(o.Mark) > maxKey || o.Value < 1 || o.Value > MaxAmount || o.Most < 1 {
		b.fail("a mark that cannot be")
	}
}

func (o *Marks) bound(b *bounds) {
	b.board(o.Key, o.TTL)
	if o.Limit < 1 || o.After < 0 || o.After > MaxAmount {
		b.fail("a place that cannot be")
	}
}

func (b *bounds) board(key string, ttl time.Duration) {
	b.key(key)
	b.writes = true
	if ttl < time.Millisecond {
		b.fail("a board that expires at once")
	}
}

// board is one in memory.
type board struct {
	born, last, lost int64
	marks            map[string]Mark
}

// board is the one under a key, which begins when it is not there, and lives on.
func (m *memory) board(key string, ttl time.Duration, now time.Time) *board {
	key += boardMark
	var b *board
	if r := m.all[key]; r != nil {
		b = r.board
	} else {
		b = &board{born: now.UnixMilli(), last: now.UnixMilli(), marks: map[string]Mark{}}
	}
	m.set(key, &record{board: b}, now.Add(ttl))
	return b
}

func (m *memory) raise(o *Raise, now time.Time) {
	b := m.board(o.Key, o.TTL, now)
	if o.Raised = b.marks[o.Mark].Value < o.Value; o.Raised {
		b.last = max(now.UnixMilli(), b.last+1)
		b.marks[o.Mark] = Mark{Name: o.Mark, Value: o.Value, Number: b.last}
	}
	b.forget(now.Add(-o.TTL).UnixMilli())
	for len(b.marks) > o.Most {
		oldest := b.last
		for _, k := range b.marks {
			oldest = min(oldest, k.Number)
		}
		b.forget(oldest)
	}
}

// forget lets go of the marks up to a number.
func (b *board) forget(upTo int64) {
	for name, k := range b.marks {
		if k.Number <= upTo {
			b.lost = max(b.lost, k.Number)
			delete(b.marks, name)
		}
	}
}

func (m *memory) read(o *Marks, now time.Time) {
	b := m.board(o.Key, o.TTL, now)
	o.Born, o.Last, o.Lost, o.Count, o.Marks = b.born, b.last, b.lost, int64(len(b.marks)), nil
	if b.last <= o.After {
		return
	}
	for _, k := range b.marks {
		if k.Number > o.After {
			o.Marks = append(o.Marks, k)
		}
	}
	slices.SortFunc(o.Marks, func(x, y Mark) int { return cmp.Compare(x.Number, y.Number) })
	o.Marks = o.Marks[:min(len(o.Marks), o.Limit)]
}

func (o *Marks) result(r any) (err error) {
	o.Born, o.Last, o.Lost, o.Count, o.Marks = 0, 0, 0, 0, nil
	all, ok := r.([]any)
	if !ok || len(all) < 4 || (len(all)-4)%3 != 0 {
		return errReply
	}
	for i, to := range []*int64{&o.Born, &o.Last, &o.Lost, &o.Count} {
		if *to, err = number(all[i]); err != nil || *to < 0 {
			return errReply
		}
	}
	if o.Born == 0 {
		return errReply
	}
	for rest := all[4:]; len(rest) > 0; rest = rest[3:] {
		k := Mark{}
		if k.Name, ok = rest[0].(string); !ok {
			return errReply
		}
		if k.Value, err = number(rest[1]); err != nil || k.Value < 1 {
			return errReply
		}
		if k.Number, err = number(rest[2]); err != nil || k.Number <= o.After {
			return errReply
		}
		o.Marks = append(o.Marks, k)
	}
	return nil
}
