package tokens

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// The names of records are MACs, so that nobody can tell from one whose it is or what for. What was put under which name is therefore
// written down beside the records, sealed: for a person who wants to know what is kept, and to have it forgotten.

// Owner is whose tokens they are; the zero value is the broker itself.
type Owner struct{ Tenant, Principal string }

func (c *Cache) slot(o Owner) string {
	if o == (Owner{}) {
		o.Principal = "\x00the broker"
	}
	return c.Keys.Slot(label.Scope{Tenant: o.Tenant, Principal: o.Principal})
}

// entry is what is written down of one place.
type entry struct {
	Name                             string // of the record, without the slot
	Server, Flow, Resource, Audience string
	Scopes                           []string `json:",omitempty"`
	Application, Actor               string
}

func (e entry) encode() (string, error) {
	b, err := json.Marshal(e)
	return string(b), err
}

// written writes a place down for at least as long as what is put there lasts. Each epoch has entries of its own, as it has records.
func (p place) written(ttl time.Duration) *store.Union {
	return &store.Union{Key: entries(p.slot, p.epoch), Members: []string{p.entry}, TTL: ttl}
}

func entries(slot string, epoch int64) string { return slot + "ti:" + strconv.FormatInt(epoch, 10) }

// forget deletes what is kept at a place, and takes the locks of whoever is about to put something there.
func (p place) forget() []store.Op {
	c := p.connection()
	return []store.Op{&store.Delete{Key: c.lock}, &store.Delete{Key: p.name + ":l"}, &store.Delete{Key: c.key}, &store.Delete{Key: p.name}}
}

// Kept is what is kept for a server. No token is in it.
type Kept struct {
	Server, Flow, Resource, Audience string
	Scopes                           []string
	Application, Actor               string    // by which, and by whom, its owner called; "" where that makes no difference
	Issued, Until                    time.Time // of the access token; zero where there is none now
	Connected                        bool      // there is a refresh token

	at place
}

// List tells what is kept of an owner's tokens.
func (c *Cache) List(ctx context.Context, o Owner) ([]Kept, error) {
	epoch, err := c.epoch(ctx, o.Principal)
	if err != nil {
		return nil, err
	}
	slot := c.slot(o)
	get := &store.Members{Key: entries(slot, epoch)}
	if err := c.Store.Do(ctx, get); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	var out []Kept
	for _, text := range get.Members {
		var e entry
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return nil, fmt.Errorf("tokens: an entry that is none: %w", err)
		}
		one := Kept{
			Server: e.Server, Flow: e.Flow, Resource: e.Resource, Audience: e.Audience, Scopes: e.Scopes, Application: e.Application, Actor: e.Actor,
			at: place{slot: slot, name: slot + e.Name, principal: o.Principal, epoch: epoch},
		}
		there, err := c.state(ctx, &one)
		if err != nil {
			return nil, err
		}
		if there {
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b Kept) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Flow, b.Flow), cmp.Compare(a.Application, b.Application), cmp.Compare(a.at.name, b.at.name))
	})
	return out, nil
}

// state finds out what is still there of what was written down.
func (c *Cache) state(ctx context.Context, k *Kept) (bool, error) {
	had, err := c.look(ctx, k.at)
	if err != nil {
		return false, err
	}
	if had.token != "" && time.Now().Before(had.until) {
		k.Issued, k.Until = had.issued, had.until
	}
	refresh, err := c.granted(ctx, k.at)
	k.Connected = refresh != ""
	return k.Connected || !k.Until.IsZero(), err
}

// Forget deletes what List told, and whatever comes for it of requests that are under way is thrown away. The next call gets a new
// token, except where a person has to connect.
func (c *Cache) Forget(ctx context.Context, all ...Kept) error {
	for _, k := range all {
		if err := c.Store.Do(ctx, k.at.forget()...); err != nil {
			return fmt.Errorf("tokens: %w", err)
		}
	}
	return nil
}
