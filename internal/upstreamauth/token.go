// Package upstreamauth makes the credentials of providers that take no plain key: access tokens of an OAuth authorization server
// (Azure's Entra among them) and of Google. AWS signatures are in package aws below it.
//
// A Source keeps one token. While it is good nobody waits: from three quarters of its life on it is renewed in the background, and
// only when there is none, or the last one has ended, do requests wait for a new one, all for the same. After a failure the next try
// waits a moment, so that an authorization server that is down is not asked by every request; the token that is there serves until it
// ends. What the server answers is never part of an error: it may repeat the request, and with it the secret.
package upstreamauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/google"
	"golang.org/x/sync/singleflight"
)

const (
	// fetchTime bounds the fetching of a token.
	fetchTime = 15 * time.Second
	// early is how long before its end a token is not used any more.
	early = 10 * time.Second
	// defaultLife is that of a token whose server does not say how long it is good.
	defaultLife = 5 * time.Minute
	// waits is how long a request waits for a token.
	waits = 5 * time.Second
	// pause is how long after a failure no other try is made.
	pause = 2 * time.Second
)

// ErrNoToken is an authorization server that gives no token.
var ErrNoToken = errors.New("upstreamauth: the authorization server gives no token")

// Source makes access tokens. Its methods may be called from many goroutines.
type Source struct {
	fetch  func(ctx context.Context) (token string, until time.Time, err error)
	flight singleflight.Group

	mu     sync.Mutex
	token  string
	until  time.Time // its end
	renew  time.Time // from when on another one is fetched
	failed time.Time
}

// Authorize gives the header with a token that is good now.
func (s *Source) Authorize(ctx context.Context, _, _, _ string, _ []byte) (http.Header, error) {
	token, err := s.Token(ctx)
	if err != nil {
		return nil, err
	}
	return http.Header{"Authorization": {"Bearer " + token}}, nil
}

// Token is a token that is good now. It waits only while there is none.
func (s *Source) Token(ctx context.Context) (string, error) {
	now := time.Now()
	s.mu.Lock()
	token, good, fresh, resting := s.token, s.token != "" && now.Before(s.until.Add(-early)), now.Before(s.renew), now.Before(s.failed.Add(pause))
	s.mu.Unlock()
	switch {
	case good && (fresh || resting):
		return token, nil
	case good:
		s.start(ctx)
		return token, nil
	case resting:
		return "", fmt.Errorf("%w: it failed a moment ago", ErrNoToken)
	}
	ctx, cancel := context.WithTimeout(ctx, waits)
	defer cancel()
	select {
	case r := <-s.start(ctx):
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// start fetches a token, unless somebody does already. It outlives the request that wanted it first.
func (s *Source) start(ctx context.Context) <-chan singleflight.Result {
	return s.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
		defer cancel()
		token, until, err := s.fetch(ctx)
		now := time.Now()
		if until.IsZero() {
			until = now.Add(defaultLife)
		}
		if err == nil && (token == "" || !now.Before(until.Add(-early))) {
			err = fmt.Errorf("%w: it has ended already", ErrNoToken)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.failed = now
			return nil, err
		}
		s.token, s.until, s.renew, s.failed = token, until, now.Add(until.Sub(now)*3/4), time.Time{}
		return token, nil
	})
}

// ClientCredentials are the gateway's own at an authorization server (RFC 6749, section 4.4).
type ClientCredentials struct {
	TokenURL, ClientID string
	Secret             func() (string, error) // read anew for each token
	Scopes             []string
	Audience           string // some servers want one; "" is none
	Client             *http.Client
}

// New makes the source.
func (c ClientCredentials) New() *Source {
	return &Source{fetch: func(ctx context.Context) (string, time.Time, error) {
		secret, err := c.Secret()
		if err != nil {
			return "", time.Time{}, fmt.Errorf("upstreamauth: the client's secret %w", err)
		}
		config := clientcredentials.Config{ClientID: c.ClientID, ClientSecret: secret, TokenURL: c.TokenURL, Scopes: c.Scopes}
		if c.Audience != "" {
			config.EndpointParams = map[string][]string{"audience": {c.Audience}}
		}
		if c.Client != nil {
			ctx = context.WithValue(ctx, oauth2.HTTPClient, c.Client)
		}
		return tokenOf(config.Token(ctx))
	}}
}

// GoogleScope is what Vertex wants.
const GoogleScope = "https://www.googleapis.com/auth/cloud-platform"

// Google makes tokens of a Google identity: of a service account's key, of a workload identity federation's file, or, without either,
// of the machine's own (Application Default Credentials: the environment's file, the metadata server).
type Google struct {
	File   func() ([]byte, error) // the JSON of a key or a federation; nil: the machine's own
	Scopes []string               // default GoogleScope
	Client *http.Client
}

// New makes the source. What is wrong with a file is an error of the first token, as it may be replaced meanwhile.
func (g Google) New() *Source {
	scopes := g.Scopes
	if len(scopes) == 0 {
		scopes = []string{GoogleScope}
	}
	return &Source{fetch: func(ctx context.Context) (string, time.Time, error) {
		if g.Client != nil {
			ctx = context.WithValue(ctx, oauth2.HTTPClient, g.Client)
		}
		found, err := g.credentials(ctx, scopes)
		if err != nil {
			return "", time.Time{}, err
		}
		return tokenOf(found.TokenSource.Token())
	}}
}

func (g Google) credentials(ctx context.Context, scopes []string) (*google.Credentials, error) {
	if g.File == nil {
		found, err := google.FindDefaultCredentials(ctx, scopes...)
		if err != nil {
			return nil, fmt.Errorf("%w: this machine has no Google identity", ErrNoToken)
		}
		return found, nil
	}
	doc, err := g.File()
	if err != nil {
		return nil, fmt.Errorf("upstreamauth: the Google key %w", err)
	}
	kind, err := kindOf(doc)
	if err != nil {
		return nil, err
	}
	found, err := google.CredentialsFromJSONWithType(ctx, doc, kind, scopes...)
	if err != nil {
		return nil, fmt.Errorf("%w: the Google key cannot be used", ErrNoToken)
	}
	return found, nil
}

// tokenOf does not pass on what the server said.
func tokenOf(t *oauth2.Token, err error) (string, time.Time, error) {
	if err != nil {
		if bad, ok := errors.AsType[*oauth2.RetrieveError](err); ok && bad.Response != nil {
			return "", time.Time{}, fmt.Errorf("%w: status %d, %s", ErrNoToken, bad.Response.StatusCode, codeOf(bad.ErrorCode))
		}
		return "", time.Time{}, ErrNoToken
	}
	if t.TokenType != "" && t.Type() != "Bearer" {
		return "", time.Time{}, fmt.Errorf("%w: it gives one of another type", ErrNoToken)
	}
	return t.AccessToken, t.Expiry, nil
}

// codeOf is an error code of RFC 6749 (section 5.2), which are words; anything else may be anything.
func codeOf(code string) string {
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target":
		return code
	}
	return "with no code that is known"
}

// kindOf is which kind of credential a file of Google's is; those that people log in with are none for a gateway.
func kindOf(doc []byte) (google.CredentialsType, error) {
	var file struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(doc, &file); err != nil {
		return "", fmt.Errorf("%w: the Google key is no JSON", ErrNoToken)
	}
	switch kind := google.CredentialsType(file.Type); kind {
	case google.ServiceAccount, google.ExternalAccount, google.ImpersonatedServiceAccount:
		return kind, nil
	}
	return "", fmt.Errorf("%w: the Google key is not of a service account or a workload identity federation", ErrNoToken)
}
