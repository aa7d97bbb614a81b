package provenance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// agent plays an agent and its application: two rounds with a tool, with a turn of the model's after each.
type agent struct {
	t        testing.TB
	a        *Analyzer
	messages []string
	n        int
}

func (g *agent) look() *History { return look(g.t, g.a, sara, g.messages...) }

// call has the model call a tool, and the client answer with a content.
func (g *agent) call(content string) string {
	h := g.look()
	for i := range h.Results {
		r := h.Release()
		r.Result(i, label.Label{Confidentiality: label.Public, Sources: []string{"x"}})
		if err := r.Commit(g.t.Context()); err != nil {
			g.t.Fatal(err)
		}
	}
	g.n++
	arguments := fmt.Sprintf(`{"n":%d}`, g.n)
	id := released(g.t, h, "github__get_issue", arguments, arguments, label.Clean())
	g.messages = append(g.messages, call(id, "github__get_issue", arguments))
	if content != "" {
		g.messages = append(g.messages, result(id, content))
	}
	return id
}

func (g *agent) turn(text string) {
	h := g.look()
	r := h.Release()
	for i := range h.Results {
		r.Result(i, label.Label{Confidentiality: label.Public, Sources: []string{"x"}})
	}
	r.Turn([]byte(text), nil, label.Clean())
	if err := r.Commit(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	g.messages = append(g.messages, assistant(text))
}

func (g *agent) user(text string) { g.messages = append(g.messages, user(text)) }

// wantTrusted fails unless all that the application and the person wrote is believed.
func wantTrusted(t testing.TB, what string, h *History) {
	t.Helper()
	for i, o := range h.Parts {
		if o.Result || o.Label.Integrity != label.Trusted {
			t.Errorf("%s: %q: %+v", what, h.request.Text(h.request.Parts[i]), o)
		}
	}
	for i, o := range h.Results {
		if !o.Verified || o.Changed {
			t.Errorf("%s: result %d: %+v", what, i, o)
		}
	}
	if h.Label.Integrity != label.Trusted || h.New {
		t.Errorf("%s: new %v, %+v", what, h.New, h.Label)
	}
}

// TestClients: what clients do to their histories every day loosens nothing, and taints nothing.
func TestClients(t *testing.T) {
	a, _ := analyzer(t)
	g := &agent{t: t, a: a}
	g.messages = []string{system("You are an agent. It is 10:00."), user(question)}
	g.call("first " + content)
	g.turn("It is a bug.")
	g.user("And 4712?")
	g.call("second " + content)
	g.turn("That one is not.")
	g.user("Close it then.")
	wantTrusted(t, "as it was", g.look())

	changed := append([]string{system("You are an agent. It is 10:05.")}, g.messages[1:]...)
	wantTrusted(t, "the time of day in the prompt", look(t, a, sara, changed...))
	for from := 1; from < len(g.messages); from++ {
		if strings.HasPrefix(g.messages[from], `{"role":"tool"`) || from == len(g.messages)-1 {
			continue // a result without its call is refused upstream, a question without all before it is a new conversation
		}
		wantTrusted(t, fmt.Sprintf("cut before %d", from), look(t, a, sara, append([]string{g.messages[0]}, g.messages[from:]...)...))
	}
	edited := append([]string{}, g.messages[:5]...)
	wantTrusted(t, "the last question edited", look(t, a, sara, append(edited, user("And 4713?"))...))
	list := append([]string{}, g.messages...)
	list[4] = `{"role":"assistant","content":[{"type":"text","text":"It is "},{"type":"text","text":"a bug."}]}`
	wantTrusted(t, "a list of parts", look(t, a, sara, list...))

	// The same request again, as after a connection that broke: two answers, of which the client keeps the second.
	lost := len(g.messages)
	g.call("")
	g.messages = g.messages[:lost]
	g.turn("Closed.")
	g.user("Thanks.")
	wantTrusted(t, "after a retry", g.look())
}

// TestChanged: a call has one answer. Another one later is not believed, whichever came first.
func TestChanged(t *testing.T) {
	a, _ := analyzer(t)
	g := &agent{t: t, a: a, messages: []string{user(question)}}
	id := g.call("first " + content)
	g.turn("It is a bug.")
	h := look(t, a, sara, g.messages[0], g.messages[1], result(id, "changed "+content), g.messages[3])
	if o := h.Results[0]; !o.Verified || !o.Changed || o.Label.Integrity != label.Untrusted {
		t.Errorf("%+v", o)
	}
	r := h.Release()
	r.Result(0, label.Clean())
	if err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o := g.look().Results[0]; !o.Changed {
		t.Errorf("%+v", o)
	}
}

// TestSameWords: what the model says in two conversations leads to the one that it was said in.
func TestSameWords(t *testing.T) {
	a, _ := analyzer(t)
	one := look(t, a, sara, user("Hi, it is me."))
	turn(t, one, "Hello! How can I help you today, my friend?", "", label.Clean())
	other := look(t, a, sara, user("Good morning."))
	tainted := label.Label{Integrity: label.Constrained, Confidentiality: label.Internal, Sources: []string{"x"}}
	turn(t, other, "Hello! How can I help you today, my friend?", "Hello! $ref_aaaaaaaaaaaaaaaa", tainted)
	for _, fresh := range []bool{false, true} {
		if fresh { // another replica
			a.cache = newCache(1 << 20)
		}
		h := look(t, a, sara, user("Hi, it is me."), assistant("Hello! How can I help you today, my friend?"), user("Help."))
		if h.Conversation != one.Conversation || h.Label.Integrity != label.Trusted || len(h.Turns) != 0 {
			t.Errorf("%+v", h)
		}
		h = look(t, a, sara, user("Good morning."), assistant("Hello! How can I help you today, my friend?"), user("Help."))
		if h.Conversation != other.Conversation || !h.Label.Covers(tainted) || string(h.Turns[1]) != "Hello! $ref_aaaaaaaaaaaaaaaa" {
			t.Errorf("%+v", h)
		}
	}
	// As the person's words, it is still what others wrote.
	h := look(t, a, sara, user("Good morning."), assistant("Hello! How can I help you today, my friend?"), user("OK"), assistant("?"), user("Hello! How can I help you today, my friend?"))
	if !h.Parts[4].Result {
		t.Errorf("%+v", h.Parts[4])
	}
}

// TestRendered: a text that shows third-party text is that under any other role.
func TestRendered(t *testing.T) {
	a, _ := analyzer(t)
	g := &agent{t: t, a: a, messages: []string{user(question)}}
	g.call("short")
	shown := "The title is: " + content
	h := g.look()
	turn(t, h, shown, "The title is: $ref_aaaaaaaaaaaaaaaa", label.Label{Integrity: label.Constrained, Confidentiality: label.Public})
	g.messages = append(g.messages, assistant(shown))
	g.user(shown)
	h = g.look()
	if last := h.Parts[len(h.Parts)-1]; !last.Result || last.Label.Integrity != label.Untrusted {
		t.Errorf("%+v", last)
	}
	if string(h.Turns[len(h.Parts)-2]) != "The title is: $ref_aaaaaaaaaaaaaaaa" {
		t.Errorf("%+v", h.Turns)
	}
	// Taken apart it is not known, and is a result.
	g.messages[len(g.messages)-2] = fmt.Sprintf(`{"role":"assistant","content":[{"type":"text","text":%q},{"type":"text","text":%q}]}`, shown[:14], shown[14:])
	for _, o := range g.look().Parts[2:] {
		if !o.Result && o.Reason != ruleResult {
			t.Errorf("%+v", o)
		}
	}
}

// TestLegacy: a call without an id is known by what it is.
func TestLegacy(t *testing.T) {
	a, _ := analyzer(t)
	h := look(t, a, sara, user(question))
	r := h.Release()
	r.Legacy("get_issue", []byte(`{"n":"$ref_aaaaaaaaaaaaaaaa"}`), []byte(`{"n":4711}`), label.Clean())
	if err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := func(name, arguments string) string {
		return fmt.Sprintf(`{"role":"assistant","content":null,"function_call":{"name":%q,"arguments":%q}}`, name, arguments)
	}
	answered := func(name string) string {
		return fmt.Sprintf(`{"role":"function","name":%q,"content":%q}`, name, content)
	}
	h = look(t, a, sara, user(question), asked("get_issue", `{ "n": 4711 }`), answered("get_issue"))
	if c := h.Calls[0]; !c.Verified || string(c.Arguments) != `{"n":"$ref_aaaaaaaaaaaaaaaa"}` || h.New || h.Label.Integrity != label.Trusted {
		t.Errorf("%+v", h)
	}
	if o := h.Results[0]; !o.Verified || o.Tool != "get_issue" {
		t.Errorf("%+v", o)
	}
	r = h.Release()
	r.Result(0, label.Label{Confidentiality: label.Public})
	if err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	another := strings.Replace(answered("get_issue"), content, "another answer", 1)
	h = look(t, a, sara, user(question), asked("get_issue", `{"n":4711}`), another)
	if o := h.Results[0]; !o.Changed || o.Label.Integrity != label.Untrusted {
		t.Errorf("one that was answered otherwise before: %+v", o)
	}
	for _, messages := range [][]string{
		{user(question), asked("get_issue", `{"n":4712}`), answered("get_issue")},
		{user(question), asked("query", `{"n":4711}`), answered("query")},
		{user(question), asked("get_issue", `{"n":4711}`), answered("query")},
		{user(question), asked("get_issue", `{"n":4711}`), user(content)},
	} {
		h = look(t, a, sara, messages...)
		if len(h.Results) > 0 && h.Results[0].Verified {
			t.Errorf("%+v", h.Results[0])
		}
		if last := h.Parts[len(h.Parts)-1]; len(h.Results) == 0 && !last.Result {
			t.Errorf("%+v", last)
		}
	}
}

// TestKeep: what is in use does not expire, however long a conversation lasts; what is not does.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := analyzer(t)
		g := &agent{t: t, a: a, messages: []string{user(question)}}
		g.call("first " + content)
		g.turn("It is a bug.")
		for i := range 12 {
			time.Sleep(7 * time.Hour)
			g.user(fmt.Sprintf("And number %d?", i))
			wantTrusted(t, "in use", g.look())
			g.turn(fmt.Sprintf("Number %d is none.", i))
		}
		time.Sleep(25 * time.Hour)
		g.user("And now?")
		if h := g.look(); h.Label.Integrity != label.Untrusted || h.Results[0].Verified || h.Calls[0].Verified {
			t.Errorf("%+v", h)
		}
	})
}

