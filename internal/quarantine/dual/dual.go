// Package dual lets two models work on content that no model with tools may read.
//
// The privileged model (plan.go) sees the person's words, the trusted history and clearances, never content, and thinks of
// typed questions. The quarantined model (ask.go, prompt.go) sees one piece of content, marked as data, and those questions;
// it has no tools, no history and no other way out than one JSON object of values of the questions' types (answer.go).
//
// What either model says is hostile until it is read: strictly, as exactly the shape that was asked for. Everything else
// (prose, other names, duplicates, values out of range, tool calls, errors, an answer that is late or too large) is `unknown`,
// and no answer is ever an error that a caller could read as leave to go on. What an answer tells of the content is counted
// (question.go): log2 of all that could have been answered, unknown among it.
//
// Both are asked through the gateway's own internal listener (call.go), with a token that the caller delegates, so that
// routing, credentials and audit are those of any exchange. Calls are parallel under a bound in all and for each principal,
// under one deadline for each call and one for all. An answer is kept in the store under a MAC of everything it depends on,
// so that a growing conversation pays once and reads the same bytes again; a failure is kept for half a minute. Of all who
// ask the same at once, in this process or another, one asks the model (recall.go).
package dual

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// What a model is called for; the audit of each call says so.
const (
	PurposeAnswer = "answer"
	PurposeRender = "render"
	PurposePlan   = "plan"
)

// Config is what an Asker is made of. What is zero takes a default, but for BaseURL, HTTPClient, Store and Keys.
type Config struct {
	// BaseURL and HTTPClient reach the gateway's internal listener: "http://internal/v1" and UnixClient.
	BaseURL    string
	HTTPClient *http.Client
	// QuarantinedModel reads content; empty: every answer is unknown. PrivilegedModel plans; empty: no question is planned.
	QuarantinedModel, PrivilegedModel string
	Timeouts                          Timeouts
	// Concurrency bounds the model calls in progress, PerPrincipal those of one principal (default: half of it).
	Concurrency, PerPrincipal int
	// Questions bounds the questions of one plan; ContentBytes the content that a model is shown: what is longer is not cut,
	// since what was cut off might have changed the answer, but not asked about.
	Questions, ContentBytes int
	// Store keeps answers for Keep and failures for KeepFailure. Spans and renderings are content: it must be sealed.
	Store             store.Store
	Keys              *store.Keys
	Keep, KeepFailure time.Duration
	// Entries bounds the answers that this process remembers itself.
	Entries int
	// Observe hears of every recall; it must not block. Log hears of models that do not answer, never of what they say.
	Observe func(Event)
	Log     *slog.Logger
}

// Timeouts bound a call of a model, and all of the calls that one Ask or Plan makes.
type Timeouts struct{ Result, Request time.Duration }

// Event is one recall: a call of a model, or one that was spared.
type Event struct {
	Purpose string
	Cached  bool          // known before
	Failure Reason        // why there is no answer; "" when there is one
	Model   time.Duration // how long this process waited for the model; zero when it did not ask
}

// Reason is why there is no answer. It is for the audit and metrics: to tell an agent would tell it of the content.
type Reason string

// The reasons.
const (
	NoModel   Reason = "no_model"  // none is configured
	Invalid   Reason = "invalid"   // not a question that may be asked
	TooLarge  Reason = "too_large" // the content
	Late      Reason = "late"      // the model, or the wait for a place
	Gone      Reason = "gone"      // whoever asked
	Failed    Reason = "failed"    // the call: refused, an error, no connection
	Malformed Reason = "malformed" // not the shape that was asked for
	NoValue   Reason = "no_value"  // the model says that it cannot tell, or no value of the type
	NoStore   Reason = "no_store"  // the store does not answer
	NoToken   Reason = "no_token"  // the call could not be delegated
)

// Caller is on whose behalf a model is called.
type Caller struct {
	Scope label.Scope
	// Token makes a delegated token for one call, at the time of the call.
	Token func(purpose string) (string, error)
}

// Asker asks the two models. Its methods may be called from many goroutines.
type Asker struct {
	cfg     Config
	chat    openai.ChatCompletionService
	places  *places
	known   *memory[[]byte]   // records, by their key in the store
	tasks   *memory[[]Answer] // what a task came to, once nothing of it failed
	plain   sync.Map          // models (string) that take no schema
	life    context.Context
	end     context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	flights map[string]*flight
}

// New makes an Asker, or says what is missing.
func New(cfg Config) (*Asker, error) {
	switch {
	case cfg.BaseURL == "" || cfg.HTTPClient == nil:
		return nil, errors.New("dual: no way to the internal listener")
	case cfg.Store == nil || cfg.Keys == nil:
		return nil, errors.New("dual: no store")
	}
	cfg.Timeouts.Result = orElse(cfg.Timeouts.Result, 8*time.Second)
	cfg.Timeouts.Request = orElse(cfg.Timeouts.Request, 15*time.Second)
	cfg.Concurrency = orElse(cfg.Concurrency, 64)
	cfg.PerPrincipal = orElse(cfg.PerPrincipal, (cfg.Concurrency+1)/2)
	cfg.Questions = orElse(cfg.Questions, 8)
	cfg.ContentBytes = orElse(cfg.ContentBytes, 256<<10)
	cfg.Keep = orElse(cfg.Keep, 24*time.Hour)
	cfg.KeepFailure = orElse(cfg.KeepFailure, 30*time.Second)
	cfg.Entries = orElse(cfg.Entries, 4096)
	if cfg.Observe == nil {
		cfg.Observe = func(Event) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a := &Asker{
		cfg: cfg, places: newPlaces(cfg.Concurrency, cfg.PerPrincipal), known: newMemory[[]byte](cfg.Entries),
		tasks: newMemory[[]Answer](cfg.Entries), flights: map[string]*flight{},
		// Not openai.NewClient: it takes keys and addresses from the environment.
		chat: openai.NewChatCompletionService(
			option.WithBaseURL(cfg.BaseURL), option.WithHTTPClient(bounded(cfg.HTTPClient)), option.WithMaxRetries(0)),
	}
	a.life, a.end = context.WithCancel(context.Background())
	return a, nil
}

// Close ends all calls and waits for them.
func (a *Asker) Close() {
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	a.end()
	a.running.Wait()
}

func orElse[T int | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}
