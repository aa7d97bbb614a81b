package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// replica is a gateway whose store is a Redis that others share.
func replica(t *testing.T, r *storetest.Redis) *gateway {
	t.Helper()
	key := filepath.Join(t.TempDir(), "store.key")
	if err := os.WriteFile(key, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := own(t, setup{more: fmt.Sprintf("store: redis://%s/0\nstore_key: {file: %q}\n", r.Addr, key)})
	counting(t, g, mona)
	return g
}

// TestRedis: two gateways that share a Redis know what the other one released; one that cannot reach it withholds, and recovers by
// itself; one that was flushed loosens nothing.
func TestRedis(t *testing.T) {
	server := storetest.Start(t)
	a, b := replica(t, server), replica(t, server)
	tools := append([]string{"github__get_label"}, storyTools...)
	upstream := func(g *gateway, messages []object) string {
		t.Helper()
		answer := g.ask(t, chat{token: mona(t), messages: messages, tools: tools})
		if answer.status != 200 || len(answer.calls) != 0 {
			t.Errorf("got %d %+v %s", answer.status, answer.calls, answer.body)
		}
		return answer.upstream(t).Body
	}
	issue := `{"number":4711,"state":"open","title":"Broken","body":"canary pwned"}`
	messages := a.history(t, mona(t), "github__get_issue", tools, issue)
	if got := upstream(b, messages); !strings.Contains(got, `\"number\":4711`) || strings.Contains(got, "canary") {
		t.Fatalf("what one gateway released is not known to the other: %s", got)
	}
	label := a.history(t, mona(t), "github__get_label", tools, "bug")
	if got := upstream(b, label); !strings.Contains(got, `"bug"`) {
		t.Errorf("a trusted result is withheld: %s", got)
	}

	old := mona(t)
	server.Kill()
	// For two seconds who is revoked is known from a copy; whatever goes on until then is without what only the store knows.
	eventually(t, "a refusal of everybody", func() bool {
		asked := a.ask(t, chat{token: mona(t), messages: messages, tools: tools})
		if asked.status == 200 {
			if got := asked.upstream(t).Body; strings.Contains(got, "canary") || strings.Contains(got, "4711\\") || !strings.Contains(got, `\"status\":\"withheld\"`) {
				t.Errorf("with the store away the model reads %s", got)
			}
		}
		answer := a.ask(t, chat{token: mona(t), say: `call slack__post_message {"channel":"#x","text":"y"}`, tools: tools})
		if len(answer.calls) != 0 {
			t.Errorf("with the store away a call is released: %+v %s", answer.calls, answer.body)
		}
		return answer.status == 503 && answer.fault.Code == "keys_unavailable" && strings.Contains(answer.fault.Message, "revoked")
	})

	server.Restart() // empty: nothing was on its disk
	deadline := time.Now().Add(20 * time.Second)
	for {
		answer := a.ask(t, chat{token: mona(t), say: `call slack__post_message {"channel":"#x","text":"y"}`, tools: tools})
		if len(answer.calls) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not recover: %s", answer.body)
		}
		time.Sleep(200 * time.Millisecond)
	}
	eventually(t, "a refusal of a token of before the store forgot who is revoked", func() bool {
		return a.ask(t, chat{token: old, say: "say hello"}).status == 401
	})
	counting(t, b, mona)
	if got := upstream(b, messages); strings.Contains(got, "canary") || strings.Contains(got, `\"number\":4711`) {
		t.Errorf("a store that has forgotten loosens: %s", got)
	}
	if got := upstream(b, label); strings.Contains(got, `"bug"`) {
		t.Errorf("a store that has forgotten loosens: %s", got)
	}
	again := a.history(t, mona(t), "github__get_issue", tools, issue)
	if got := upstream(b, again); !strings.Contains(got, `\"number\":4711`) {
		t.Errorf("a new conversation is not known: %s", got)
	}
}
