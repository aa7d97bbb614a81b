package policies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/logging"
	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// question is one of the queries that the engine asks.
type question int

const (
	askRequest question = iota
	askToolcall
	askModels
	askVisible
	questions
)

// query asks for a decision and, in the same query, for what is visible. That
// comes first and whole: asked for name by name it would be found name by name.
func (q question) query(b *bundle) string {
	visible := "visible = " + b.entry("visible") + ".tools"
	switch q {
	case askRequest:
		return visible + "; decision = " + b.entry("request") + ".decision"
	case askToolcall:
		return visible + "; decision = " + b.entry("toolcall") + ".decision"
	case askModels:
		return "decision = " + b.entry("models") + ".allowed"
	default:
		return visible
	}
}

// snapshot is what decisions are made with; it never changes.
type snapshot struct {
	queries  [questions]rego.PreparedEvalQuery
	tables   *tables
	cache    *cache // of what was decided; nil keeps nothing
	revision string
}

// Engine answers from one snapshot of policies and data at a time.
type Engine struct {
	config  Config
	store   storage.Store
	manager *plugins.Manager
	metrics *metrics
	workers *workers
	current atomic.Pointer[snapshot]

	loading sync.Mutex // one load at a time
	pending *snapshot  // what the commit under way will put in force; guarded by loading

	stop context.CancelFunc
	done sync.WaitGroup
}

func newEngine(ctx context.Context, c Config) (*Engine, error) {
	// Reads come back as Rego values: converting data at every read was the
	// largest part of a decision.
	store := inmem.NewWithOpts(inmem.OptReturnASTValuesOnRead(true))
	manager, err := plugins.New([]byte(`{}`), "yellowjack", store,
		plugins.Logger(logging.NewNoOpLogger()),
		plugins.ConsoleLogger(logging.NewNoOpLogger()),
		plugins.WithParserOptions(ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities()}))
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	e := &Engine{config: c, store: store, manager: manager, stop: func() {}}
	if e.metrics, err = newMetrics(c.Registerer); err != nil {
		manager.Stop(ctx)
		return nil, err
	}
	// The manager calls this inside the commit, while no decision reads.
	manager.RegisterCompilerTrigger(func(storage.Transaction) {
		if e.pending != nil {
			e.current.Store(e.pending)
		}
	})
	if err := manager.Start(ctx); err != nil {
		manager.Stop(ctx)
		return nil, fmt.Errorf("policies: %w", err)
	}
	e.workers = newWorkers()
	return e, nil
}

// load puts the shipped policies, the files' and the configured data in force.
func (e *Engine) load(ctx context.Context, files []file) error {
	b, err := build(files, e.config.Data)
	if err != nil {
		return err
	}
	if b.tables, err = newTables(b.data, e.config.Compile); err != nil {
		return inFiles(err, files)
	}
	e.loading.Lock()
	defer e.loading.Unlock()
	params := storage.TransactionParams{Write: true, Context: storage.NewContext()}
	plugins.SetCompilerOnContext(params.Context, b.compiler)
	err = storage.Txn(ctx, e.store, params, func(txn storage.Transaction) error {
		if err := e.write(ctx, txn, b); err != nil {
			return err
		}
		e.pending, err = e.prepare(ctx, txn, b)
		return err
	})
	e.pending = nil
	if err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	return nil
}

// write replaces what the store holds.
func (e *Engine) write(ctx context.Context, txn storage.Transaction, b *bundle) error {
	if err := e.store.Write(ctx, txn, storage.AddOp, storage.RootPath, b.data); err != nil {
		return err
	}
	old, err := e.store.ListPolicies(ctx, txn)
	if err != nil {
		return err
	}
	for _, id := range old {
		if _, ok := b.texts[id]; ok {
			continue
		}
		if err := e.store.DeletePolicy(ctx, txn, id); err != nil {
			return err
		}
	}
	for id, text := range b.texts {
		if err := e.store.UpsertPolicy(ctx, txn, id, slices.Clone(text)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) prepare(ctx context.Context, txn storage.Transaction, b *bundle) (*snapshot, error) {
	s := &snapshot{revision: b.revision, tables: b.tables, cache: newCache(b.compiler)}
	for q := range questions {
		var err error
		s.queries[q], err = rego.New(
			rego.Query(q.query(b)),
			rego.Compiler(b.compiler),
			rego.Store(e.store),
			rego.Transaction(txn),
			rego.StrictBuiltinErrors(true),
			rego.GenerateJSON(keepTerm),
		).PrepareForEval(ctx)
		if err != nil {
			return nil, located(err)
		}
	}
	return s, nil
}

// keepTerm leaves an answer as the Rego value it is; decode.go reads that.
func keepTerm(t *ast.Term, _ *rego.EvalContext) (any, error) { return t, nil }

// Revision names the policies and data in force by their content.
func (e *Engine) Revision() string {
	if s := e.current.Load(); s != nil {
		return s.revision
	}
	return ""
}

// Rules is what the data in force says of a tool, nil when it is none of the data's.
func (e *Engine) Rules(tool string) *ToolRules {
	if s := e.current.Load(); s != nil {
		return s.tables.tools[tool]
	}
	return nil
}

// Ready is nil while policies are in force.
func (e *Engine) Ready() error {
	if e.current.Load() == nil {
		return errors.New("policies: none are in force")
	}
	return nil
}

// Close stops watching, waits for a reload under way, and denies from then on.
func (e *Engine) Close() {
	e.stop()
	e.done.Wait()
	if e.current.Swap(nil) != nil {
		e.manager.Stop(context.Background())
	}
	e.workers.stop()
}
