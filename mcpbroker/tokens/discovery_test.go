package tokens

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestDiscovery: an authorization server is asked where its token endpoint is, in the places where it may say so, once for all; and what
// is not exactly its own word is not taken.
func TestDiscovery(t *testing.T) {
	for name, c := range map[string]struct {
		path   string // of the issuer identifier
		status map[string]int
		docs   map[string]string // by place; ISSUER and TOKEN stand for what they are
		want   error
		asked  int
	}{
		"OAuth":            {"", nil, map[string]string{"/.well-known/oauth-authorization-server": `{"issuer":"ISSUER","token_endpoint":"TOKEN","x":[{"issuer":1}]}`}, nil, 1},
		"OpenID Connect":   {"", nil, map[string]string{"/.well-known/openid-configuration": `{"issuer":"ISSUER","token_endpoint":"TOKEN"}`}, nil, 2},
		"a tenant":         {"/t/1", nil, map[string]string{"/.well-known/oauth-authorization-server/t/1": `{"issuer":"ISSUER","token_endpoint":"TOKEN"}`}, nil, 1},
		"a slash":          {"/t/", nil, map[string]string{"/.well-known/oauth-authorization-server/t": `{"issuer":"ISSUER","token_endpoint":"TOKEN"}`}, nil, 1},
		"a realm":          {"/realms/a", nil, map[string]string{"/realms/a/.well-known/openid-configuration": `{"issuer":"ISSUER","token_endpoint":"TOKEN"}`}, nil, 3},
		"nowhere":          {"", nil, nil, ErrRefused, 2},
		"another issuer":   {"", nil, map[string]string{"/.well-known/oauth-authorization-server": `{"issuer":"ISSUER/","token_endpoint":"TOKEN"}`}, ErrRefused, 1},
		"no issuer":        {"", nil, map[string]string{"/.well-known/oauth-authorization-server": `{"token_endpoint":"TOKEN"}`}, ErrRefused, 1},
		"no endpoint":      {"", nil, map[string]string{"/.well-known/oauth-authorization-server": `{"issuer":"ISSUER","token_endpoint":1}`}, ErrRefused, 1},
		"a path alone":     {"", nil, map[string]string{"/.well-known/oauth-authorization-server": `{"issuer":"ISSUER","token_endpoint":"/token"}`}, ErrRefused, 1},
		"twice":            {"", nil, map[string]string{"/.well-known/oauth-authorization-server": `{"issuer":"ISSUER","token_endpoint":"TOKEN","token_endpoint":"TOKEN"}`}, ErrRefused, 1},
		"in another case":  {"", nil, map[string]string{"/.well-known/oauth-authorization-server": `{"Issuer":"ISSUER","token_endpoint":"TOKEN"}`}, ErrRefused, 1},
		"no JSON":          {"", nil, map[string]string{"/.well-known/oauth-authorization-server": `<html>`}, ErrRefused, 1},
		"too long":         {"", nil, map[string]string{"/.well-known/oauth-authorization-server": `{"issuer":"ISSUER","token_endpoint":"TOKEN","x":"` + strings.Repeat("x", maxAnswer) + `"}`}, ErrRefused, 1},
		"down":             {"", map[string]int{"/.well-known/oauth-authorization-server": 503}, nil, ErrUnreachable, 1},
		"sends us further": {"", map[string]int{"/.well-known/oauth-authorization-server": 302, "/.well-known/openid-configuration": 302}, nil, ErrRefused, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var asked atomic.Int32
			mux := http.NewServeMux()
			ts := httptest.NewServer(mux)
			defer ts.Close()
			id := ts.URL + c.path
			mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				doc, there := c.docs[r.URL.Path]
				switch status := c.status[r.URL.Path]; {
				case status == 302:
					rw.Header().Set("Location", w.as.url)
					rw.WriteHeader(status)
				case status != 0:
					rw.WriteHeader(status)
				case !there:
					rw.WriteHeader(http.StatusNotFound)
				default:
					_, _ = fmt.Fprint(rw, strings.NewReplacer("ISSUER", id, "TOKEN", w.as.url).Replace(doc))
				}
			})
			client := ts.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			s := w.source(memory())
			e := w.as.endpoint()
			e.URL, e.Server = "", &Server{Issuer: id, HTTP: client}
			s.Flow = Exchange{Endpoint: e}
			var people sync.WaitGroup
			for _, who := range []string{"sara", "kim", "pat"} {
				p, token := w.person(map[string]any{"sub": who})
				s.Assertions.Hold(p, token)
				people.Go(func() {
					if h, err := header(t.Context(), s, p, false); !errors.Is(err, c.want) || (err == nil) != (h != "") || strings.Contains(fmt.Sprint(err), ts.URL) {
						t.Errorf("%q %v, want %v", h, err, c.want)
					}
				})
			}
			people.Wait()
			if c.want != nil {
				if w.as.exchanges() != 0 {
					t.Error("an endpoint was shown a token")
				}
				return
			}
			if w.as.exchanges() != 3 || int(asked.Load()) != c.asked {
				t.Errorf("%d exchanges, %d questions", w.as.exchanges(), asked.Load())
			}
		})
	}
	for _, bad := range []string{"", "x", "https://", "https://as.example.com?x", "https://as.example.com#x"} {
		if places, err := wellKnown(bad); err == nil {
			t.Errorf("%q: %v", bad, places)
		}
	}
}

// TestActor: the broker says by a token of its own who acts, and reads it anew each time.
func TestActor(t *testing.T) {
	w := newWorld(t)
	s := w.source(memory())
	mine := []string{"first", "second"}
	s.Flow = Exchange{Endpoint: w.as.endpoint(), Actor: func() (string, error) {
		if len(mine) == 0 {
			return "", errors.New("the file cannot be read")
		}
		one := mine[0]
		mine = mine[1:]
		return one, nil
	}}
	for _, want := range slices.Clone(mine) {
		p, token := w.person(map[string]any{"sub": "for the " + want})
		s.Assertions.Hold(p, token)
		if _, err := header(t.Context(), s, p, false); err != nil {
			t.Fatal(err)
		}
		if form, _ := w.as.last(); form.Get("actor_token") != want || form.Get("actor_token_type") != JWT || form.Get("subject_token") != token {
			t.Errorf("%v", form)
		}
	}
	p, token := w.person(map[string]any{"sub": "sara"})
	s.Assertions.Hold(p, token)
	if h, err := header(t.Context(), s, p, false); err == nil || w.as.exchanges() != 2 {
		t.Errorf("without it: %q, %d exchanges", h, w.as.exchanges())
	}
}
