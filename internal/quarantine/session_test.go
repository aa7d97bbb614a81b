package quarantine_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
)

var names = regexp.MustCompile(`\$ref_[a-z2-7]{16}`)

// TestConversation: a result becomes a clearance, what it says is passed on by reference and shown to the person, and what the
// model wrote comes back to it as it wrote it.
func TestConversation(t *testing.T) {
	w := newWorld(t, nil)
	messages := w.after(t, sara, "get_issue", issue)
	two := w.send(t, sara, messages)
	clearance := two.texts(t)[2]
	want := `{"yellowjack":"clearance","tool":"get_issue","bytes":256,"fields":{"body":"$ref_N","number":4711,"state":"open","title":"$ref_N"}}`
	if got := names.ReplaceAllString(clearance, "$$ref_N"); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(two.upstream, "yj_") || strings.Contains(two.upstream, "payroll") || !strings.Contains(two.upstream, `"call_1"`) {
		t.Errorf("upstream: %s", two.upstream)
	}
	if two.context.Integrity != label.Constrained || two.reports[0].Bits <= 0 || two.reports[0].How != quarantine.Quarantine {
		t.Errorf("%+v %+v", two.context, two.reports)
	}
	name := names.FindString(clearance)
	m := two.says(t, "It says: "+name+".", call{"call_2", "comment", `{"body":"Quote: ` + name + `"}`})
	if args := m["tool_calls"].([]object)[0]["function"].(object)["arguments"].(string); !strings.Contains(args, "payroll") {
		t.Errorf("the reference was not resolved: %s", args)
	}
	if shown := m["content"].(string); !strings.Contains(shown, "payroll") || strings.Contains(shown, "$ref_") {
		t.Errorf("the person reads %q", shown)
	}
	messages = append(messages, m, result(m, 0, "done"))
	three := w.send(t, sara, messages)
	if strings.Contains(three.upstream, "payroll") || !strings.Contains(three.upstream, "It says: "+name+".") || !strings.Contains(three.upstream, `{\"body\":\"Quote: `+name) {
		t.Errorf("upstream: %s", three.upstream)
	}
	if three.texts(t)[2] != clearance {
		t.Errorf("the clearance changed:\n%s\n%s", clearance, three.texts(t)[2])
	}
	// A reference of a result that is no longer in the history is known from the store.
	m = three.says(t, "Done.")
	late := w.send(t, sara, []object{messages[0], m, user("And?")})
	m = late.says(t, "", call{"call_3", "comment", `{"value":"` + name + `"}`})
	if !strings.Contains(fmt.Sprint(m), "payroll") || late.context.Integrity != label.Constrained {
		t.Errorf("%v %v", late.context, m)
	}
}

// TestTreatments: pass, quarantine and drop, and what the conversation keeps of each.
func TestTreatments(t *testing.T) {
	w := newWorld(t, nil)
	for tool, want := range map[string]struct {
		text string
		left label.Integrity
	}{
		"trusted_query": {issue, label.Trusted},
		"ads_banner":    {"removed by policy", label.Trusted},
		"get_issue":     {`"clearance"`, label.Constrained},
		"unheard_of":    {`"clearance"`, label.Constrained},
	} {
		s := w.send(t, sara, w.after(t, sara, tool, issue))
		if got := s.texts(t)[2]; !strings.Contains(got, want.text) || s.context.Integrity != want.left {
			t.Errorf("%s: %s %v", tool, got, s.context)
		}
		if got := s.texts(t)[2]; tool != "trusted_query" && strings.Contains(got, "payroll") {
			t.Errorf("%s: %s", tool, got)
		}
	}
	if (quarantine.Treatment{}).How != quarantine.Quarantine {
		t.Error("the zero treatment is not the strict one")
	}
	s := w.send(t, sara, w.after(t, sara, "get_issue", issue)).session
	if _, err := s.Treat(t.Context(), nil, label.Clean(), "r"); err != nil { // nothing is left after Shrink
		t.Error(err)
	}
}

