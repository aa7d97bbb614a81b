package dual

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/yellowjack/yellowjack/internal/store"
)

// unit is one call of a model whose outcome is remembered under a key: a MAC of all that the outcome depends on.
type unit struct {
	key     string
	caller  Caller
	purpose string
	ask     func(ctx context.Context) ([]byte, Reason) // a value; none with a reason
}

// outcome is what became of a unit: a value, or why there is none.
type outcome struct {
	value  []byte
	why    Reason
	cached bool
	model  time.Duration
}

// What is kept: a value behind kindValue, or the reason of a failure behind kindFailure.
const (
	kindFailure = 'f'
	kindValue   = 'v'
)

// read takes a record apart. One that is neither is no record of ours.
func read(record []byte) (outcome, bool) {
	switch {
	case len(record) > 1 && record[0] == kindValue:
		return outcome{value: record[1:], cached: true}, true
	case len(record) > 1 && record[0] == kindFailure:
		return outcome{why: Reason(record[1:]), cached: true}, true
	}
	return outcome{}, false
}

// recall returns the outcome of every unit: known before, or asked for now, all at once. All units are of one principal.
// It never takes longer than ctx.
func (a *Asker) recall(ctx context.Context, units []unit) []outcome {
	out := make([]outcome, len(units))
	missing := make([]int, 0, len(units))
	now := time.Now()
	for i, u := range units {
		if record, ok := a.known.get(u.key, now); ok {
			if out[i], ok = read(record); ok {
				continue
			}
		}
		missing = append(missing, i)
	}
	missing = a.recallStored(ctx, units, missing, out)
	flights := make(map[int]*flight, len(missing))
	for _, i := range missing {
		flights[i] = a.board(units[i])
	}
	for i, f := range flights {
		if f == nil {
			out[i] = outcome{why: Gone}
			continue
		}
		out[i] = f.wait(ctx)
		a.leave(units[i].key, f, errors.Is(ctx.Err(), context.DeadlineExceeded))
	}
	for i, u := range units {
		a.cfg.Observe(Event{Purpose: u.purpose, Cached: out[i].cached, Failure: out[i].why, Model: out[i].model})
	}
	return out
}

// recallStored looks in the store, in one round trip, and returns what is still missing. A store that does not answer
// leaves nothing missing and nothing known: without it nothing is asked.
func (a *Asker) recallStored(ctx context.Context, units []unit, missing []int, out []outcome) []int {
	if len(missing) == 0 {
		return nil
	}
	ops, gets := make([]store.Op, len(missing)), make([]*store.Get, len(missing))
	for k, i := range missing {
		gets[k] = &store.Get{Key: units[i].key}
		ops[k] = gets[k]
	}
	if err := a.cfg.Store.Do(ctx, ops...); err != nil {
		for _, i := range missing {
			out[i] = outcome{why: NoStore}
		}
		return nil
	}
	left := missing[:0]
	for k, i := range missing {
		found, ok := read(gets[k].Value)
		if !gets[k].Found || !ok {
			left = append(left, i)
			continue
		}
		out[i] = found
		a.remember(units[i].key, gets[k].Value)
	}
	return left
}

// remember keeps a record in this process; a failure for a short time.
func (a *Asker) remember(key string, record []byte) {
	a.known.put(key, record, time.Now().Add(a.keep(record)))
}

func (a *Asker) keep(record []byte) time.Duration {
	if record[0] == kindFailure {
		return a.cfg.KeepFailure
	}
	return a.cfg.Keep
}

// flight is one unit on its way; whoever asks the same meanwhile waits for it.
type flight struct {
	done    chan struct{}
	end     context.CancelCauseFunc
	waiting int // guarded by Asker.mu
	result  outcome
}

// board joins the unit's flight or starts it; nil once the Asker is closed.
func (a *Asker) board(u unit) *flight {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return nil
	}
	if f := a.flights[u.key]; f != nil {
		f.waiting++
		return f
	}
	ctx, end := context.WithCancelCause(a.life)
	f := &flight{done: make(chan struct{}), end: end, waiting: 1}
	a.flights[u.key] = f
	a.running.Go(func() {
		defer end(nil)
		f.result = a.fly(ctx, u)
		a.mu.Lock()
		if a.flights[u.key] == f {
			delete(a.flights, u.key)
		}
		a.mu.Unlock()
		close(f.done)
	})
	return f
}

