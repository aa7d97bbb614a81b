package extproc

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/price"
	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/route"
	"github.com/yellowjack/yellowjack/internal/telemetry"
	"github.com/yellowjack/yellowjack/policies"
)

// Identity turns an inbound credential into a principal. *identity.Verifier is the one that runs.
type Identity interface {
	Verify(ctx context.Context, token string) (*identity.Principal, *refuse.Refusal)
	VerifyDelegated(token string) (identity.Delegation, *refuse.Refusal)
	Delegate(p *identity.Principal, exchange, purpose string, ttl time.Duration) (string, error)
	Anonymous() (*identity.Principal, bool)
	Watch(p *identity.Principal, revoked func()) (stop func())
}

// Policies decides. *policies.Engine is the one that runs. An error of any method is a refusal.
type Policies interface {
	Request(ctx context.Context, in *policies.RequestInput) (policies.Decision, error)
	Toolcall(ctx context.Context, in *policies.ToolcallInput) (policies.CallsDecision, error)
	Models(ctx context.Context, p policies.Principal, models []policies.Model) ([]bool, error)
}

// Config is what the service is made of. Every field but Prices is needed.
type Config struct {
	Identity    Identity
	Policies    Policies
	Routes      *atomic.Pointer[route.Table]
	Credentials *credential.Store
	Quarantine  *quarantine.Guard
	Audit       audit.Sink
	Metrics     *telemetry.Metrics
	Log         *slog.Logger
	Limits      Limits
	Prices      *price.Table  // what answers cost whose provider does not say; nil: that is not known
	NewID       func() string // makes the decision id of an exchange that no policy decided
}

// Limits bound every exchange. Sizes are in bytes.
type Limits struct {
	RequestBytes  int // a request's body, decoded
	ResponseBytes int // an answer that is not streamed, decoded
	JSONDepth     int // nesting of either
	HeldBytes     int // what a stream may hold back
	EventBytes    int // one event of a stream
	HeldCalls     int // tool calls of one answer

	RequestDeadline time.Duration // our own waits in the request half, such as for an issuer's keys
	RequestWait     time.Duration // from the request's headers to its whole body
	ResponseWait    time.Duration // from the request to the response's headers
	StreamIdle      time.Duration // between two pieces of a response

	Exchanges              int // at once, in all
	ConcurrentPerPrincipal int // at once, of one principal
	InternalExchanges      int // at once, on the internal listener, besides Exchanges; zero: that listener is not served
}

// New makes the service, or says what is missing.
func New(cfg Config) (*Service, error) {
	l := cfg.Limits
	switch {
	case cfg.Identity == nil || cfg.Policies == nil || cfg.Routes == nil || cfg.Routes.Load() == nil || cfg.Credentials == nil || cfg.Quarantine == nil,
		cfg.Audit == nil, cfg.Metrics == nil, cfg.Log == nil, cfg.NewID == nil:
		return nil, errors.New("extproc: the configuration has a part missing")
	case l.RequestBytes <= 0, l.ResponseBytes <= 0, l.JSONDepth <= 0, l.HeldBytes <= 0, l.HeldCalls <= 0, l.EventBytes <= 0,
		l.RequestDeadline <= 0, l.RequestWait <= 0, l.ResponseWait <= 0, l.StreamIdle <= 0, l.Exchanges <= 0, l.ConcurrentPerPrincipal <= 0:
		return nil, errors.New("extproc: every limit must be above zero")
	case l.InternalExchanges < 0:
		return nil, errors.New("extproc: the number of internal exchanges is below zero")
	}
	return &Service{
		cfg: cfg, slots: make(chan struct{}, l.Exchanges), users: newUserSlots(l.ConcurrentPerPrincipal), pins: newPins(),
		internalSlots: make(chan struct{}, l.InternalExchanges), speaks: allDialects(), internalUsers: newUserSlots(l.ConcurrentPerPrincipal),
	}, nil
}
