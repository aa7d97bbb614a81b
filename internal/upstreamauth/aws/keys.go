package aws

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
)

const (
	early  = 10 * time.Second // how long before their end they sign no more
	again  = 10 * time.Minute // how long configured keys are kept; their file may be replaced
	waits  = 5 * time.Second  // how long a request waits for the first ones
	fetch  = 30 * time.Second // how long a fetch is waited for in the background
	pauses = 10 * time.Second // how long after a failure no other fetch is begun while there are good ones
)

// ErrNoCredentials is a chain that gives none.
var ErrNoCredentials = errors.New("aws: there are no credentials")

// provider is where the credentials come from, behind the SDK's cache, and the region that the chain knows.
func (c Config) provider(ctx context.Context) (*sdk.CredentialsCache, string, error) {
	if c.Keys != nil {
		read := func(context.Context) (sdk.Credentials, error) {
			k, err := c.Keys()
			if err != nil {
				return sdk.Credentials{}, fmt.Errorf("%w: the keys cannot be read", ErrNoCredentials)
			}
			if !printable(k.ID) || !printable(k.Secret) || k.Session != "" && !printable(k.Session) {
				return sdk.Credentials{}, fmt.Errorf("%w: the keys hold characters that no key has", ErrNoCredentials)
			}
			return sdk.Credentials{
				AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Session,
				Source: "configuration", CanExpire: true, Expires: time.Now().Add(again),
			}, nil
		}
		return sdk.NewCredentialsCache(sdk.CredentialsProviderFunc(read)), "", nil
	}
	var options []func(*config.LoadOptions) error
	if c.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.Profile))
	}
	if c.Client != nil {
		options = append(options, config.WithHTTPClient(c.Client))
	}
	found, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, "", fmt.Errorf("%w: the shared configuration cannot be read", ErrNoCredentials)
	}
	cache, ok := found.Credentials.(*sdk.CredentialsCache)
	if !ok {
		cache = sdk.NewCredentialsCache(found.Credentials)
	}
	return cache, found.Region, nil
}

// keeper keeps the last credentials that the cache gave, so that nobody waits while they are good.
type keeper struct {
	cache *sdk.CredentialsCache
	last  atomic.Pointer[kept]

	mu     sync.Mutex
	busy   bool
	failed time.Time
}

// kept are credentials, and from when on others are fetched: after three quarters of the time that they had left.
type kept struct {
	sdk.Credentials
	renew time.Time
}

// good tells whether they sign at a time.
func (c *kept) good(now time.Time) bool { return !c.CanExpire || now.Before(c.Expires.Add(-early)) }

// get gives credentials that are good now.
func (k *keeper) get(ctx context.Context) (sdk.Credentials, error) {
	now := time.Now()
	if last := k.last.Load(); last != nil && last.good(now) {
		if last.CanExpire && !now.Before(last.renew) {
			k.renew(ctx, now)
		}
		return last.Credentials, nil
	}
	ctx, cancel := context.WithTimeout(ctx, waits)
	defer cancel()
	return k.fetch(ctx)
}

// fetch asks the cache, which asks its provider once for all that wait.
func (k *keeper) fetch(ctx context.Context) (sdk.Credentials, error) {
	found, err := k.cache.Retrieve(ctx)
	now := time.Now()
	fresh := &kept{Credentials: found, renew: now.Add(found.Expires.Sub(now) * 3 / 4)}
	if err == nil && !fresh.good(now) {
		k.cache.Invalidate()
		err = fmt.Errorf("%w: they have ended already", ErrNoCredentials)
	}
	if err != nil {
		return sdk.Credentials{}, named(ctx, err)
	}
	k.last.Store(fresh)
	return found, nil
}

// renew fetches them in the background, unless that is done already or failed a moment ago.
func (k *keeper) renew(ctx context.Context, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy || now.Before(k.failed.Add(pauses)) {
		return
	}
	k.busy = true
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetch)
		defer cancel()
		k.cache.Invalidate()
		_, err := k.fetch(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.busy = false; err != nil {
			k.failed = time.Now()
		}
	}()
}

// named says what went wrong in words of our own, with the code of AWS' where there is one.
func named(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrNoCredentials, ctx.Err())
	case errors.Is(err, ErrNoCredentials):
		return err
	}
	if refused, ok := errors.AsType[smithy.APIError](err); ok && word(lower(refused.ErrorCode())) {
		return fmt.Errorf("%w: %s", ErrNoCredentials, refused.ErrorCode())
	}
	return fmt.Errorf("%w: none were found", ErrNoCredentials)
}

// lower is a code in the letters that word knows; no code of AWS' is long.
func lower(code string) string {
	out := []byte(code)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out[:min(len(out), 64)])
}
