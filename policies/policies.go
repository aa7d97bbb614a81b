// Package policies decides, in Rego, what a principal may do.
package policies

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says where policies and data come from.
type Config struct {
	Folder     string         // .rego and data files that add to the shipped ones; "" for none
	Data       map[string]any // policies.data of the configuration
	Logger     *slog.Logger
	Timeout    time.Duration // for one decision; default 1s
	Registerer prometheus.Registerer
	OnReload   func(error) // called after each reload, with nil when it was taken
}

// Engine answers from one immutable snapshot of policies and data.
type Engine struct{}

// New loads the policies; a broken or missing folder is an error.
func New(ctx context.Context, c Config) (*Engine, error) { return nil, errors.New("policies: not loaded") }

// Request decides a request half.
func (e *Engine) Request(ctx context.Context, in *RequestInput) (Decision, error) {
	return Decision{}, errors.New("policies: not loaded")
}

// Toolcall decides a batch of tool calls.
func (e *Engine) Toolcall(ctx context.Context, in *ToolcallInput) (CallsDecision, error) {
	return CallsDecision{}, errors.New("policies: not loaded")
}

// Models says, by index, which models the principal may use.
func (e *Engine) Models(ctx context.Context, p Principal, models []Model) ([]bool, error) {
	return nil, errors.New("policies: not loaded")
}

// Visible maps each of the tools that the principal may see to its canonical name.
func (e *Engine) Visible(ctx context.Context, p Principal, tools []string) (map[string]string, error) {
	return nil, errors.New("policies: not loaded")
}

// Revision names the policies and data in force.
func (e *Engine) Revision() string { return "" }

// Ready is nil while policies are in force.
func (e *Engine) Ready() error { return errors.New("policies: not loaded") }

// Close stops watching and releases what the engine holds.
func (e *Engine) Close() {}

// DataError says what is wrong with policy data, and where.
type DataError struct {
	Path   []string // keys from the root of data: tools, slack__post_message, alow
	Reason string
}

// Error says the path and the reason.
func (e *DataError) Error() string { return e.Reason }

// ValidateData refuses unknown keys, misshapen values and keys not built yet;
// each problem is a *DataError (joined by errors.Join when there are several).
func ValidateData(data map[string]any) error { return nil }
