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

// Server is an authorization server that is known by its issuer identifier: where its endpoints are, it says itself (RFC 8414, or
// OpenID Connect Discovery 1.0). What it says counts only if it says it of that identifier (RFC 8414, section 3.3). It is never an MCP
// server that names the authorization server (RFC 9728): whoever names it is shown the caller's token, or a person's consent. It is used
// by pointer.
type Server struct {
	Issuer string       // its identifier, exactly
	HTTP   *http.Client // of package dial; it follows no redirect

	once  sync.Once
	turn  chan struct{} // full while somebody looks, or asks for all
	kept  metadata
	until time.Time
}

// metadata are what a server says of itself.
type metadata struct {
	token         string // its token endpoint
	authorization string // where browsers are sent; "" where it does not say
	revocation    string // where it is told that a token is not needed any more (RFC 7009); "" where it does not say
	names         bool   // it names itself in what it answers to browsers (RFC 9207, section 3)
	s256          bool   // it has PKCE with S256
}

// keepMetadata is how long what a server says is used before it is asked again.
const keepMetadata = time.Hour

// metadata is what it says, of now or of a while ago.
func (s *Server) metadata(ctx context.Context) (metadata, error) {
	s.once.Do(func() { s.turn = make(chan struct{}, 1) })
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return metadata{}, ctx.Err()
	}
	if s.kept.token != "" && time.Now().Before(s.until) {
		return s.kept, nil
	}
	places, err := wellKnown(s.Issuer)
	if err != nil {
		return metadata{}, err
	}
	for _, place := range places {
		doc, found, err := s.get(ctx, place)
		if err != nil {
			return metadata{}, err
		}
		if !found {
			continue
		}
		got, err := s.read(doc)
		if err != nil {
			return metadata{}, err
		}
		s.kept, s.until = got, time.Now().Add(keepMetadata)
		return got, nil
	}
	return metadata{}, fmt.Errorf("%w: it does not say where its token endpoint is", ErrRefused)
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

var metadataNames = strictjson.NewNames( //nolint:gochecknoglobals // a constant in all but syntax
	"issuer", "token_endpoint", "authorization_endpoint", "revocation_endpoint", "authorization_response_iss_parameter_supported", "code_challenge_methods_supported",
)

// read reads the metadata.
func (s *Server) read(doc []byte) (metadata, error) {
	r := strictjson.NewReader(doc, strictjson.Limits{MaxBytes: maxAnswer})
	defer r.Close()
	var issuer string
	var out metadata
	texts := map[string]*string{"issuer": &issuer, "token_endpoint": &out.token, "authorization_endpoint": &out.authorization, "revocation_endpoint": &out.revocation}
	err := r.Object(metadataNames, func(m strictjson.Member) (err error) {
		switch kind := r.Kind(); {
		case texts[m.Name] != nil && kind == strictjson.String:
			*texts[m.Name], _, err = r.String()
		case m.Name == "authorization_response_iss_parameter_supported" && (kind == strictjson.True || kind == strictjson.False):
			out.names, err = r.Bool()
		case m.Name == "code_challenge_methods_supported" && kind == strictjson.Array:
			err = r.Array(func(int) (err error) {
				var method string
				if r.Kind() == strictjson.String {
					method, _, err = r.String()
				}
				out.s256 = out.s256 || method == "S256"
				return err
			})
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return metadata{}, fmt.Errorf("%w: its metadata are no strict JSON object", ErrRefused)
	case issuer != s.Issuer:
		return metadata{}, fmt.Errorf("%w: its metadata are another issuer's", ErrRefused)
	case !isPlace(out.token):
		return metadata{}, fmt.Errorf("%w: its metadata name no token endpoint", ErrRefused)
	}
	for _, other := range []*string{&out.authorization, &out.revocation} {
		if !isPlace(*other) {
			*other = ""
		}
	}
	return out, nil
}

// isPlace tells whether a text is the URL of an endpoint.
func isPlace(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Fragment == "" && u.User == nil
}
