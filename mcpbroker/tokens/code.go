package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrConnect is a person who has not connected her account at the server, or whose connection has ended.
var ErrConnect = errors.New("tokens: there is no connection to the server; connect first")

// Code is a token out of what the person granted herself, in her browser (RFC 6749, section 4.1, with PKCE, RFC 7636). What is kept of
// the grant is a refresh token: see Source.Connect.
type Code struct {
	Authorization string // the authorization endpoint; empty: the endpoint's server says where it is
	Endpoint      Endpoint
	Redirect      string // the broker's own, exactly as the authorization server knows it
	// Issuer is the authorization server's identifier, where it is not asked and names itself in its answers (RFC 9207).
	Issuer string
	// Nonce says that an answer is bound to its question by a nonce as well, so that a server need not promise PKCE.
	Nonce bool
}

// Start is where a person's browser goes, and what is known of who answers.
type Start struct {
	URL    string
	Issuer string // who answers; "" is not known
	Names  bool   // that one names itself in every answer
}

// Start finds out where a person's browser goes. A server that does not say that it has PKCE is not gone to (2026-07-28, "Authorization
// Code Protection").
func (f Code) Start(ctx context.Context) (Start, error) {
	if f.Authorization != "" || f.Endpoint.Server == nil {
		return Start{URL: f.Authorization, Issuer: f.Issuer, Names: f.Issuer != ""}, nil
	}
	said, err := f.Endpoint.Server.metadata(ctx)
	switch {
	case err != nil:
		return Start{}, err
	case said.authorization == "":
		return Start{}, fmt.Errorf("%w: its metadata name no authorization endpoint", ErrRefused)
	case !said.s256 && !f.Nonce:
		return Start{}, fmt.Errorf("%w: its metadata do not say that it has PKCE with S256", ErrRefused)
	}
	return Start{URL: said.authorization, Issuer: f.Endpoint.Server.Issuer, Names: said.names}, nil
}

func (Code) name() string          { return "authorization-code" }
func (Code) shared() bool          { return false }
func (f Code) endpoint() *Endpoint { return &f.Endpoint }

// fetch takes a refresh token in the place of an assertion (RFC 6749, section 6).
func (f Code) fetch(ctx context.Context, refresh string, w Want) (given, error) {
	form := w.form("refresh_token")
	form.Set("refresh_token", refresh)
	return bearer(f.Endpoint.ask(ctx, form))
}

// exchange takes the code that an authorization server gave.
func (f Code) exchange(ctx context.Context, code, verifier string, w Want) (given, error) {
	form := Want{Resource: w.Resource, Audience: w.Audience}.form("authorization_code")
	form.Set("code", code)
	form.Set("code_verifier", verifier)
	form.Set("redirect_uri", f.Redirect)
	return f.Endpoint.ask(ctx, form)
}

// URL is where the person's browser goes, to be asked for her consent. What else is in the endpoint's query stays there.
func (f Code) URL(at Start, w Want, state, verifier string, more url.Values) (string, error) {
	u, err := url.Parse(at.URL)
	if err != nil || u.Host == "" {
		return "", errors.New("tokens: the authorization endpoint is no URL")
	}
	sum := sha256.Sum256([]byte(verifier))
	q := u.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": f.Endpoint.Client.ID, "redirect_uri": f.Redirect, "state": state,
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256",
		"scope": strings.Join(w.Scopes, " "), "resource": w.Resource, "audience": w.Audience,
	} {
		if q.Del(name); value != "" {
			q.Set(name, value)
		}
	}
	for name, values := range more {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Login exchanges a code for an ID token, of the issuer's at which the broker's page lets people log in. Nothing is verified here.
func (f Code) Login(ctx context.Context, code, verifier string) (string, error) {
	got, err := f.exchange(ctx, code, verifier, Want{})
	if err == nil && got.id == "" {
		err = ErrRefused
	}
	return got.id, err
}
