package extproc

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/quarantine/provenance"
	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/telemetry"
	"github.com/yellowjack/yellowjack/policies"
)

// tokenTTL is how long a token for one of our own model calls is good; it is made when the call is.
const tokenTTL = 30 * time.Second

// recall finds out where each piece of the request comes from. Our own model calls carry no history, and are not quarantined.
func (x *exchange) recall(wanted *llm.Request) {
	if x.internal {
		return
	}
	// The audit lines of our own model calls name this exchange. They are made side by side, and may end after it.
	id, principal, verifier := sync.OnceValue(x.s.cfg.NewID), x.principal, x.s.cfg.Identity
	asks := &atomic.Bool{}
	x.parent = func() string {
		if asks.Load() {
			return id()
		}
		return ""
	}
	x.guard = x.s.cfg.Quarantine.Open(quarantine.Caller{
		Scope: label.Scope{Tenant: x.principal.Tenant(), Principal: x.principal.Key()},
		Token: func(purpose string) (string, error) {
			asks.Store(true)
			return verifier.Delegate(principal, id(), purpose, tokenTTL)
		},
	}, wanted)
	x.guard.Recall(x.ctx)
}

// pieces are what policy has to treat, and the label of all else.
func (x *exchange) pieces() ([]policies.Result, label.Label) {
	if x.guard == nil {
		return nil, label.Clean()
	}
	all := x.guard.Pieces()
	out := make([]policies.Result, len(all))
	for i, p := range all {
		out[i] = policies.Result{Tool: p.Tool, ID: p.ID, Attributed: p.Verified, Verified: p.Verified, Bytes: p.Bytes, Label: p.Label}
	}
	return out, x.guard.Label()
}

// treat does to each piece what policy decided, and puts the outcome into the edit.
func (x *exchange) treat(d policies.Decision, edit *llm.Edit) *refuse.Refusal {
	if x.guard == nil {
		return nil
	}
	if len(d.Results) != len(x.guard.Pieces()) {
		return refuse.New(http.StatusForbidden, refuse.PolicyError, "the policy could not be evaluated; ask its authors",
			"policy treats %d results of %d", len(d.Results), len(x.guard.Pieces()))
	}
	treatments := make([]quarantine.Treatment, len(d.Results))
	for i, r := range d.Results {
		t := quarantine.Treatment{Rule: r.Rule, Label: r.Label}
		if r.Rules != nil {
			t.Rules, _ = r.Rules.Compiled.(*quarantine.Rules)
		}
		switch r.Treatment {
		case policies.Pass:
			t.How = quarantine.Pass
		case policies.Drop:
			t.How = quarantine.Drop
		}
		treatments[i] = t
	}
	context, err := x.guard.Treat(x.ctx, treatments, d.Context, d.Revision)
	if err != nil {
		return refuse.New(http.StatusForbidden, refuse.QuarantineUnavailable,
			"the request holds untrusted content that cannot be withheld in part; send it as text, or leave it out", "quarantine: %v", err)
	}
	x.context = context
	x.guard.Edit(edit)
	for i := range x.results {
		x.results[i].Label = d.Results[i].Label
	}
	x.noteTreated()
	if !x.explains {
		x.guard.Shrink()
	}
	return nil
}

// noteTreated writes down what became of each piece.
func (x *exchange) noteTreated() {
	x.record.Exchange = x.parent()
	x.record.Label = x.context.Integrity.String() + "/" + x.context.Confidentiality.String()
	for _, r := range x.guard.Reports() {
		if r.How == quarantine.Pass && r.Piece.Part < 0 && r.Label.Integrity == label.Trusted && r.Label.Confidentiality == label.Public {
			continue
		}
		x.record.Results = append(x.record.Results, audit.Result{
			Tool: clip(r.Piece.Tool), Treatment: r.How.String(), Rule: r.Rule, Origin: r.Piece.Reason,
			Label: r.Label.Integrity.String() + "/" + r.Label.Confidentiality.String(), Status: r.Status, Bits: r.Bits, Shown: r.Shown,
			Questions: r.Questions, Unknown: r.Unknown, ModelMS: r.Model.Milliseconds(), Cached: r.Cached, Bytes: r.Piece.Bytes,
		})
		x.s.cfg.Metrics.Treated(telemetry.Treatment{
			Tool: r.Piece.Tool, How: r.How.String(), Status: r.Status, Bits: r.Bits,
			Asked: r.Questions, Failed: r.Unknown, Cached: r.Cached, Model: r.Model,
		})
	}
}

// argsOf are the origins of a call's arguments, as policy reads them.
func argsOf(origins []provenance.ArgOrigin) []policies.Arg {
	if len(origins) == 0 {
		return nil
	}
	out := make([]policies.Arg, len(origins))
	for i, o := range origins {
		out[i] = policies.Arg{Path: o.Path, Label: o.Label, Person: o.Person, Ref: o.Ref, Whole: o.Whole}
	}
	return out
}

// releaseCall makes the verdict on a call that policy allows: its references resolved, and everything about it collected to be
// written down before it goes out.
func (x *exchange) releaseCall(c llm.ToolCall, d policies.CallDecision) llm.Verdict {
	if x.guard == nil { // our own model calls are offered no tool
		return x.refuseCall(c, "no tool was offered", "tools.offered")
	}
	var permitted ref.Rules
	if d.Rules != nil {
		permitted = ref.Rules{Args: d.Rules.Args}
	}
	v, err := x.guard.Release(c, d.Tool, permitted)
	if err != nil {
		return x.refuseCall(c, "an argument holds a reference where its tool takes none", "tools.args")
	}
	x.noteCall(c, true, d.Reason, d.Rule)
	return v
}

// finishTurn writes a turn down before it goes out. With an error nothing of it does.
func (x *exchange) finishTurn(t llm.Turn) error {
	if x.guard == nil {
		return nil
	}
	if err := x.guard.Finish(x.ctx, x.joined(t)); err != nil {
		if len(t.Calls) == 0 {
			// A text that could not be written down is one that nobody knows when it comes back.
			x.s.cfg.Log.Warn("a released text could not be written down", "err", err)
			return nil
		}
		return refuse.New(http.StatusServiceUnavailable, refuse.StoreUnavailable,
			"the gateway's store is away, so that no tool call can be released; try again", "store: %v", err)
	}
	return nil
}

// textFilter renders references in text for the person; nil when there are none.
func (x *exchange) textFilter() func(choice int) llm.TextFilter {
	if x.guard == nil {
		return nil
	}
	return x.guard.Text(x.ctx)
}
