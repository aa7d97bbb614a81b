package issuer

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"time"
)

var errToken = errors.New("issuer: no token of mine that is good now")

// Open reads a token that this issuer signed with a key that it still publishes, and that has not ended nor was revoked.
func (i *Issuer) Open(token string) (header, claims map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, errToken
	}
	var raw [3][]byte
	for n, part := range parts {
		if raw[n], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return nil, nil, errToken
		}
	}
	if json.Unmarshal(raw[0], &header) != nil || json.Unmarshal(raw[1], &claims) != nil {
		return nil, nil, errToken
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.gone[token] {
		return nil, nil, errToken
	}
	for _, k := range i.keys {
		if k.kid != header["kid"] || k.alg != header["alg"] || !k.verifies([]byte(parts[0]+"."+parts[1]), raw[2]) {
			continue
		}
		if exp, ok := claims["exp"].(float64); !ok || claims["iss"] != i.URL() || !i.cfg.Now().Before(time.Unix(int64(exp), 0)) {
			break
		}
		return header, claims, nil
	}
	return nil, nil, errToken
}

// verifies tells whether a signature is the key's.
func (k *signingKey) verifies(input, signature []byte) bool {
	digest := input
	if k.hash != 0 {
		h := k.hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	switch key := k.signer.Public().(type) {
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		return len(signature) == 2*size && ecdsa.Verify(key, digest, new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:]))
	case *rsa.PublicKey:
		if k.alg == "PS256" {
			return rsa.VerifyPSS(key, k.hash, digest, signature, nil) == nil
		}
		return rsa.VerifyPKCS1v15(key, k.hash, digest, signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, input, signature)
	}
	return false
}
