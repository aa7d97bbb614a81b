package tokens

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzAnswer: what an endpoint answers gives a token that can stand in a header and is not good for longer than a day, or none.
func FuzzAnswer(f *testing.F) {
	for _, doc := range []string{
		`{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r"}`, `{"access_token":"a\u000a"}`, `{"access_token":1}`, `{}`, `[`, `{"error":"invalid_grant"}`,
		`{"access_token":"a","expires_in":1e400}`, `{"access_token":"a","expires_in":-1}`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		began := time.Now()
		got, err := read(doc, began)
		if err != nil {
			if got != (given{}) {
				t.Fatalf("%+v beside %v", got, err)
			}
			return
		}
		if got.token == "" || strings.ContainsAny(got.token, "\r\n \t\x00") || got.until.Before(began) || got.until.After(began.Add(longestLife)) {
			t.Fatalf("%+v", got)
		}
		if code := codeOf(doc); strings.ContainsAny(code, "\r\n") || len(code) > 40 {
			t.Fatalf("%q", code)
		}
	})
}

// FuzzMetadata: what names an endpoint is a JSON object of that issuer's, as another reader sees it.
func FuzzMetadata(f *testing.F) {
	const issuer = "https://as.example.com/t"
	for _, doc := range []string{
		`{"issuer":"https://as.example.com/t","token_endpoint":"https://as.example.com/token"}`, `{"issuer":"https://as.example.com/t","token_endpoint":"//x"}`,
		`{"issuer":"https:\/\/as.example.com\/t","x":{"issuer":"y"},"token_endpoint":"https://b/\u0074"}`, `{"token_endpoint":"https://a"}`, `{"issuer":`,
		`{"issuer":"https://as.example.com/t","token_endpoint":"https://a/t","authorization_endpoint":"https://a/a","revocation_endpoint":"ftp://a/r","authorization_response_iss_parameter_supported":true,"code_challenge_methods_supported":["plain","S256",1]}`,
		`{"issuer":"https://as.example.com/t","token_endpoint":"https://a/t","authorization_endpoint":"javascript:alert(1)"}`,
	} {
		f.Add([]byte(doc))
	}
	s := &Server{Issuer: issuer}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := s.read(doc)
		if err != nil {
			if got != (metadata{}) {
				t.Fatalf("%+v beside %v", got, err)
			}
			return
		}
		other := map[string]any{}
		if err := json.Unmarshal(doc, &other); err != nil || other["issuer"] != issuer {
			t.Fatalf("%q: %v %v", doc, other, err)
		}
		for name, place := range map[string]string{"token_endpoint": got.token, "authorization_endpoint": got.authorization, "revocation_endpoint": got.revocation} {
			if said, _ := other[name].(string); place != "" && said != place {
				t.Fatalf("%q: %s is %q", doc, name, place)
			}
			if u, err := url.Parse(place); place != "" && (err != nil || u.Host == "" || u.User != nil || !strings.HasPrefix(u.Scheme, "http")) {
				t.Fatalf("%q", place)
			}
		}
		methods, _ := other["code_challenge_methods_supported"].([]any)
		if names, _ := other["authorization_response_iss_parameter_supported"].(bool); got.names != names || got.s256 != slices.Contains(methods, any("S256")) {
			t.Fatalf("%q: %+v", doc, got)
		}
	})
}
