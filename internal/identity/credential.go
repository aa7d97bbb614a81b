package identity

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

// CredentialHeaders are the headers a client may carry its credential in: the SDKs differ. None of them may reach an
// upstream.
var CredentialHeaders = []string{"authorization", "x-api-key", "api-key", "x-goog-api-key"}

// credentialParam is the query parameter a client may carry its credential in, as Google's SDKs do.
const credentialParam = "key"

// Credential finds the one credential of a request, wherever the client's SDK puts it. Several that are equal are one;
// two that differ are refused, since what another reader of the request takes could be the other one. "" is none.
// An empty header or parameter is none; a scheme that is not Bearer is refused, never passed over.
func Credential(headers func(name string) []string, rawQuery string) (string, *refuse.Refusal) {
	f := &finder{}
	for _, value := range headers("authorization") {
		f.authorization(trim(value))
	}
	for _, name := range CredentialHeaders[1:] {
		for _, value := range headers(name) {
			f.add(trim(value), name)
		}
	}
	for _, part := range strings.Split(rawQuery, "&") {
		f.parameter(part)
	}
	if f.refusal != nil {
		return "", f.refusal
	}
	return f.token, nil
}

// StripQuery is the query without its credential, the rest byte for byte.
func StripQuery(rawQuery string) string {
	var kept []string
	for _, part := range strings.Split(rawQuery, "&") {
		if part != "" && !isParam(part, credentialParam) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

// finder gathers the credentials of one request and keeps the first refusal.
type finder struct {
	token   string
	refusal *refuse.Refusal
}

func (f *finder) refuse(r *refuse.Refusal) {
	if f.refusal == nil {
		f.refusal = r
	}
}

func (f *finder) add(token, where string) {
	switch {
	case token == "":
	case !visible(token):
		f.refuse(bad("the credential has characters that no token has; send it as your identity provider gave it", "%s: not a token's characters", where))
	case f.token != "" && f.token != token:
		f.refuse(refuse.New(http.StatusBadRequest, refuse.ConflictingCredentials,
			"the request carries two credentials that differ; send one", "%s differs from an earlier credential", where))
	default:
		f.token = token
	}
}

// authorization reads one header line. Envoy joins the lines of this header by commas, so one line may be several; no
// Bearer token has a comma (RFC 6750, section 2.1).
func (f *finder) authorization(value string) {
	if value == "" {
		return
	}
	for part := range strings.SplitSeq(value, ",") {
		scheme, token, _ := strings.Cut(trim(part), " ")
		switch {
		case strings.EqualFold(scheme, "bearer"):
			if token = trim(token); token == "" {
				f.refuse(bad("the Authorization header has no token after Bearer; send one", "authorization: no token"))
				return
			}
			f.add(token, "authorization")
		case strings.HasPrefix(strings.ToUpper(scheme), "AWS4-"):
			f.refuse(sigV4())
			return
		default:
			f.refuse(bad("send the token as \"Authorization: Bearer …\"; no other scheme is taken", "authorization: not Bearer"))
			return
		}
	}
}

func (f *finder) parameter(part string) {
	switch {
	case isParam(part, "X-Amz-Algorithm"), isParam(part, "X-Amz-Signature"), isParam(part, "X-Amz-Credential"):
		f.refuse(sigV4())
	case isParam(part, credentialParam):
		_, value, _ := strings.Cut(part, "=")
		token, err := url.QueryUnescape(value)
		if err != nil {
			f.refuse(bad("the key parameter is not well encoded; send the token as a header instead", "query parameter key: bad escape"))
			return
		}
		f.add(token, "query parameter key")
	}
}

func sigV4() *refuse.Refusal {
	return refuse.New(http.StatusBadRequest, refuse.SigV4Unsupported,
		"requests signed with AWS SigV4 are not taken; use a Bedrock API key instead (AWS_BEARER_TOKEN_BEDROCK), which the SDK sends as a Bearer token",
		"authorization: SigV4")
}

// isParam tells whether a part of a query is the parameter of this name, however its name is escaped.
func isParam(part, name string) bool {
	raw, _, _ := strings.Cut(part, "=")
	got, err := url.QueryUnescape(raw)
	return err == nil && got == name
}

// visible tells whether a token is made of visible ASCII, without the comma that joins header lines.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == ',' {
			return false
		}
	}
	return true
}

// trim takes off the white space HTTP allows around a field's value.
func trim(s string) string { return strings.Trim(s, " \t") }
