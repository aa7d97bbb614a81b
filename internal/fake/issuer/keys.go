package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.SHA256
	_ "crypto/sha512" // crypto.SHA384
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// signingKey is one key and its one algorithm (RFC 7518).
type signingKey struct {
	kid, alg string
	signer   crypto.Signer
	hash     crypto.Hash // zero for EdDSA, which hashes by itself
}

func newKey(alg string) (*signingKey, error) {
	k := &signingKey{alg: alg}
	var err error
	switch alg {
	case "RS256", "PS256":
		k.hash = crypto.SHA256
		k.signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		k.hash = crypto.SHA256
		k.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		k.hash = crypto.SHA384
		k.signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, k.signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("issuer: no keys for algorithm %q", alg)
	}
	return k, err
}

// sign writes a compact JWS (RFC 7515, section 7.1).
func (k *signingKey) sign(header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := b64(h) + "." + b64(c)
	sig, err := k.signature([]byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + b64(sig), nil
}

func (k *signingKey) signature(input []byte) ([]byte, error) {
	digest := input
	if k.hash != 0 {
		h := k.hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	switch key := k.signer.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			return nil, err
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		sig := make([]byte, 2*size) // RFC 7518, section 3.4: not ASN.1
		r.FillBytes(sig[:size])
		s.FillBytes(sig[size:])
		return sig, nil
	case *rsa.PrivateKey:
		if k.alg == "PS256" {
			return key.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: k.hash})
		}
		return key.Sign(rand.Reader, digest, k.hash)
	default:
		return k.signer.Sign(rand.Reader, digest, k.hash)
	}
}

// jwk is the public key (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
func (k *signingKey) jwk() map[string]any {
	out := map[string]any{"kid": k.kid, "alg": k.alg, "use": "sig"}
	switch pub := k.signer.Public().(type) {
	case *rsa.PublicKey:
		out["kty"], out["n"], out["e"] = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := pub.Bytes() // 4, x, y
		if err != nil {
			panic(err) // a key we made
		}
		half := (len(point) - 1) / 2
		out["kty"], out["crv"] = "EC", pub.Curve.Params().Name
		out["x"], out["y"] = b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		out["kty"], out["crv"], out["x"] = "OKP", "Ed25519", b64(pub)
	}
	return out
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
