package upstreamauth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted is a source whose tokens are good for a while and have numbers.
func counted(life time.Duration, fails *atomic.Bool, took time.Duration) (*Source, *atomic.Int32) {
	n := &atomic.Int32{}
	return &Source{fetch: func(context.Context) (string, time.Time, error) {
		time.Sleep(took)
		if fails.Load() {
			return "", time.Time{}, ErrNoToken
		}
		return fmt.Sprint("token-", n.Add(1)), time.Now().Add(life), nil
	}}, n
}

// TestAhead: all wait for the first token, together; nobody waits for the next ones, and none is used that has ended.
func TestAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := &atomic.Bool{}
		s, n := counted(time.Hour, fails, time.Second)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if token, err := s.Token(t.Context()); err != nil || token != "token-1" {
					t.Error(token, err)
				}
			})
		}
		wg.Wait()
		if n.Load() != 1 {
			t.Fatalf("%d tokens for 50 callers", n.Load())
		}
		ask := func(want string) {
			t.Helper()
			began := time.Now()
			if token, err := s.Token(t.Context()); err != nil || token != want || time.Since(began) > 0 {
				t.Errorf("%s after %v, want %s: %v", token, time.Since(began), want, err)
			}
		}
		time.Sleep(44 * time.Minute)
		ask("token-1")
		time.Sleep(2 * time.Minute)
		ask("token-1") // and the next one is fetched
		time.Sleep(2 * time.Second)
		ask("token-2")
		fails.Store(true)
		time.Sleep(50 * time.Minute)
		for range 100 {
			ask("token-2")
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		if token, err := s.Token(t.Context()); !errors.Is(err, ErrNoToken) {
			t.Errorf("%s %v", token, err)
		}
		fails.Store(false)
		if _, err := s.Token(t.Context()); !errors.Is(err, ErrNoToken) {
			t.Error("it is asked again at once")
		}
		time.Sleep(pause)
		if token, err := s.Token(t.Context()); err != nil || token != "token-3" {
			t.Error(token, err)
		}
	})
}

// TestGone: a caller who goes away does not end the fetching that others wait for.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := counted(time.Hour, &atomic.Bool{}, waits)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := s.Token(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Error(err)
		}
		if _, err := s.Token(t.Context()); err != nil {
			t.Error(err)
		}
		if token, err := s.Token(t.Context()); err != nil || token != "token-1" || n.Load() != 1 {
			t.Error(token, err, n.Load())
		}
	})
}

// TestLate: a request waits no longer than it may, and the token serves the next one.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := counted(time.Hour, &atomic.Bool{}, 2*waits)
		began := time.Now()
		if _, err := s.Token(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != waits {
			t.Error(err, time.Since(began))
		}
		time.Sleep(waits)
		synctest.Wait()
		began = time.Now()
		if _, err := s.Token(t.Context()); err != nil || time.Since(began) != 0 {
			t.Error(err, time.Since(began))
		}
	})
}

// TestEnded: a token that has ended when it comes is none.
func TestEnded(t *testing.T) {
	for _, life := range []time.Duration{-time.Hour, early} {
		s, _ := counted(life, &atomic.Bool{}, 0)
		if token, err := s.Token(t.Context()); !errors.Is(err, ErrNoToken) {
			t.Error(token, err)
		}
	}
}

// endpoint is a token endpoint that keeps what it is asked.
func endpoint(t *testing.T, status int, answer string) (url string, asked *http.Request) {
	t.Helper()
	asked = &http.Request{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		*asked = *r
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(s.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s.URL, asked
}

func TestClientCredentials(t *testing.T) {
	url, asked := endpoint(t, 200, `{"access_token":"at-1","token_type":"Bearer","expires_in":3600}`)
	s := ClientCredentials{
		TokenURL: url, ClientID: "gateway", Secret: func() (string, error) { return "its-secret", nil },
		Scopes: []string{"https://cognitiveservices.azure.com/.default"}, Audience: "azure", Client: http.DefaultClient,
	}.New()
	h, err := s.Authorize(t.Context(), "POST", "host", "/path", nil)
	if err != nil || h.Get("Authorization") != "Bearer at-1" || len(h) != 1 {
		t.Fatal(h, err)
	}
	if asked.Form.Get("grant_type") != "client_credentials" || asked.Form.Get("scope") != "https://cognitiveservices.azure.com/.default" || asked.Form.Get("audience") != "azure" {
		t.Errorf("%v", asked.Form)
	}
	if id, secret, ok := asked.BasicAuth(); !ok || id != "gateway" || secret != "its-secret" {
		t.Error("the client did not say who it is")
	}
}

// TestSaysNothing: an error does not have what the server answered, which may repeat the secret.
func TestSaysNothing(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
	}{
		"repeats it":   {401, `{"error":"invalid_client","error_description":"its-secret is wrong"}`},
		"odd code":     {400, `{"error":"its-secret"}`},
		"no json":      {500, `its-secret`},
		"another type": {200, `{"access_token":"its-secret","token_type":"mac","expires_in":3600}`},
		"nothing":      {200, `{"its-secret":1}`},
		"ended":        {200, `{"access_token":"its-secret","token_type":"Bearer","expires_in":1}`},
	} {
		url, _ := endpoint(t, c.status, c.answer)
		s := ClientCredentials{TokenURL: url, ClientID: "gateway", Secret: func() (string, error) { return "its-secret", nil }}.New()
		if token, err := s.Token(t.Context()); !errors.Is(err, ErrNoToken) || token != "" || strings.Contains(err.Error(), "its-secret") {
			t.Errorf("%s: %q %v", name, token, err)
		}
	}
	s := ClientCredentials{TokenURL: "http://127.0.0.1:1", Secret: func() (string, error) { return "", errors.New("is empty") }}.New()
	if _, err := s.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Error(err)
	}
}

// TestGoogle: a service account signs for itself, and what people log in with is no key for a gateway.
func TestGoogle(t *testing.T) {
	url, asked := endpoint(t, 200, `{"access_token":"ya29-1","token_type":"Bearer","expires_in":3600}`)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "gw@p.iam.gserviceaccount.com", "private_key_id": "k", "token_uri": url,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := Google{File: func() ([]byte, error) { return file, nil }, Client: http.DefaultClient}.New()
	if token, err := s.Token(t.Context()); err != nil || token != "ya29-1" {
		t.Fatal(token, err)
	}
	if asked.Form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || strings.Count(asked.Form.Get("assertion"), ".") != 2 {
		t.Errorf("%v", asked.Form)
	}
	for _, doc := range []string{`{"type":"authorized_user","refresh_token":"hunter2"}`, `{"type":"hunter2"}`, `{}`, `hunter2`, `{"type":"service_account","private_key":"hunter2"}`} {
		s := Google{File: func() ([]byte, error) { return []byte(doc), nil }}.New()
		if token, err := s.Token(t.Context()); !errors.Is(err, ErrNoToken) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q %v", doc, token, err)
		}
	}
}
