package scim

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

const (
	// slots are how many parts of the store a realm is spread over.
	slots = 64
	// keepTime is how long a resource stays that is not pushed again.
	keepTime = 365 * 24 * time.Hour
	// lockTime is how long a change may take, lockWait how long another one waits for it.
	lockTime = 10 * time.Second
	lockWait = 3 * time.Second
	lockStep = 50 * time.Millisecond
	// maxRecord bounds one resource, as it is kept.
	maxRecord = 8 << 20
)

// keeper keeps resources in the store. Keys hold random ids and MACs of names, the values are sealed by the store.
type keeper struct{ c Config }

// slot is the part of the store where a word's records are.
func (k *keeper) slot(word string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(word))
	return k.numbered(int(h.Sum32() % slots))
}

func (k *keeper) numbered(n int) string {
	return k.c.Keys.Slot(label.Scope{Principal: fmt.Sprintf("\x00scim\x00%s\x00%d", k.c.Realm, n)})
}

func (k *keeper) key(of kind, id string) string { return k.slot(id) + "scim:" + of.name + ":" + id }

// index is where the id of who has a value stands.
func (k *keeper) index(of kind, attribute, value string) string {
	if attribute == "userName" || attribute == "displayName" { // not told apart by case (RFC 7643, section 4.1.1)
		value = strings.ToLower(value)
	}
	mac := k.c.Keys.MAC("scim", []byte(k.c.Realm), []byte(of.name), []byte(attribute), []byte(value))
	word := hex.EncodeToString(mac[:])
	return k.slot(word) + "scim=" + word
}

// plausible keeps ids out of keys that are none of ours.
func plausible(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') })
}

func (k *keeper) get(ctx context.Context, of kind, id string) (*resource, error) {
	if !plausible(id) {
		return nil, errMissing
	}
	get := &store.Get{Key: k.key(of, id)}
	if err := k.c.Store.Do(ctx, get); err != nil {
		return nil, err
	}
	if !get.Found {
		return nil, errMissing
	}
	return decode(get.Value)
}

// decode reads a resource as it was kept.
func decode(doc []byte) (*resource, error) {
	m, err := strictjson.Plain(doc, strictjson.Limits{MaxBytes: maxRecord, MaxDepth: 20})
	if err != nil {
		return nil, fmt.Errorf("scim: a record: %w", err)
	}
	at := func(name string) time.Time {
		text, _ := m[name].(string)
		t, _ := time.Parse(time.RFC3339Nano, text)
		return t
	}
	r := &resource{created: at("created"), changed: at("changed")}
	r.id, _ = m["id"].(string)
	if r.doc, _ = m["doc"].(map[string]any); r.doc == nil || r.id == "" {
		return nil, errors.New("scim: a record that is none")
	}
	return r, nil
}

// names are the index entries of a resource.
func (k *keeper) names(of kind, r *resource) map[string]string {
	out := map[string]string{}
	if r == nil {
		return out
	}
	for _, attribute := range of.indexed {
		if value := r.text(attribute); value != "" {
			out[attribute] = k.index(of, attribute, value)
		}
	}
	return out
}

// holder is who has an index entry; "" is nobody.
func (k *keeper) holder(ctx context.Context, of kind, attribute, index string) (string, error) {
	get := &store.Get{Key: index}
	if err := k.c.Store.Do(ctx, get); err != nil {
		return "", err
	}
	id := string(get.Value)
	if !get.Found {
		return "", nil
	}
	r, err := k.get(ctx, of, id) // it may have gone, or have another name
	switch {
	case errors.Is(err, errMissing):
		return "", nil
	case err != nil:
		return "", err
	case k.names(of, r)[attribute] != index:
		return "", nil
	}
	return id, nil
}

var errConflict = &problem{409, "uniqueness", "there is one of this name already"}

func (k *keeper) add(ctx context.Context, of kind, r *resource) error {
	n, err := k.count(ctx, of, r.id)
	if err != nil {
		return err
	}
	if n > k.c.Resources/slots+16 {
		return &problem{507, "", "there are too many of these"}
	}
	if err := k.put(ctx, of, nil, r); err != nil {
		return err
	}
	return k.c.Store.Do(ctx, &store.Union{Key: k.slot(r.id) + "scim*" + of.name, Members: []string{r.id}, TTL: keepTime})
}

// count is how many ids were made in the slot of one.
func (k *keeper) count(ctx context.Context, of kind, id string) (int, error) {
	members := &store.Members{Key: k.slot(id) + "scim*" + of.name}
	err := k.c.Store.Do(ctx, members)
	return len(members.Members), err
}

// put writes a resource in the place of an earlier one; nil is none.
func (k *keeper) put(ctx context.Context, of kind, was, now *resource) error {
	doc, err := now.encode()
	if err != nil {
		return fmt.Errorf("scim: %w", err)
	}
	if len(doc) > maxRecord {
		return &problem{413, "tooMany", "the resource is too large"}
	}
	old, names := k.names(of, was), k.names(of, now)
	if index := names[of.unique]; index != "" && index != old[of.unique] {
		id, err := k.holder(ctx, of, of.unique, index)
		if err != nil {
			return err
		}
		if id != "" && id != now.id {
			return errConflict
		}
	}
	if err := k.c.Store.Do(ctx, &store.Put{Key: k.key(of, now.id), Value: doc, TTL: keepTime}); err != nil {
		return err
	}
	for attribute, index := range names {
		if err := k.c.Store.Do(ctx, &store.Put{Key: index, Value: []byte(now.id), TTL: keepTime}); err != nil {
			return err
		}
		delete(old, attribute)
	}
	return nil // an entry of an earlier name leads to who does not have it any more, and so to nobody
}

func (k *keeper) drop(ctx context.Context, of kind, was *resource) error {
	return k.c.Store.Do(ctx, &store.Delete{Key: k.key(of, was.id)})
}

// lock keeps other changes of a resource waiting, in other processes too.
func (k *keeper) lock(ctx context.Context, of kind, id string) (unlock func(), err error) {
	if !plausible(id) {
		return nil, errMissing
	}
	lock := &store.Lock{Key: k.key(of, id) + ":lock", Owner: rand.Text(), TTL: lockTime}
	for deadline := time.Now().Add(lockWait); ; {
		if err := k.c.Store.Do(ctx, lock); err != nil {
			return nil, err
		}
		if lock.Got {
			return func() { _ = k.c.Store.Do(context.WithoutCancel(ctx), &store.Delete{Key: lock.Key}) }, nil // else it expires
		}
		if time.Now().After(deadline) {
			return nil, errors.New("scim: another change of the same resource takes too long")
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockStep):
		}
	}
}

// all are the resources of a page, in the order of their ids, and how many there are.
func (k *keeper) all(ctx context.Context, of kind, from, count int) (page []*resource, total int, err error) {
	var ids []string
	for n := range slots {
		members := &store.Members{Key: k.numbered(n) + "scim*" + of.name}
		if err := k.c.Store.Do(ctx, members); err != nil {
			return nil, 0, err
		}
		ids = append(ids, members.Members...)
	}
	slices.SortFunc(ids, cmp.Compare)
	for _, id := range ids {
		r, err := k.get(ctx, of, id)
		if errors.Is(err, errMissing) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		if total++; total >= from && len(page) < count {
			page = append(page, r)
		}
	}
	return page, total, nil
}
