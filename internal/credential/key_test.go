package credential

import (
	"context"
	"errors"
	"net/http"
	"testing"
)

type made struct{ err error }

func (m made) Authorize(_ context.Context, method, host, path string, body []byte) (http.Header, error) {
	return http.Header{"X-Made": {method + host + path + string(body)}}, m.err
}

// TestAuthorize: a key stands in the header that its provider wants; what has a source is made of the request.
func TestAuthorize(t *testing.T) {
	a, _ := secrets(t)
	boom := errors.New("boom")
	s, err := New([]Entry{{Provider: "p", Secret: a}, {Provider: "q", Source: made{}}, {Provider: "r", Source: made{boom}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		provider, header, name, want string
		err                          error
	}{
		{"p", "authorization", "Authorization", "Bearer sk-hunter2-a", nil},
		{"p", "x-api-key", "X-Api-Key", "sk-hunter2-a", nil},
		{"q", "authorization", "X-Made", "POSThost/pathbody", nil},
		{"r", "authorization", "", "", boom},
	} {
		k, _ := s.pick("", nil, c.provider)
		h, err := k.Authorize(t.Context(), c.header, "POST", "host", "/path", []byte("body"))
		if !errors.Is(err, c.err) || err == nil && (len(h) != 1 || h.Get(c.name) != c.want) {
			t.Errorf("%s %s: %v %v", c.provider, c.header, h, err)
		}
	}
	if h, err := (Key{}).Authorize(t.Context(), "authorization", "POST", "", "", nil); len(h) != 0 || err != nil {
		t.Error(h, err)
	}
}