// TestAway: a store that does not answer withholds, and releases nothing that somebody would have to remember.
func TestAway(t *testing.T) {
	w := newWorld(t, nil)
	messages := w.after(t, sara, "get_issue", issue)
	t.Run("request half", func(t *testing.T) {
		w.store.away.Store(true)
		defer w.store.away.Store(false)
		s := w.send(t, sara, messages)
		got := names.ReplaceAllString(s.texts(t)[2], "$$ref_N")
		if want := `{"yellowjack":"clearance","fields":"$ref_N","status":"withheld"}`; got != want || !s.session.Away() {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if _, err := s.answer(t.Context(), nil, "", call{"c", "comment", "{}"}); err == nil {
			t.Error("a call was released that nobody wrote down")
		}
	})
	t.Run("response half", func(t *testing.T) {
		s := w.send(t, sara, messages)
		w.store.away.Store(true)
		defer w.store.away.Store(false)
		if _, err := s.answer(t.Context(), nil, "", call{"c", "comment", "{}"}); err == nil {
			t.Error("a call was released that nobody wrote down")
		}
		if _, err := s.answer(t.Context(), nil, "Hello."); err == nil {
			t.Error("no error of a turn that nobody wrote down")
		}
		if _, err := s.answer(t.Context(), nil, "", call{"c", "comment", `{"body":"$ref_aaaaaaaabbbbbbbb"}`}); !errors.Is(err, ref.ErrUnknown) {
			t.Errorf("a reference that cannot be looked up: %v", err)
		}
	})
	t.Run("back again", func(t *testing.T) {
		if got := w.send(t, sara, messages).texts(t)[2]; !strings.Contains(got, `"number":4711`) {
			t.Errorf("it does not recover: %s", got)
		}
	})
}

// TestRoundTrips: each half asks the store once, and one with nothing to ask does not.
func TestRoundTrips(t *testing.T) {
	w := newWorld(t, nil)
	count := func(f func()) int64 {
		before := w.store.trips.Load()
		f()
		return w.store.trips.Load() - before
	}
	var s *sent
	if n := count(func() { s = w.send(t, sara, []object{user("Hi")}) }); n != 0 {
		t.Errorf("%d round trips for a first request", n)
	}
	if n := count(func() { s.says(t, "Hello.") }); n != 1 {
		t.Errorf("%d round trips for a text", n)
	}
	messages := w.after(t, sara, "get_issue", issue)
	w.send(t, sara, messages)
	if n := count(func() { s = w.send(t, sara, messages) }); n != 1 {
		t.Errorf("%d round trips for a request whose results are known", n)
	}
	if n := count(func() { s.says(t, "Hm. "+names.FindString(s.upstream), call{"c", "comment", "{}"}) }); n != 1 {
		t.Errorf("%d round trips for an answer", n)
	}
}

// TestBudget: what is used up shows nothing, and the same request again costs nothing.
func TestBudget(t *testing.T) {
	t.Run("exhausted", func(t *testing.T) {
		w := newWorld(t, func(c *quarantine.Config) { c.Conversation = 60 })
		messages := w.after(t, sara, "get_issue", issue)
		for i := range 6 {
			s := w.send(t, sara, messages)
			m := s.says(t, "", call{fmt.Sprint("c", i), "get_issue", "{}"})
			messages = append(messages, m, result(m, 0, strings.ReplaceAll(issue, "4711", fmt.Sprint(4712+i))))
		}
		s := w.send(t, sara, messages)
		texts := s.texts(t)
		last := names.ReplaceAllString(texts[len(texts)-1], "$$ref_N")
		if want := `{"yellowjack":"clearance","tool":"get_issue","fields":"$ref_N","status":"exhausted"}`; last != want {
			t.Errorf("got  %s\nwant %s", last, want)
		}
		if !strings.Contains(texts[2], `"number":4711`) {
			t.Errorf("what was paid for is gone: %s", texts[2])
		}
		var sum float64
		for _, r := range s.reports {
			if r.Status == "" {
				sum += r.Shown
			}
		}
		if sum > 60 {
			t.Errorf("%.1f bits are shown", sum)
		}
		if m := s.says(t, "See "+names.FindString(texts[len(texts)-1])); !strings.Contains(m["content"].(string), "payroll") {
			t.Errorf("its reference is worth nothing: %v", m)
		}
	})
	t.Run("once", func(t *testing.T) {
		w := newWorld(t, func(c *quarantine.Config) { c.Conversation = 40 })
		messages := w.after(t, sara, "get_issue", issue)
		first := w.send(t, sara, messages)
		for range 20 {
			s := w.send(t, sara, messages)
			if s.upstream != first.upstream || s.reports[0].Bits != 0 || s.reports[0].Shown != first.reports[0].Shown {
				t.Fatalf("%+v\n%s\n%s", s.reports[0], s.upstream, first.upstream)
			}
		}
	})
	t.Run("tool", func(t *testing.T) {
		w := newWorld(t, nil)
		w.rule(t, "small", quarantine.Tool{Bits: 6, Project: project.Rules{Names: []string{"n", "m"}}})
		s := w.send(t, sara, w.after(t, sara, "small", `{"n":true,"m":123456}`))
		if strings.Contains(s.upstream, "123456") || s.reports[0].Shown > 6 {
			t.Errorf("%s %+v", s.upstream, s.reports[0])
		}
	})
}

// TestStable: the same history is the same bytes upstream, and one that goes on begins with the same.
func TestStable(t *testing.T) {
	w := newWorld(t, nil)
	messages := w.after(t, sara, "get_issue", issue)
	var before []string
	for i := range 5 {
		s := w.send(t, sara, messages)
		if again := w.send(t, sara, messages); again.upstream != s.upstream {
			t.Fatalf("turn %d:\n%s\n%s", i, s.upstream, again.upstream)
		}
		now := s.texts(t)
		for k, text := range before {
			if now[k] != text {
				t.Errorf("turn %d changed message %d: %s\n%s", i, k, text, now[k])
			}
		}
		before = now
		m := s.says(t, fmt.Sprintf("Turn %d: %s", i, names.FindString(s.upstream)), call{fmt.Sprint("c", i), "get_issue", `{"body":"` + names.FindString(s.upstream) + `"}`})
		messages = append(messages, m, result(m, 0, strings.Replace(issue, "4711", fmt.Sprint(i), 1)))
		if i%2 == 1 {
			s = w.send(t, sara, messages)
			messages = append(messages, s.says(t, "So far so good."), user("Go on."))
		}
	}
}

// TestChanged: a result that is another one the next time is judged as what it is then, and what it was stays tainted.
func TestChanged(t *testing.T) {
	w := newWorld(t, nil)
	messages := w.after(t, sara, "get_issue", issue)
	w.send(t, sara, messages).says(t, "Hm.")
	messages[2]["content"] = strings.Replace(issue, "4711", "4712", 1)
	s := w.send(t, sara, messages)
	if !strings.Contains(s.texts(t)[2], "4712") || s.reports[0].Bits <= 0 {
		t.Errorf("%s %+v", s.texts(t)[2], s.reports[0])
	}
	// Moved to a trusted tool's call, it is not trusted.
	m := s.says(t, "", call{"c", "trusted_query", "{}"})
	messages = append(messages, m, result(m, 0, issue))
	if s = w.send(t, sara, messages); strings.Contains(s.upstream, "payroll") {
		t.Errorf("upstream: %s", s.upstream)
	}
}

// TestPlace: a reference resolves only where policy's words take it.
func TestPlace(t *testing.T) {
	w := newWorld(t, nil)
	s := w.send(t, sara, w.after(t, sara, "get_issue", issue))
	name := names.FindString(s.upstream)
	args := map[string]string{"body": "text", "value": "any"}
	for in, ok := range map[string]bool{
		`{"body":"a N b"}`: true, `{"value":"N"}`: true, `{"value":"a N"}`: false, `{"to":"N"}`: false, `{"N":1}`: false,
		`{"body":"N","to":["N"]}`: false, `{"to":{"body":"N"}}`: false, `{"body":"\u0024` + name[1:] + `"}`: true, `{"to":"\u0024` + name[1:] + `"}`: false,
	} {
		m, err := s.answer(t.Context(), args, "", call{"c", "comment", strings.ReplaceAll(in, "N", name)})
		if ok != (err == nil) || ok && !strings.Contains(fmt.Sprint(m), "payroll") || !ok && !errors.Is(err, errRefused) {
			t.Errorf("%s: %v %v", in, m, err)
		}
	}
	look := s.session.Look(t.Context(), toolCall(`{"body":"`+name+`","to":"#general"}`))
	if len(look.Origins) != 2 || !look.Origins[0].Ref || look.Origins[0].Label.Integrity != label.Untrusted || look.Origins[1].Ref || look.Origins[1].Label.Integrity != label.Constrained {
		t.Errorf("%+v", look.Origins)
	}
}

// TestShrunk: the response half works without the request.
func TestShrunk(t *testing.T) {
	w := newWorld(t, nil)
	messages := w.after(t, sara, "get_issue", issue)
	messages[0] = user("Post it to #random-2024 please.")
	s := w.send(t, sara, messages) // shrunk
	look := s.session.Look(t.Context(), toolCall(`{"to":"#random-2024","cc":"#general-9"}`))
	if len(look.Origins) != 2 || !look.Origins[0].Person || look.Origins[1].Person {
		t.Errorf("%+v", look.Origins)
	}
	if s.session.Pieces() != nil || s.session.Reports()[0].In != nil {
		t.Error("the request is still there")
	}
}

// TestOthers: nothing of one principal's is anything to another.
func TestOthers(t *testing.T) {
	w := newWorld(t, nil)
	messages := w.after(t, sara, "get_issue", issue)
	hers := w.send(t, sara, messages)
	hers.says(t, "ok")
	name := names.FindString(hers.upstream)
	his := w.send(t, mona, w.after(t, mona, "get_issue", "nothing"))
	for who, same := range map[string]*sent{"mona": w.send(t, mona, w.after(t, mona, "get_issue", issue)), "sara again": w.send(t, sara, w.after(t, sara, "get_issue", issue))} {
		if strings.Contains(same.upstream, name) {
			t.Errorf("%s has the same name for the same content", who)
		}
	}
	if his.session.Look(t.Context(), toolCall(`{"body":"`+name+`"}`)).Bad == nil {
		t.Error("policy would be asked about a reference that is none")
	}
	made := "$ref_aaaaaaaabbbbbbbb"
	var texts []string
	for _, n := range []string{name, made} {
		_, err := his.answer(t.Context(), nil, "", call{"c", "comment", `{"body":"` + n + `"}`})
		if !errors.Is(err, ref.ErrUnknown) {
			t.Errorf("%s: %v", n, err)
		}
		texts = append(texts, strings.ReplaceAll(err.Error(), n, "N"))
		m, err := his.answer(t.Context(), nil, "Look: "+n+".")
		if err != nil || strings.Contains(fmt.Sprint(m), "payroll") {
			t.Errorf("%v %v", m, err)
		}
		texts = append(texts, strings.ReplaceAll(m["content"].(string), n, "N"))
	}
	if texts[0] != texts[2] || texts[1] != texts[3] {
		t.Errorf("a name tells whether it was issued: %q", texts)
	}
	// Her history in his hands: nothing of it is verified.
	s := w.send(t, mona, messages)
	if strings.Contains(s.upstream, "get_issue\\\"") || s.reports[0].Piece.Verified || strings.Contains(s.upstream, "payroll") {
		t.Errorf("upstream: %s", s.upstream)
	}
	// Nor in another conversation of hers, once it is gone from the table.
	other := w.send(t, sara, []object{user("Hi")})
	if _, err := other.answer(t.Context(), nil, "", call{"c", "comment", `{"body":"` + name + `"}`}); !errors.Is(err, ref.ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func toolCall(args string) llm.ToolCall {
	return llm.ToolCall{ID: "c", Tool: "comment", Arguments: []byte(args)}
}
