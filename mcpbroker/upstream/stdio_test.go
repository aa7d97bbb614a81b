package upstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

func localClient(t *testing.T, m *machine, change func(*Config)) *Upstream {
	t.Helper()
	return client(t, "", func(c *Config) {
		c.Start, c.BodyBytes = m.start, 1<<20
		if change != nil {
			change(c)
		}
	})
}

func toolCall(p *identity.Principal, params string) *relay.Call {
	return &relay.Call{Principal: p, Method: protocol.CallTool, Params: []byte(params), Capabilities: []byte(`{"elicitation":{}}`)}
}

func TestLocalServer(t *testing.T) {
	for name, m := range map[string]*machine{"modern": {modern: true}, "legacy": {}} {
		t.Run(name, func(t *testing.T) {
			p := principal(t)
			u := localClient(t, m, nil)
			var heard []string
			c := toolCall(p, "{\n \"name\":\"progress\",\n\"arguments\":{\"n\":12345678901234567890},\"_meta\":{\"progressToken\":\"mine\"}}")
			c.Notify = func(method string, params []byte) error {
				heard = append(heard, method+string(params))
				return nil
			}
			a, err := u.Call(t.Context(), c)
			if err != nil || !strings.Contains(string(a.Result), `"arguments":{"n":12345678901234567890}`) {
				t.Fatalf("%s %v", a.Result, err)
			}
			if len(heard) != 1 || heard[0] != `notifications/progress{"progressToken":"mine","progress":1.0}` {
				t.Errorf("%v", heard)
			}
			heard = nil
			c.Params = []byte(`{"name":"log"}`)
			if _, err := u.Call(t.Context(), c); err != nil || len(heard) != 1 || !strings.Contains(heard[0], `"data":1.0`) {
				t.Errorf("%v %v", heard, err)
			}
			if a, err = u.Call(t.Context(), toolCall(p, `{"name":"stranger"}`)); err != nil || a.Err != nil {
				t.Errorf("%v %v", a, err)
			}
			if a, err = u.Call(t.Context(), toolCall(p, `{"name":"ping"}`)); err != nil || !strings.Contains(string(a.Result), `"got":{}`) {
				t.Errorf("%s %v", a.Result, err)
			}
			if n := m.starts(); n != 1 {
				t.Errorf("%d processes for one principal", n)
			}
			other := toolCall(p, `{"name":"x"}`)
			other.Capabilities = []byte(`{}`)
			if a, err = u.Call(t.Context(), other); err != nil || !strings.Contains(string(a.Result), `"process":2`) {
				t.Errorf("other capabilities: %s %v", a.Result, err)
			}
		})
	}
}

// TestLocalEra: an old server may say anything to what it does not know, or nothing.
func TestLocalEra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{mute: true}
		u := localClient(t, m, func(c *Config) { c.Timeout = time.Minute })
		defer settle(u, m)
		if a, err := u.Call(t.Context(), toolCall(principal(t), `{"name":"x"}`)); err != nil || a.Err != nil {
			t.Fatalf("%+v %v", a, err)
		}
		got := slices.DeleteFunc(m.all(), func(s string) bool { return s == protocol.NotifyCancelled }) // which comes when it comes
		if !slices.Equal(got, []string{protocol.Discover, protocol.Initialize, protocol.NotifyInitialized, protocol.CallTool}) {
			t.Errorf("%v", got)
		}
	})
}

// settle ends what runs, so that a bubble of synctest can end.
func settle(u *Upstream, m *machine) {
	u.Close()
	synctest.Wait()
	time.Sleep(lastWords)
	synctest.Wait()
	m.mu.Lock()
	left := slices.Collect(maps.Values(m.live))
	m.mu.Unlock()
	for _, p := range left {
		p.exit()
	}
	synctest.Wait()
}

