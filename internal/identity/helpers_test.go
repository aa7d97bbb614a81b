package identity

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	fake "github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire carries requests to issuers without a network, so that synctest's clock can drive them.
type wire map[string]*fake.Issuer // by URL

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	i := w[r.URL.Scheme+"://"+r.URL.Host]
	if i == nil {
		return nil, errors.New("no such host")
	}
	rec := httptest.NewRecorder()
	if i.Down() {
		func() {
			defer func() { _ = recover() }() // the handler aborts, having counted
			i.Handler().ServeHTTP(rec, r)
		}()
		return nil, errors.New("connection reset")
	}
	i.Handler().ServeHTTP(rec, r)
	return rec.Result(), nil
}

const corpURL, partnerURL = "https://corp.test", "https://partner.test"

func newIssuer(t testing.TB, url, alg string) *fake.Issuer {
	t.Helper()
	i, err := fake.New(fake.Config{URL: url, Alg: alg})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func corpConfig() IssuerConfig {
	return IssuerConfig{Name: "corp", Issuer: corpURL, JWKS: corpURL + "/jwks", Audiences: []string{"yellowjack"}}
}

func partnerConfig() IssuerConfig {
	return IssuerConfig{Name: "partner", Issuer: partnerURL, JWKS: partnerURL + "/jwks", Audiences: []string{"yellowjack"}}
}

// verifier makes a verifier that reaches these issuers. The caller closes it, so that it can live in a synctest bubble.
func verifier(t testing.TB, cfg Config, issuers ...*fake.Issuer) *Verifier {
	t.Helper()
	w := wire{}
	for _, i := range issuers {
		w[i.URL()] = i
	}
	cfg.HTTPClient = &http.Client{Transport: w}
	v, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mint(t testing.TB, i *fake.Issuer, claims map[string]any) string {
	t.Helper()
	return mintWith(t, i, nil, claims)
}

func mintWith(t testing.TB, i *fake.Issuer, header, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"sub": "u1"}
	for k, c := range claims {
		all[k] = c
	}
	token, err := i.MintWith(header, all)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func mustVerify(t testing.TB, v *Verifier, token string) *Principal {
	t.Helper()
	p, r := v.Verify(t.Context(), token)
	if r != nil {
		t.Fatalf("refused: %s: %s", r.Code, r.Log)
	}
	return p
}

func wantRefused(t testing.TB, v *Verifier, token, code string) *refuse.Refusal {
	t.Helper()
	p, r := v.Verify(t.Context(), token)
	switch {
	case p != nil && r != nil:
		t.Fatal("both a principal and a refusal")
	case r == nil:
		t.Fatalf("let in as %s, want %s", p.Key(), code)
	case r.Code != code:
		t.Fatalf("refused with %s (%s), want %s", r.Code, r.Log, code)
	}
	return r
}

func seconds(now time.Time, d time.Duration) int64 { return now.Add(d).Unix() }

// pass lets time go by in a synctest bubble, and everything happen that it makes happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// says answers every request with this document.
type says string

func (s says) RoundTrip(*http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	_, err := rec.WriteString(string(s))
	return rec.Result(), err
}

// redirects answers every request with a redirect.
type redirects string

func (to redirects) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	http.Redirect(rec, r, string(to), http.StatusFound)
	return rec.Result(), nil
}
