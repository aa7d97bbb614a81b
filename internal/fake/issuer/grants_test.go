package issuer

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// asker asks a token endpoint.
type asker struct {
	*Issuer
	t *testing.T
	c *http.Client
}

func (a *asker) post(form url.Values) (status int, body map[string]any) {
	a.t.Helper()
	res, err := a.c.PostForm(a.TokenURL(), form)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		a.t.Fatal(err)
	}
	return res.StatusCode, body
}

// gives asks for a token and reads what it says.
func (a *asker) gives(form url.Values) (header, claims, body map[string]any) {
	a.t.Helper()
	status, body := a.post(form)
	if status != http.StatusOK {
		a.t.Fatalf("%v: %d %v", form, status, body)
	}
	header, claims, err := a.Open(body["access_token"].(string))
	if err != nil {
		a.t.Fatal(err)
	}
	return header, claims, body
}

func (a *asker) refuses(form url.Values, code string) {
	a.t.Helper()
	if status, body := a.post(form); status != http.StatusBadRequest || body["error"] != code {
		a.t.Errorf("%v: %d %v, want %s", form, status, body, code)
	}
}

func changed(form url.Values, name, value string) url.Values {
	out := url.Values{}
	for k, v := range form {
		out[k] = v
	}
	out.Set(name, value)
	return out
}

const back = "https://gw.example.com/back"

// code is what a browser brings back.
func (a *asker) code(change func(url.Values)) url.Values {
	a.t.Helper()
	sum := sha256.Sum256([]byte("the verifier"))
	q := url.Values{
		"response_type": {"code"}, "client_id": {"gw"}, "redirect_uri": {back}, "state": {"s"}, "code_challenge": {b64(sum[:])}, "code_challenge_method": {"S256"},
		"resource": {"https://mcp.example.com/mcp"}, "scope": {"openid repo"}, "nonce": {"n"},
	}
	if change != nil {
		change(q)
	}
	c := *a.c
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Get(a.AuthorizeURL() + "?" + q.Encode())
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusBadRequest {
		return nil
	}
	to, err := res.Location()
	if err != nil || to.Query().Get("iss") != a.URL() || to.Query().Get("state") != "s" {
		a.t.Fatal(to, err)
	}
	return to.Query()
}

func newAsker(t *testing.T, cfg Config) *asker {
	cfg.Clients = map[string]string{"gw": "", "other": ""}
	cfg.Redirects = map[string][]string{"gw": {back}}
	i, c := start(t, cfg)
	return &asker{i, t, c}
}

