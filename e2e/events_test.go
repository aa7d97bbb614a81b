package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
)

// TestEvents: what the identity provider tells through the gateway's own door makes a user's token count no more on the LLM walk.
func TestEvents(t *testing.T) {
	server, err := mcpserver.Start(mcpserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	secret := filepath.Join(t.TempDir(), "scim")
	if err := os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := own(t, setup{
		more: "mcp:\n  resource: https://gateway.example.com/mcp\n  servers:\n    none: {url: \"" + server.URL() + "\"}\n",
		change: func(config string) string {
			changed := strings.Replace(config, "name: corp", "name: corp\n      events: {signals: true, logout: true, audiences: [receiver], scim: {file: "+secret+"}}", 1)
			if changed == config {
				t.Fatalf("no issuer corp in:\n%s", config)
			}
			return changed
		},
	})
	send := func(path, kind, body string, header ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	mint := func(typ string, claims object) string {
		t.Helper()
		claims["aud"], claims["exp"] = "receiver", time.Now().Add(2*time.Minute).Unix()
		token, err := theStage.corp.MintWith(object{"typ": typ}, claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, tell := range map[string]func(sub string) (int, string){
		"shared signals": func(sub string) (int, string) {
			return send("/events/signals", "application/secevent+jwt", mint("secevent+jwt", object{
				"sub_id": object{"format": "iss_sub", "iss": theStage.corp.URL(), "sub": sub},
				"events": object{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": object{}},
			}))
		},
		"logout": func(sub string) (int, string) {
			return send("/events/logout", "application/x-www-form-urlencoded", url.Values{"logout_token": {mint("logout+jwt", object{
				"sub": sub, "events": object{"http://schemas.openid.net/event/backchannel-logout": object{}},
			})}}.Encode())
		},
		"scim": func(sub string) (int, string) {
			var user bytes.Buffer
			if err := json.NewEncoder(&user).Encode(object{"userName": sub, "externalId": sub, "active": false}); err != nil {
				t.Fatal(err)
			}
			return send("/events/scim/corp/v2/Users", "application/scim+json", user.String(), "Authorization", "Bearer 0123456789abcdef0123456789abcdef")
		},
	} {
		t.Run(name, func(t *testing.T) {
			sub := "told by " + name
			hers := token(t, object{"sub": sub, "iat": time.Now().Add(-time.Minute).Unix()})
			status := func() int { return g.ask(t, chat{token: hers, say: "say hello"}).status }
			if got := status(); got != http.StatusOK {
				t.Fatal(got)
			}
			if got, body := tell(sub); got < 200 || got > 202 {
				t.Fatalf("%d %s", got, body)
			}
			if got := status(); got != http.StatusUnauthorized {
				t.Errorf("her token still counts: %d", got)
			}
			if got := g.ask(t, chat{token: mona(t), say: "say hello"}).status; got != http.StatusOK {
				t.Errorf("somebody else: %d", got)
			}
		})
	}
	if got, _ := send("/events/scim/corp/v2/Users", "application/scim+json", "{}"); got != http.StatusUnauthorized {
		t.Errorf("without the secret: %d", got)
	}
	if got, _ := send("/events/none", "text/plain", ""); got != http.StatusNotFound {
		t.Errorf("an endpoint that there is none of: %d", got)
	}
}
