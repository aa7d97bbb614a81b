package mcpbroker

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

// TokenSource makes the credential with which a server is called. It sees who calls, by a Principal, which holds no token of the
// caller's: what goes to a server can only be made, never passed on.
type TokenSource interface {
	// Header makes the headers of one request. again says that the server did not take what it got before.
	Header(ctx context.Context, c *relay.Call, again bool) (http.Header, error)
	// Shared says that all principals have the same credential.
	Shared() bool
}

// None is a server that wants no credential.
type None struct{}

// Header is empty.
func (None) Header(context.Context, *relay.Call, bool) (http.Header, error) { return nil, nil }

// Shared is true.
func (None) Shared() bool { return true }

// Static is a secret that all calls carry. It is read anew when the server refuses it, so that it can be changed without a restart.
type Static struct {
	Secret func() (string, error)
	Name   string // of the header that it stands in, as it is; empty: Authorization, behind Bearer

	mu   sync.Mutex
	kept string
}

// Header has the secret.
func (s *Static) Header(_ context.Context, _ *relay.Call, again bool) (http.Header, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == "" || again {
		v, err := s.Secret()
		if err != nil {
			return nil, fmt.Errorf("mcpbroker: the secret %w", err)
		}
		s.kept = v
	}
	if s.Name != "" {
		return http.Header{http.CanonicalHeaderKey(s.Name): {s.kept}}, nil
	}
	return http.Header{"Authorization": {"Bearer " + s.kept}}, nil
}

// Shared is true.
func (*Static) Shared() bool { return true }