// TestLocalBreaks: a process that ends, or says what is no message, fails the calls that it has, and the next call has another.
func TestLocalBreaks(t *testing.T) {
	for name, want := range map[string]error{"crash": ErrUnavailable, "garbage": ErrInvalid, "half": ErrInvalid, "huge": ErrInvalid, "nag": ErrInvalid} {
		for era, modern := range map[string]bool{"modern": true, "legacy": false} {
			t.Run(name+" "+era, func(t *testing.T) {
				p := principal(t)
				m := &machine{modern: modern}
				u := localClient(t, m, nil)
				waits := make(chan error)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					_, err := u.Call(ctx, toolCall(p, `{"name":"hang"}`))
					waits <- err
				}()
				for len(m.all()) == 0 || !slices.Contains(m.all(), protocol.CallTool) {
					time.Sleep(time.Millisecond)
				}
				a, err := u.Call(t.Context(), toolCall(p, `{"name":"`+name+`"}`))
				if !errors.Is(err, want) || a.Result != nil {
					t.Errorf("%s %v", a.Result, err)
				}
				if err := <-waits; !errors.Is(err, want) {
					t.Errorf("the other call: %v", err)
				}
				if a, err = u.Call(t.Context(), toolCall(p, `{"name":"x"}`)); err != nil || !strings.Contains(string(a.Result), `"process":2`) {
					t.Errorf("the next call: %s %v", a.Result, err)
				}
			})
		}
	}
}

// TestLocalFailing: a server that cannot be started is not started again and again, and each principal has its own pause.
func TestLocalFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{modern: true, refuse: sandbox.ErrNoSandbox}
		u := localClient(t, m, nil)
		defer settle(u, m)
		p := principal(t)
		for range tooMany {
			if _, err := u.Call(t.Context(), toolCall(p, `{"name":"x"}`)); !errors.Is(err, sandbox.ErrNoSandbox) || !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if _, err := u.Call(t.Context(), toolCall(p, `{"name":"x"}`)); !errors.Is(err, ErrUnavailable) || errors.Is(err, sandbox.ErrNoSandbox) {
			t.Error(err)
		}
		m.refuse = nil
		other := toolCall(p, `{"name":"x"}`)
		other.Capabilities = []byte(`{}`)
		if _, err := u.Call(t.Context(), other); err != nil {
			t.Errorf("another caller: %v", err)
		}
		time.Sleep(firstPause)
		if _, err := u.Call(t.Context(), toolCall(p, `{"name":"x"}`)); err != nil {
			t.Error(err)
		}
		if len(u.locals.failing) != 0 {
			t.Errorf("%d callers are remembered that do not fail", len(u.locals.failing))
		}
	})
}

// TestLocalIdle: a process ends when nobody has called it for a while, and not while somebody waits for it.
func TestLocalIdle(t *testing.T) {
	for era, modern := range map[string]bool{"modern": true, "legacy": false} {
		t.Run(era, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &machine{modern: modern}
				u := localClient(t, m, func(c *Config) { c.Idle, c.Timeout = time.Minute, 3*time.Minute })
				defer settle(u, m)
				p := principal(t)
				if _, err := u.Call(t.Context(), toolCall(p, `{"name":"hang"}`)); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
				synctest.Wait()
				if !slices.Contains(m.all(), "let go") || m.running() != 1 {
					t.Errorf("the server was not told that nobody waits: %v, %d run", m.all(), m.running())
				}
				time.Sleep(time.Minute + lastWords)
				synctest.Wait()
				if m.running() != 0 {
					t.Error("it runs still")
				}
				if _, err := u.Call(t.Context(), toolCall(p, `{"name":"x"}`)); err != nil || m.starts() != 2 {
					t.Error(err, m.starts())
				}
			})
		})
	}
}

// TestLocalPlaces: a process that does nothing makes room for another caller's; one that is busy does not.
func TestLocalPlaces(t *testing.T) {
	m := &machine{modern: true}
	u := localClient(t, m, func(c *Config) { c.Processes = 1 })
	p := principal(t)
	if _, err := u.Call(t.Context(), toolCall(p, `{"name":"x"}`)); err != nil {
		t.Fatal(err)
	}
	other := toolCall(p, `{"name":"hang"}`)
	other.Capabilities = []byte(`{}`)
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() {
		_, err := u.Call(ctx, other)
		waits <- err
	}()
	for !slices.Equal(m.all()[max(0, len(m.all())-1):], []string{protocol.CallTool}) || m.starts() != 2 {
		time.Sleep(time.Millisecond)
	}
	if _, err := u.Call(t.Context(), toolCall(p, `{"name":"x"}`)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a busy process was ended for another caller: %v", err)
	}
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	u.Close()
	if _, err := u.Call(t.Context(), toolCall(p, `{"name":"x"}`)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("started after the end: %v", err)
	}
}

