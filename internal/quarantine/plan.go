package quarantine

import (
	"context"
	"slices"
	"strconv"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
	"github.com/yellowjack/yellowjack/internal/quarantine/dual"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
)

// asking are questions about one piece, on the content that they are about.
type asking struct {
	q         *quarantined
	content   []byte
	hash      [32]byte
	questions []dual.Question
	marks     []string // what each is called in the clearance
}

// askFixed asks what policy wants to know of each piece.
func (s *Session) askFixed(ctx context.Context, work []*quarantined, revision string) {
	var all []asking
	for _, q := range work {
		if q.status != "" { // nothing is shown of it
			continue
		}
		about := map[string]*asking{}
		for _, question := range q.rules.tool.Questions {
			a := about[question.About]
			if a == nil {
				content, ok := q.about(question.About)
				if !ok {
					q.answer(question.Ask, project.Unknown)
					continue
				}
				a = &asking{q: q, content: content, hash: q.hash}
				if question.About != "" {
					a.hash = ref.Content(question.About, content)
				}
				about[question.About] = a
			}
			a.questions = append(a.questions, question.Question)
			a.marks = append(a.marks, question.Ask)
		}
		for _, question := range q.rules.tool.Questions { // in the order of the rules
			if a := about[question.About]; a != nil {
				all = append(all, *a)
				delete(about, question.About)
			}
		}
	}
	s.ask(ctx, all, "fixed", revision)
}

// about is the content that a question is about: the whole, or the text behind one reference.
func (q *quarantined) about(path string) ([]byte, bool) {
	if path == "" {
		return q.content, true
	}
	for _, r := range q.skeleton.References {
		if r.Path == path || r.Path == "$."+path {
			return []byte(r.Text), true
		}
	}
	return nil, false
}

func (q *quarantined) answer(question, value string) {
	q.answers = append(q.answers, project.Answer{Question: question, Answer: value})
	q.report.Questions++
	if value == project.Unknown {
		q.report.Unknown++
	}
}

// ask reserves what the answers can say, and has them answered: all at once, under one deadline.
func (s *Session) ask(ctx context.Context, all []asking, round, revision string) {
	if len(all) == 0 {
		return
	}
	charges := make([]budget.Charge, len(all))
	for i, a := range all {
		what := []byte(round + "/" + revision)
		for _, q := range a.questions {
			charges[i].Bits += budget.From(q.Bits())
			what = append(append(what, 0), q.Ask...)
		}
		charges[i].Result, charges[i].What = a.hash, what
	}
	outcomes, err := s.g.budget.Reserve(ctx, s.caller.Scope, s.history.Conversation, charges)
	var tasks []dual.Task
	var of []int
	for i, a := range all {
		if err != nil || !outcomes[i].Granted {
			for _, mark := range a.marks {
				a.q.answer(mark, project.Unknown)
			}
			continue
		}
		a.q.report.Bits += outcomes[i].Charged.Float()
		tasks = append(tasks, dual.Task{
			Caller: s.dualCaller(), Tool: a.q.piece.Tool, ContentHash: a.hash, Content: a.content, Questions: a.questions, Revision: revision,
		})
		of = append(of, i)
	}
	if len(tasks) == 0 {
		return
	}
	for k, asked := range s.g.c.Asker.AskAll(ctx, tasks) {
		a := all[of[k]]
		a.q.report.Model = max(a.q.report.Model, asked.Model)
		a.q.report.Cached = asked.Cached
		for i, answer := range asked.Answers {
			a.q.answer(a.marks[i], s.value(a.q, answer))
		}
		a.q.report.Shown += asked.Bits()
	}
}

// value is what the model reads of an answer: a value of its type, or the reference that carries it on.
func (s *Session) value(q *quarantined, a dual.Answer) string {
	switch {
	case !a.Known:
		return project.Unknown
	case a.Content == "":
		return a.Value
	}
	content := []byte(a.Content)
	hash := ref.Content("answer/"+q.piece.Tool, content)
	names := s.table.Add(hash, q.piece.Tool, untrusted(q.label), []project.Reference{{At: a.ID, Path: "$", Text: a.Content, Kind: project.String}})
	if len(names) != 1 {
		return project.Unknown
	}
	if op := s.table.Record(hash, s.g.c.Keep); op != nil {
		s.release.Also(op)
	}
	return string(names[0])
}

func (s *Session) dualCaller() dual.Caller {
	return dual.Caller{Scope: s.caller.Scope, Token: s.caller.Token}
}

