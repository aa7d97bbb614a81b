package policies

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/yellowjack/yellowjack/internal/label"
)

// The input is built as Rego values straight from the structs: a round trip
// through JSON or Go maps costs about half as much again as deciding.
// schema_test.go holds each projection to the schema of its struct.

// field is a key of the input; terms are immutable, so one of each serves all.
func field(name string) *ast.Term { return ast.StringTerm(name) }

var (
	kActor, kAnonymous, kArguments, kAttributed = field("actor"), field("anonymous"), field("arguments"), field("attributed")
	kBYOK, kBytes, kCalls, kChoice, kClient     = field("byok"), field("bytes"), field("calls"), field("choice"), field("client")
	kFeatures, kGroups, kIndex, kIssuer         = field("features"), field("groups"), field("index"), field("issuer")
	kModel, kModels, kName, kNamed, kNames      = field("model"), field("models"), field("name"), field("named"), field("names")
	kOffered, kPrincipal, kProvider, kResults   = field("offered"), field("principal"), field("provider"), field("results")
	kScopes, kServer, kStream, kSubject         = field("scopes"), field("server"), field("stream"), field("subject")
	kSubjects, kSurface, kTeams, kTenant        = field("subjects"), field("surface"), field("teams"), field("tenant")
	kTool, kToolChoice, kTools, kType, kUser    = field("tool"), field("tool_choice"), field("tools"), field("type"), field("user")
	kUnknownFields, kValue, kArgs, kClean       = field("unknown_fields"), field("value"), field("args"), field("clean")
	kAnnotations                                = field("annotations")
	kConfidentiality, kIntegrity, kSources      = field("confidentiality"), field("integrity"), field("sources")
	kContext, kCount, kGranted, kHash, kPath    = field("context"), field("count"), field("granted"), field("hash"), field("path")
	kPerson, kPin, kRef, kVerified, kWalk       = field("person"), field("pin"), field("ref"), field("verified"), field("walk")
	kWhole                                      = field("whole")

	integrities = map[label.Integrity]*ast.Term{
		label.Untrusted: field("untrusted"), label.Constrained: field("constrained"), label.Trusted: field("trusted"),
	}
	confidentialities = map[label.Confidentiality]*ast.Term{
		label.Secret: field("secret"), label.Internal: field("internal"), label.Public: field("public"),
	}
	cleanLabel = labelTerm(label.Clean())

	emptyArray = ast.NewTerm(ast.NewArray())
	nullTerm   = ast.NullTerm()
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

func (t *Tool) term(pin string) *ast.Term {
	return object(
		pair{kHash, str(t.Hash)},
		pair{kName, str(t.Name)},
		pair{kPin, str(pin)},
		pair{kServer, boolean(t.Server)},
		pair{kType, str(t.Type)},
	)
}

// integrity is the word of an integrity; of one that does not exist, the least.
func integrity(i label.Integrity) *ast.Term {
	if t, ok := integrities[i]; ok {
		return t
	}
	return integrities[label.Untrusted]
}

func confidentiality(c label.Confidentiality) *ast.Term {
	if t, ok := confidentialities[c]; ok {
		return t
	}
	return confidentialities[label.Secret]
}

func labelTerm(l label.Label) *ast.Term {
	return object(
		pair{kConfidentiality, confidentiality(l.Confidentiality)},
		pair{kIntegrity, integrity(l.Integrity)},
		pair{kSources, strs(l.Sources)},
	)
}

func contextTerm(l label.Label) *ast.Term {
	if clean(l) {
		return cleanLabel
	}
	return labelTerm(l)
}

func clean(l label.Label) bool {
	return l.Integrity == label.Trusted && l.Confidentiality == label.Public && len(l.Sources) == 0
}

func (r *Result) term() *ast.Term {
	return object(
		pair{kAttributed, boolean(r.Attributed)},
		pair{kBytes, number(r.Bytes)},
		pair{kConfidentiality, confidentiality(r.Confidentiality)},
		pair{kCount, number(r.Count)},
		pair{kIntegrity, integrity(r.Integrity)},
		pair{kSources, strs(r.Sources)},
		pair{kTool, str(r.Tool)},
		pair{kVerified, boolean(r.Verified)},
	)
}

// group makes one item of all results of one tool with one label, so that a long history costs little; class says which
// item each result belongs to.
func group(results []Result) (items []Result, class []int) {
	if len(results) == 0 {
		return nil, nil
	}
	type kind struct {
		tool, sources        string
		attributed, verified bool
		integrity            label.Integrity
		confidentiality      label.Confidentiality
	}
	class = make([]int, len(results))
	known := map[kind]int{}
	for i := range results {
		r := &results[i]
		k := kind{r.Tool, strings.Join(r.Sources, "\x00"), r.Attributed, r.Verified, r.Integrity, r.Confidentiality}
		at, ok := known[k]
		if !ok {
			at = len(items)
			known[k] = at
			items = append(items, *r)
			items[at].Count, items[at].Bytes = 0, 0
		}
		items[at].Count++
		items[at].Bytes = max(items[at].Bytes, r.Bytes)
		class[i] = at
	}
	return items, class
}

// requestParts is what of a request is asked, beside the input itself.
type requestParts struct {
	names   []string // every client tool asked about, once
	choice  []string // tool_choice, less the server tools
	results []Result // grouped
	class   []int    // of each result
}

func (in *RequestInput) parts() requestParts {
	p := requestParts{choice: in.ToolChoice}
	p.names = make([]string, 0, len(in.Tools)+len(in.ToolChoice))
	for _, t := range in.Tools {
		if !t.Server {
			p.names = append(p.names, t.Name)
			continue
		}
		p.choice = without(p.choice, t.Type) // the feature decides of it
	}
	p.names = distinct(append(p.names, p.choice...))
	p.results, p.class = group(in.Results)
	return p
}

func without(names []string, name string) []string {
	var kept []string
	for _, n := range names {
		if n != name {
			kept = append(kept, n)
		}
	}
	return kept
}

// features is what the request asks of the provider, its server tools among it: a tool of the client's with the name of
// a type grants nothing that runs inside the provider.
func (in *RequestInput) features() []Feature {
	all := in.Features
	for _, t := range in.Tools {
		if t.Server {
			all = append(all[:len(all):len(all)], Feature{Name: serverTool(t.Type)})
		}
	}
	return all
}

func serverTool(kind string) string { return "tools:" + kind }

func (in *RequestInput) value(p requestParts, t *tables) ast.Value {
	models := in.models()
	return ast.NewObject(
		pair{kBYOK, str(in.BYOK)},
		pair{kContext, contextTerm(in.Context)},
		pair{kFeatures, list(in.features(), (*Feature).term)},
		pair{kModel, in.Model.term()},
		pair{kModels, list(models, (*Model).term)},
		pair{kNames, strs(p.names)},
		pair{kPrincipal, in.Principal.term()},
		pair{kResults, list(p.results, (*Result).term)},
		pair{kStream, boolean(in.Stream)},
		pair{kSurface, str(in.Surface)},
		pair{kToolChoice, strs(p.choice)},
		pair{kTools, list(in.Tools, func(tool *Tool) *ast.Term {
			pin, _ := t.pin(in.Principal.Client, tool)
			return tool.term(pin)
		})},
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

func (in *ToolcallInput) value(names []string) (ast.Value, error) {
	calls := make([]*ast.Term, len(in.Calls))
	for i := range in.Calls {
		call, err := in.Calls[i].term(in.Context)
		if err != nil {
			return nil, err
		}
		calls[i] = call
	}
	walk := in.Walk
	if walk == "" {
		walk = WalkModel
	}
	results, _ := group(in.Results)
	return ast.NewObject(
		pair{kCalls, ast.NewTerm(ast.NewArray(calls...))},
		pair{kContext, contextTerm(in.Context)},
		pair{kModel, in.Model.term()},
		pair{kNames, strs(names)},
		pair{kPrincipal, in.Principal.term()},
		pair{kResults, list(results, (*Result).term)},
		pair{kWalk, str(walk)},
	), nil
}

func (in *ToolcallInput) names() []string {
	names := make([]string, len(in.Calls))
	for i, c := range in.Calls {
		names[i] = c.Tool
	}
	return distinct(names)
}

func visibleValue(p *Principal, context label.Label, names []string) ast.Value {
	return ast.NewObject(pair{kContext, contextTerm(context)}, pair{kNames, strs(names)}, pair{kPrincipal, p.term()})
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