func TestCode(t *testing.T) {
	now := time.Now()
	a := newAsker(t, Config{Alg: "ES256", Now: func() time.Time { return now }})
	if got := a.code(nil).Get("error"); got != "access_denied" {
		t.Error(got)
	}
	a.SignIn(map[string]any{"sub": "sara", "email": "sara@example.com"})
	for name, c := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"plain":    {func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request"},
		"no PKCE":  {func(q url.Values) { q.Del("code_challenge") }, "invalid_request"},
		"implicit": {func(q url.Values) { q.Set("response_type", "token") }, "unsupported_response_type"},
	} {
		if got := a.code(c.change).Get("error"); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if a.code(func(q url.Values) { q.Set("redirect_uri", back+"/") }) != nil || a.code(func(q url.Values) { q.Set("client_id", "other") }) != nil {
		t.Error("a browser was sent to somewhere else")
	}
	form := func() url.Values {
		return url.Values{
			"grant_type": {grantCode}, "client_id": {"gw"}, "redirect_uri": {back}, "code_verifier": {"the verifier"}, "code": {a.code(nil).Get("code")},
			"resource": {"https://mcp.example.com/mcp"},
		}
	}
	for name, value := range map[string]string{"code_verifier": "x", "redirect_uri": back + "/", "client_id": "other", "code": "x"} {
		a.refuses(changed(form(), name, value), "invalid_grant")
	}
	a.refuses(changed(form(), "resource", "https://x.example.com"), "invalid_target")
	a.refuses(changed(form(), "scope", "admin"), "invalid_scope")
	late := form()
	now = now.Add(codeLife + time.Second)
	a.refuses(late, "invalid_grant")

	f := form()
	_, claims, body := a.gives(f)
	if claims["sub"] != "sara" || claims["aud"] != "https://mcp.example.com/mcp" || claims["scope"] != "openid repo" || claims["client_id"] != "gw" {
		t.Error(claims)
	}
	if _, id, err := a.Open(body["id_token"].(string)); err != nil || id["nonce"] != "n" || id["aud"] != "gw" || id["email"] != "sara@example.com" {
		t.Error(id, err)
	}
	refresh := func(token any) url.Values {
		return url.Values{"grant_type": {grantRefresh}, "client_id": {"gw"}, "refresh_token": {token.(string)}}
	}
	one := body["refresh_token"]
	_, claims, body = a.gives(refresh(one))
	two := body["refresh_token"]
	if two == one || claims["sub"] != "sara" || claims["aud"] != "https://mcp.example.com/mcp" || body["id_token"] != nil {
		t.Error(claims, body)
	}
	_, _, body = a.gives(refresh(two))
	a.refuses(changed(refresh(body["refresh_token"]), "client_id", "other"), "invalid_grant")
	a.refuses(refresh(one), "invalid_grant")                   // it comes again
	a.refuses(refresh(body["refresh_token"]), "invalid_grant") // and so none is good

	f = form()
	_, _, body = a.gives(f)
	a.refuses(f, "invalid_grant") // the code comes again
	a.refuses(refresh(body["refresh_token"]), "invalid_grant")
}

func TestAssertions(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "RS256", "PS256", "EdDSA"} {
		idp := newAsker(t, Config{Alg: alg})
		as := newAsker(t, Config{Alg: "EdDSA", Trusts: []*Issuer{idp.Issuer}})
		stranger := newAsker(t, Config{Alg: alg})
		hers, err := idp.Mint(map[string]any{"sub": "sara", "groups": []string{"finance"}, "azp": "agent"})
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := stranger.Mint(map[string]any{"sub": "sara"})
		if err != nil {
			t.Fatal(err)
		}
		robot, err := idp.Mint(map[string]any{"sub": "robot"})
		if err != nil {
			t.Fatal(err)
		}
		ended, err := idp.Mint(map[string]any{"sub": "sara", "exp": time.Now().Add(-time.Second).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		exchange := url.Values{
			"grant_type": {grantExchange}, "client_id": {"gw"}, "subject_token": {hers}, "subject_token_type": {typeAccess}, "resource": {"https://mcp.example.com/mcp"}, "scope": {"repo"},
		}
		_, claims, body := idp.gives(exchange)
		if claims["sub"] != "sara" || claims["aud"] != "https://mcp.example.com/mcp" || claims["act"].(map[string]any)["sub"] != "gw" || claims["azp"] != nil || body["issued_token_type"] != typeAccess {
			t.Error(claims, body)
		}
		_, claims, _ = idp.gives(changed(changed(changed(exchange, "actor_token", robot), "actor_token_type", typeJWT), "subject_token", body["access_token"].(string)))
		if act := claims["act"].(map[string]any); act["sub"] != "robot" || act["act"].(map[string]any)["sub"] != "gw" {
			t.Error(claims)
		}
		for _, bad := range []string{"", "x", theirs, ended, hers[:len(hers)-4] + "AAAA"} {
			idp.refuses(changed(exchange, "subject_token", bad), "invalid_request")
		}
		idp.refuses(changed(exchange, "subject_token_type", "saml"), "invalid_request")
		idp.refuses(changed(exchange, "actor_token", theirs), "invalid_request")

		behalf := url.Values{"grant_type": {grantJWT}, "client_id": {"gw"}, "assertion": {hers}, "requested_token_use": {"on_behalf_of"}, "scope": {"api://x/.default"}}
		if _, claims, _ = idp.gives(behalf); claims["sub"] != "sara" || claims["scope"] != "api://x/.default" {
			t.Error(claims)
		}
		idp.refuses(changed(behalf, "assertion", theirs), "invalid_grant")
		idp.refuses(changed(behalf, "scope", ""), "invalid_grant")

		header, claims, body := idp.gives(changed(changed(exchange, "requested_token_type", typeJAG), "audience", as.URL()))
		if header["typ"] != headerJAG || claims["aud"] != as.URL() || claims["client_id"] != "gw" || body["token_type"] != "N_A" || body["issued_token_type"] != typeJAG {
			t.Error(header, claims, body)
		}
		bearer := url.Values{"grant_type": {grantJWT}, "client_id": {"gw"}, "assertion": {body["access_token"].(string)}}
		if _, claims, _ = as.gives(bearer); claims["sub"] != "sara" || claims["aud"] != "https://mcp.example.com/mcp" || claims["scope"] != "repo" {
			t.Error(claims)
		}
		as.refuses(changed(bearer, "client_id", "other"), "invalid_grant")
		as.refuses(changed(bearer, "assertion", hers), "invalid_grant") // an access token is no such assertion
		idp.refuses(bearer, "invalid_grant")
		idp.refuses(changed(exchange, "requested_token_type", typeJAG), "invalid_target")
	}
}

// TestRevoke: a refresh token ends its grant, with what was given for it; an access token ends alone. A client ends its own.
func TestRevoke(t *testing.T) {
	a := newAsker(t, Config{Alg: "ES256"})
	a.SignIn(map[string]any{"sub": "sara"})
	gets := func() (access, refresh string) {
		_, _, body := a.gives(url.Values{
			"grant_type": {grantCode}, "client_id": {"gw"}, "redirect_uri": {back}, "code_verifier": {"the verifier"}, "code": {a.code(nil).Get("code")},
		})
		return body["access_token"].(string), body["refresh_token"].(string)
	}
	revoke := func(client, token string, want int) {
		t.Helper()
		res, err := a.c.PostForm(a.RevokeURL(), url.Values{"client_id": {client}, "token": {token}})
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != want {
			t.Errorf("%s revokes: %s", client, res.Status)
		}
	}
	good := func(token string, want bool) {
		t.Helper()
		if _, _, err := a.Open(token); (err == nil) != want {
			t.Errorf("it opens: %v", err)
		}
	}
	access, refresh := gets()
	other, again := gets()
	revoke("other", access, http.StatusBadRequest)
	revoke("other", refresh, http.StatusBadRequest)
	revoke("nobody", refresh, http.StatusUnauthorized)
	revoke("gw", "", http.StatusBadRequest)
	revoke("gw", "x", http.StatusOK)
	good(access, true)
	revoke("gw", refresh, http.StatusOK)
	good(access, false)
	good(other, true)
	a.refuses(url.Values{"grant_type": {grantRefresh}, "client_id": {"gw"}, "refresh_token": {refresh}}, "invalid_grant")
	revoke("gw", other, http.StatusOK)
	good(other, false)
	a.gives(url.Values{"grant_type": {grantRefresh}, "client_id": {"gw"}, "refresh_token": {again}})
}
