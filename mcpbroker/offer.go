package mcpbroker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/policies"
)

// offered is an item that a principal may see, and so may ask to call.
type offered struct {
	*item
	tool string // as policy names it
	pin  string // what is known of its description
	text []byte // as the set's clients get it
}

// policyName is how policy data calls an item: a tool by its full name, a server's prompts and its resources as one each.
func (b *Broker) policyName(k kind, it *item) string {
	switch k {
	case prompts:
		return "prompts/" + it.server.name
	case resources, templates:
		return "resources/" + it.server.name
	}
	return it.full
}

// offer keeps of some items of a set's servers those that the principal may see. Lists and calls both come through here: what it
// does not let through does not exist for them.
func (b *Broker) offer(ctx context.Context, p *identity.Principal, in *set, k kind, of []*item) ([]offered, error) {
	var kept []*item
	var asked []string
	for _, it := range of {
		if !slices.Contains(in.servers, it.server) || k == tools && in.tools != nil && !in.tools[it.full] {
			continue
		}
		kept = append(kept, it)
		asked = append(asked, b.policyName(k, it))
	}
	if len(kept) == 0 {
		return nil, nil
	}
	visible, err := b.c.Policies.Visible(ctx, subjectOf(p), label.Clean(), slices.Compact(slices.Clone(asked)))
	if err != nil {
		return nil, fmt.Errorf("mcpbroker: %w", err)
	}
	out := make([]offered, 0, len(kept))
	for i, it := range kept {
		if tool, ok := visible[asked[i]]; ok {
			o := offered{item: it, tool: tool, pin: policies.PinNone, text: it.doc}
			if in.names.bare != nil {
				o.text = it.own
			}
			out = append(out, o)
		}
	}
	if k == tools {
		out = b.approved(p, out)
	}
	return out, nil
}

// approved leaves out the tools whose description is not an approved one, where the data says that such are refused.
func (b *Broker) approved(p *identity.Principal, of []offered) []offered {
	compared := make([]policies.Tool, len(of))
	for i, o := range of {
		compared[i] = policies.Tool{Name: o.full, Hash: o.hash}
	}
	out := of[:0]
	for i, f := range b.c.Policies.Pins(p.Client(), compared) {
		o := of[i]
		o.pin = f.State
		if f.Mode != "" {
			b.report(p, o, f)
		}
		if f.Mode != policies.PinRefuse {
			out = append(out, o)
		}
	}
	return out
}

// report says once of each description that it is not an approved one.
func (b *Broker) report(p *identity.Principal, o offered, f policies.PinFinding) {
	e := b.catalog.of(o.server, p)
	e.mu.Lock()
	key := o.full + "\x00" + f.Hash + "\x00" + f.Mode
	told := e.reported[key]
	e.report(key)
	e.mu.Unlock()
	if told {
		return
	}
	b.noteList(&audit.Record{Server: o.server.name, Pins: []audit.Pin{{Tool: f.Tool, State: f.State, Mode: f.Mode, Hash: f.Hash}}})
	if f.Mode == policies.PinRefuse {
		b.metrics.left.WithLabelValues(o.server.name, leftPin).Inc()
	}
	b.c.Log.Warn("a tool's description is not an approved one", "tool", o.full, "state", f.State, "mode", f.Mode, "hash", f.Hash)
}

// gather asks all servers of a set for a list, at once. until is when the first of the lists is no longer fresh.
func (b *Broker) gather(ctx context.Context, p *identity.Principal, in *set, k kind) (all []*item, until time.Time) {
	lists := make([]*listing, len(in.servers))
	var wait sync.WaitGroup
	for i, s := range in.servers {
		e := b.catalog.of(s, p)
		if fresh := e.fresh(k); fresh != nil {
			lists[i] = fresh
			continue
		}
		wait.Go(func() { lists[i] = e.get(ctx, p, k) })
	}
	wait.Wait()
	until = b.c.Now().Add(mostKept)
	for _, l := range lists {
		if l == nil {
			continue
		}
		if l.until.Before(until) {
			until = l.until
		}
		all = append(all, l.items...)
	}
	return all, until
}

// fresh is a list that is in memory; nil when it has to be fetched.
func (e *entry) fresh(k kind) *listing {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.lists[k]; l != nil && e.b.c.Now().Before(l.until) {
		return l
	}
	return nil
}

// listed is what a principal sees of a list, ordered by name.
func (b *Broker) listed(ctx context.Context, p *identity.Principal, in *set, k kind) ([]offered, time.Time, error) {
	all, until := b.gather(ctx, p, in, k)
	out, err := b.offer(ctx, p, in, k, all)
	slices.SortFunc(out, func(x, y offered) int { return cmp.Compare(x.full, y.full) })
	return out, until, err
}

// find is the one item that a client means by a server's own name, if the principal may see it. down is why the server could not be
// asked.
func (b *Broker) find(ctx context.Context, p *identity.Principal, in *set, k kind, s *server, name string) (o *offered, down, err error) {
	if !slices.Contains(in.servers, s) {
		return nil, nil, nil
	}
	l := b.catalog.of(s, p).get(ctx, p, k)
	if l.err != nil {
		// Whether it has such an item nobody knows now; who may not see it anyway does not learn that it is down.
		full := &item{server: s, name: name, full: b.names.join(s, name)}
		seen, err := b.offer(ctx, p, in, k, []*item{full})
		if err != nil || len(seen) == 0 {
			return nil, nil, err
		}
		return nil, l.err, nil
	}
	it := l.byName[name]
	if it == nil {
		return nil, nil, nil
	}
	seen, err := b.offer(ctx, p, in, k, []*item{it})
	if err != nil || len(seen) == 0 {
		return nil, nil, err
	}
	return &seen[0], nil, nil
}

// Params tells the edge which arguments of a tool a client mirrors into headers.
func (b *Broker) Params(ctx context.Context, p *identity.Principal, setName, tool string) ([]protocol.Param, error) {
	in := b.sets[setName]
	if in == nil {
		return nil, nil
	}
	s, name, ok := in.names.split(tool)
	if !ok {
		return nil, nil
	}
	it := b.catalog.of(s, p).get(ctx, p, tools).byName[name]
	if it == nil || it.mirrored == nil && it.unmirrored == nil {
		return nil, nil // most tools want none, and nothing has to be asked of policy
	}
	o, _, err := b.find(ctx, p, in, tools, s, name)
	if err != nil || o == nil {
		return nil, err
	}
	return o.mirrored, o.unmirrored
}

var _ relay.Receiver = (*Broker)(nil)