// TestLocalTogether: many callers of one principal share one process, and each has its own progress and answer.
func TestLocalTogether(t *testing.T) {
	m := &machine{}
	u := localClient(t, m, nil)
	p := principal(t)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			heard := 0
			c := toolCall(p, fmt.Sprintf(`{"name":"progress","arguments":{"i":%d},"_meta":{"progressToken":1}}`, i))
			c.Notify = func(_ string, params []byte) error {
				if string(params) != `{"progressToken":1,"progress":1.0}` {
					t.Errorf("%s", params)
				}
				heard++
				return nil
			}
			a, err := u.Call(t.Context(), c)
			if err != nil || heard != 1 || !strings.Contains(string(a.Result), fmt.Sprintf(`"arguments":{"i":%d}`, i)) {
				t.Errorf("call %d: %s %v, heard %d", i, a.Result, err, heard)
			}
		})
	}
	wg.Wait()
	if m.starts() != 1 {
		t.Errorf("%d processes", m.starts())
	}
}

// TestLocalAsks: what a server asks in the middle of a call goes to the caller of that call, if there is only one; else it is declined.
func TestLocalAsks(t *testing.T) {
	m := &machine{}
	u := localClient(t, m, nil)
	p := principal(t)
	a, err := u.Call(t.Context(), toolCall(p, `{"name":"ask"}`))
	if err != nil || !a.NeedInput {
		t.Fatalf("%+v %v", a, err)
	}
	again := toolCall(p, `{"name":"ask"}`)
	again.State, again.Inputs = a.State, []byte(`{"input":{"action":"accept","content":{"n":1.0}}}`)
	if a, err = u.Call(t.Context(), again); err != nil || !strings.Contains(string(a.Result), `"got":{"action":"accept","content":{"n":1.0}}`) {
		t.Errorf("%s %v", a.Result, err)
	}
	// One whose caller has not come back is no other call's hindrance.
	for range 2 {
		if a, err = u.Call(t.Context(), toolCall(p, `{"name":"ask"}`)); err != nil || !a.NeedInput {
			t.Fatalf("%+v %v", a, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() {
		_, err := u.Call(ctx, toolCall(p, `{"name":"hang"}`))
		waits <- err
	}()
	for calls := 0; calls < 4; {
		calls = 0
		for _, s := range m.all() {
			if s == protocol.CallTool {
				calls++
			}
		}
		time.Sleep(time.Millisecond)
	}
	if a, err = u.Call(t.Context(), toolCall(p, `{"name":"ask"}`)); err != nil || !strings.Contains(string(a.Result), `"got":"declined"`) {
		t.Errorf("a question that may be of two calls: %+v %v", a, err)
	}
	cancel()
	<-waits
}

// TestLocalListens: what a server says unasked reaches who listens, in both eras.
func TestLocalListens(t *testing.T) {
	for era, modern := range map[string]bool{"modern": true, "legacy": false} {
		t.Run(era, func(t *testing.T) {
			m := &machine{modern: modern}
			u := localClient(t, m, nil)
			p := principal(t)
			ctx, cancel := context.WithCancel(t.Context())
			notes := make(chan string, 16)
			c := toolCall(p, `{"notifications":{"toolsListChanged":true}}`)
			c.Method, c.Notify = protocol.Listen, func(method string, _ []byte) error {
				notes <- method
				return nil
			}
			go func() {
				_, err := u.Call(ctx, c)
				notes <- fmt.Sprint("ended ", errors.Is(err, context.Canceled))
			}()
			if s := <-notes; s != protocol.NotifyAcknowledged {
				t.Fatal(s)
			}
			for !modern && len(notes) == 0 { // its stream is there a moment after it has said so
				if _, err := u.Call(t.Context(), toolCall(p, `{"name":"changed"}`)); err != nil {
					t.Fatal(err)
				}
			}
			if s := <-notes; s != protocol.NotifyTools {
				t.Error(s)
			}
			cancel()
			for s := range notes {
				if s == "ended true" {
					break
				}
			}
		})
	}
}

// TestLocalDeaf: a process that does not read keeps nobody longer than the call's time, and is ended when it is idle.
func TestLocalDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{deaf: true}
		u := localClient(t, m, func(c *Config) { c.Idle = time.Minute })
		defer settle(u, m)
		if _, err := u.Call(t.Context(), toolCall(principal(t), `{"name":"x"}`)); err == nil {
			t.Fatal("an answer")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if m.running() != 0 {
			t.Error("it runs still")
		}
	})
}