// wait returns the flight's outcome, or that it is late for this one who waits.
func (f *flight) wait(ctx context.Context) outcome {
	select {
	case <-f.done:
		return f.result
	default:
	}
	select {
	case <-f.done:
		return f.result
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return outcome{why: Late}
		}
		return outcome{why: Gone}
	}
}

// errGone ends a flight that nobody waits for any more; a deadline that all of them had is the model's failure.
var errGone = errors.New("dual: nobody waits")

func (a *Asker) leave(key string, f *flight, late bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f.waiting--; f.waiting > 0 {
		return
	}
	if a.flights[key] == f {
		delete(a.flights, key) // whoever comes now starts anew
	}
	if late {
		f.end(context.DeadlineExceeded)
	} else {
		f.end(errGone)
	}
}

// The waits between two looks at what another process asks for.
const (
	pollFirst = 25 * time.Millisecond
	pollMost  = 250 * time.Millisecond
)

// fly asks the model, unless another process does: then it waits for what that one writes, and takes over if it dies.
func (a *Asker) fly(ctx context.Context, u unit) outcome {
	owner := rand.Text()
	for wait := pollFirst; ; wait = min(2*wait, pollMost) {
		leave := a.places.take(ctx, u.caller.Scope)
		if leave == nil {
			return a.over(ctx)
		}
		result, again := a.claim(ctx, u, owner)
		leave()
		if !again {
			return result
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return a.over(ctx)
		}
	}
}

// over is the outcome of a flight that was ended.
func (a *Asker) over(ctx context.Context) outcome {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return outcome{why: Late}
	}
	return outcome{why: Gone}
}

// lockSlack is how much longer a lock lives than the call it stands for.
const lockSlack = 2 * time.Second

// claim takes the unit's lock and asks the model, or finds the outcome; again when another process has the lock. The lock is
// taken before the record is read: whoever gets it and finds nothing is the one who asks.
func (a *Asker) claim(ctx context.Context, u unit, owner string) (result outcome, again bool) {
	lock := &store.Lock{Key: u.key + ":l", Owner: owner, TTL: a.cfg.Timeouts.Result + lockSlack}
	get := &store.Get{Key: u.key}
	if err := a.cfg.Store.Do(ctx, lock, get); err != nil {
		return a.withoutStore(ctx), false
	}
	if found, ok := read(get.Value); get.Found && ok {
		if lock.Got {
			a.release(lock.Key)
		}
		a.remember(u.key, get.Value)
		return found, false
	}
	if !lock.Got {
		return outcome{}, true
	}
	began := time.Now()
	value, why := u.ask(ctx)
	took := time.Since(began)
	if why == Late && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) && ctx.Err() != nil {
		why = Gone
	}
	switch why {
	case Gone, NoToken, NoStore: // the content had no part in it, and the next one may do better
		a.release(lock.Key)
		return outcome{why: why, model: took}, false
	}
	record := append([]byte{kindValue}, value...)
	if why != "" {
		record = append([]byte{kindFailure}, why...)
	}
	result = a.settle(u, lock, record)
	result.model, result.cached = took, false
	return result, false
}

// settle writes the record. Where the lock was lost meanwhile, what its new owner wrote counts, so that all read the same.
func (a *Asker) settle(u unit, lock *store.Lock, record []byte) outcome {
	ctx, cancel := a.brief()
	defer cancel()
	put := &store.PutOwned{Lock: lock.Key, Owner: lock.Owner, Key: u.key, Value: record, TTL: a.keep(record)}
	get := &store.Get{Key: u.key}
	if err := a.cfg.Store.Do(ctx, put, get); err != nil {
		return outcome{why: NoStore}
	}
	if get.Found && !put.Stored {
		record = get.Value
	}
	result, ok := read(record)
	if !ok {
		return outcome{why: NoStore}
	}
	a.remember(u.key, record)
	return result
}

// release gives a lock back; one that stays ends by itself.
func (a *Asker) release(key string) {
	ctx, cancel := a.brief()
	defer cancel()
	_ = a.cfg.Store.Do(ctx, &store.Delete{Key: key})
}

// brief is a context for what must be written although its flight is over.
func (a *Asker) brief() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(a.life), time.Second)
}

func (a *Asker) withoutStore(ctx context.Context) outcome {
	if ctx.Err() != nil {
		return a.over(ctx)
	}
	return outcome{why: NoStore}
}
