package dual

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"
)

// Task is one piece of content and what is asked of it.
type Task struct {
	Caller
	Tool        string
	ContentHash [32]byte // of Content
	Content     []byte
	Questions   []Question
	Revision    string // of the policy that wants to know
}

// Asked are the answers to a task's questions, in their order; there is one for each.
type Asked struct {
	Answers []Answer
	Cached  bool          // no model was asked for any of them
	Model   time.Duration // the longest wait for the model
}

// Bits is what the answers are charged together.
func (r Asked) Bits() float64 {
	var sum float64
	for _, a := range r.Answers {
		sum += a.Bits
	}
	return sum
}

// Ask asks the quarantined model about one piece of content.
func (a *Asker) Ask(ctx context.Context, t Task) Asked { return a.AskAll(ctx, []Task{t})[0] }

// AskAll asks about several, of one principal, all at once and under one deadline. What cannot be known by then is unknown.
// The questions of a task are one call; each rendering is one of its own.
func (a *Asker) AskAll(ctx context.Context, tasks []Task) []Asked {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeouts.Request)
	defer cancel()
	out := make([]Asked, len(tasks))
	var units []unit
	var asked []portion
	keys := make([]string, len(tasks))
	for i, t := range tasks {
		keys[i] = a.key(t.Caller, "task", a.parts(t, t.Questions)...)
		if answers, ok := a.tasks.get(keys[i], time.Now()); ok {
			out[i] = Asked{Answers: slices.Clone(answers), Cached: true}
			for j, q := range t.Questions { // the same question, by another author's name for it
				out[i].Answers[j].ID = q.ID
			}
			a.cfg.Observe(Event{Purpose: PurposeAnswer, Cached: true})
			continue
		}
		out[i] = Asked{Answers: make([]Answer, len(t.Questions)), Cached: true}
		for _, p := range a.portions(t, out[i].Answers) {
			p.task = i
			asked = append(asked, p)
			units = append(units, a.unitOf(t, p.questions))
		}
	}
	whole := make([]bool, len(tasks))
	for k, result := range a.recall(ctx, units) {
		p := asked[k]
		into := &out[p.task]
		whole[p.task] = result.why == "" && (k == 0 || asked[k-1].task != p.task || whole[p.task])
		into.Cached = into.Cached && result.cached
		into.Model = max(into.Model, result.model)
		for j, answer := range answersOf(result, p.questions, tasks[p.task].Content) {
			into.Answers[p.places[j]] = answer
		}
	}
	for i, w := range whole {
		if w {
			a.tasks.put(keys[i], slices.Clone(out[i].Answers), time.Now().Add(a.cfg.Keep))
		}
	}
	return out
}

// portion is those of a task's questions that are one call.
type portion struct {
	task      int
	places    []int
	questions []Question
}

// portions sorts a task's questions into calls. One that may not be asked is answered at once.
func (a *Asker) portions(t Task, answers []Answer) []portion {
	var typed portion
	var out []portion
	for i, q := range t.Questions {
		why := Reason("")
		switch {
		case q.Check() != nil:
			why = Invalid
		case a.cfg.QuarantinedModel == "":
			why = NoModel
		case len(t.Content) > a.cfg.ContentBytes:
			why = TooLarge
		}
		switch {
		case why != "":
			answers[i] = q.unknown(why)
		case q.Type == Render:
			out = append(out, portion{places: []int{i}, questions: []Question{q}})
		default:
			typed.places, typed.questions = append(typed.places, i), append(typed.questions, q)
		}
	}
	if len(typed.questions) > 0 {
		out = append(out, typed)
	}
	return out
}

// unitOf is the call for some questions of a task.
func (a *Asker) unitOf(t Task, questions []Question) unit {
	purpose := PurposeAnswer
	if questions[0].Type == Render {
		purpose = PurposeRender
	}
	return unit{
		key: a.key(t.Caller, purpose, a.parts(t, questions)...), caller: t.Caller, purpose: purpose,
		ask: func(ctx context.Context) ([]byte, Reason) {
			doc, why := a.call(ctx, t.Caller, a.prompt(t, purpose, questions))
			if why != "" {
				return nil, why
			}
			// What is kept is what the model wrote, once it has the right shape; it is read again at each use.
			if _, err := parseAnswers(doc, questions, t.Content); err != nil {
				return nil, Malformed
			}
			return doc, ""
		},
	}
}

// parts are all that the answers to some questions depend on, but for whose they are.
func (a *Asker) parts(t Task, questions []Question) [][]byte {
	parts := [][]byte{t.ContentHash[:], []byte(t.Tool), []byte(a.cfg.QuarantinedModel), []byte(t.Revision)}
	for _, q := range questions {
		parts = append(parts, q.digest())
	}
	return parts
}

// answersOf reads an outcome; a value that is not of the right shape (of another version of this program) is malformed.
func answersOf(result outcome, questions []Question, content []byte) []Answer {
	why := result.why
	if why == "" {
		answers, err := parseAnswers(result.value, questions, content)
		if err == nil {
			return answers
		}
		why = Malformed
	}
	out := make([]Answer, len(questions))
	for i, q := range questions {
		out[i] = q.unknown(why)
	}
	return out
}

// key is the record's key in the store: the principal's slot, and a MAC of all that the record depends on.
func (a *Asker) key(c Caller, purpose string, parts ...[]byte) string {
	all := append([][]byte{[]byte(c.Scope.Tenant), []byte(c.Scope.Principal), []byte(purpose)}, parts...)
	mac := a.cfg.Keys.MAC("dual", all...)
	return a.cfg.Keys.Slot(c.Scope) + "d:" + hex.EncodeToString(mac[:20])
}

// digest is a question as a part of a MAC, each field behind its length.
func (q Question) digest() []byte {
	q = q.filled()
	var b []byte
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, s := range []string{string(q.Type), q.Ask, q.Pattern, q.Ref} {
		text(s)
	}
	b = binary.AppendVarint(binary.AppendVarint(b, q.Min), q.Max)
	for _, o := range q.Options {
		text(o)
	}
	return b
}
