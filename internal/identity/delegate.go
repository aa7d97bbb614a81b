package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

// A delegated token lets the gateway call a model on a principal's behalf: it holds the verified principal itself, the
// exchange that the call is for and its purpose, sealed with a key that only gateways have, for a minute or two. It is no
// JWT, so Verify never takes one, and VerifyDelegated takes nothing else: neither kind works in the other's place.
//
//	yjd1. base64url( salt 16 | nonce 12 | AES-256-GCM under HMAC(key, salt) of: times, epoch, exchange, purpose, principal )
//
// A key of its own for every salt keeps the number of tokens under one key without a bound that matters.

// delegatedPrefix begins a delegated token. No token of an issuer begins so: a JOSE header is base64url of "{".
const delegatedPrefix = "yjd1."

const (
	delegationSalt = 16
	delegationKey  = 32 // bytes of Config.DelegationKey
	// maxDelegation is how long a delegated token may live at most.
	maxDelegation = 2 * time.Minute
	// maxDelegated bounds a delegated token: a header of Envoy's is at most 60 KiB with all others.
	maxDelegated = 32 << 10
)

// Delegation is what a delegated token says.
type Delegation struct {
	Principal *Principal
	Exchange  string // the id of the exchange that the call is for
	Purpose   string
}

var (
	errDelegationTTL = fmt.Errorf("identity: a delegated token lives longer than zero and at most %v", maxDelegation)
	errDelegatedSize = errors.New("identity: the principal has too many groups for a delegated token")
	errNobody        = errors.New("identity: nobody to delegate for")
)

// Delegate makes a token with which the gateway itself calls a model for p. It never outlives the token p came with.
func (v *Verifier) Delegate(p *Principal, exchange, purpose string, ttl time.Duration) (string, error) {
	if p == nil || p.key == "" {
		return "", errNobody
	}
	if ttl <= 0 || ttl > maxDelegation {
		return "", errDelegationTTL
	}
	until := v.cfg.Now().Add(ttl)
	if end := p.expires.Add(v.cfg.Skew); !p.expires.IsZero() && until.After(end) {
		until = end
	}
	epoch, err := v.epoch(p)
	if err != nil {
		return "", fmt.Errorf("identity: epoch: %w", err)
	}
	w := &packer{}
	w.number(until.UnixNano())
	w.number(epoch)
	w.text(exchange)
	w.text(purpose)
	if p.anonymous { // there is one, and no more to say of it
		w.number(0)
	} else {
		w.number(1)
		w.principal(p)
	}

	out := make([]byte, delegationSalt, delegationSalt+12+len(w.b)+16)
	_, _ = rand.Read(out) // never fails
	seal := v.delegationSeal(out)
	nonce := make([]byte, seal.NonceSize())
	_, _ = rand.Read(nonce)
	out = append(out, nonce...)
	out = seal.Seal(out, nonce, w.b, []byte(delegatedPrefix))
	token := delegatedPrefix + base64.RawURLEncoding.EncodeToString(out)
	if len(token) > maxDelegated {
		return "", errDelegatedSize
	}
	return token, nil
}

// VerifyDelegated tells for whom and for what a delegated token speaks. It takes no other token.
func (v *Verifier) VerifyDelegated(token string) (Delegation, *refuse.Refusal) {
	refused := func(format string, args ...any) (Delegation, *refuse.Refusal) {
		return Delegation{}, bad("this listener is for the gateway itself", "delegated token: "+format, args...)
	}
	rest, ok := strings.CutPrefix(token, delegatedPrefix)
	if !ok || len(token) > maxDelegated {
		return refused("not one")
	}
	sealed, err := decode64(rest)
	if err != nil || len(sealed) < delegationSalt {
		return refused("not one")
	}
	seal := v.delegationSeal(sealed[:delegationSalt])
	sealed = sealed[delegationSalt:]
	if len(sealed) < seal.NonceSize() {
		return refused("cut short")
	}
	plain, err := seal.Open(nil, sealed[:seal.NonceSize()], sealed[seal.NonceSize():], []byte(delegatedPrefix))
	if err != nil {
		return refused("sealed with another key, or changed")
	}
	r := &unpacker{b: plain}
	until, epoch := time.Unix(0, r.number()), r.number()
	d := Delegation{Exchange: r.text(), Purpose: r.text(), Principal: v.anonymous}
	if r.number() == 1 {
		d.Principal = r.principal()
	}
	if err := r.end(); err != nil {
		return refused("%v", err)
	}
	if !v.cfg.Now().Before(until) {
		return Delegation{}, refuse.New(http.StatusUnauthorized, refuse.ExpiredToken, "the token has expired", "delegated token: expired")
	}
	return v.stillGood(d, epoch)
}

// stillGood looks at what may have changed since the token was made: the configuration, and the principal's epoch.
func (v *Verifier) stillGood(d Delegation, epoch int64) (Delegation, *refuse.Refusal) {
	p := d.Principal
	if p == nil {
		return Delegation{}, noCredential() // a principal for those who have none is no longer configured
	}
	known := slices.ContainsFunc(v.list, func(is *issuer) bool { return is.Name == p.issuer && is.first == p.first })
	if !known && !p.anonymous {
		return Delegation{}, unknownIssuer(p.issuer)
	}
	now, err := v.epoch(p)
	if err == nil && epoch != 0 && now != epoch { // zero: who made it knows of no revocations; when its principal's token was issued counts all the same
		err = ErrRevoked
	}
	if err != nil {
		return Delegation{}, revoked(p, err)
	}
	return d, nil
}

// delegationSeal is the cipher of one salt.
func (v *Verifier) delegationSeal(salt []byte) cipher.AEAD {
	m := hmac.New(sha256.New, v.cfg.DelegationKey)
	_, _ = m.Write(salt)
	block, err := aes.NewCipher(m.Sum(nil))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has blocks of 16 bytes
	}
	return seal
}
