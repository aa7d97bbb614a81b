package mcpbroker

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

const (
	// settle is how long changes are gathered before a client is told.
	settle = 50 * time.Millisecond
	// maxSubscribed is how many resources one stream may be about.
	maxSubscribed = 1024
)

// hub hands changes of servers' lists to the clients that listen.
type hub struct {
	mu   sync.Mutex
	subs map[*subscription]struct{}
}

// subscription is one client that listens.
type subscription struct {
	owner  string
	in     *set
	wants  [kinds]bool
	mu     sync.Mutex
	dirty  [kinds]bool
	signal chan struct{}
}

func newHub() *hub { return &hub{subs: map[*subscription]struct{}{}} }

func (h *hub) add(s *subscription) (remove func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs[s] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, s)
	}
}

// publish tells those whom a change of a server may concern; an owner's lists concern only the owner.
func (h *hub) publish(of *server, owner string, k kind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		if !s.wants[k] || owner != "" && owner != s.owner {
			continue
		}
		for _, have := range s.in.servers {
			if have == of {
				s.wake(k)
				break
			}
		}
	}
}

// all makes everybody look again.
func (h *hub) all() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		for k := range kinds {
			if s.wants[k] {
				s.wake(k)
			}
		}
	}
}

// listens tells whether an owner does.
func (h *hub) listens(owner string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		if s.owner == owner {
			return true
		}
	}
	return false
}

func (s *subscription) wake(k kind) {
	s.mu.Lock()
	s.dirty[k] = true
	s.mu.Unlock()
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

func (s *subscription) take() [kinds]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dirty
	s.dirty = [kinds]bool{}
	return d
}

// PoliciesChanged makes the clients that listen be told of what is listed for them otherwise than before.
func (b *Broker) PoliciesChanged() { b.hub.all() }

