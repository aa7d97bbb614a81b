package identity

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
)

// Each form that is wrong is refused for its own sake, before any key is looked at.
func TestParseToken(t *testing.T) {
	const claims = `{"iss":"x"}`
	ok := func(header string) string { return b64(header) + "." + b64(claims) + ".c2ln" }
	for name, tt := range map[string]struct{ token, want string }{
		"good":                    {ok(`{"alg":"RS256","kid":"k","typ":"JWT","x5c":["a"],"jku":"https://evil.test"}`), ""},
		"typ of RFC 9068":         {ok(`{"alg":"RS256","typ":"application/AT+JWT"}`), ""},
		"nothing":                 {"", "three parts"},
		"two parts":               {"a.b", "three parts"},
		"four parts":              {ok(`{"alg":"RS256"}`) + ".x", "three parts"},
		"no signature":            {strings.TrimSuffix(ok(`{"alg":"none"}`), "c2ln"), "a part is empty"},
		"signature not base64":    {ok(`{"alg":"RS256"}`) + "!", "signature: not base64url"},
		"signature, stray bits":   {ok(`{"alg":"RS256"}`) + "a", "signature: not base64url"},
		"claims, stray bits":      {b64(`{"alg":"RS256"}`) + ".e31.c2ln", "claims: not base64url"},
		"a line end":              {ok(`{"alg":"RS256"}`) + "\r\n", "signature: not base64url"},
		"standard base64":         {ok(`{"alg":"RS256"}`)[:10] + "+" + ok(`{"alg":"RS256"}`)[10:], "header: not base64url"},
		"crit":                    {ok(`{"alg":"RS256","crit":["exp"]}`), "crit is not understood"},
		"b64":                     {ok(`{"alg":"RS256","b64":false}`), "b64 is not understood"},
		"zip":                     {ok(`{"alg":"RS256","zip":"DEF"}`), "zip is not understood"},
		"enc":                     {ok(`{"alg":"RS256","enc":"A128GCM"}`), "enc is not understood"},
		"no alg":                  {ok(`{"kid":"k"}`), "no alg"},
		"alg is a list":           {ok(`{"alg":["RS256"]}`), "no alg"},
		"an empty kid":            {ok(`{"alg":"RS256","kid":""}`), "kid is no text"},
		"typ is a number":         {ok(`{"alg":"RS256","typ":1}`), "typ is no text"},
		"typ of another use":      {ok(`{"alg":"RS256","typ":"secevent+jwt"}`), "not that of such a token"},
		"header is a list":        {ok(`["RS256"]`), "header: not a JSON object"},
		"header is cut off":       {ok(`{"alg":"RS256"`), "header: "},
		"duplicate in the header": {ok(`{"alg":"none","alg":"RS256"}`), "duplicate"},
		"duplicate, escaped":      {ok(`{"alg":"none","\u0061lg":"RS256"}`), "duplicate"},
		"data after the header":   {ok(`{"alg":"RS256"}{}`), "data after"},
		"data after the claims":   {b64(`{"alg":"RS256"}`) + "." + b64(claims+"1") + ".c2ln", "data after"},
		"claims not UTF-8":        {b64(`{"alg":"RS256"}`) + "." + b64("{\"a\":\"\xff\"}") + ".c2ln", "UTF-8"},
		"claims too deep":         {b64(`{"alg":"RS256"}`) + "." + b64(`{"a":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`) + ".c2ln", "deep"},
	} {
		_, err := parseToken(tt.token, "", "jwt", "at+jwt")
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want …%s…", name, err, tt.want)
		}
	}
}

// The one key that a token may be verified with: named by its kid, of the kind its algorithm needs.
func TestWhichKey(t *testing.T) {
	rsa, ec, ed := newIssuer(t, corpURL, "RS256"), newIssuer(t, corpURL, "ES256"), newIssuer(t, corpURL, "EdDSA")
	keyOf := func(doc []byte, kid, alg string) key {
		set, err := parseKeys(doc)
		if err != nil || len(set.keys) != 1 {
			t.Fatal(err)
		}
		k := set.keys[0]
		k.kid, k.alg = kid, alg
		return k
	}
	r, e, d := keyOf(rsa.JWKS(), "r", ""), keyOf(ec.JWKS(), "e", "ES256"), keyOf(ed.JWKS(), "", "Ed25519")
	rsaToken := []byte(mintWith(t, rsa, map[string]any{"kid": "r"}, nil))
	ecToken := []byte(mintWith(t, ec, map[string]any{"kid": "e"}, nil))
	edToken := []byte(mintWith(t, ed, map[string]any{"kid": "d"}, nil))
	same := keyOf(ec.JWKS(), "r", "")
	other := key{kid: "d", raw: ed25519.PublicKey(make([]byte, ed25519.PublicKeySize))}
	for name, tt := range map[string]struct {
		keys  []key
		h     header
		token []byte
		want  error
	}{
		"by kid":                       {[]key{r, e}, header{"RS256", "r"}, rsaToken, nil},
		"no kid, one key":              {[]key{e}, header{"ES256", ""}, ecToken, nil},
		"no kid, two keys":             {[]key{r, e}, header{"ES256", ""}, ecToken, errNoKid},
		"a kid, one key without":       {[]key{d}, header{"EdDSA", "d"}, edToken, nil},
		"a kid, two keys, one without": {[]key{r, d}, header{"EdDSA", "d"}, edToken, errUnknownKid},
		"another kid":                  {[]key{r}, header{"RS256", "x"}, rsaToken, errUnknownKid},
		"no keys":                      {nil, header{"RS256", "r"}, rsaToken, errUnknownKid},
		"EC key, RSA algorithm":        {[]key{e}, header{"RS256", "e"}, rsaToken, errBadFit},
		"RSA key, EC algorithm":        {[]key{r}, header{"ES256", "r"}, ecToken, errBadFit},
		"P-256 key, ES384":             {[]key{e}, header{"ES384", "e"}, ecToken, errBadFit},
		"the key's own alg differs":    {[]key{keyOf(rsa.JWKS(), "r", "PS256")}, header{"RS256", "r"}, rsaToken, errBadFit},
		"a secret in disguise":         {[]key{{kid: "r", raw: []byte("secret")}}, header{"RS256", "r"}, rsaToken, errBadFit},
		"one kid, two kinds":           {[]key{same, r}, header{"RS256", "r"}, rsaToken, nil},
		"one kid, two of the kind":     {[]key{other, {kid: "d", raw: d.raw}}, header{"EdDSA", "d"}, edToken, nil},
		"another key's signature":      {[]key{other}, header{"EdDSA", "d"}, edToken, errSignature},
		"an algorithm of no table":     {[]key{r}, header{"HS256", "r"}, rsaToken, errBadFit},
	} {
		if err := (&keySet{keys: tt.keys}).verify(tt.h, tt.token); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
