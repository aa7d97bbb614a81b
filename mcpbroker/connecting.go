package mcpbroker

import (
	"context"
	"errors"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// Some servers are called with what a person granted herself, in her browser. A call of somebody who has not done so cannot be made
// yet: where the client can, it asks her to open a link that is hers alone (an elicitation of a url; a client with sessions is asked
// by the edge), and the same call waits for a while when it comes again, since its client hears when she has agreed to open the link
// and not when she is through. Any other client reads where to go.

// Account is people's accounts at a server, which they connect on a page.
type Account interface {
	// Link leads a person to where she connects, and nobody else; "" says that who calls cannot connect anything. asks is what the
	// application calls itself.
	Link(p *identity.Principal, asks string) string
	// Page is where anybody may go of herself.
	Page() string
	// Connected tells whether a person has connected hers.
	Connected(ctx context.Context, p *identity.Principal) (bool, error)
}

const (
	// connectKey names our own input request.
	connectKey = "yellowjack_connect"
	// connectTurn is how often is looked whether she is through.
	connectTurn = 500 * time.Millisecond
	// shownApplication is how much a page shows of what an application calls itself.
	shownApplication = 80
)

// unlisted answers a call of a server whose list cannot be had.
func (b *Broker) unlisted(ctx context.Context, c *relay.Call, t *target, down error) (relay.Answer, error) {
	if !errors.Is(down, tokens.ErrConnect) {
		return unavailable(t.server), nil
	}
	return b.connect(ctx, c, t, b.begin(c, t), earned{})
}

// connect asks for a connection, where the client can. What the call has behind it is kept for when it comes again.
func (b *Broker) connect(ctx context.Context, c *relay.Call, t *target, r *record, has earned) (relay.Answer, error) {
	account, next := t.server.Account, state{waits: waitsForConnect, server: t.server.name}
	if at := awaited(c); at != nil && at.server == t.server.name {
		if !opened(c.Inputs) {
			return r.refuse(denial(t, notConnected), "not_connected", notConnected)
		}
		next.once = at.once
	}
	link := ""
	if account != nil {
		link = account.Link(c.Principal, applicationOf(c))
	}
	switch {
	case link == "":
		reason := "the server " + t.server.name + " is called with an account that a person connects herself, and you cannot log in where that is done"
		return r.refuse(denial(t, reason), "not_connectable", reason)
	case !protocol.MayNeedInput(t.method) || !canOpen(c.Capabilities):
		return r.refuse(denial(t, toConnect(t.server)), "not_connected", "no account is connected; this client cannot ask for one")
	}
	if has.any() {
		var err error
		if next.once, err = b.keep(ctx, c.Principal, t, has); err != nil {
			return relay.Answer{}, err
		}
	}
	return r.wait(relay.Answer{NeedInput: true, Result: invitation(t.server, link), State: next.append(nil)}, "connect")
}

const notConnected = "no account was connected"

// toConnect says to a person where she connects.
func toConnect(s *server) string {
	return "your account at the server " + s.name + " is not connected; open " + s.Account.Page() + " in a browser, connect it there, and make the call again"
}

// invitation asks her to open a link (2026-07-28, "URL Mode Elicitation for OAuth Flows").
func invitation(s *server, link string) []byte {
	out := []byte(`{"resultType":"input_required","inputRequests":{"` + connectKey + `":{"method":"` + protocol.Elicit + `","params":{"mode":"url","message":`)
	out = llm.AppendQuoted(out, "To call the server "+s.name+", connect your account there. The gateway's page asks you who you are and what you agree to.")
	return append(llm.AppendQuoted(append(out, `,"url":`...), link), `}}}}`...)
}

// canOpen tells whether a client can have its person open a link.
func canOpen(capabilities []byte) bool {
	return rpc.Raw(capabilities, protocol.CapabilityFor(protocol.Elicit), "url") != nil
}

// opened tells whether she agreed to open the link.
func opened(inputs []byte) bool {
	action, _ := rpc.Text(inputs, connectKey, "action")
	return action == "accept"
}

// awaited is the state of a call that waits for a connection; nil of any other.
func awaited(c *relay.Call) *state {
	if c.State == nil {
		return nil
	}
	at, err := readState(c.State)
	if err != nil || at.waits != waitsForConnect {
		return nil
	}
	return at
}

// await gives a person who has agreed to open the link the time to connect. When it is over the call is made all the same, and asks
// again.
func (b *Broker) await(ctx context.Context, c *relay.Call) error {
	at := awaited(c)
	if at == nil || !opened(c.Inputs) {
		return nil
	}
	s := b.names.servers[at.server]
	if s == nil || s.Account == nil {
		return nil
	}
	turn := time.NewTicker(connectTurn)
	defer turn.Stop()
	for end := time.Now().Add(b.c.ConnectWait); ; {
		there, err := s.Account.Connected(ctx, c.Principal)
		if err != nil || there || !time.Now().Before(end) {
			return err
		}
		select {
		case <-turn.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// applicationOf is what an application calls itself, and nobody else says.
func applicationOf(c *relay.Call) string {
	name, ok := rpc.Text(c.ClientInfo, "title")
	if !ok || name == "" {
		name, _ = rpc.Text(c.ClientInfo, "name")
	}
	if short := []rune(name); len(short) > shownApplication {
		name = string(short[:shownApplication]) + "…"
	}
	return name
}

// Reconnected says that somebody has connected an account at a server, or has ended the connection: what the broker keeps of the
// server for her was had by another one, and her clients look at their lists again.
func (b *Broker) Reconnected(principal, serverName string) {
	s := b.names.servers[serverName]
	if s == nil {
		return
	}
	if e, ok := s.Receiver.(interface{ End(principal string) }); ok {
		e.End(principal)
	}
	b.catalog.mu.Lock()
	if e := b.catalog.all[entryKey{s.name, principal}]; e != nil {
		b.catalog.forget(e)
	}
	b.catalog.mu.Unlock()
	b.hub.of(principal)
}