// plan lets the privileged model ask, round by round. Each round sees the answers to those before it. It is asked of the results of
// each turn by themselves, and told what was said before them: so what was asked of a result is asked of it again when the
// conversation goes on, costs nothing then, and leaves the bytes of its clearance as they were.
func (s *Session) plan(ctx context.Context, work []*quarantined, revision string) {
	if !s.g.c.Plan {
		return
	}
	turns := s.turns(work)
	var tools []string
	for i := range s.request.Tools {
		tools = append(tools, s.request.Tools[i].Name)
	}
	for round := 1; round <= s.g.c.Rounds; round++ {
		var briefs []dual.Brief
		var of [][]*quarantined
		for _, t := range turns {
			brief := dual.Brief{Caller: s.dualCaller(), Request: t.request, History: t.history, Tools: tools, Round: round, Revision: revision}
			var about []*quarantined
			for _, q := range t.work {
				if limit := q.rules.tool.Rounds; q.status != "" || limit > 0 && limit < round {
					continue
				}
				refs := make([]string, len(q.names))
				for i, n := range q.names {
					refs[i] = string(n)
				}
				brief.Results = append(brief.Results, dual.Quarantined{Tool: q.piece.Tool, Clearance: q.clearance(), Refs: refs, Content: q.content})
				about = append(about, q)
			}
			if len(about) > 0 {
				briefs, of = append(briefs, brief), append(of, about)
			}
		}
		if len(briefs) == 0 {
			return
		}
		var all []asking
		for i, planned := range s.g.c.Asker.PlanAll(ctx, briefs) {
			if planned.Reason != "" {
				s.g.c.Log.Debug("no questions were planned", "why", planned.Reason)
				continue
			}
			all = append(all, s.planned(of[i], planned)...)
		}
		if len(all) == 0 {
			return
		}
		s.ask(ctx, all, "round"+strconv.Itoa(round), revision)
	}
}

// planned sorts the questions of a plan by the content that they are about.
func (s *Session) planned(of []*quarantined, p dual.Planned) []asking {
	var all []asking
	for i, questions := range p.Questions {
		if i >= len(of) {
			break
		}
		q := of[i]
		about := map[string]int{}
		for _, question := range questions {
			content, hash := q.content, q.hash
			if question.Ref != "" {
				entry, ok := s.table.Get(ref.Name(question.Ref))
				if !ok {
					q.answer(question.Ask, project.Unknown)
					continue
				}
				content = []byte(entry.Value)
				hash = ref.Content(question.Ref, content)
			}
			at, ok := about[question.Ref]
			if !ok {
				at = len(all)
				about[question.Ref] = at
				all = append(all, asking{q: q, content: content, hash: hash})
			}
			all[at].questions = append(all[at].questions, question)
			all[at].marks = append(all[at].marks, question.Ask)
		}
	}
	return all
}

// turn is the results of one turn, and what stands before them.
type turn struct {
	request string // what the person wanted
	history []dual.Turn
	work    []*quarantined
}

// turns sorts results by the turn of the model's that they stand behind. Those before which nobody has asked for anything are
// left out.
func (s *Session) turns(work []*quarantined) []turn {
	message := func(q *quarantined) int {
		if q.piece.Result >= 0 {
			return s.request.Results[q.piece.Result].Message
		}
		return s.request.Parts[q.piece.Part].Message
	}
	work = slices.Clone(work)
	slices.SortStableFunc(work, func(a, b *quarantined) int { return message(a) - message(b) })
	var out []turn
	var now turn
	flush := func() {
		if len(now.work) > 0 && now.request != "" {
			out = append(out, now)
		}
		now.work = nil
	}
	next := 0
	until := func(at int) { // reads what is said up to a message
		for ; next < len(s.request.Parts) && s.request.Parts[next].Message < at; next++ {
			p, o := s.request.Parts[next], &s.history.Parts[next]
			if p.Kind != llm.TextPart || p.Result >= 0 || p.Message < 0 || o.Result || o.Label.Integrity != label.Trusted {
				continue
			}
			text := string(s.request.Text(p))
			if p.Role == "user" {
				if text != now.request {
					flush()
				}
				now.request = text
			}
			now.history = append(now.history[:len(now.history):len(now.history)], dual.Turn{Role: p.Role, Text: text})
		}
	}
	last := -1
	for _, q := range work {
		at := message(q)
		if at < 0 {
			continue
		}
		if model := s.modelBefore(at); model != last {
			flush()
			last = model
		}
		until(at)
		now.work = append(now.work, q)
	}
	flush()
	return out
}

// modelBefore is the last message of the model's before another; -1 when there is none.
func (s *Session) modelBefore(message int) int {
	calls := s.request.Calls
	n, _ := slices.BinarySearchFunc(calls, message, func(c llm.HistoryCall, at int) int { return c.Message - at })
	last := -1
	if n > 0 {
		last = calls[n-1].Message
	}
	for i := len(s.request.Parts) - 1; i >= 0 && s.request.Parts[i].Message > last; i-- {
		if p := s.request.Parts[i]; p.Role == "assistant" && p.Message < message {
			return p.Message
		}
	}
	return last
}
