package policies

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/yellowjack/yellowjack/internal/label"
)

// An agent asks for the same model with the same tools again and again, and calls tools that it was shown before; evaluating
// is the largest part of our own time. What one snapshot of policies and data decided of one input is what it decides of it again, as long as no rule
// looks at a clock, a network or chance; where one does, nothing is kept (volatile).
//
// The key is the whole input, bit for bit, not a hash of it: two inputs that differ in anything share nothing. A cache
// belongs to its snapshot and goes with it. An error is never kept, and a tool call is always evaluated: its arguments are.

// cache keeps decisions of requests, and what is visible, of one snapshot. The older half goes when the newer is full.
type cache struct {
	mu           sync.Mutex
	recent, past map[string]ruling
	size         int // of recent, about, in bytes
}

// ruling is what a policy answered, before what is not a policy's to say is settled. It is not changed once it is kept.
type ruling struct {
	decision Decision
	visible  map[string]string
}

const (
	cacheBytes = 8 << 20  // of each half
	cacheEntry = 32 << 10 // a longer input is not kept
)

// get returns what was decided, for its caller to change.
func (c *cache) get(key []byte) (ruling, bool) {
	if c == nil {
		return ruling{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.recent[string(key)]
	if !ok {
		if d, ok = c.past[string(key)]; ok {
			c.keep(string(key), d)
		}
	}
	return d.clone(), ok
}

// put keeps what was decided.
func (c *cache) put(key []byte, d ruling) {
	if c == nil || len(key) > cacheEntry {
		return
	}
	d = d.clone()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(string(key), d)
}

func (c *cache) keep(key string, d ruling) {
	if _, ok := c.recent[key]; ok {
		return
	}
	// A decision repeats the names of its tools, and each piece of either is a string or an entry of a map.
	if c.size += 3*len(key) + 1024; c.size > cacheBytes || c.recent == nil {
		c.past, c.recent, c.size = c.recent, map[string]ruling{}, 3*len(key)+1024
	}
	c.recent[key] = d
}

// clone copies what settle changes. What a policy says of headers and metadata is only read.
func (d ruling) clone() ruling {
	d.decision.Tools = maps.Clone(d.decision.Tools)
	d.decision.Results = slices.Clone(d.decision.Results)
	return d
}

// remembered decides a request that was decided before. The rest of a decision, and what must hold whatever a policy
// says, is made anew.
func (e *Engine) remembered(ctx context.Context, in *RequestInput, parts requestParts, key []byte) (Decision, bool) {
	s := e.current.Load()
	if s == nil || ctx.Err() != nil {
		return Decision{}, false
	}
	d, ok := s.cache.get(key)
	if !ok {
		return Decision{}, false
	}
	return s.tables.finish(d, in, parts, s.revision), true
}

// seen is what was visible when it was asked before, for its caller to change.
func (e *Engine) seen(ctx context.Context, key []byte) (map[string]string, bool) {
	s := e.current.Load()
	if s == nil || ctx.Err() != nil {
		return nil, false
	}
	d, ok := s.cache.get(key)
	return maps.Clone(d.visible), ok
}

// finish makes a policy's answer the decision.
func (t *tables) finish(from ruling, in *RequestInput, parts requestParts, revision string) Decision {
	d := from.decision
	t.settle(&d, in, parts, from.visible)
	d.BYOK = d.BYOK && in.BYOK != ""
	d.ID, d.Revision = newID(), revision
	return d
}

// newCache is the cache of a snapshot with these policies, nil when their answers are not the input's and the data's
// alone.
func newCache(compiler *ast.Compiler) *cache {
	for _, m := range compiler.Modules {
		if volatile(m) {
			return nil
		}
	}
	return &cache{}
}

// volatile tells whether a module calls anything whose answer can be another one the next time.
func volatile(m *ast.Module) bool {
	found := false
	check := func(ref ast.Ref) {
		b, ok := ast.BuiltinMap[ref.String()]
		found = found || ok && b.Nondeterministic
	}
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if x.IsCall() {
				check(x.Operator())
			}
		case ast.Call:
			if ref, ok := x[0].Value.(ast.Ref); ok {
				check(ref)
			}
		case *ast.With: // data.f as time.now_ns
			if ref, ok := x.Value.Value.(ast.Ref); ok {
				check(ref)
			}
		}
		return found
	}).Walk(m)
	return found
}

// key writes an input so that no two write the same: each text and each list after its length, in the order of the
// struct. The results are grouped, as the policy sees them. A test holds it to the struct.
func (in *RequestInput) key(parts requestParts) []byte {
	k := make(key, 0, 1024)
	k = k.principal(&in.Principal).text(in.Surface).flag(in.Stream).model(&in.Model)
	k = k.count(len(in.Models))
	for i := range in.Models {
		k = k.model(&in.Models[i])
	}
	k = k.count(len(in.Features))
	for _, f := range in.Features {
		k = k.text(f.Name).text(f.Value)
	}
	k = k.texts(in.UnknownFields).text(in.BYOK)
	k = k.count(len(in.Tools))
	for i := range in.Tools {
		t := &in.Tools[i]
		k = k.text(t.Name).text(t.Type).flag(t.Server).text(t.Hash)
	}
	k = k.texts(in.ToolChoice)
	k = k.count(len(parts.results))
	for i := range parts.results {
		r := &parts.results[i]
		k = k.text(r.Tool).flag(r.Attributed).flag(r.Verified).count(r.Bytes).count(r.Count).label(&r.Label)
	}
	return k.label(&in.Context)
}

// visibleKey writes what Visible is asked, likewise. It begins as no request does: no text has a negative length.
func visibleKey(p *Principal, in *label.Label, tools []string) []byte {
	return make(key, 0, 512).count(-1).principal(p).label(in).texts(tools)
}

// key is a key that is being written.
type key []byte

func (k key) count(n int) key    { return binary.AppendVarint(k, int64(n)) }
func (k key) text(s string) key  { return append(k.count(len(s)), s...) }
func (k key) model(m *Model) key { return k.text(m.Named).text(m.Provider).text(m.Name) }
func (k key) label(l *label.Label) key {
	return k.count(int(l.Integrity)).count(int(l.Confidentiality)).texts(l.Sources)
}

func (k key) flag(b bool) key {
	if b {
		return append(k, 1)
	}
	return append(k, 0)
}

func (k key) texts(all []string) key {
	k = k.count(len(all))
	for _, s := range all {
		k = k.text(s)
	}
	return k
}

func (k key) principal(p *Principal) key {
	k = k.text(p.Issuer).text(p.Subject).text(p.User).text(p.Client).text(p.Tenant).text(p.Actor)
	return k.texts(p.Groups).texts(p.Teams).texts(p.Scopes).texts(p.Subjects).flag(p.Anonymous)
}
