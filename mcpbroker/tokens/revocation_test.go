package tokens

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/store"
)

// grant is a code that somebody at a browser got of an authorization server, for a verifier.
func (w *world) grant(as *issuer.Issuer, s *Source, verifier string) string {
	w.t.Helper()
	flow := s.Flow.(Code)
	at, err := flow.Start(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	to, err := flow.URL(at, s.Want, "the state", verifier, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Get(to)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		w.t.Fatal(err)
	}
	return back.Query().Get("code")
}

// TestToldOfTheEnd: who disconnects ends at the authorization server what she granted there; whoever forgets her tokens for her does, too.
func TestToldOfTheEnd(t *testing.T) {
	w := newWorld(t)
	as := w.behaving()
	as.SignIn(map[string]any{"sub": "sara at the server"})
	s := w.connected(memory())
	s.Flow = Code{Endpoint: w.at(as), Redirect: callback}
	sara, token := w.person(map[string]any{"sub": "sara"})
	verifier := strings.Repeat("v", 43)
	listed := func(s *Source) Kept {
		t.Helper()
		all, err := s.Cache.List(t.Context(), Owner{Principal: sara.Key()})
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0]
	}
	for name, end := range map[string]func() error{
		"disconnected": func() error { return s.Disconnect(t.Context(), sara) },
		"and her browser went away": func() error {
			gone, cancel := context.WithCancel(t.Context())
			s := *s
			s.Cache = &Cache{Store: afterwards{s.Cache.Store, cancel}, Keys: s.Cache.Keys}
			return s.Disconnect(gone, sara)
		},
		"forgotten": func() error {
			told, err := s.Forget(t.Context(), listed(s))
			if !told {
				t.Error("it says that nobody was told")
			}
			return err
		},
	} {
		if err := s.Connect(t.Context(), sara, w.grant(as, s, verifier), verifier); err != nil {
			t.Fatal(err)
		}
		h, err := header(t.Context(), s, sara, false)
		if err != nil {
			t.Fatal(err)
		}
		_, at, err := s.person(t.Context(), sara)
		if err != nil {
			t.Fatal(err)
		}
		refresh, err := s.Cache.granted(t.Context(), at)
		if err != nil || refresh == "" {
			t.Fatal(refresh, err)
		}
		if err := end(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.wants(s, sara, "", ErrConnect)
		if _, _, err := as.Open(strings.TrimPrefix(h, "Bearer ")); err == nil {
			t.Errorf("%s: the access token is good still", name)
		}
		if _, err := s.Flow.fetch(t.Context(), refresh, s.Want); !errors.Is(err, errGrant) {
			t.Errorf("%s: the refresh token is good still: %v", name, err)
		}
	}

	// A token that was exchanged, and one that is now had otherwise.
	s.Flow = Exchange{Endpoint: w.at(w.behaving())}
	own := w.source(s.Cache)
	own.Flow = Own{Endpoint: w.at(as)}
	own.Assertions.Hold(sara, token)
	gets := func() (Kept, string) {
		t.Helper()
		h, err := header(t.Context(), own, sara, false)
		if err != nil {
			t.Fatal(err)
		}
		all, err := own.Cache.List(t.Context(), Owner{})
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0], strings.TrimPrefix(h, "Bearer ")
	}
	k, access := gets()
	if told, err := s.Forget(t.Context(), k); told || err != nil {
		t.Errorf("another flow's authorization server was told: %v", err)
	}
	if _, _, err := as.Open(access); err != nil {
		t.Error(err)
	}
	k, access = gets()
	if told, err := own.Forget(t.Context(), k); !told || err != nil {
		t.Errorf("%v %v", told, err)
	}
	if _, _, err := as.Open(access); err == nil {
		t.Error("the broker's own token is good still")
	}
}

// afterwards cancels once something was done.
type afterwards struct {
	store.Store
	cancel func()
}

func (a afterwards) Do(ctx context.Context, ops ...store.Op) error {
	defer a.cancel()
	return a.Store.Do(ctx, ops...)
}

// revoking is an authorization server's place for what is not needed any more.
type revoking struct {
	mu     sync.Mutex
	status int
	access int // of access tokens; 0: the same
	told   []url.Values
	as     []string // by Basic
}

