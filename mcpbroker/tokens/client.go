package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Client is who the broker is at an authorization server. With a PrivateKey it signs an assertion (RFC 7523, section 3); with a Secret
// it is named by HTTP Basic, or in the form where InForm says so (RFC 6749, section 2.3.1). With neither it is a public client.
type Client struct {
	ID         string
	Secret     func() (string, error) // read anew for each request
	InForm     bool
	PrivateKey func() (string, error) // PEM: PKCS #8 of an RSA, P-256 or Ed25519 key
	KeyID      string
}

// assertionLife is how long a signed assertion of the broker's is good.
const assertionLife = time.Minute

const bearerAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate adds to a request who the client is. A signed assertion is for the audience: the authorization server's identifier where it
// is known, so that no other server can use it (an endpoint can be named by anybody), else the endpoint's URL (RFC 7523, section 3).
func (c *Client) authenticate(r *http.Request, form url.Values, audience string) error {
	switch {
	case c.PrivateKey != nil:
		text, err := c.PrivateKey()
		if err != nil {
			return fmt.Errorf("tokens: the client's private key %w", err)
		}
		signed, err := c.sign(text, audience, time.Now())
		if err != nil {
			return err
		}
		form.Set("client_id", c.ID)
		form.Set("client_assertion_type", bearerAssertion)
		form.Set("client_assertion", signed)
	case c.Secret != nil:
		secret, err := c.Secret()
		if err != nil {
			return fmt.Errorf("tokens: the client's secret %w", err)
		}
		if c.InForm {
			form.Set("client_id", c.ID)
			form.Set("client_secret", secret)
			return nil
		}
		r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(secret))
	default:
		form.Set("client_id", c.ID)
	}
	return nil
}

var errKey = errors.New("tokens: the client's private key is no PKCS #8 key of RSA, P-256 or Ed25519 in PEM")

// sign makes the assertion: a JWS (RFC 7515) of what RFC 7523 wants, for an audience and used once.
func (c *Client) sign(text, audience string, now time.Time) (string, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "", errKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", errKey
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return "", errKey
	}
	algorithm, err := algorithmOf(key)
	if err != nil {
		return "", err
	}
	head := map[string]string{"alg": algorithm, "typ": "JWT"}
	if c.KeyID != "" {
		head["kid"] = c.KeyID
	}
	claims := map[string]any{
		"iss": c.ID, "sub": c.ID, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	}
	first, err := json.Marshal(head)
	if err != nil {
		return "", err
	}
	second, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode(first) + "." + encode(second)
	signature, err := signatureOf(key, []byte(input))
	if err != nil {
		return "", fmt.Errorf("tokens: signing as the client: %w", err)
	}
	return input + "." + encode(signature), nil
}

func algorithmOf(key crypto.Signer) (string, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() >= 2048 {
			return "RS256", nil
		}
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return "ES256", nil
		}
	case ed25519.PrivateKey:
		return "EdDSA", nil
	}
	return "", errKey
}

// signatureOf signs as JWS writes signatures (RFC 7518, section 3; RFC 8037).
func signatureOf(key crypto.Signer, input []byte) ([]byte, error) {
	sum := sha256.Sum256(input)
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(k, input), nil
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			return nil, err
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
	}
	return key.Sign(rand.Reader, sum[:], crypto.SHA256)
}
