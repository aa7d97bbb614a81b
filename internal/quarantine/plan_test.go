package quarantine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/quarantine/dual"
)

const bug = `{"questions":[{"result":1,"ask":"Is it a bug report?","type":"yesno","options":null,"min":null,"max":null,"pattern":null,"ref":null}]}`

const none = `{"questions":[]}`

// isPlan tells a call of the privileged model.
func isPlan(body string) bool { return strings.Contains(body, `"mock/privileged"`) }

// TestQuestions: policy's and the privileged model's, and what of the answers the model reads.
func TestQuestions(t *testing.T) {
	m := &model{}
	w := newWorld(t, asking(t, m, nil))
	w.rule(t, "mail", quarantine.Tool{Questions: []quarantine.Question{
		{Question: dual.Question{Ask: "Is it urgent?", Type: dual.YesNo}},
		{Question: dual.Question{Ask: "How many people does it name?", Type: dual.Count, Max: 9}},
		{Question: dual.Question{Ask: "Which code is in it?", Type: dual.Span, Pattern: "[A-Z]{2}[0-9]{3}"}},
	}})
	const mail = "Dear all, use AB123. " + evil
	for name, c := range map[string]struct{ answer, plan, want string }{
		"honest": {
			`{"a1":true,"a2":3,"a3":"AB123"}`, none,
			`"answers":[{"question":"Is it urgent?","answer":"yes"},{"question":"How many people does it name?","answer":"3"},{"question":"Which code is in it?","answer":"$ref_N"}]}`,
		},
		"out of range":    {`{"a1":true,"a2":10,"a3":null}`, none, `{"question":"How many people does it name?","answer":"unknown"}`},
		"not in it":       {`{"a1":true,"a2":1,"a3":"ZZ999"}`, none, `{"question":"Which code is in it?","answer":"unknown"}`},
		"extra":           {`{"a1":true,"a2":1,"a3":null,"a4":"` + evil + `"}`, none, `{"question":"Is it urgent?","answer":"unknown"}`},
		"twice":           {`{"a1":true,"a1":false,"a2":1,"a3":null}`, none, `{"question":"Is it urgent?","answer":"unknown"}`},
		"content":         {evil, none, `{"question":"Is it urgent?","answer":"unknown"}`},
		"a word":          {`{"a1":"` + evil + `","a2":1,"a3":null}`, none, `{"question":"Is it urgent?","answer":"unknown"}`},
		"no plan":         {`{"a1":true,"a2":1,"a3":null}`, evil, `{"question":"Is it urgent?","answer":"yes"}`},
		"a plan":          {`{"a1":true,"a2":1,"a3":null}`, bug, `{"question":"Is it a bug report?","answer":"`},
		"content in plan": {`{"a1":true,"a2":1,"a3":null}`, strings.Replace(bug, "Is it a bug report?", evil, 1), `{"question":"Is it urgent?","answer":"yes"}`},
	} {
		t.Run(name, func(t *testing.T) {
			m.reply = func(body string) string {
				switch {
				case isPlan(body):
					if strings.Contains(body, "payroll") {
						t.Error("the privileged model reads content")
					}
					return completion(c.plan)
				case strings.Contains(body, "bug report"):
					return completion(`{"a1":true}`)
				}
				return completion(c.answer)
			}
			content := mail + name // nothing is remembered of another case
			messages := w.after(t, sara, "mail", content)
			s := w.send(t, sara, messages)
			got := s.texts(t)[2]
			if !strings.Contains(names.ReplaceAllString(got, "$$ref_N"), c.want) || strings.Contains(got, "payroll") || strings.Contains(got, "AB123") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if r := s.reports[0]; r.Questions < 3 || r.Bits < 1.5 {
				t.Errorf("%+v", r)
			}
			asked := len(m.calls())
			if again := w.send(t, sara, messages); len(m.calls()) != asked || again.upstream != s.upstream {
				t.Errorf("it was asked again: %d calls", len(m.calls())-asked)
			}
			if name == "honest" {
				out := s.says(t, "The code is "+names.FindAllString(got, -1)[1]+".")
				if out["content"] != "The code is AB123." {
					t.Errorf("the person reads %v", out)
				}
			}
		})
	}
}

