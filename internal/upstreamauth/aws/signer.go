package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// service is the name under which Bedrock's runtime is signed.
const service = "bedrock"

// Config says whose credentials sign, and for where.
type Config struct {
	Region  string // of the service; "" takes that of the environment or the profile
	Service string // by which it is signed; "" is Bedrock

	// Keys reads the keys, anew every few minutes; nil takes the SDK's chain.
	Keys func() (Keys, error)
	// Profile is that of the shared configuration which the chain takes; "" is its own default.
	Profile string
	// Client is what the chain asks for credentials with; nil is the SDK's own.
	Client *http.Client

	// HashHeader says the body's hash in a header, too, which some services want.
	HashHeader bool
}

// Keys are an access key, and a session's token where it has one.
type Keys struct{ ID, Secret, Session string }

// Signer signs requests. Its methods may be called from many goroutines.
type Signer struct {
	region, service string
	hashHeader      bool
	keys            *keeper
	signer          *v4.Signer
}

// New makes the signer. The chain's files are read here, and its credentials with the first request.
func New(ctx context.Context, c Config) (*Signer, error) {
	keys, region, err := c.provider(ctx)
	if err != nil {
		return nil, err
	}
	if c.Region != "" {
		region = c.Region
	}
	if region == "" {
		return nil, errors.New("aws: no region is configured")
	}
	name := c.Service
	if name == "" {
		name = service
	}
	if !word(region) || !word(name) {
		return nil, errors.New("aws: that is no region or service")
	}
	return &Signer{region: region, service: name, hashHeader: c.HashHeader, keys: &keeper{cache: keys}, signer: v4.NewSigner()}, nil
}

// Region is where requests are signed for.
func (s *Signer) Region() string { return s.region }

// word tells a name of letters, digits and dashes.
func word(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// Authorize signs a request and returns the headers to set: authorization, x-amz-date, and where they are wanted
// x-amz-security-token and x-amz-content-sha256. The path, with its query, is as it goes up.
func (s *Signer) Authorize(ctx context.Context, method, host, path string, body []byte) (http.Header, error) {
	path, query, _ := strings.Cut(path, "?")
	if err := sound(method, host, path, query); err != nil {
		return nil, err
	}
	keys, err := s.keys.get(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	r := &http.Request{
		Method: method, Host: host, Header: http.Header{},
		// Opaque, so that the path is signed as it is written; and without a scheme, so that a port stays in the host.
		URL: &url.URL{Opaque: "//" + host + path, RawQuery: query},
	}
	if s.hashHeader {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	if err := s.signer.SignHTTP(ctx, keys, r, hash, s.service, s.region, time.Now()); err != nil {
		return nil, errors.New("aws: the request cannot be signed")
	}
	return r.Header, nil
}

// sound refuses what AWS would not read as it is written.
func sound(method, host, path, query string) error {
	switch {
	case !printable(method) || strings.ToUpper(method) != method:
		return errors.New("aws: that is no method")
	case !printable(host) || strings.ContainsAny(host, "/?#@"):
		return errors.New("aws: that is no host")
	case !printable(path) || path[0] != '/' || strings.ContainsAny(path, "#"):
		return errors.New("aws: that is no path")
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil || plain == "." || plain == ".." || plain == "" && path != "/" {
			return errors.New("aws: a path that is read otherwise than it is written")
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil || query != "" && !printable(query) {
		return fmt.Errorf("aws: a query that cannot be read")
	}
	for name := range values {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			return errors.New("aws: a query that is signed already")
		}
	}
	return nil
}

// printable tells a text of visible ASCII.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
