package extproc

import (
	"context"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

// Explanation is what the request half makes of a request.
type Explanation struct {
	Refused      *refuse.Refusal // nil: it goes upstream
	Context      label.Label     // of all that the model reads
	ToolsOffered []string
	ToolsHidden  []string
	Parts        []quarantine.Explained
	Upstream     []byte // the body as the model's provider gets it
}

// Explain takes a principal's request through the request half, as far as it comes, and says what became of each piece of it. Nothing
// goes upstream. What it writes down goes to the store that the service has.
func (s *Service) Explain(ctx context.Context, p *identity.Principal, body []byte) Explanation {
	x := newExchange(ctx, s)
	defer x.end()
	const path = "/v1/chat/completions"
	x.shape, x.explains = refuse.ShapeOf(path), true
	x.surface, _ = s.routerSurface(path)
	x.record.Decision, x.record.Path = "answer", "explain"
	out, refused := x.explain(p, body)
	out.Refused, out.Context = refused, x.context
	out.ToolsOffered, out.ToolsHidden = x.record.ToolsOffered, x.record.ToolsHidden
	x.finished = true
	return out
}

func (x *exchange) explain(p *identity.Principal, body []byte) (out Explanation, refused *refuse.Refusal) {
	if refused = x.admit(p); refused != nil {
		return out, refused
	}
	wanted, refused := x.parseRequest(body)
	if refused != nil {
		return out, refused
	}
	x.wanted = wanted
	target, named, refused := x.resolve(wanted)
	if refused != nil {
		return out, refused
	}
	x.target = target
	x.recall(wanted)
	decision, refused := x.decideRequest(wanted, named)
	if refused != nil {
		return out, refused
	}
	var edit llm.Edit
	if edit, refused = x.clean(wanted, decision); refused != nil {
		return out, refused
	}
	out.Parts = x.guard.Explain()
	out.Upstream, refused = x.write(wanted, edit)
	return out, refused
}
