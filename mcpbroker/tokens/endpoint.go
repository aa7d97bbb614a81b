package tokens

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrRefused is an authorization server that gives no token; it does not say what the server answered, which may repeat what was sent.
var ErrRefused = errors.New("tokens: the authorization server gives no token")

// errGrant is a grant that is none, or none any more (RFC 6749, section 5.2).
var errGrant = errors.New("the grant has ended")

// ErrUnreachable is one that does not answer.
var ErrUnreachable = errors.New("tokens: the authorization server cannot be reached")

const (
	// maxAnswer bounds what a token endpoint answers.
	maxAnswer = 1 << 20
	// defaultLife is that of a token whose server does not say how long it is good (RFC 6749, section 5.1: it should).
	defaultLife = 5 * time.Minute
	// longestLife bounds what a server says: a token is asked for anew at least once a day.
	longestLife = 24 * time.Hour
)

// Endpoint is a token endpoint, and who the broker is there.
type Endpoint struct {
	URL    string
	Server *Server // says where it is, where URL is empty
	// Revocation is where it is told that a token is not needed any more (RFC 7009), beside URL; "": nowhere.
	Revocation string
	Client     Client
	HTTP       *http.Client // of package dial; it follows no redirect
}

// given is what an endpoint gave.
type given struct {
	token   string
	kind    string // token_type
	until   time.Time
	refresh string // "" when there is none
	id      string // an ID token, where it gives one
}

// ask posts a grant.
func (e *Endpoint) ask(ctx context.Context, form url.Values) (given, error) {
	at, audience := e.URL, e.URL
	if at == "" && e.Server != nil {
		said, err := e.Server.metadata(ctx)
		if err != nil {
			return given{}, err
		}
		at, audience = said.token, e.Server.Issuer
	}
	began := time.Now()
	doc, code, err := e.post(ctx, at, audience, form)
	if code == "invalid_grant" {
		err = errors.Join(err, errGrant)
	}
	if err != nil {
		return given{}, err
	}
	return read(doc, began)
}

// post posts a form as the client, and gives the answer. A server that refuses, or cannot answer now, is an error; code is the reason of a
// refusal, where it is one that codeOf knows.
func (e *Endpoint) post(ctx context.Context, at, audience string, form url.Values) (doc []byte, code string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at, nil)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if err := e.Client.authenticate(r, form, audience); err != nil {
		return nil, "", err
	}
	body := form.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	resp, err := e.HTTP.Do(r)
	if err != nil {
		return nil, "", unreachable(ctx, err)
	}
	defer resp.Body.Close()
	doc, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	case len(doc) > maxAnswer:
		return nil, "", fmt.Errorf("%w: its answer is too long", ErrRefused)
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return nil, "", fmt.Errorf("%w: status %d", ErrUnreachable, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("%w: status %d", ErrRefused, resp.StatusCode)
		if code = codeOf(doc); code != "" {
			err = fmt.Errorf("%w %s", err, code)
		}
		return nil, code, err
	}
	return doc, "", nil
}

// unreachable says why a request failed, without its URL.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

var answerNames = strictjson.NewNames("access_token", "token_type", "expires_in", "refresh_token", "scope", "issued_token_type", "id_token", "error") //nolint:gochecknoglobals // a constant in all but syntax

// read reads a successful answer (RFC 6749, section 5.1).
func read(doc []byte, began time.Time) (given, error) {
	bad := func(reason string) (given, error) { return given{}, fmt.Errorf("%w: %s", ErrRefused, reason) }
	r := strictjson.NewReader(doc, strictjson.Limits{MaxBytes: maxAnswer})
	defer r.Close()
	out := given{}
	life := defaultLife
	err := r.Object(answerNames, func(m strictjson.Member) (err error) {
		switch kind := r.Kind(); {
		case m.Name == "access_token" && kind == strictjson.String:
			out.token, _, err = r.String()
		case m.Name == "token_type" && kind == strictjson.String:
			out.kind, _, err = r.String()
		case m.Name == "refresh_token" && kind == strictjson.String:
			out.refresh, _, err = r.String()
		case m.Name == "id_token" && kind == strictjson.String:
			out.id, _, err = r.String()
		case m.Name == "expires_in" && kind == strictjson.Number:
			var seconds float64
			if seconds, err = r.Float(); err == nil {
				life = time.Duration(min(max(seconds, 0), longestLife.Seconds()) * float64(time.Second))
			}
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return bad("its answer is no strict JSON object")
	case out.token == "" || strings.ContainsFunc(out.token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return bad("its answer has no token that could stand in a header")
	}
	out.until = began.Add(life)
	return out, nil
}

// codeOf is the error code of an answer, if it is one of those that RFC 6749, 7009, 8693, 8707 and OpenID Connect name.
func codeOf(doc []byte) string {
	var code string
	r := strictjson.NewReader(doc, strictjson.Limits{MaxBytes: maxAnswer})
	defer r.Close()
	if err := r.Object(answerNames, func(m strictjson.Member) (err error) {
		if m.Name == "error" && r.Kind() == strictjson.String {
			code, _, err = r.String()
		}
		return err
	}); err != nil {
		return ""
	}
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target",
		"access_denied", "interaction_required", "consent_required", "login_required", "unsupported_token_type":
		return code
	}
	return ""
}
