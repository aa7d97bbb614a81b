package mcpbroker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

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

// ClientCredentials is the broker's own token of an authorization server (RFC 6749, section 4.4), for one resource (RFC 8707).
type ClientCredentials struct {
	TokenURL, ClientID string
	Secret             func() (string, error)
	Scopes             []string
	Resource           string
	Client             *http.Client // of package dial

	mu     sync.Mutex
	source oauth2.TokenSource
}

// errNoToken does not say what the token endpoint answered: that may hold the request, and with it the secret.
var errNoToken = errors.New("mcpbroker: the token endpoint gives no token")

// Header has a token, fetched once and again before it ends.
func (s *ClientCredentials) Header(_ context.Context, _ *relay.Call, again bool) (http.Header, error) {
	s.mu.Lock()
	defer s.mu.Unlock() // one fetch at a time, and all wait for it
	if s.source == nil || again {
		secret, err := s.Secret()
		if err != nil {
			return nil, fmt.Errorf("mcpbroker: the client's secret %w", err)
		}
		c := clientcredentials.Config{ClientID: s.ClientID, ClientSecret: secret, TokenURL: s.TokenURL, Scopes: s.Scopes}
		if s.Resource != "" {
			c.EndpointParams = url.Values{"resource": {s.Resource}}
		}
		// The token outlives the call that fetched it, so its fetch is bounded by the client's own time alone.
		s.source = c.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, s.Client))
	}
	token, err := s.source.Token()
	if err != nil {
		if failed, ok := errors.AsType[*oauth2.RetrieveError](err); ok && failed.Response != nil {
			return nil, fmt.Errorf("%w: status %d, error %q", errNoToken, failed.Response.StatusCode, clip(failed.ErrorCode))
		}
		if failed, ok := errors.AsType[*url.Error](err); ok {
			return nil, fmt.Errorf("%w: %w", errNoToken, failed.Err)
		}
		return nil, errNoToken
	}
	if token.Type() != "Bearer" {
		return nil, fmt.Errorf("%w: not one to bear", errNoToken)
	}
	return http.Header{"Authorization": {"Bearer " + token.AccessToken}}, nil
}

// Shared is true.
func (*ClientCredentials) Shared() bool { return true }
