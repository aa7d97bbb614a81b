package identity

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxToken bounds a token. Real ones with hundreds of groups are under it.
const maxToken = 16 << 10

// header is what a token's JOSE header says.
type header struct{ alg, kid string }

// token is a token taken apart and not verified yet.
type token struct {
	header header
	claims map[string]any
	iss    string // not verified: it may only select the issuer whose keys then decide
}

// parseToken takes a compact JWS of one of these types apart; "" is one that names none. Its claims are decoded here once; after the signature over these same bytes is
// verified, they are what is read.
func parseToken(raw string, types ...string) (token, error) {
	var t token
	head, rest, ok1 := strings.Cut(raw, ".")
	body, sig, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || strings.Contains(sig, ".") {
		return t, errors.New("it has not three parts")
	}
	if head == "" || body == "" || sig == "" {
		return t, errors.New("a part is empty")
	}
	h, err := decodePart(head)
	if err != nil {
		return t, fmt.Errorf("header: %w", err)
	}
	if t.header, err = parseHeader(h, types); err != nil {
		return t, fmt.Errorf("header: %w", err)
	}
	if _, err := decode64(sig); err != nil {
		return t, fmt.Errorf("signature: %w", err)
	}
	if t.claims, err = decodePart(body); err != nil {
		return t, fmt.Errorf("claims: %w", err)
	}
	t.iss, _ = t.claims["iss"].(string)
	return t, nil
}

// parseHeader reads the header. Keys and addresses of keys that a token brings along (jwk, jku, x5c, x5u) are never
// looked at: only the issuer's published keys count (RFC 8725, section 3.10).
func parseHeader(h map[string]any, types []string) (header, error) {
	for _, name := range []string{"crit", "b64", "zip", "enc"} {
		if _, ok := h[name]; ok {
			return header{}, fmt.Errorf("%s is not understood", name) // RFC 7515, section 4.1.11
		}
	}
	alg, ok := h["alg"].(string)
	if !ok {
		return header{}, errors.New("no alg")
	}
	var kid string
	if v, there := h["kid"]; there {
		if kid, ok = v.(string); !ok || kid == "" {
			return header{}, errors.New("kid is no text")
		}
	}
	typ := ""
	if v, there := h["typ"]; there {
		if typ, ok = v.(string); !ok || typ == "" {
			return header{}, errors.New("typ is no text")
		}
	}
	// RFC 8725, section 3.11: a logout token or a proof of possession is signed by the same keys and is no access token.
	if !slices.Contains(types, strings.TrimPrefix(strings.ToLower(typ), "application/")) {
		return header{}, fmt.Errorf("typ %q is not that of such a token", clip(typ))
	}
	return header{alg: alg, kid: kid}, nil
}

func decodePart(part string) (map[string]any, error) {
	doc, err := decode64(part)
	if err != nil {
		return nil, err
	}
	return decodeObject(doc)
}

// decode64 is strict base64url: Go's decoder passes over line ends, and we do not.
func decode64(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, errors.New("not base64url")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, errors.New("not base64url")
	}
	return b, nil
}

// clip bounds a stranger's text in a log.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
