package tokens

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Server is an authorization server that is known by its issuer identifier: where its token endpoint is, it says itself (RFC 8414, or
// OpenID Connect Discovery 1.0). What it says counts only if it says it of that identifier (RFC 8414, section 3.3). It is never an MCP
// server that names the endpoint (RFC 9728): whoever names it is shown the caller's token. It is used by pointer.
type Server struct {
	Issuer string       // its identifier, exactly
	HTTP   *http.Client // of package dial; it follows no redirect

	once  sync.Once
	turn  chan struct{} // full while somebody looks, or asks for all
	token string
	until time.Time
}

// keepMetadata is how long an endpoint is used before the server is asked again where it is.
const keepMetadata = time.Hour

// endpoint is its token endpoint.
func (s *Server) endpoint(ctx context.Context) (string, error) {
	s.once.Do(func() { s.turn = make(chan struct{}, 1) })
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if s.token != "" && time.Now().Before(s.until) {
		return s.token, nil
	}
	places, err := wellKnown(s.Issuer)
	if err != nil {
		return "", err
	}
	for _, place := range places {
		doc, found, err := s.get(ctx, place)
		if err != nil {
			return "", err
		}
		if !found {
			continue
		}
		token, err := s.read(doc)
		if err != nil {
			return "", err
		}
		s.token, s.until = token, time.Now().Add(keepMetadata)
		return token, nil
	}
	return "", fmt.Errorf("%w: it does not say where its token endpoint is", ErrRefused)
}

// wellKnown are the places of a server's metadata in the order in which they are tried (RFC 8414, sections 3.1 and 5).
func wellKnown(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: its issuer identifier is no URL", ErrRefused)
	}
	root, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	out := []string{root + "/.well-known/oauth-authorization-server" + path, root + "/.well-known/openid-configuration" + path}
	if path != "" {
		out = append(out, root+path+"/.well-known/openid-configuration")
	}
	return out, nil
}

// get reads a document; one that is not there is no error.
func (s *Server) get(ctx context.Context, place string) (doc []byte, found bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	r.Header.Set("Accept", "application/json")
	resp, err := s.HTTP.Do(r)
	if err != nil {
		return nil, false, unreachable(ctx, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return nil, false, fmt.Errorf("%w: its metadata have status %d", ErrUnreachable, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return nil, false, nil
	}
	if doc, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1)); err != nil {
		return nil, false, unreachable(ctx, err)
	}
	if len(doc) > maxAnswer {
		return nil, false, fmt.Errorf("%w: its metadata are too long", ErrRefused)
	}
	return doc, true, nil
}

var metadataNames = strictjson.NewNames("issuer", "token_endpoint") //nolint:gochecknoglobals // a constant in all but syntax

// read reads the metadata.
func (s *Server) read(doc []byte) (string, error) {
	r := strictjson.NewReader(doc, strictjson.Limits{MaxBytes: maxAnswer})
	defer r.Close()
	var issuer, token string
	err := r.Object(metadataNames, func(m strictjson.Member) (err error) {
		switch {
		case r.Kind() != strictjson.String:
		case m.Name == "issuer":
			issuer, _, err = r.String()
		case m.Name == "token_endpoint":
			token, _, err = r.String()
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	u, bad := url.Parse(token)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: its metadata are no strict JSON object", ErrRefused)
	case issuer != s.Issuer:
		return "", fmt.Errorf("%w: its metadata are another issuer's", ErrRefused)
	case token == "" || bad != nil || u.Host == "" || u.Fragment != "" || u.User != nil:
		return "", fmt.Errorf("%w: its metadata name no token endpoint", ErrRefused)
	}
	return token, nil
}
