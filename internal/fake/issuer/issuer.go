// Package issuer is an issuer of JWTs for tests, demos and benchmarks: a real HTTP server that behaves like an identity
// provider and says whatever it is told to say.
//
// It serves an OpenID Connect discovery document, a JWKS, an authorization endpoint at which whoever SignIn says grants all that is
// asked, and a token endpoint: client credentials, codes with PKCE, refresh tokens that rotate, token exchange, on-behalf-of and
// identity assertions (grants.go); what it gave can be revoked (revoke.go). It signs with RSA, EC and Ed25519 keys that can be rotated, mints tokens with any claims and headers, and can be
// taken down and brought back on the same address. It writes JWTs and JWKs by hand, so that what verifies them is
// tested against another implementation than its own.
//
// Nothing here is fit for production: whoever can reach Mint is whoever they like.
package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says what the issuer is. The zero Config is an RS256 issuer on a free port of the loopback address.
type Config struct {
	Addr     string            // where Start listens; default 127.0.0.1:0
	URL      string            // the `iss`; default is where it listens
	Audience string            // of tokens that name none; default "yellowjack"
	Alg      string            // of the first key; default RS256
	Clients  map[string]string // id → secret, for the token endpoint
	// Redirects are the redirect URIs of clients, for the authorization endpoint.
	Redirects map[string][]string
	// Trusts are issuers whose identity assertions are taken for tokens.
	Trusts   []*Issuer
	Lifetime time.Duration    // of tokens that name no exp; default an hour
	Now      func() time.Time // default time.Now
}

// Issuer is a running issuer. Its methods may be called at once from many goroutines.
type Issuer struct {
	cfg    Config
	server *http.Server
	ended  chan struct{}

	mu      sync.Mutex
	keys    []*signingKey
	current *signingKey
	made    int // keys ever made, for their names
	minted  int // tokens ever made, for their names
	down    bool
	fetches int

	more             map[string][]string // redirect URIs that came later
	person           map[string]any      // who signed in
	codes, refreshes map[string]*grant   // by code, by refresh token
	gone             map[string]bool     // access tokens that were revoked
}

// New makes an issuer that does not listen; Handler serves it. The URL must be given.
func New(cfg Config) (*Issuer, error) {
	if cfg.URL == "" {
		return nil, errors.New("issuer: no URL")
	}
	cfg.URL = strings.TrimSuffix(cfg.URL, "/")
	if cfg.Audience == "" {
		cfg.Audience = "yellowjack"
	}
	if cfg.Alg == "" {
		cfg.Alg = "RS256"
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	i := &Issuer{cfg: cfg}
	_, err := i.AddKey(cfg.Alg)
	return i, err
}

// Start makes an issuer and serves it until Close.
func Start(cfg Config) (*Issuer, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if cfg.URL == "" {
		cfg.URL = "http://" + l.Addr().String()
	}
	i, err := New(cfg)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	i.server = &http.Server{Handler: i.Handler(), ReadHeaderTimeout: 5 * time.Second}
	i.ended = make(chan struct{})
	go func() {
		defer close(i.ended)
		_ = i.server.Serve(l) // ends with Close
	}()
	return i, nil
}

// Close ends the server.
func (i *Issuer) Close() error {
	if i.server == nil {
		return nil
	}
	err := i.server.Close()
	<-i.ended
	return err
}

// URL is the `iss` of its tokens.
func (i *Issuer) URL() string { return i.cfg.URL }

// JWKSURL is where the keys are.
func (i *Issuer) JWKSURL() string { return i.cfg.URL + "/jwks" }

// AuthorizeURL is where browsers are sent.
func (i *Issuer) AuthorizeURL() string { return i.cfg.URL + "/authorize" }

// TokenURL is where clients get tokens.
func (i *Issuer) TokenURL() string { return i.cfg.URL + "/token" }

// RevokeURL is where clients say that they need a token no more.
func (i *Issuer) RevokeURL() string { return i.cfg.URL + "/revoke" }

// SetDown takes the issuer down, so that every connection breaks without an answer, or brings it back.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Down tells whether it was taken down.
func (i *Issuer) Down() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.down
}

// Fetches is how often the keys were asked for, answered or not.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// Handler serves the issuer.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { i.jwks(w) })
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", i.discovery)
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("POST /revoke", i.revoke)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		if r.URL.Path == "/jwks" {
			i.fetches++
		}
		down := i.down
		i.mu.Unlock()
		if down {
			panic(http.ErrAbortHandler)
		}
		mux.ServeHTTP(w, r)
	})
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": i.URL(), "jwks_uri": i.JWKSURL(), "token_endpoint": i.TokenURL(),
		"authorization_endpoint":                         i.AuthorizeURL(),
		"revocation_endpoint":                            i.RevokeURL(),
		"grant_types_supported":                          []string{grantClient, grantCode, grantRefresh, grantExchange, grantJWT},
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"response_types_supported":                       []string{"code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"},
	})
}

func (i *Issuer) jwks(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(i.JWKS()) // a client that is gone misses nothing
}

// JWKS is the document that is published.
func (i *Issuer) JWKS() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := []map[string]any{}
	for _, k := range i.keys {
		list = append(list, k.jwk())
	}
	doc, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		panic(err) // strings in maps
	}
	return doc
}

// AddKey makes a key for alg, which signs from now on. The keys before it stay published. It returns the key's kid.
func (i *Issuer) AddKey(alg string) (string, error) {
	k, err := newKey(alg)
	if err != nil {
		return "", err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	k.kid = fmt.Sprintf("key-%d", i.made)
	i.keys = append(i.keys, k)
	i.current = k
	return k.kid, nil
}

// Rotate makes a key for alg, which signs from now on, and publishes no other.
func (i *Issuer) Rotate(alg string) (string, error) {
	kid, err := i.AddKey(alg)
	if err != nil {
		return "", err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = slices.DeleteFunc(i.keys, func(k *signingKey) bool { return k.kid != kid })
	return kid, nil
}

// Mint signs a token. What claims do not say is filled in: iss, aud, iat, exp and jti; a claim that is nil is left out.
func (i *Issuer) Mint(claims map[string]any) (string, error) {
	return i.MintWith(map[string]any{}, claims)
}

// MintWith is Mint with header fields of the caller's; nil leaves one out. A kid selects the key among all published
// ones; an alg that is set changes what the header says and not how it is signed.
func (i *Issuer) MintWith(header, claims map[string]any) (string, error) {
	i.mu.Lock()
	k := i.current
	if kid, ok := header["kid"].(string); ok {
		for _, other := range i.keys {
			if other.kid == kid {
				k = other
			}
		}
	}
	i.minted++
	id := i.minted
	i.mu.Unlock()
	now := i.cfg.Now()
	all := map[string]any{
		"iss": i.URL(), "aud": i.cfg.Audience, "iat": now.Unix(), "exp": now.Add(i.cfg.Lifetime).Unix(),
		"jti": fmt.Sprintf("token-%d", id),
	}
	return k.sign(with(map[string]any{"alg": k.alg, "kid": k.kid, "typ": "JWT"}, header), with(all, claims))
}

// with lays b over a; what is nil in b is taken out.
func with(a, b map[string]any) map[string]any {
	maps.Copy(a, b)
	maps.DeleteFunc(a, func(_ string, v any) bool { return v == nil })
	return a
}

// Token gets a token at the token endpoint as a client would. It is here for demos; a test may well use its own client.
func (i *Issuer) Token(ctx context.Context, c *http.Client, id, secret string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.TokenURL(), strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(id, secret)
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("issuer: %s: %s", res.Status, answer.Error)
	}
	return answer.Token, nil
}
