package dual

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Turn is one turn of the conversation that the privileged model may read: what a person, the application or the agent
// wrote before anything untrusted came in, or in references.
type Turn struct {
	Role string `json:"role"`
	Text string `json:"text"`
}

// Brief is what the privileged model is told: never content.
//
// The questions are remembered under all of it but the history, so that a conversation that goes on finds the same ones:
// the results of one brief are those of one turn, and the request is what the person wanted before them.
type Brief struct {
	Caller
	Request  string // the person's own words
	History  []Turn
	Tools    []string // names of the tools that the agent has
	Results  []Quarantined
	Round    int // 1 is the first; later ones see clearances with the answers to earlier ones
	Revision string
}

// Quarantined is a result as the privileged model knows it.
type Quarantined struct {
	Tool      string
	Clearance []byte   // JSON of ours
	Refs      []string // the references in it
	// Content is what the clearance stands for. No model is shown it here: questions are held against it, since one that
	// quotes what the brief does not say would let content into what an agent reads.
	Content []byte
}

// Planned are the questions to ask about each result of a brief, in their order.
type Planned struct {
	Questions [][]Question
	Refused   int // questions that were not well-formed, or quoted content
	Reason    Reason
}

// Bounds of a brief: longer ones are not cut, but not asked about.
const (
	maxBrief   = 128 << 10
	maxResults = 64
)

const privilegedSystem = `You help an agent that works with results which it may not read, because third parties wrote them. You may not read them either.
You get JSON: what a person asked for, the conversation so far, the tools that the agent has, and the results. In place of a result stands a clearance: its shape, its typed values, and references such as $ref_abc for its texts.
Think of the few questions about the results whose answers the agent needs to do what the person asked for. Another model, which reads the result and nothing else, answers them; the agent gets the answers. Ask nothing that a clearance already says. If nothing is needed, ask nothing.
Types: "yesno"; "choice" with 1 to 16 "options" of at most 64 characters; "which" with references of that result as "options"; "int" with "min" and "max"; "count" with "max"; "date" with "min" and "max" such as "2026-03-01"; "span", a short text copied from the result, which the agent gets as a reference, with "pattern", a regular expression that all of it matches; "render", a text for the person, such as a summary, which the agent gets as a reference.
The narrower a question, the better. "result" is the result's number. "ref", if the question is about one text of the result alone, is its reference.
Write one JSON object {"questions": [...]} and nothing before or after it.`

type promptResult struct {
	Result    int             `json:"result"`
	Tool      string          `json:"tool"`
	Clearance json.RawMessage `json:"clearance"`
}

// Plan asks the privileged model for questions. Without an answer there are none; the error says why.
func (a *Asker) Plan(ctx context.Context, b Brief) (Planned, error) {
	return one(a.PlanAll(ctx, []Brief{b}))
}

func one(p []Planned) (Planned, error) {
	if p[0].Reason != "" {
		return p[0], fmt.Errorf("dual: no plan: %s", p[0].Reason)
	}
	return p[0], nil
}

// PlanAll plans for several briefs of one principal at once, under one deadline.
func (a *Asker) PlanAll(ctx context.Context, briefs []Brief) []Planned {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeouts.Request)
	defer cancel()
	out := make([]Planned, len(briefs))
	var units []unit
	var places []int
	for i, b := range briefs {
		out[i].Questions = make([][]Question, len(b.Results))
		prompt, why := a.briefPrompt(b)
		if why != "" {
			out[i].Reason = why
			continue
		}
		if prompt == nil { // nothing to ask about
			continue
		}
		units, places = append(units, a.planUnit(b, *prompt)), append(places, i)
	}
	for k, result := range a.recall(ctx, units) {
		i := places[k]
		if out[i].Reason = result.why; result.why != "" {
			continue
		}
		raw, err := parsePlan(result.value, a.cfg.Questions)
		if err != nil {
			out[i].Reason = Malformed
			continue
		}
		out[i].Questions, out[i].Refused = admit(raw, briefs[i])
	}
	return out
}

func (a *Asker) planUnit(b Brief, r request) unit {
	parts := [][]byte{[]byte(b.Request), []byte(a.cfg.PrivilegedModel), []byte(b.Revision), fmt.Append(nil, b.Round)}
	for _, res := range b.Results {
		parts = append(parts, []byte(res.Tool), res.Clearance)
	}
	return unit{
		key: a.key(b.Caller, PurposePlan, parts...), caller: b.Caller, purpose: PurposePlan,
		ask: func(ctx context.Context) ([]byte, Reason) {
			doc, why := a.call(ctx, b.Caller, r)
			if why != "" {
				return nil, why
			}
			if _, err := parsePlan(doc, a.cfg.Questions); err != nil {
				return nil, Malformed
			}
			return doc, ""
		},
	}
}

// briefPrompt writes a brief down; nil when there is nothing to ask about.
func (a *Asker) briefPrompt(b Brief) (*request, Reason) {
	switch {
	case a.cfg.PrivilegedModel == "" || a.cfg.QuarantinedModel == "":
		return nil, NoModel
	case len(b.Results) == 0:
		return nil, ""
	case len(b.Results) > maxResults:
		return nil, TooLarge
	}
	results := make([]promptResult, len(b.Results))
	for i, r := range b.Results {
		if err := strictjson.Check(r.Clearance, strictjson.Limits{MaxBytes: maxBrief}); err != nil {
			return nil, Invalid
		}
		results[i] = promptResult{i + 1, r.Tool, r.Clearance}
	}
	doc := jsonText(map[string]any{"request": b.Request, "history": b.History, "tools": b.Tools, "results": results})
	if len(doc) > maxBrief {
		return nil, TooLarge
	}
	return &request{
		model: a.cfg.PrivilegedModel, purpose: PurposePlan, system: privilegedSystem, user: []string{doc},
		tokens: int64(256 + 160*a.cfg.Questions), schema: planSchema(),
	}, ""
}

func planSchema() map[string]any {
	nullable := func(kinds ...string) map[string]any { return map[string]any{"type": append(kinds, "null")} }
	question := map[string]any{
		"result": map[string]any{"type": "integer"}, "ask": map[string]any{"type": "string"},
		"type":    map[string]any{"type": "string", "enum": []Type{YesNo, Choice, Which, Int, Count, Date, Span, Render}},
		"options": map[string]any{"type": []string{"array", "null"}, "items": map[string]any{"type": "string"}},
		"min":     nullable("integer", "string"), "max": nullable("integer", "string"), "pattern": nullable("string"), "ref": nullable("string"),
	}
	return map[string]any{
		"type": "object", "required": []string{"questions"}, "additionalProperties": false,
		"properties": map[string]any{"questions": map[string]any{"type": "array", "items": map[string]any{
			"type": "object", "properties": question, "additionalProperties": false,
			"required": []string{"result", "ask", "type", "options", "min", "max", "pattern", "ref"},
		}}},
	}
}

var errPlan = errors.New("dual: not a plan")
