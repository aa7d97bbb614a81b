package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// minRSA is the smallest modulus we verify with (RFC 7518, section 3.3).
const minRSA = 2048

// fit ties a name in a token's header to the one kind of key it may be verified with (RFC 8725, section 3.1): an RSA
// key never becomes an HMAC secret, and a P-384 key never verifies ES256. `none` and HS* are not in the table.
type fit struct {
	alg jwa.SignatureAlgorithm
	key func(any) bool
}

var fits = map[string]fit{
	"RS256": {jwa.RS256(), isRSA}, "RS384": {jwa.RS384(), isRSA}, "RS512": {jwa.RS512(), isRSA},
	"PS256": {jwa.PS256(), isRSA}, "PS384": {jwa.PS384(), isRSA}, "PS512": {jwa.PS512(), isRSA},
	"ES256": {jwa.ES256(), isCurve(elliptic.P256())}, "ES384": {jwa.ES384(), isCurve(elliptic.P384())},
	"ES512": {jwa.ES512(), isCurve(elliptic.P521())}, "EdDSA": {jwa.EdDSA(), isEd25519},
}

func isRSA(k any) bool { _, ok := k.(*rsa.PublicKey); return ok }

func isEd25519(k any) bool { _, ok := k.(ed25519.PublicKey); return ok }

func isCurve(c elliptic.Curve) func(any) bool {
	return func(k any) bool { ec, ok := k.(*ecdsa.PublicKey); return ok && ec.Curve == c }
}

// key is one public key of an issuer.
type key struct {
	kid, alg string // either may be empty
	raw      any    // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// keySet is what an issuer published at one time. It never changes; the source swaps it whole.
type keySet struct {
	keys []key
	sum  [sha256.Size]byte // of the document
}

// parseKeys reads a JWKS. Keys that are not for signatures, or of a kind we do not verify with, are left out, as RFC 7517
// (section 5) asks; a set that has none left is a valid set that verifies nothing.
func parseKeys(doc []byte) (*keySet, error) {
	set, err := jwk.Parse(doc, jwk.WithStrictKeySetParsing(false))
	if err != nil {
		return nil, fmt.Errorf("not a JWKS: %w", err)
	}
	out := &keySet{sum: sha256.Sum256(doc)}
	for i := range set.Len() {
		k, _ := set.Key(i)
		if raw, ok := publicKey(k); ok {
			kid, _ := k.KeyID()
			alg := ""
			if a, ok := k.Algorithm(); ok {
				alg = a.String()
			}
			out.keys = append(out.keys, key{kid: kid, alg: alg, raw: raw})
		}
	}
	return out, nil
}

// publicKey takes the public part of a key that may verify signatures.
func publicKey(k jwk.Key) (any, bool) {
	if jwk.IsUnsupportedKey(k) {
		return nil, false
	}
	if use, ok := k.KeyUsage(); ok && use != "" && use != "sig" {
		return nil, false
	}
	if ops, ok := k.KeyOps(); ok && len(ops) > 0 {
		verify := false
		for _, op := range ops {
			verify = verify || op == jwk.KeyOpVerify
		}
		if !verify {
			return nil, false
		}
	}
	switch k.KeyType() {
	case jwa.RSA(), jwa.EC(), jwa.OKP():
	default: // above all oct: a published secret is no secret
		return nil, false
	}
	public, err := k.PublicKey()
	if err != nil {
		return nil, false
	}
	var raw any
	if err := jwk.Export(public, &raw); err != nil {
		return nil, false
	}
	switch r := raw.(type) {
	case *rsa.PublicKey:
		return r, r.N.BitLen() >= minRSA && r.E >= 3
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return r, true
	}
	return nil, false
}

var (
	errNoKid      = errors.New("the token names no key, and its issuer has several")
	errUnknownKid = errors.New("the token names a key that its issuer does not publish")
	errBadFit     = errors.New("the token's algorithm is not that of its key")
	errSignature  = errors.New("the signature does not fit")
)

// verify checks the token's signature with the one key it names. Keys are found by kid first and must then fit the
// algorithm, so that no other key of the set is ever tried.
func (s *keySet) verify(h header, token []byte) error {
	f, known := fits[h.alg]
	named, fitting := 0, 0
	for _, k := range s.keys {
		if h.kid == "" && len(s.keys) > 1 {
			return errNoKid
		}
		if h.kid != "" && k.kid != h.kid && (k.kid != "" || len(s.keys) > 1) {
			continue
		}
		named++
		if !known || !f.key(k.raw) || (k.alg != "" && k.alg != h.alg && !(h.alg == "EdDSA" && k.alg == "Ed25519")) {
			continue
		}
		fitting++
		if _, err := jws.VerifyCompactFast(k.raw, token, f.alg); err == nil {
			return nil
		}
	}
	switch {
	case named == 0:
		return errUnknownKid
	case fitting == 0:
		return errBadFit
	default:
		return errSignature
	}
}
