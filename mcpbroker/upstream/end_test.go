package upstream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

// TestEndLocal: the process of a principal that is revoked ends, at once where nobody uses it, and with its last call where a newer
// token does; a call that comes later has another.
func TestEndLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{modern: true}
		u := localClient(t, m, func(c *Config) { c.Timeout = time.Minute })
		defer settle(u, m)
		p := principal(t)
		call := func(name string) string {
			a, err := u.Call(t.Context(), toolCall(p, `{"name":"`+name+`"}`))
			if err != nil {
				t.Error(err)
			}
			return string(a.Result)
		}
		call("x")
		u.End("corp|another")
		synctest.Wait()
		if m.running() != 1 {
			t.Error("another principal's process ended")
		}
		u.End(p.Key())
		time.Sleep(lastWords)
		synctest.Wait()
		if m.running() != 0 {
			t.Error("its process lives on")
		}
		if got := call("x"); !strings.Contains(got, `"process":2`) {
			t.Error(got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := u.Call(ctx, toolCall(p, `{"name":"hang"}`))
			ended <- err
		}()
		synctest.Wait()
		u.End(p.Key())
		if got := call("x"); !strings.Contains(got, `"process":3`) {
			t.Error(got)
		}
		time.Sleep(lastWords)
		synctest.Wait()
		if m.running() != 2 {
			t.Error("a call that may go on was cut off")
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.Sleep(lastWords)
		synctest.Wait()
		if m.running() != 1 {
			t.Error("the process lives on after its last call")
		}
		// One that hangs does not keep it for ever.
		go func() {
			_, err := u.Call(t.Context(), toolCall(p, `{"name":"hang"}`))
			ended <- err
		}()
		synctest.Wait()
		u.End(p.Key())
		time.Sleep(lastCalls + lastWords)
		synctest.Wait()
		if err := <-ended; !errors.Is(err, ErrUnavailable) || m.running() != 0 {
			t.Error(err, m.running())
		}
	})
}

// TestEndStarting: a process that is being started for who is revoked meanwhile does not stay.
func TestEndStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{modern: true}
		goOn := make(chan struct{})
		u := localClient(t, m, func(c *Config) {
			c.Start = func(ctx context.Context, principal string) (*sandbox.Process, error) {
				<-goOn
				return m.start(ctx, principal)
			}
		})
		defer settle(u, m)
		p := principal(t)
		ended := make(chan error, 1)
		go func() {
			_, err := u.Call(t.Context(), toolCall(p, `{"name":"x"}`))
			ended <- err
		}()
		synctest.Wait()
		u.End(p.Key())
		close(goOn)
		if err := <-ended; !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
		time.Sleep(lastWords)
		synctest.Wait()
		if m.running() != 0 {
			t.Error("it stays")
		}
		if a, err := u.Call(t.Context(), toolCall(p, `{"name":"x"}`)); err != nil {
			t.Error(a, err)
		}
	})
}
