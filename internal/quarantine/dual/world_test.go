package dual

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a model behind a listener, without a network, so that synctest's clock can drive it. It answers with what answer
// returns for the question's JSON and the data.
type model struct {
	answer func(ctx context.Context, in asked) (*http.Response, error)

	mu      sync.Mutex
	asked   []asked
	running int
	most    int // running at once
}

// asked is one call as the model got it.
type asked struct {
	token string
	body  string
	Model string `json:"model"`
	Msgs  []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
	Temperature *float64        `json:"temperature"`
	Tools       json.RawMessage `json:"tools"`
	Format      json.RawMessage `json:"response_format"`
	MaxTokens   int             `json:"max_completion_tokens"`
}

func (m *model) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	in := asked{token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), body: string(body)}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.asked = append(m.asked, in)
	m.running++
	m.most = max(m.most, m.running)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.running--
		m.mu.Unlock()
	}()
	return m.answer(r.Context(), in)
}

func (m *model) calls() []asked {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]asked(nil), m.asked...)
}

// reply is an HTTP answer.
func reply(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// completion is a chat completion that holds a text.
func completion(text string) string {
	content, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return `{"id":"c","object":"chat.completion","created":1,"model":"q","choices":[{"index":0,"message":{"role":"assistant","content":` +
		string(content) + `},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`
}

// says is a model that always writes the same.
func says(text string) *model {
	return &model{answer: func(context.Context, asked) (*http.Response, error) { return reply(200, completion(text)), nil }}
}

// fakeStore is the least store that recall needs, with a switch to be away.
type fakeStore struct {
	mu   sync.Mutex
	m    map[string]record
	away error
	trip int         // Do's
	next store.Store // answers instead
}

type record struct {
	value []byte
	until time.Time
}

func newFakeStore() *fakeStore { return &fakeStore{m: map[string]record{}} }

func (s *fakeStore) get(key string) ([]byte, bool) {
	r, ok := s.m[key]
	if !ok || !time.Now().Before(r.until) {
		delete(s.m, key)
		return nil, false
	}
	return r.value, true
}

func (s *fakeStore) Do(ctx context.Context, ops ...store.Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trip++
	if s.away != nil {
		return s.away
	}
	if s.next != nil {
		return s.next.Do(ctx, ops...)
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(store.ErrUnavailable, err)
	}
	for _, o := range ops {
		switch o := o.(type) {
		case *store.Get:
			o.Value, o.Found = s.get(o.Key)
		case *store.Lock:
			owner, held := s.get(o.Key)
			if o.Got = !held || string(owner) == o.Owner; o.Got {
				s.m[o.Key] = record{[]byte(o.Owner), time.Now().Add(o.TTL)}
			}
		case *store.PutOwned:
			owner, held := s.get(o.Lock)
			if o.Stored = held && string(owner) == o.Owner; o.Stored {
				delete(s.m, o.Lock)
				s.m[o.Key] = record{o.Value, time.Now().Add(o.TTL)}
			}
		case *store.Delete:
			delete(s.m, o.Key)
		default:
			return errors.New("not in this store")
		}
	}
	return nil
}

func (s *fakeStore) Ready(context.Context) error { return s.away }
func (s *fakeStore) Close() error                { return nil }

func (s *fakeStore) setAway(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
}

func testKeys(t testing.TB) *store.Keys {
	t.Helper()
	keys, err := store.NewKeys([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// newAsker is an asker of these models on this store.
func newAsker(t testing.TB, m http.RoundTripper, s store.Store, change func(*Config)) *Asker {
	t.Helper()
	cfg := Config{
		BaseURL: "http://internal/v1", HTTPClient: &http.Client{Transport: m}, QuarantinedModel: "mock/quarantined", PrivilegedModel: "mock/privileged",
		Store: s, Keys: testKeys(t),
	}
	if change != nil {
		change(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

var sara = Caller{
	Scope: label.Scope{Tenant: "corp", Principal: "corp|sara"},
	Token: func(purpose string) (string, error) { return "token-for-" + purpose, nil },
}

var errTest = errors.New("as asked")
