package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// refetchEvery is how often unknown kids may make us fetch: tokens that anyone can make up must not become
	// requests to the issuer.
	refetchEvery = 5 * time.Second
	// retryFirst and retryMost bound the waits after a fetch that failed.
	retryFirst = 500 * time.Millisecond
	retryMost  = 10 * time.Second
	// maxJWKS bounds what an issuer may send us.
	maxJWKS = 1 << 20
)

var errNotFetched = errors.New("its keys were not fetched yet")

// source keeps one issuer's keys. One goroutine fetches them every Refresh, and with growing waits while that fails; a
// token with an unknown kid has them fetched once in between. Readers see one immutable set behind an atomic pointer.
// The pointer changes only when the document did, so that whoever remembers it knows whether the keys are the same.
type source struct {
	load     func(context.Context) ([]byte, error)
	name     string
	log      *slog.Logger
	now      func() time.Time
	refresh  time.Duration
	maxStale time.Duration
	life     context.Context
	running  *sync.WaitGroup

	set     atomic.Pointer[keySet]
	fetched atomic.Int64 // when the last fetch that succeeded was made, in Unix nanoseconds

	mu        sync.Mutex
	inFlight  chan struct{} // closed when the fetch in progress ends; nil when there is none
	forced    time.Time     // when an unknown kid last made us fetch
	lastError error
}

func newSource(life context.Context, ic IssuerConfig, cfg Config, running *sync.WaitGroup) *source {
	s := &source{
		name: ic.Name, log: cfg.Log, now: cfg.Now, refresh: cfg.Refresh, maxStale: cfg.MaxStale,
		life: life, running: running, lastError: errNotFetched,
	}
	switch {
	case ic.JWKS == "":
		s.load = func(ctx context.Context) ([]byte, error) { return discover(ctx, cfg.HTTPClient, ic.Issuer) }
	case strings.Contains(ic.JWKS, "://"):
		s.load = func(ctx context.Context) ([]byte, error) { return get(ctx, cfg.HTTPClient, ic.JWKS) }
	default:
		s.load = func(context.Context) ([]byte, error) { return readFile(ic.JWKS) }
	}
	return s
}

// start begins the background fetching.
func (s *source) start() {
	done := s.fetch(s.now(), true)
	s.running.Go(func() {
		wait := retryFirst
		for done != nil { // nil once life has ended
			<-done // ends with life too
			next := s.refresh
			if s.failure() == nil {
				wait = retryFirst
			} else {
				next = min(wait, s.refresh)
				wait = min(2*wait, retryMost)
			}
			timer := time.NewTimer(next)
			select {
			case <-s.life.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			done = s.fetch(s.now(), true)
		}
	})
}

// waitFirst waits for the first fetch.
func (s *source) waitFirst(ctx context.Context) {
	s.mu.Lock()
	done := s.inFlight
	s.mu.Unlock()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// current is the set that may be used at now, or nil.
func (s *source) current(now time.Time) *keySet {
	set := s.set.Load()
	if set == nil || now.UnixNano()-s.fetched.Load() > int64(s.maxStale) {
		return nil
	}
	return set
}

// usable says why no token of this issuer can be verified, or nil.
func (s *source) usable() error {
	set := s.current(s.now())
	if set != nil && len(set.keys) > 0 {
		return nil
	}
	if err := s.failure(); err != nil {
		return err
	}
	return errors.New("it publishes no key that we verify with")
}

func (s *source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastError
}

// again fetches once more because a token needs it, unless that was done a moment ago, and waits for it. It reports
// whether a fetch ended well.
func (s *source) again(ctx context.Context) bool {
	done := s.fetch(s.now(), false)
	if done == nil {
		return false
	}
	select {
	case <-done:
		return s.failure() == nil
	case <-ctx.Done():
		return false
	}
}

// fetch starts a fetch, or joins the one in progress, and returns what is closed at its end. It returns nil when one for
// an unknown kid may not be made yet.
func (s *source) fetch(now time.Time, scheduled bool) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight != nil {
		return s.inFlight
	}
	if s.life.Err() != nil {
		return nil
	}
	if !scheduled {
		if !s.forced.IsZero() && now.Sub(s.forced) < refetchEvery {
			return nil
		}
		s.forced = now
	}
	done := make(chan struct{})
	s.inFlight = done
	s.running.Go(func() { s.run(done) })
	return done
}

func (s *source) run(done chan struct{}) {
	ctx, cancel := context.WithTimeout(s.life, fetchTimeout)
	defer cancel()
	began := s.now()
	doc, err := s.load(ctx)
	var set *keySet
	if err == nil {
		set, err = parseKeys(doc)
	}
	if err == nil {
		if old := s.set.Load(); old == nil || old.sum != set.sum {
			s.set.Store(set)
		}
		s.fetched.Store(began.UnixNano()) // from before the request: never fresher than it is
	}
	s.mu.Lock()
	recovered := err == nil && s.lastError != nil
	s.lastError, s.inFlight = err, nil
	s.mu.Unlock()
	switch {
	case err != nil && s.life.Err() == nil:
		s.log.Warn("an issuer's keys could not be fetched", "issuer", s.name, "err", err)
	case recovered:
		s.log.Info("an issuer's keys were fetched", "issuer", s.name, "keys", len(set.keys))
	}
	close(done)
}

// discover finds the keys by OpenID Connect Discovery 1.0. The document's issuer must be the one that was asked (section
// 4.3), or anyone whose document we were led to could name the keys.
func discover(ctx context.Context, c *http.Client, issuer string) ([]byte, error) {
	doc, err := get(ctx, c, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	meta, err := decodeObject(doc)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if said, _ := meta["issuer"].(string); said != issuer {
		return nil, fmt.Errorf("discovery: the document is of issuer %q, and the configuration says %q", clip(said), issuer)
	}
	at, _ := meta["jwks_uri"].(string)
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("discovery: jwks_uri %q is no http(s) URL", clip(at))
	}
	if err := noDowngrade(issuer, u); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	return get(ctx, c, at)
}

func get(ctx context.Context, c *http.Client, at string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", at, res.Status)
	}
	return limited(res.Body, at)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return limited(f, path)
}

func limited(r io.Reader, from string) ([]byte, error) {
	doc, err := io.ReadAll(io.LimitReader(r, maxJWKS+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	if len(doc) > maxJWKS {
		return nil, fmt.Errorf("%s: larger than %d bytes", from, maxJWKS)
	}
	return doc, nil
}
