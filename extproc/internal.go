package extproc

import (
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

// The gateway's own model calls come by a listener of their own, on a Unix socket that only we may open. They take the same
// walk as anybody's (routing, policy, credentials, audit), with four differences: only a delegated token counts, a request
// is one question without tools or history, a pool of its own bounds them, and nothing of them is quarantined, so that
// quarantine cannot recurse.

// internalListener tells whether an exchange came by the internal listener. Its gRPC metadata says so, which stands in Envoy's
// configuration: no header of a request becomes metadata. What says anything else is no Envoy of ours.
func internalListener(said []string) (bool, error) {
	switch {
	case len(said) == 0:
		return false, nil
	case len(said) == 1 && said[0] == headers.ListenerInternal:
		return true, nil
	}
	return false, status.Error(codes.InvalidArgument, "the stream names a listener that is none of ours")
}

// delegated takes the token of a call that the gateway makes on a principal's behalf.
func (x *exchange) delegated(token string) (*identity.Principal, *refuse.Refusal) {
	d, refused := x.s.cfg.Identity.VerifyDelegated(token)
	if refused != nil {
		return nil, refused
	}
	x.record.Parent, x.record.Purpose = d.Exchange, d.Purpose
	return d.Principal, nil
}

// modelCallOnly refuses on the internal listener whatever could act or carry a conversation: tools in any form, calls and
// results of a history, what runs or selects models outside our sight.
func modelCallOnly(wanted *llm.Request) *refuse.Refusal {
	switch {
	case len(wanted.Tools) > 0 || wanted.Choice.Mode != llm.ChoiceUnset:
		return notInternal("tools")
	case len(wanted.Calls) > 0 || len(wanted.Results) > 0:
		return notInternal("tool calls and results")
	case len(wanted.Features) > 0 || len(wanted.Unknown) > 0:
		return notInternal("features of the provider")
	case len(wanted.MoreModels) > 0 || wanted.Choices > 1:
		return notInternal("more than one answer")
	case wanted.Stream:
		return notInternal("streaming")
	}
	return nil
}

// surfaceName is the surface as policy reads it: it may allow the gateway's own calls models that people may not use.
func (x *exchange) surfaceName() string {
	if x.internal {
		return "internal"
	}
	return x.surface.name
}

func notInternal(what string) *refuse.Refusal {
	return refuse.New(http.StatusForbidden, refuse.InternalOnly, "the internal listener does not take "+what, "internal listener: %s", what)
}
