package extproc

import (
	"errors"
	"net/http"
	"strings"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine/provenance"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/policies"
)

// decideCalls asks policy about every call of a batch in one query and returns a verdict for each, in order. A call that
// is malformed is refused without being asked, and one that was never offered is told apart so that policy denies it.
// No verdict is ever missing: an error here is an error of the whole batch, and nothing of it is released.
func (x *exchange) decideCalls(calls []llm.ToolCall) ([]llm.Verdict, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	verdicts := make([]llm.Verdict, len(calls))
	asked := make([]int, 0, len(calls))
	in := &policies.ToolcallInput{
		Principal: x.subject, Walk: policies.WalkModel, Context: x.context, Results: x.results,
		Model: policies.Model{Named: x.wanted.Model, Provider: x.target.Provider, Name: x.target.Model},
	}
	for i, c := range calls {
		if c.Malformed != "" {
			verdicts[i] = x.refuseCall(c, c.Malformed, "malformed")
			continue
		}
		var origins []provenance.ArgOrigin
		if x.guard != nil {
			look := x.guard.Look(x.ctx, c)
			if look.Bad != nil {
				verdicts[i] = x.refuseCall(c, "an argument holds a reference that is none here", "references")
				continue
			}
			origins = look.Origins
		}
		asked = append(asked, i)
		in.Calls = append(in.Calls, policies.Call{
			Choice: c.Choice, Index: c.Index, Tool: c.Tool, Arguments: c.Arguments, Offered: x.offered[c.Tool], Args: argsOf(origins),
		})
	}
	if len(asked) == 0 {
		return verdicts, nil
	}
	d, err := x.s.cfg.Policies.Toolcall(x.ctx, in)
	if err == nil && len(d.Calls) != len(asked) {
		err = errors.New("policy did not decide every call")
	}
	if err != nil {
		for _, i := range asked {
			x.noteCall(calls[i], false, "the policy could not be evaluated", "")
		}
		return nil, refuse.New(http.StatusForbidden, refuse.PolicyError, "the policy could not decide the model's tool calls; ask its authors", "policy.toolcall: %v", err)
	}
	first := len(x.record.Calls)
	for k, i := range asked {
		verdict := d.Calls[k]
		switch {
		case verdict.Verdict == policies.Allow && in.Calls[k].Offered:
			verdicts[i] = x.releaseCall(calls[i], verdict)
		case verdict.Verdict == policies.Confirm:
			verdicts[i] = x.refuseCall(calls[i], "policy wants a person to confirm it, which is not built yet", verdict.Rule)
		default:
			verdicts[i] = x.refuseCall(calls[i], verdict.Reason, verdict.Rule)
		}
	}
	// The policies may have been reloaded since the request was decided.
	for i := range x.record.Calls[first:] {
		x.record.Calls[first+i].DecisionID, x.record.Calls[first+i].PolicyRevision = d.ID, d.Revision
	}
	return verdicts, nil
}

// refuseCall is the verdict on a call that does not go out, with what the model's client reads in its place.
func (x *exchange) refuseCall(c llm.ToolCall, reason, rule string) llm.Verdict {
	if reason == "" {
		reason = "policy does not allow it"
	}
	x.noteCall(c, false, reason, rule)
	var text strings.Builder
	text.WriteString("[yellowjack] The call to ")
	text.WriteString(toolName(c.Tool))
	text.WriteString(" was refused: ")
	text.WriteString(reason)
	text.WriteString(". (decision ")
	text.WriteString(x.record.DecisionID)
	text.WriteString(")")
	return llm.Verdict{Text: text.String()}
}

func (x *exchange) noteCall(c llm.ToolCall, allowed bool, reason, rule string) {
	x.record.Calls = append(x.record.Calls, audit.Call{Tool: clip(c.Tool), Allowed: allowed, Reason: reason, Rule: rule})
	x.s.cfg.Metrics.ToolCall(allowed)
}

// answeredBy checks the model that the response says answered. A name that the request asked for, or a dated version of
// it, was decided already; another one is asked of policy.
func (x *exchange) answeredBy(name string) *refuse.Refusal {
	x.record.AnsweredModel = clip(name)
	if name == "" || versionOf(name, x.target.Model) {
		return nil
	}
	for _, m := range x.wanted.MoreModels {
		if versionOf(name, m.Name) {
			return nil
		}
	}
	allowed, err := x.s.cfg.Policies.Models(x.ctx, x.subject, []policies.Model{{
		Named: x.target.Provider + "/" + name, Provider: x.target.Provider, Name: name,
	}})
	if err != nil || len(allowed) != 1 {
		return refuse.New(http.StatusForbidden, refuse.PolicyError, "the policy could not be evaluated; ask its authors", "policy.models: %v", err)
	}
	if !allowed[0] {
		return refuse.New(http.StatusForbidden, refuse.ModelDenied, "the provider answered with a model that you may not use", "answered model %q", clip(name))
	}
	return nil
}

// versionOf tells whether an answering model is the one asked for: the same name, with or without the vendor in front,
// and with nothing after it but a date (gpt-5-mini-2025-08-07, claude-sonnet-4-20250514, mistral-large-2411 for
// mistral-large-latest). A further version number (claude-opus-4-1 for claude-opus-4) or another size (llama3:70b for
// llama3:8b) is another model.
func versionOf(answered, asked string) bool {
	asked, answered = withoutVariant(asked), withoutVariant(answered)
	if !strings.Contains(answered, "/") {
		asked = asked[strings.LastIndexByte(asked, '/')+1:]
	}
	if answered == asked {
		return true
	}
	rest, ok := strings.CutPrefix(answered, strings.TrimSuffix(asked, "-latest"))
	return ok && isDate(rest)
}

// withoutVariant cuts OpenRouter's variants (:online, :free), which are words; a tag that begins with a digit stays.
func withoutVariant(name string) string {
	base, variant, ok := strings.Cut(name, ":")
	if !ok || variant == "" || variant[0] >= '0' && variant[0] <= '9' {
		return name
	}
	return base
}

// isDate tells whether text is -2025-08-07, -20250807 or -2508.
func isDate(text string) bool {
	shape := []byte(text)
	for i, c := range shape {
		if c >= '0' && c <= '9' {
			shape[i] = '9'
		}
	}
	switch string(shape) {
	case "-9999-99-99", "-99999999", "-9999":
		return true
	}
	return false
}
