package identity

import (
	"net/url"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

// headersOf turns "name: value" lines into what Credential reads.
func headersOf(lines ...string) func(string) []string {
	return func(name string) []string {
		var out []string
		for _, l := range lines {
			if n, v, _ := strings.Cut(l, ":"); n == name {
				out = append(out, v)
			}
		}
		return out
	}
}

func TestCredential(t *testing.T) {
	for name, tt := range map[string]struct {
		headers []string
		query   string
		token   string
		code    string
	}{
		"none":                      {nil, "", "", ""},
		"bearer":                    {[]string{"authorization: Bearer a.b.c"}, "", "a.b.c", ""},
		"bearer in lower case":      {[]string{"authorization: bearer a"}, "", "a", ""},
		"bearer in upper case":      {[]string{"authorization:BEARER   a  "}, "", "a", ""},
		"x-api-key":                 {[]string{"x-api-key: a"}, "", "a", ""},
		"api-key":                   {[]string{"api-key: a"}, "", "a", ""},
		"x-goog-api-key":            {[]string{"x-goog-api-key: a"}, "", "a", ""},
		"key":                       {nil, "alt=sse&key=a", "a", ""},
		"key, escaped":              {nil, "%6bey=a%2Eb", "a.b", ""},
		"Key is another parameter":  {nil, "Key=a", "", ""},
		"two that are equal":        {[]string{"authorization: Bearer a", "x-api-key: a"}, "key=a", "a", ""},
		"two lines that are equal":  {[]string{"authorization: Bearer a", "authorization: bearer a"}, "", "a", ""},
		"two that differ":           {[]string{"authorization: Bearer a", "x-api-key: b"}, "", "", refuse.ConflictingCredentials},
		"two lines that differ":     {[]string{"authorization: Bearer a", "authorization: Bearer b"}, "", "", refuse.ConflictingCredentials},
		"joined by a comma":         {[]string{"authorization: Bearer a,Bearer b"}, "", "", refuse.ConflictingCredentials},
		"joined and equal":          {[]string{"authorization: Bearer a, Bearer a"}, "", "a", ""},
		"joined, the second Basic":  {[]string{"authorization: Bearer a, Basic b"}, "", "", refuse.BadCredential},
		"joined to a bare one":      {[]string{"authorization: Bearer a,b"}, "", "", refuse.BadCredential},
		"header and key":            {[]string{"x-goog-api-key: a"}, "key=b", "", refuse.ConflictingCredentials},
		"two keys":                  {nil, "key=a&key=b", "", refuse.ConflictingCredentials},
		"two keys, one escaped":     {nil, "key=a&ke%79=b", "", refuse.ConflictingCredentials},
		"case counts in tokens":     {[]string{"api-key: a", "x-api-key: A"}, "", "", refuse.ConflictingCredentials},
		"empty ones are none":       {[]string{"authorization: ", "x-api-key:", "api-key: a"}, "key=", "a", ""},
		"Bearer and nothing":        {[]string{"authorization: Bearer "}, "", "", refuse.BadCredential},
		"Bearer only, another good": {[]string{"authorization: Bearer", "x-api-key: a"}, "", "", refuse.BadCredential},
		"Basic":                     {[]string{"authorization: Basic YTpi"}, "", "", refuse.BadCredential},
		"Basic and a good one":      {[]string{"authorization: Basic YTpi", "x-api-key: a"}, "", "", refuse.BadCredential},
		"no scheme":                 {[]string{"authorization: a.b.c"}, "", "", refuse.BadCredential},
		"Bearer with a tab":         {[]string{"authorization: Bearer\ta"}, "", "", refuse.BadCredential},
		"two words":                 {[]string{"authorization: Bearer a b"}, "", "", refuse.BadCredential},
		"not ASCII":                 {[]string{"x-api-key: ä"}, "", "", refuse.BadCredential},
		"a control character":       {[]string{"x-api-key: a\x00b"}, "", "", refuse.BadCredential},
		"bad escape":                {nil, "key=%zz", "", refuse.BadCredential},
		"SigV4": {
			[]string{"authorization: AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=abc"},
			"", "",
			refuse.SigV4Unsupported,
		},
		"SigV4A":              {[]string{"authorization: aws4-ecdsa-p256-sha256 Credential=x"}, "", "", refuse.SigV4Unsupported},
		"SigV4, presigned":    {nil, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=a", "", refuse.SigV4Unsupported},
		"SigV4 and a key too": {[]string{"authorization: AWS4-HMAC-SHA256 Credential=x", "x-api-key: a"}, "", "", refuse.SigV4Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			token, r := Credential(headersOf(tt.headers...), tt.query)
			code := ""
			if r != nil {
				code = r.Code
				for _, h := range tt.headers {
					if _, v, _ := strings.Cut(h, ": "); len(v) > 3 && !strings.EqualFold(strings.TrimSpace(v), "bearer") && (strings.Contains(r.Client, v) || strings.Contains(r.Log, v)) {
						t.Errorf("the refusal holds the credential: %+v", r)
					}
				}
			}
			if token != tt.token || code != tt.code {
				t.Errorf("%q %q, want %q %q", token, code, tt.token, tt.code)
			}
		})
	}
	if _, r := Credential(headersOf("authorization: AWS4-HMAC-SHA256 x"), ""); r.Status != 400 || !strings.Contains(r.Client, "Bedrock") {
		t.Errorf("%+v", r)
	}
	if _, r := Credential(headersOf("api-key: a", "x-api-key: b"), ""); r.Status != 400 {
		t.Errorf("%+v", r)
	}
}

func TestStripQuery(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"key=a":                    "",
		"key":                      "",
		"key=a&":                   "",
		"alt=sse&key=a&x=%2F+y":    "alt=sse&x=%2F+y",
		"%6Bey=a&b=c&key=d":        "b=c",
		"monkey=a&keys=b&Key=c":    "monkey=a&keys=b&Key=c",
		"a=%zz&%zz=key":            "a=%zz&%zz=key",
		"a=b;key=c":                "a=b;key=c",
		"k%65y=%zz&a=key%3Dsecret": "a=key%3Dsecret",
	} {
		if got := StripQuery(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// However a request is written: there is a token, a refusal or neither; the token is one that was sent; and nothing of
// the credential is left in the query.
func FuzzCredential(f *testing.F) {
	f.Add("Bearer a", "", "", "", "key=a")
	f.Add("Bearer a,Bearer b", "a", "b", "c", "k%65y=x&y=z")
	f.Add("AWS4-HMAC-SHA256 Credential=x", "", "", "", "X-Amz-Signature=1")
	f.Fuzz(func(t *testing.T, auth, xkey, key, goog, query string) {
		values := map[string]string{"authorization": auth, "x-api-key": xkey, "api-key": key, "x-goog-api-key": goog}
		token, r := Credential(func(name string) []string { return []string{values[name]} }, query)
		if token != "" && r != nil {
			t.Fatal("both a token and a refusal")
		}
		if r != nil && (r.Status < 400 || r.Client == "") {
			t.Fatalf("%+v", r)
		}
		if token != "" {
			sent := false
			for _, name := range CredentialHeaders[1:] {
				v := strings.Trim(values[name], " \t")
				if v != "" && v != token {
					t.Fatalf("took %q and passed over %q", token, v)
				}
				sent = sent || v == token
			}
			q, _ := url.ParseQuery(query)
			for _, v := range q["key"] {
				sent = sent || strings.Trim(v, " \t") == token
			}
			if !sent && !strings.Contains(auth, token) && !strings.Contains(query, "key") && !strings.Contains(query, "%") {
				t.Fatalf("%q was never sent", token)
			}
			for i := range len(token) {
				if token[i] <= ' ' || token[i] > '~' {
					t.Fatalf("%q", token)
				}
			}
		}
		rest := StripQuery(query)
		if q, _ := url.ParseQuery(rest); q.Has("key") {
			t.Fatalf("%q leaves the key in %q", query, rest)
		}
		if StripQuery(rest) != rest {
			t.Fatalf("%q is not settled", rest)
		}
	})
}