// TestRounds: a later round knows the answers to an earlier one, there are no more of them than there may be, and a tool's own
// number counts.
func TestRounds(t *testing.T) {
	m := &model{}
	plans := 0
	m.reply = func(body string) string {
		if !isPlan(body) {
			return completion(`{"a1":true}`)
		}
		plans++
		return completion(strings.Replace(bug, "Is it a bug report?", fmt.Sprintf("Question %d?", plans), 1))
	}
	w := newWorld(t, asking(t, m, nil))
	w.rule(t, "once", quarantine.Tool{Rounds: 1})
	for tool, want := range map[string]int{"mail": 2, "once": 1} {
		plans = 0
		s := w.send(t, sara, w.after(t, sara, tool, "x "+evil))
		got := s.texts(t)[2]
		if plans != want || strings.Count(got, `"answer":"yes"`) != want {
			t.Errorf("%s: %d rounds: %s", tool, plans, got)
		}
	}
	last := ""
	for _, c := range m.calls() {
		if isPlan(c) {
			last = c
		}
	}
	if !strings.Contains(strings.Join(m.calls(), "\n"), `Question 1?\\\"`) && !strings.Contains(last, "clearance") {
		t.Errorf("the last brief: %s", last)
	}
}

// TestPlansStay: what was asked of a result is asked of it again, whatever is said after it, so that its clearance and all in
// front of it stay the bytes that they were.
func TestPlansStay(t *testing.T) {
	m := &model{reply: func(body string) string {
		if !isPlan(body) {
			return completion(`{"a1":true}`)
		}
		var in struct{ Messages []struct{ Content string } }
		if err := json.Unmarshal([]byte(body), &in); err != nil {
			return completion(none)
		}
		var brief struct {
			Request string
			Results []any
		}
		if err := json.Unmarshal([]byte(in.Messages[1].Content), &brief); err != nil {
			return completion(none)
		}
		return completion(strings.Replace(bug, "Is it a bug report?", fmt.Sprintf("Of %d, what of %.20s?", len(brief.Results), brief.Request), 1))
	}}
	w := newWorld(t, asking(t, m, func(c *dual.Config) { c.Timeouts.Result = 20 * time.Second }))
	messages := w.after(t, sara, "get_issue", issue)
	var before []string
	var bits float64
	for i := range 4 {
		s := w.send(t, sara, messages)
		now := s.texts(t)
		for k, text := range before {
			if now[k] != text {
				t.Fatalf("turn %d changed message %d:\n%s\n%s", i, k, text, now[k])
			}
		}
		if i > 0 && s.reports[0].Bits != 0 {
			t.Errorf("turn %d: the first result costs %.1f bits again", i, s.reports[0].Bits)
		}
		bits += s.reports[0].Bits
		before = now
		if i == 1 {
			messages = append(messages, s.says(t, "So far so good."), user("Something else now."))
			continue
		}
		r := s.says(t, "", call{fmt.Sprint("c", i), "get_issue", "{}"}, call{fmt.Sprint("d", i), "get_issue", "{}"})
		messages = append(messages, r, result(r, 0, strings.Replace(issue, "4711", fmt.Sprint(i), 1)), result(r, 1, strings.Replace(issue, "4711", fmt.Sprint(i+10), 1)))
	}
	if !strings.Contains(before[2], "Work on the issue.") {
		t.Errorf("the first result was asked for something else: %s", before[2])
	}
}

// TestWithoutModels: models that do not answer, or are too slow, leave the typed values and `unknown`.
func TestWithoutModels(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	for name, reply := range map[string]func(string) string{
		"nonsense":  func(string) string { return "<html>" },
		"megabytes": func(string) string { return completion(strings.Repeat(evil, 50_000)) },
		"a call": func(string) string {
			return `{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"x","type":"function","function":{"name":"post","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`
		},
		"late": func(string) string {
			select {
			case <-stop:
			case <-time.After(2 * time.Second):
			}
			return completion("{}")
		},
	} {
		m := &model{reply: reply}
		w := newWorld(t, asking(t, m, func(c *dual.Config) {
			c.Timeouts = dual.Timeouts{Result: 200 * time.Millisecond, Request: 300 * time.Millisecond}
		}))
		w.rule(t, "mail", quarantine.Tool{Questions: []quarantine.Question{{Question: dual.Question{Ask: "Is it urgent?", Type: dual.YesNo}}}})
		began := time.Now()
		got := w.send(t, sara, w.after(t, sara, "mail", `{"n":1,"x":"`+evil+`"}`)).texts(t)[2]
		if !strings.Contains(got, `"answers":[{"question":"Is it urgent?","answer":"unknown"}]`) || strings.Contains(got, "payroll") {
			t.Errorf("%s: %s", name, got)
		}
		if took := time.Since(began); took > 2*time.Second*slow {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}