// listen tells a client of changes until it goes: of a list only when it is another one for its principal.
func (b *Broker) listen(ctx context.Context, c *relay.Call, in *set) (relay.Answer, error) {
	sub := &subscription{owner: c.Principal.Key(), in: in, signal: make(chan struct{}, 1)}
	is := func(name string) bool { return string(rpc.Raw(c.Params, "notifications", name)) == "true" }
	sub.wants[tools], sub.wants[prompts] = is("toolsListChanged"), is("promptsListChanged")
	sub.wants[resources] = is("resourcesListChanged")
	sub.wants[templates] = sub.wants[resources]
	watched, ack, err := b.subscriptions(ctx, c, in)
	if err != nil {
		return relay.Answer{}, err
	}
	defer b.hub.add(sub)()
	b.metrics.streams.Inc()
	defer b.metrics.streams.Dec()
	// What is listed now is looked at before the client is told that it listens: it hears of all that changes from then on.
	var seen [kinds][32]byte
	for k := range kinds {
		if sub.wants[k] {
			seen[k], _ = b.fingerprint(ctx, c.Principal, in, k)
		}
	}
	if err := c.Notify(protocol.NotifyAcknowledged, acknowledged(sub, ack)); err != nil {
		return relay.Answer{}, context.Canceled
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	for s, uris := range watched {
		wait.Go(func() { b.follow(ctx, c, in, s, uris) })
	}
	for {
		select {
		case <-ctx.Done():
			sub.farewell(ctx, c)
			return relay.Answer{}, ctx.Err()
		case <-b.ending: // a graceful end ("Graceful Closure")
			return relay.Answer{Result: []byte("{}")}, nil
		case <-sub.signal:
		}
		select {
		case <-ctx.Done():
			continue
		case <-time.After(settle):
		}
		if err := b.tell(ctx, c, in, sub.take(), &seen); err != nil {
			return relay.Answer{}, context.Canceled
		}
	}
}

// farewell tells a client whose principal was revoked that its lists hold no more, before its stream ends.
func (s *subscription) farewell(ctx context.Context, c *relay.Call) {
	if !errors.Is(context.Cause(ctx), relay.ErrRevoked) {
		return
	}
	told := map[string]bool{}
	for k := range kinds {
		if method := k.shape().changed; s.wants[k] && !told[method] {
			told[method] = true
			_ = c.Notify(method, []byte("{}")) // it may have gone
		}
	}
}

// tell notifies a client of the lists that are other ones now. That it cannot be found out is told too: the client will ask.
func (b *Broker) tell(ctx context.Context, c *relay.Call, in *set, dirty [kinds]bool, seen *[kinds][32]byte) error {
	told := map[string]bool{}
	for k := range kinds {
		if !dirty[k] {
			continue
		}
		now, err := b.fingerprint(ctx, c.Principal, in, k)
		if err == nil && now == seen[k] {
			continue
		}
		seen[k] = now
		if method := k.shape().changed; !told[method] {
			told[method] = true
			if err := c.Notify(method, []byte("{}")); err != nil {
				return err
			}
		}
	}
	return nil
}

// fingerprint is what a principal sees of a list, in short.
func (b *Broker) fingerprint(ctx context.Context, p *identity.Principal, in *set, k kind) (sum [32]byte, err error) {
	all, _, err := b.listed(ctx, p, in, k)
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	for _, o := range all {
		_, _ = h.Write(o.text)
		_, _ = h.Write([]byte{0})
	}
	h.Sum(sum[:0])
	return sum, nil
}

// subscriptions sorts the resources that a client wants to hear of by their servers; what its principal may not read is not among
// them.
func (b *Broker) subscriptions(ctx context.Context, c *relay.Call, in *set) (map[*server][]string, []string, error) {
	list := rpc.Raw(c.Params, "notifications", "resourceSubscriptions")
	if len(list) == 0 || list[0] != '[' {
		return nil, nil, nil
	}
	var of []*item
	err := rpc.Elements(list, func(i int, raw []byte) error {
		if i >= maxSubscribed {
			return &relay.Error{Code: rpc.CodeInvalidParams, Message: "too many subscriptions in one stream"}
		}
		full, _ := rpc.String(raw)
		if s, uri, ok := in.names.splitURI(full); ok {
			of = append(of, &item{server: s, name: uri, full: full})
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	seen, err := b.offer(ctx, c.Principal, in, resources, of)
	if err != nil {
		return nil, nil, err
	}
	by := map[*server][]string{}
	var ack []string
	for _, o := range seen {
		by[o.server] = append(by[o.server], o.name)
		ack = append(ack, o.full)
	}
	return by, ack, nil
}

func acknowledged(s *subscription, uris []string) []byte {
	out := []byte(`{"notifications":{`)
	first := true
	add := func(name string, value []byte) {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(append(append(out, '"'), name...), `":`...), value...)
	}
	for _, w := range []struct {
		on   bool
		name string
	}{{s.wants[tools], "toolsListChanged"}, {s.wants[prompts], "promptsListChanged"}, {s.wants[resources], "resourcesListChanged"}} {
		if w.on {
			add(w.name, []byte("true"))
		}
	}
	if len(uris) > 0 {
		add("resourceSubscriptions", quotedList(uris))
	}
	return append(out, "}}"...)
}

func quotedList(all []string) []byte {
	out := []byte{'['}
	for i, s := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = llm.AppendQuoted(out, s)
	}
	return append(out, ']')
}

// follow hears of a server's resources for one client, in the session of its calls.
func (b *Broker) follow(ctx context.Context, c *relay.Call, in *set, s *server, uris []string) {
	params := append(append([]byte(`{"notifications":{"resourceSubscriptions":`), quotedList(uris)...), "}}"...)
	b.hear(ctx, s, c.Principal, params, withoutTasks(c.Capabilities), func(method string, params []byte) error {
		if method != protocol.NotifyUpdated {
			return nil
		}
		uri, ok := rpc.Text(params, "uri")
		if !ok {
			return nil
		}
		changed, err := rpc.Change(params).SetText(in.names.joinURI(s, uri), "uri").Bytes()
		if err != nil {
			return nil //nolint:nilerr // what cannot be read is no notification
		}
		return c.Notify(method, withoutSubscription(changed))
	})
}

// withoutSubscription takes out the id of our own stream; the edge puts the client's in.
func withoutSubscription(params []byte) []byte {
	meta := rpc.Raw(params, "_meta")
	if rpc.Raw(meta, protocol.MetaSubscription) == nil {
		return params
	}
	cleaned, err := rpc.Change(meta).Remove(protocol.MetaSubscription).Bytes()
	if err != nil {
		return params
	}
	if params, err = rpc.Change(params).Set(cleaned, "_meta").Bytes(); err != nil {
		return nil
	}
	return params
}

// watch hears of changes of a server's lists, as long as somebody uses them.
func (e *entry) watch(p *identity.Principal) {
	ctx, cancel := context.WithCancel(e.life)
	defer cancel()
	if e.owner != "" {
		e.b.spawn(func() { e.expire(ctx) })
	}
	const params = `{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}}`
	first := true
	e.b.hear(ctx, e.s, p, []byte(params), []byte(relayed), func(method string, _ []byte) error {
		if method == protocol.NotifyAcknowledged {
			if !first { // what changed while nobody heard is not known
				e.stale(tools, prompts, resources, templates)
			}
			first = false
			return nil
		}
		e.changed(method)
		return nil
	})
}

// expire forgets the lists of a principal when they were not used for a while and the principal does not listen.
func (e *entry) expire(ctx context.Context) {
	tick := time.NewTicker(ownedIdle / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if e.b.c.Now().Sub(e.lastUsed()) > ownedIdle && !e.b.hub.listens(e.owner) {
			e.b.catalog.mu.Lock()
			e.b.catalog.forget(e)
			e.b.catalog.mu.Unlock()
			return
		}
	}
}

// hear listens to a server, and begins anew when its stream breaks. One that cannot be listened to is let be: its lists are fetched
// again when their time is over.
func (b *Broker) hear(ctx context.Context, s *server, p *identity.Principal, params, capabilities []byte, notify func(string, []byte) error) {
	pause := firstWait
	for ctx.Err() == nil {
		began := time.Now()
		answer, err := s.Receiver.Call(ctx, &relay.Call{
			Principal: p, Method: protocol.Listen, Params: params, Capabilities: capabilities, Notify: notify,
		})
		if err == nil && answer.Err != nil {
			return
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
			b.c.Log.Debug("a server's stream ended", "server", s.name, "err", err)
		}
		if time.Since(began) > longWait {
			pause = firstWait
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longWait)
	}
}
