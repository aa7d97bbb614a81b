package policies

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The input is built as Rego values straight from the structs: a round trip
// through JSON or Go maps costs about half as much again as deciding.
// schema_test.go holds each projection to the schema of its struct.

// field is a key of the input; terms are immutable, so one of each serves all.
func field(name string) *ast.Term { return ast.StringTerm(name) }

var (
	kActor, kAnonymous, kArguments, kAttributed = field("actor"), field("anonymous"), field("arguments"), field("attributed")
	kBYOK, kBytes, kCalls, kChoice, kClient     = field("byok"), field("bytes"), field("calls"), field("choice"), field("client")
	kFeatures, kGroups, kID, kIndex, kIssuer    = field("features"), field("groups"), field("id"), field("index"), field("issuer")
	kModel, kModels, kName, kNamed, kNames      = field("model"), field("models"), field("name"), field("named"), field("names")
	kOffered, kPrincipal, kProvider, kResults   = field("offered"), field("principal"), field("provider"), field("results")
	kScopes, kServer, kStream, kSubject         = field("scopes"), field("server"), field("stream"), field("subject")
	kSubjects, kSurface, kTeams, kTenant        = field("subjects"), field("surface"), field("teams"), field("tenant")
	kTool, kToolChoice, kTools, kType, kUser    = field("tool"), field("tool_choice"), field("tools"), field("type"), field("user")
	kUnknownFields, kValue                      = field("unknown_fields"), field("value")

	emptyArray = ast.NewTerm(ast.NewArray())
)

type pair = [2]*ast.Term

func str(s string) *ast.Term     { return ast.InternedTerm(s) }
func boolean(b bool) *ast.Term   { return ast.InternedTerm(b) }
func number(n int) *ast.Term     { return ast.InternedTerm(n) }
func object(p ...pair) *ast.Term { return ast.NewTerm(ast.NewObject(p...)) }

func list[T any](in []T, term func(*T) *ast.Term) *ast.Term {
	if len(in) == 0 {
		return emptyArray
	}
	out := make([]*ast.Term, len(in))
	for i := range in {
		out[i] = term(&in[i])
	}
	return ast.NewTerm(ast.NewArray(out...))
}

func stringTerm(s *string) *ast.Term { return str(*s) }

func strs(in []string) *ast.Term { return list(in, stringTerm) }

func (p *Principal) term() *ast.Term {
	return object(
		pair{kActor, str(p.Actor)},
		pair{kAnonymous, boolean(p.Anonymous)},
		pair{kClient, str(p.Client)},
		pair{kGroups, strs(p.Groups)},
		pair{kIssuer, str(p.Issuer)},
		pair{kScopes, strs(p.Scopes)},
		pair{kSubject, str(p.Subject)},
		pair{kSubjects, strs(p.Subjects)},
		pair{kTeams, strs(p.Teams)},
		pair{kTenant, str(p.Tenant)},
		pair{kUser, str(p.User)},
	)
}

func (m *Model) term() *ast.Term {
	return object(pair{kName, str(m.Name)}, pair{kNamed, str(m.Named)}, pair{kProvider, str(m.Provider)})
}

func (f *Feature) term() *ast.Term {
	return object(pair{kName, str(f.Name)}, pair{kValue, str(f.Value)})
}

func (t *Tool) term() *ast.Term {
	return object(pair{kName, str(t.Name)}, pair{kServer, boolean(t.Server)}, pair{kType, str(t.Type)})
}

func (r *Result) term() *ast.Term {
	return object(
		pair{kAttributed, boolean(r.Attributed)},
		pair{kBytes, number(r.Bytes)},
		pair{kID, str(r.ID)},
		pair{kTool, str(r.Tool)},
	)
}

// term parses the arguments, once and with exact numbers.
func (c *Call) term() (*ast.Term, error) {
	args, err := parseJSON(c.Arguments)
	if err != nil {
		return nil, fmt.Errorf("policies: arguments of call %d: %w", c.Index, err)
	}
	return object(
		pair{kArguments, args},
		pair{kChoice, number(c.Choice)},
		pair{kIndex, number(c.Index)},
		pair{kOffered, boolean(c.Offered)},
		pair{kTool, str(c.Tool)},
	), nil
}

func (in *RequestInput) value(names []string) ast.Value {
	models := in.models()
	return ast.NewObject(
		pair{kBYOK, str(in.BYOK)},
		pair{kFeatures, list(in.Features, (*Feature).term)},
		pair{kModel, in.Model.term()},
		pair{kModels, list(models, (*Model).term)},
		pair{kNames, strs(names)},
		pair{kPrincipal, in.Principal.term()},
		pair{kResults, list(in.Results, (*Result).term)},
		pair{kStream, boolean(in.Stream)},
		pair{kSurface, str(in.Surface)},
		pair{kToolChoice, strs(in.ToolChoice)},
		pair{kTools, list(in.Tools, (*Tool).term)},
		pair{kUnknownFields, strs(in.UnknownFields)},
	)
}

// models is every model that may answer, so that a caller who lists only the
// others does not get the first one by.
func (in *RequestInput) models() []Model {
	for _, m := range in.Models {
		if m == in.Model {
			return in.Models
		}
	}
	return append([]Model{in.Model}, in.Models...)
}

// names is every tool asked about, once.
func (in *RequestInput) names() []string {
	names := make([]string, 0, len(in.Tools)+len(in.ToolChoice))
	for _, t := range in.Tools {
		names = append(names, t.key())
	}
	return distinct(append(names, in.ToolChoice...))
}

func (in *ToolcallInput) value(names []string) (ast.Value, error) {
	calls := make([]*ast.Term, len(in.Calls))
	for i := range in.Calls {
		call, err := in.Calls[i].term()
		if err != nil {
			return nil, err
		}
		calls[i] = call
	}
	return ast.NewObject(
		pair{kCalls, ast.NewTerm(ast.NewArray(calls...))},
		pair{kModel, in.Model.term()},
		pair{kNames, strs(names)},
		pair{kPrincipal, in.Principal.term()},
		pair{kResults, list(in.Results, (*Result).term)},
	), nil
}

func (in *ToolcallInput) names() []string {
	names := make([]string, len(in.Calls))
	for i, c := range in.Calls {
		names[i] = c.Tool
	}
	return distinct(names)
}

func visibleValue(p *Principal, names []string) ast.Value {
	return ast.NewObject(pair{kNames, strs(names)}, pair{kPrincipal, p.term()})
}

func modelsValue(p *Principal, models []Model) ast.Value {
	return ast.NewObject(pair{kModels, list(models, (*Model).term)}, pair{kPrincipal, p.term()})
}

// distinct removes repetitions in place and keeps the order.
func distinct(names []string) []string {
	if len(names) < 2 {
		return names
	}
	seen := make(map[string]struct{}, len(names))
	out := names[:0]
	for _, n := range names {
		if _, ok := seen[n]; !ok {
			seen[n] = struct{}{}
			out = append(out, n)
		}
	}
	return out
}
