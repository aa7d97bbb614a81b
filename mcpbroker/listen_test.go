package mcpbroker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

func (f receiver) Call(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	if c.Method == protocol.Listen {
		<-ctx.Done()
		return relay.Answer{}, ctx.Err()
	}
	return f()
}

// listener is a client that listens.
type listener struct {
	heard chan string
	ended chan relay.Answer
	stop  context.CancelFunc
}

func (w *world) listen(p *identity.Principal, params string, change ...func(*relay.Call)) *listener {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	l := &listener{heard: make(chan string, 100), ended: make(chan relay.Answer, 1), stop: cancel}
	c := &relay.Call{Principal: p, Method: protocol.Listen, Params: []byte(params), Capabilities: []byte("{}"), Notify: func(method string, params []byte) error {
		l.heard <- strings.TrimSuffix(method+" "+string(params), " {}")
		return nil
	}}
	for _, f := range change {
		f(c)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a, _ := w.broker.Call(ctx, c)
		l.ended <- a
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	if got := l.next(w.t); !strings.HasPrefix(got, protocol.NotifyAcknowledged) {
		w.t.Fatalf("first it heard %s", got)
	}
	return l
}

func (l *listener) next(t testing.TB) string {
	t.Helper()
	select {
	case got := <-l.heard:
		return got
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is heard")
		return ""
	}
}

func (l *listener) silent(t testing.TB) {
	t.Helper()
	select {
	case got := <-l.heard:
		t.Errorf("it hears %s", got)
	case <-time.After(4 * settle):
	}
}

// TestListChanged: a change is told to those whose list is another one now, and to nobody else.
func TestListChanged(t *testing.T) {
	w := newWorld(t, nil)
	w.tools(w.sara)
	sara := w.listen(w.sara, `{"notifications":{"toolsListChanged":true}}`)
	mona := w.listen(w.mona, `{"notifications":{"toolsListChanged":true}}`)
	chat := w.listen(w.sara, `{"notifications":{"toolsListChanged":true}}`, inSet("chat"))
	deaf := w.listen(w.sara, `{"notifications":{"promptsListChanged":true,"toolsListChanged":false}}`)
	s := w.servers["snowflake"]
	s.set(protocol.ListTools, tool("query"))
	s.change <- protocol.NotifyTools + " {}"
	if got := sara.next(t); got != protocol.NotifyTools {
		t.Errorf("Sara hears %s", got)
	}
	if got := w.tools(w.sara); got != "slack__whoami snowflake__query" {
		t.Errorf("Sara sees %s", got)
	}
	mona.silent(t)
	chat.silent(t)
	deaf.silent(t)
	// A change that is none.
	s.change <- protocol.NotifyTools + " {}"
	sara.silent(t)
	// Many changes at once are told once.
	s.set(protocol.ListTools, tool("query", "drop"))
	for range 5 {
		s.change <- protocol.NotifyTools + " {}"
	}
	sara.next(t)
	sara.silent(t)
	w.broker.Close()
	if a := <-sara.ended; string(a.Result) != "{}" {
		t.Errorf("the end is %+v", a)
	}
}

// TestPoliciesChanged: whoever's list is another one by a new policy is told.
func TestPoliciesChanged(t *testing.T) {
	w := newWorld(t, nil)
	w.tools(w.sara)
	sara := w.listen(w.sara, `{"notifications":{"toolsListChanged":true}}`)
	mona := w.listen(w.mona, `{"notifications":{"toolsListChanged":true}}`)
	w.policies(map[string]any{"tools": map[string]any{
		"slack__post_message": map[string]any{"allow": []any{"group:comms"}, "effect": "write"}, "slack__whoami": map[string]any{"allow": []any{"*"}},
	}})
	w.broker.PoliciesChanged()
	if got := sara.next(t); got != protocol.NotifyTools {
		t.Errorf("Sara hears %s", got)
	}
	mona.silent(t)
}

// TestUpdated: changes of resources reach who may read them, under the client's names.
func TestUpdated(t *testing.T) {
	w := newWorld(t, nil)
	sara := w.listen(w.sara, `{"notifications":{"resourceSubscriptions":["snowflake+file:///a","slack+file:///b","file:///c"]}}`)
	mona := w.listen(w.mona, `{"notifications":{"resourceSubscriptions":["snowflake+file:///a"]}}`)
	s := w.servers["snowflake"]
	eventually(t, "the subscription", func() bool { return len(s.made(protocol.Listen)) == 1 })
	if got := string(s.made(protocol.Listen)[0].Params); got != `{"notifications":{"resourceSubscriptions":["file:///a"]}}` {
		t.Errorf("the server is asked for %s", got)
	}
	s.change <- protocol.NotifyUpdated + ` {"uri":"file:///a","_meta":{"io.modelcontextprotocol/subscriptionId":7,"v":1}}`
	if got := sara.next(t); got != protocol.NotifyUpdated+` {"uri":"snowflake+file:///a","_meta":{"v":1}}` {
		t.Errorf("Sara hears %s", got)
	}
	mona.silent(t)
	if len(w.servers["slack"].made(protocol.Listen)) != 0 {
		t.Error("a server whose resources she may not read is asked")
	}
}
