package policies

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	opametrics "github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/yellowjack/yellowjack/internal/label"
)

// ErrUndefined is an answer that no rule gave.
var ErrUndefined = errors.New("policies: the policies give no answer")

// ErrLate is an answer that did not come in time.
var ErrLate = errors.New("policies: the policies did not answer in time")

// Request decides a request half. With an error comes the zero Decision.
func (e *Engine) Request(ctx context.Context, in *RequestInput) (Decision, error) {
	parts := in.parts()
	key := in.key(parts)
	if d, ok := e.remembered(ctx, in, parts, key); ok {
		return d, nil
	}
	return guard(ctx, e, func() (Decision, error) {
		a, err := e.ask(ctx, askRequest, func(t *tables) (ast.Value, error) { return in.value(parts, t), nil })
		if err != nil {
			return Decision{}, err
		}
		d, err := decodeRequest(a.decision, parts.names, len(parts.results), a.visible)
		if err != nil {
			return Decision{}, err
		}
		from := ruling{d, a.visible}
		a.cache.put(key, from)
		return a.tables.finish(from, in, parts, a.revision), nil
	})
}

// Toolcall decides a batch of tool calls. With an error comes the zero
// CallsDecision, which answers no call.
func (e *Engine) Toolcall(ctx context.Context, in *ToolcallInput) (CallsDecision, error) {
	return guard(ctx, e, func() (CallsDecision, error) {
		a, err := e.ask(ctx, askToolcall, func(*tables) (ast.Value, error) { return in.value(in.names()) })
		if err != nil {
			return CallsDecision{}, err
		}
		calls, err := decodeCalls(a.decision, len(in.Calls))
		if err != nil {
			return CallsDecision{}, err
		}
		for i := range calls {
			a.tables.enforce(&calls[i], &in.Calls[i], in, a.visible)
		}
		return CallsDecision{ID: newID(), Revision: a.revision, Calls: calls}, nil
	})
}

// Models says, by index, which models the principal may use.
func (e *Engine) Models(ctx context.Context, p Principal, models []Model) ([]bool, error) {
	return guard(ctx, e, func() ([]bool, error) {
		a, err := e.ask(ctx, askModels, func(*tables) (ast.Value, error) { return modelsValue(&p, models), nil })
		if err != nil {
			return nil, err
		}
		return decodeModels(a.decision, len(models))
	})
}

// Visible maps each of the tools that the principal may see in a context, by
// the name the client uses, to its canonical name. What is not in it is not
// visible.
func (e *Engine) Visible(ctx context.Context, p Principal, in label.Label, tools []string) (map[string]string, error) {
	key := visibleKey(&p, &in, tools)
	if visible, ok := e.seen(ctx, key); ok {
		return visible, nil
	}
	return guard(ctx, e, func() (map[string]string, error) {
		a, err := e.ask(ctx, askVisible, func(*tables) (ast.Value, error) { return visibleValue(&p, in, tools), nil })
		if err != nil {
			return nil, err
		}
		a.tables.hideSensitive(a.visible, in)
		a.cache.put(key, ruling{visible: maps.Clone(a.visible)})
		return a.visible, nil
	})
}

// answer is what one query gave.
type answer struct {
	decision *ast.Term
	visible  map[string]string
	tables   *tables
	cache    *cache
	revision string
}

// ask asks one question and waits at most the configured time.
func (e *Engine) ask(ctx context.Context, q question, input func(*tables) (ast.Value, error)) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, fmt.Errorf("policies: %w", err)
	}
	// The snapshot is taken inside the transaction: a reload swaps it while it
	// holds the store, so policies and data are of one revision.
	txn, err := e.store.NewTransaction(ctx)
	if err != nil {
		return answer{}, fmt.Errorf("policies: %w", err)
	}
	defer e.store.Abort(ctx, txn)
	s := e.current.Load()
	if s == nil {
		return answer{}, e.Ready()
	}
	value, err := input(s.tables)
	if err != nil {
		return answer{}, err
	}
	cancel := topdown.NewCancel()
	defer time.AfterFunc(e.config.Timeout, cancel.Cancel).Stop()
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, cancel.Cancel)()
	}
	results, err := s.queries[q].Eval(ctx,
		rego.EvalParsedInput(value),
		rego.EvalTransaction(txn),
		rego.EvalMetrics(opametrics.NoOp()),
		rego.EvalExternalCancel(cancel))
	switch {
	case topdown.IsCancel(err), err == nil && cancel.Cancelled():
		return answer{}, errors.Join(ErrLate, ctx.Err())
	case err != nil:
		return answer{}, fmt.Errorf("policies: %w", located(err))
	case len(results) == 0:
		return answer{}, ErrUndefined
	case len(results) > 1:
		return answer{}, errors.New("policies: more than one answer")
	}
	a := answer{tables: s.tables, cache: s.cache, revision: s.revision}
	a.decision, _ = results[0].Bindings["decision"].(*ast.Term)
	if visible, ok := results[0].Bindings["visible"].(*ast.Term); ok {
		a.visible, err = decodeVisible(visible)
	}
	return a, err
}

// guard decides on one of the engine's workers. It turns a panic into an error, and any error into the zero answer.
func guard[T any](ctx context.Context, e *Engine, decide func() (T, error)) (answer T, err error) {
	run := func() {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("policies: panic while deciding: %v", r)
			}
		}()
		answer, err = decide()
	}
	if busy := e.workers.do(ctx, e.config.Timeout, run); busy != nil {
		err = busy
	}
	if err != nil {
		var zero T
		answer = zero
	}
	return answer, err
}

// newID names one decision; 128 random bits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}
