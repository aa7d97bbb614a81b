// Package policies decides, in Rego, what a principal may do: which models,
// features and tools a request may use, and which of the tool calls that come
// back may be made. It holds OPA; nothing else imports it.
//
// One decision is one query, with every tool of the exchange in it. Its input
// is built as Rego values straight from the structs (project.go), it is asked
// of a prepared query (decide.go), and the answer is read strictly
// (decode.go): what is undefined, misshapen, erroring or late is an error and
// the decision that comes with it is the zero one, which denies. Results of one
// tool with one label are asked about once. What holds whatever a policy says is
// held in Go (settle.go): a tool that is not visible, or is sensitive while the
// context is not trusted, is neither offered nor called; a changed description
// does what its pin says; labels are those of the data's words. Those words are
// read once for each revision (tables.go, rules.go), and handed on with what the
// walk made of them.
//
// Policies and data come from the program itself, from a folder and from the
// configuration (load.go, merge.go, data.go). They are checked and compiled
// apart, then put into the store of OPA's plugin manager in one transaction
// whose commit also swaps the prepared queries (engine.go), so that no decision
// sees the policies of one revision and the data of another. A folder is
// watched (reload.go); when it is broken the last good policies stay.
//
// The Rego is in rego/, and rego/README.md is for those who write it.
package policies

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says where policies and data come from.
type Config struct {
	Folder     string         // .rego and data files that add to the shipped ones; "" for none
	Data       map[string]any // policies.data of the configuration
	Logger     *slog.Logger   // default slog.Default
	Timeout    time.Duration  // for one decision; default 1s
	Poll       time.Duration  // how often the folder is read where no event came; default 5s
	Registerer prometheus.Registerer
	OnReload   func(error) // called after each reload, with nil when it was taken

	// Compile makes of each tool's rules what the walk works with, ToolRules.Compiled, once for each revision. Its error
	// refuses the data.
	Compile func(*ToolRules) (any, error)
}

// New loads the policies and watches the folder until ctx or the engine ends.
// A broken or missing folder is an error that names file and line.
func New(ctx context.Context, c Config) (*Engine, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Second
	}
	if c.Poll <= 0 {
		c.Poll = 5 * time.Second
	}
	files, err := readFolder(c.Folder)
	if err != nil {
		return nil, err
	}
	e, err := newEngine(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := e.load(ctx, files); err != nil {
		e.workers.stop()
		e.manager.Stop(ctx)
		return nil, err
	}
	e.metrics.loaded(nil)
	e.watch(ctx, files)
	return e, nil
}
