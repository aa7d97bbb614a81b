package extproc

import (
	"net/http"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

// An exchange outlives the moment in which its token was verified, by minutes where an answer streams. When the token counts no
// more, the exchange ends: by a refusal in the caller's shape, or in-band where the answer has begun.

// watch has the exchange end when its principal is revoked. It is told from another goroutine, and gets its turn by interrupt.
func (x *exchange) watch(p *identity.Principal) {
	x.unwatch = x.s.cfg.Identity.Watch(p, func() {
		x.revoked.Store(true)
		x.interrupt()
	})
}

// isRevoked tells whether the exchange has to end now for that.
func (x *exchange) isRevoked() bool { return x.revoked.Load() && !x.finished && x.failed == nil }

// endRevoked ends it.
func (x *exchange) endRevoked() []reply {
	refused := refuse.New(http.StatusUnauthorized, refuse.BadCredential, "your access was revoked while this was in progress; log in again", "revoked: in progress")
	if x.response != nil {
		return x.settle(nil, refused)
	}
	return x.refuse(refused)
}