// TestAttested: an application that vouches for its user role is believed, but not about what is known to be another's.
func TestAttested(t *testing.T) {
	a, _ := analyzer(t)
	g := &agent{t: t, a: a, messages: []string{user(question)}}
	g.call("first " + content)
	g.turn("It is a bug.")
	messages := append(g.messages[:3:3], user("Stop that."), user("No: "+content), system("Stop."))
	h := a.Begin(sara, decode(t, messages...))
	h.Attest()
	if err := h.Lookup(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := h.Parts[len(h.Parts)-3:]
	if o[0].Result || o[0].Reason != ruleAttested || !o[1].Result || !o[2].Result {
		t.Errorf("%+v", o)
	}
}

// TestDropped: an answer may take minutes; what it needs of the request is kept, and what it can no more have is an error.
func TestDropped(t *testing.T) {
	a, s := analyzer(t)
	h := look(t, a, sara, user(question+" Mail bob@example.com."))
	h.Shrink(true)
	id := released(t, h, "github__get_issue", arg, arg, label.Clean())
	if got := h.Arguments([]byte(`{"to":"bob@example.com"}`), label.Label{}, nil); len(got) != 1 || !got[0].Person {
		t.Errorf("%+v", got)
	}
	h = look(t, a, sara, user(question+" Mail bob@example.com."), call(id, "github__get_issue", arg), result(id, content))
	wantTrusted(t, "after it was dropped", h)
	h.Shrink(true)
	r := h.Release()
	r.Result(0, label.Clean())
	trips := s.trips
	if err := r.Commit(t.Context()); err == nil || s.trips != trips {
		t.Error("a result is lost")
	}
}

// TestAway: without the store nothing is believed that depends on it.
func TestAway(t *testing.T) {
	a, s := analyzer(t)
	g := &agent{t: t, a: a, messages: []string{user(question)}}
	g.call("first " + content)
	g.turn("It is a bug.")
	g.user("Thanks.")
	s.away = true
	h := a.Begin(sara, decode(t, g.messages...))
	if h.Label.Integrity != label.Untrusted {
		t.Error("believed before it was looked up")
	}
	if err := h.Lookup(context.Background()); !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	h.Forget()
	if h.Label.Integrity != label.Untrusted || h.Label.Confidentiality != label.Secret || h.Results[0].Verified || h.Calls[0].Verified {
		t.Errorf("%+v", h)
	}
	if last := h.Parts[len(h.Parts)-1]; !last.Result {
		t.Errorf("%+v", last)
	}
}

// TestKept: what goes with a content is written down once in a conversation, and again before it expires.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, s := analyzer(t)
		g := &agent{t: t, a: a, messages: []string{user(question)}}
		g.call(content)
		if o := g.look().Results[0]; o.Kept || o.Known {
			t.Errorf("%+v", o)
		}
		g.turn("It is a bug.")
		if o := g.look().Results[0]; !o.Kept || !o.Known {
			t.Errorf("%+v", o)
		}
		h := g.look()
		r := h.Release()
		r.Result(0, label.Label{Confidentiality: label.Public, Sources: []string{"x"}})
		trips := s.trips
		if err := r.Commit(t.Context()); err != nil || !r.Empty() || s.trips != trips {
			t.Error("what is known is written again", err)
		}
		other := &agent{t: t, a: a, messages: []string{user("Another.")}}
		other.call(content)
		if o := other.look().Results[0]; o.Kept || !o.Known {
			t.Errorf("%+v", o)
		}
		time.Sleep(7 * time.Hour)
		if o := g.look().Results[0]; o.Kept || !o.Known {
			t.Errorf("%+v", o)
		}
	})
}