func (r *revoking) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_ = req.ParseForm()
	id, secret, _ := req.BasicAuth()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told, r.as = append(r.told, req.PostForm), append(r.as, id+":"+secret)
	status := r.status
	if r.access != 0 && req.PostForm.Get("token_type_hint") == "access_token" {
		status = r.access
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"error":"unsupported_token_type","error_description":"r1 secret words"}`))
}

// TestTold: both tokens are told of, by who the broker is there, at the place that is configured; where that does not take it, it is
// forgotten all the same, and said.
func TestTold(t *testing.T) {
	w := newWorld(t)
	r := &revoking{}
	ts := httptest.NewServer(r)
	defer ts.Close()
	sara, _ := w.person(map[string]any{"sub": "sara"})
	for _, c := range []struct {
		at     string
		status int
		access int
		want   string
		tells  []string
	}{
		{ts.URL + "/revoke", 200, 0, "", []string{"refresh_token r1", "access_token a1"}},
		{ts.URL + "/revoke", 200, 400, "", []string{"refresh_token r1", "access_token a1"}}, // it takes back no JWTs
		{ts.URL + "/revoke", 200, 503, "status 503", []string{"refresh_token r1", "access_token a1"}},
		{ts.URL + "/revoke", 400, 0, "status 400 unsupported_token_type", []string{"refresh_token r1"}},
		{ts.URL + "/revoke", 302, 0, "status 302", []string{"refresh_token r1"}},
		{ts.URL + "/revoke", 503, 0, "status 503", []string{"refresh_token r1"}},
		{"http://127.0.0.1:1/revoke", 200, 0, "cannot be reached", nil},
		{"", 200, 0, "", nil},
	} {
		r.told, r.as, r.status, r.access = nil, nil, c.status, c.access
		s := w.connected(memory())
		flow := s.Flow.(Code)
		flow.Endpoint.Revocation = c.at
		s.Flow = flow
		w.connect(s, sara, "a1", "r1")
		err := s.Disconnect(t.Context(), sara)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrUntold) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "r1")) {
			t.Errorf("%+v: %v", c, err)
		}
		var told []string
		for i, form := range r.told {
			told = append(told, form.Get("token_type_hint")+" "+form.Get("token"))
			if r.as[i] != "gateway:its+secret" || form.Has("resource") || form.Has("grant_type") {
				t.Errorf("%+v: as %s, %v", c, r.as[i], form)
			}
		}
		if strings.Join(told, ", ") != strings.Join(c.tells, ", ") {
			t.Errorf("%+v: it was told of %q", c, told)
		}
		w.wants(s, sara, "", ErrConnect)
	}
}

// TestToldMeanwhile: a refresh token that comes when she has disconnected is nobody's to use, and its authorization server hears so; when
// she has connected anew it does not, since both may be one grant there.
func TestToldMeanwhile(t *testing.T) {
	for _, anew := range []bool{false, true} {
		w := newWorld(t)
		r := &revoking{status: 200}
		ts := httptest.NewServer(r)
		defer ts.Close()
		s := w.connected(memory())
		flow := s.Flow.(Code)
		flow.Endpoint.Revocation = ts.URL
		s.Flow = flow
		sara, _ := w.person(map[string]any{"sub": "sara"})
		w.connect(s, sara, "a1", "r1")
		w.ends(s, sara)
		w.grants("a2", "r2")
		var began atomic.Bool
		w.as.set(func() {
			w.as.before = func(int) {
				if began.Swap(true) { // it is the other code
					return
				}
				var err error
				if anew {
					err = s.Connect(context.Background(), sara, "another code", "v")
				} else {
					err = s.Disconnect(context.Background(), sara)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		_, at, err := s.person(t.Context(), sara)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.refresh(t.Context(), at, flow); err == nil || got.token != "" {
			t.Error(got, err)
		}
		var told []string
		for _, form := range r.told {
			told = append(told, form.Get("token"))
		}
		want := "r1 r2 a2"
		if anew {
			want = ""
		}
		if strings.Join(told, " ") != want {
			t.Errorf("anew %v: it was told of %q, want %s", anew, told, want)
		}
	}
}

// TestForgetsWhatDoesNotOpen: what was sealed with another key cannot be read, and is forgotten.
func TestForgetsWhatDoesNotOpen(t *testing.T) {
	w := newWorld(t)
	s := w.connected(memory())
	sara, _ := w.person(map[string]any{"sub": "sara"})
	w.connect(s, sara, "a1", "r1")
	_, at, err := s.person(t.Context(), sara)
	if err != nil {
		t.Fatal(err)
	}
	failing := &Cache{Store: unopened{s.Cache.Store}, Keys: s.Cache.Keys}
	broken := *s
	broken.Cache = failing
	if err := broken.Disconnect(t.Context(), sara); err != nil {
		t.Error(err)
	}
	if refresh, err := s.Cache.granted(t.Context(), at); refresh != "" || err != nil {
		t.Error(refresh, err)
	}
}

// unopened is a store that opens nothing.
type unopened struct{ store.Store }

func (u unopened) Do(ctx context.Context, ops ...store.Op) error {
	for _, op := range ops {
		if _, reads := op.(*store.Get); reads {
			return store.ErrSealed
		}
	}
	return u.Store.Do(ctx, ops...)
}
