package ref

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/store"
)

// ErrUnknown is a reference that is none: nobody issued it, it is another's, it has expired, or it cannot be looked up. Which of
// these is not told.
var ErrUnknown = errors.New("ref: no such reference")

// Entry is what a reference stands for.
type Entry struct {
	Value string
	Kind  project.ValueKind // a List or an Object is JSON in Value
	Label label.Label
	Tool  string // whose result it is a part of; empty when nobody vouches for the name
	Path  string // where in it, in names that the tool's rules know
}

// The bounds of a table.
const (
	maxLoads   = 64      // results that are looked up in the store in one exchange
	maxRecord  = 1 << 20 // bytes of one result's record; what is beyond is known while the result is in the history
	maxEntries = 100_000
)

// Table holds the references that an exchange may resolve. It may be used by several goroutines.
type Table struct {
	issuer Issuer
	store  store.Store

	mu      sync.Mutex
	entries map[Name]*entry
	results map[string]*result // by the letters of the result
	loads   int
}

type entry struct {
	Entry
	content   [32]byte
	at        string
	ambiguous bool
}

// result is what is known of the result whose names begin with the same letters.
type result struct {
	names []Name // in order, when it came with the exchange
	here  bool
}

// NewTable makes the table of an exchange. Without a store it knows only what is added.
func NewTable(i Issuer, s store.Store) *Table {
	return &Table{issuer: i, store: s, entries: map[Name]*entry{}, results: map[string]*result{}}
}

// Add issues the references of a projected result, and returns their names in order. content is Content's.
func (t *Table) Add(content [32]byte, tool string, l label.Label, references []project.Reference) []Name {
	m := t.issuer.result(content)
	defer m.done(t.issuer)
	names := make([]Name, len(references))
	for i, r := range references {
		names[i] = m.mint(r.At)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, r := range references {
		t.put(names[i], &entry{Entry: Entry{Value: r.Text, Kind: r.Kind, Label: l, Tool: tool, Path: r.Path}, content: content, at: r.At})
	}
	letters := m.name[len(prefix):]
	if t.results[letters] == nil {
		t.results[letters] = &result{}
	}
	t.results[letters].names, t.results[letters].here = names, true
	return names
}

// put keeps an entry. Two things of one name are neither; that the label of one thing tightened is fine.
func (t *Table) put(name Name, e *entry) {
	old := t.entries[name]
	switch {
	case old == nil && len(t.entries) >= maxEntries:
		return
	case old != nil && (old.content != e.content || old.at != e.at):
		old.ambiguous = true
		return
	case old != nil:
		e.Label = e.Label.Join(old.Label)
		e.ambiguous = old.ambiguous
	}
	t.entries[name] = e
}

// Get is what a reference stands for, as far as is known without asking the store.
func (t *Table) Get(name Name) (Entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[name]
	if e == nil || e.ambiguous {
		return Entry{}, false
	}
	return e.Entry, true
}

// Load looks up those references in the store that are not known yet, in one round trip. Those that are not there either are just
// not known; with an error nothing was learned, and nothing more is.
func (t *Table) Load(ctx context.Context, names ...Name) error {
	t.mu.Lock()
	var ops []store.Op
	var wanted []string
	for _, n := range names {
		if !isName(string(n)) || t.entries[n] != nil || t.results[n.result()] != nil || t.store == nil || t.loads >= maxLoads {
			continue
		}
		t.loads++
		t.results[n.result()] = &result{}
		wanted = append(wanted, n.result())
		ops = append(ops, &store.Get{Key: t.issuer.record + n.result()})
	}
	t.mu.Unlock()
	if len(ops) == 0 {
		return nil
	}
	if err := t.store.Do(ctx, ops...); err != nil {
		return fmt.Errorf("ref: looking references up: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, op := range ops {
		get := op.(*store.Get)
		if !get.Found {
			continue
		}
		values, err := decodeRecord(get.Value)
		if err != nil {
			return err
		}
		for value, e := range values {
			t.put(Name(prefix+wanted[i]+value), &entry{Entry: e})
		}
	}
	return nil
}

// Lookup is Get after Load. A store that does not answer is ErrUnknown too.
func (t *Table) Lookup(ctx context.Context, name Name) (Entry, error) {
	if e, ok := t.Get(name); ok {
		return e, nil
	}
	if err := t.Load(ctx, name); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if e, ok := t.Get(name); ok {
		return e, nil
	}
	return Entry{}, ErrUnknown
}

// Record is the operation that keeps the references of a result which was added, for exchanges in whose history it no longer is.
// It is nil when there is nothing to keep.
func (t *Table) Record(content [32]byte, keep time.Duration) store.Op {
	m := t.issuer.result(content)
	m.done(t.issuer)
	letters := m.name[len(prefix):]
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.results[letters]
	if r == nil || !r.here || len(r.names) == 0 {
		return nil
	}
	var w recordWriter
	for _, name := range r.names {
		if e := t.entries[name]; e != nil && !e.ambiguous {
			w.add(name.value(), e.Entry)
		}
	}
	if w.n == 0 {
		return nil
	}
	return &store.Put{Key: t.issuer.record + letters, Value: w.bytes(), TTL: keep}
}
