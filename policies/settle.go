package policies

import (
	"fmt"

	"github.com/yellowjack/yellowjack/internal/label"
)

// What is here holds whatever a policy answers: what is not visible is neither
// offered nor called, a sensitive tool is only there while the context is
// trusted, and a label is that of the data's words.

// settle makes a decision that allows complete: one answer for each result with
// its label, the context's label, and what that hides.
func (t *tables) settle(d *Decision, in *RequestInput, p requestParts, visible map[string]string) {
	if !d.Allowed {
		return
	}
	d.Context = in.Context
	items := d.Results
	for i := range items {
		t.settleResult(&items[i], &p.results[i], in.Principal.Client)
		if items[i].Treatment != Drop {
			d.Context = d.Context.Join(items[i].Label)
		}
	}
	d.Results = nil
	if len(p.class) > 0 {
		d.Results = make([]ResultDecision, len(p.class))
		for i, class := range p.class {
			d.Results[i] = items[class]
		}
	}
	for _, f := range in.features() {
		if t.taints(f.Name) {
			d.Context = d.Context.Join(label.Label{Confidentiality: label.Public, Sources: []string{f.Name}})
		}
	}
	t.settlePins(d, in)
	if !t.sensitive || d.Context.Integrity == label.Trusted {
		return
	}
	for name, said := range d.Tools {
		if r := t.tools[visible[name]]; said == Offer && r != nil && r.Sensitive {
			d.Tools[name] = Hide
		}
	}
}

// settleResult says of a result which tool's it is and what its label is from
// now on. A result whose call is not proven is of no tool.
func (t *tables) settleResult(d *ResultDecision, r *Result, client string) {
	if r.Attributed && r.Verified {
		if d.Rules = t.canonical(client, r.Tool); d.Rules != nil {
			d.Tool = d.Rules.Tool
		}
	}
	if d.Treatment == Drop {
		d.Label = label.Clean()
		return
	}
	d.Label = r.Label
	if d.Rules == nil {
		d.Label = d.Label.Join(label.Label{Sources: []string{unknownTool}})
	} else {
		from := label.Label{Confidentiality: d.Rules.Confidentiality, Sources: []string{d.Tool}}
		if d.Rules.Trusted {
			from.Integrity = label.Trusted
		}
		d.Label = d.Label.Join(from)
	}
	if d.Treatment == Quarantine {
		d.Label.Integrity = label.Constrained // the content stays as untrusted as it is; this is the clearance
	}
}

// unknownTool is the source of what no tool is proven to have said.
const unknownTool = "unknown"

// settlePins does what the data says of tools whose description is not the
// approved one.
func (t *tables) settlePins(d *Decision, in *RequestInput) {
	if !t.pinned {
		return
	}
	for i := range in.Tools {
		tool := &in.Tools[i]
		state, r := t.pin(in.Principal.Client, tool)
		if state != PinNew && state != PinChanged || d.Tools[tool.Name] != Offer {
			continue
		}
		d.Pins = append(d.Pins, PinFinding{Tool: r.Tool, State: state, Mode: r.Pin, Hash: tool.Hash})
		switch r.Pin {
		case PinRefuse:
			d.Tools[tool.Name] = Hide
		case PinTaint:
			d.Context = d.Context.Join(label.Label{Confidentiality: label.Public, Sources: []string{r.Tool}})
		}
	}
}

// hideSensitive removes what only a trusted context may see.
func (t *tables) hideSensitive(visible map[string]string, context label.Label) {
	if !t.sensitive || context.Integrity == label.Trusted {
		return
	}
	for name, tool := range visible {
		if r := t.tools[tool]; r != nil && r.Sensitive {
			delete(visible, name)
		}
	}
}

// enforce holds the decision of one call to what was offered and is visible.
func (t *tables) enforce(d *CallDecision, c *Call, in *ToolcallInput, visible map[string]string) {
	tool, ok := visible[c.Tool]
	d.Tool, d.Rules = tool, t.tools[tool]
	if d.Verdict == Deny {
		return
	}
	switch r := t.tools[tool]; {
	case !ok:
		*d = CallDecision{
			Verdict: Deny, Rule: "tools.allow",
			Reason: fmt.Sprintf("tool %s is not granted to you (rule tools.allow)", c.Tool),
		}
	case !c.Offered:
		*d = CallDecision{
			Verdict: Deny, Tool: tool, Rule: "tools.offered",
			Reason: fmt.Sprintf("tool %s was not offered in this request (rule tools.offered)", tool),
		}
	case r != nil && r.Sensitive && in.Context.Integrity != label.Trusted:
		*d = CallDecision{
			Verdict: Deny, Tool: tool, Rule: "tools.sensitive",
			Reason: fmt.Sprintf("tool %s is sensitive and the conversation holds content of third parties (rule tools.sensitive)", tool),
		}
	}
}
