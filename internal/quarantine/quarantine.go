// Package quarantine keeps what third parties wrote from models that have tools.
//
// A Session is the quarantine of one exchange. In the request half it recalls where each piece of the history comes from
// (provenance), tells the walk what policy has to treat (Pieces), and treats it (treat.go): a quarantined piece is projected to
// typed values and references (project, ref), the questions that policy or the privileged model ask about it are answered by the
// quarantined model (dual, plan.go), what all of that says of the content is reserved (budget), and a clearance takes the piece's
// place. Edit then restores what the model itself wrote earlier: its calls' ids and arguments, and its texts with references in
// them. In the response half (release.go) references in the arguments of allowed calls are resolved, those in the text for the
// person are rendered (render), and everything that a later request must be held against is written down before any of it goes
// out.
//
// Whatever fails withholds: a store that is away, a model that does not answer, a budget that is used up leave the clearance with
// less in it, never with more.
package quarantine

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
	"github.com/yellowjack/yellowjack/internal/quarantine/dual"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/quarantine/provenance"
	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
	"github.com/yellowjack/yellowjack/internal/store"
)

// Config is what a Guard works with.
type Config struct {
	Store store.Store // sealed
	Keys  *store.Keys
	Keep  time.Duration // how long what a conversation needs is kept; default 24 h

	// Capacities in bits.
	Result, Conversation, PrincipalHour float64

	Asker     *dual.Asker   // nil: no question is answered
	Plan      bool          // the privileged model asks questions
	Rounds    int           // of the privileged model; default 2
	Request   time.Duration // for all results of a request; default 15 s
	LinkHosts []string

	Skeletons int // projected results that are remembered; default 4096
	Log       *slog.Logger
}

// Guard makes sessions; it is safe for concurrent use.
type Guard struct {
	c          Config
	provenance *provenance.Analyzer
	minter     ref.Minter
	budget     *budget.Budget
	skeletons  *skeletons
	plain      *Rules // of a tool that policy says nothing of
}

// New makes a guard.
func New(c Config) (*Guard, error) {
	if c.Store == nil || c.Keys == nil {
		return nil, errors.New("quarantine: a store and its keys are needed")
	}
	if c.Keep == 0 {
		c.Keep = 24 * time.Hour
	}
	if c.Rounds == 0 {
		c.Rounds = 2
	}
	if c.Request == 0 {
		c.Request = 15 * time.Second
	}
	if c.Skeletons == 0 {
		c.Skeletons = 4096
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	g := &Guard{c: c, minter: ref.Minter{Keys: c.Keys}, skeletons: newSkeletons(c.Skeletons)}
	var err error
	if g.provenance, err = provenance.New(provenance.Config{Store: c.Store, Keys: c.Keys, Keep: c.Keep}); err != nil {
		return nil, err
	}
	g.budget, err = budget.New(budget.Config{
		Store: c.Store, Keys: c.Keys, Keep: c.Keep,
		Limits: budget.Limits{Result: budget.From(c.Result), Conversation: budget.From(c.Conversation), PrincipalHour: budget.From(c.PrincipalHour)},
	})
	if err != nil {
		return nil, err
	}
	if g.plain, err = Compile(Tool{}); err != nil {
		return nil, err
	}
	return g, nil
}

// Tool is what policy says of one tool's results.
type Tool struct {
	Project   project.Rules
	Bits      float64 // what one result may say; 0 is the configuration's
	Questions []Question
	Rounds    int // of the privileged model; -1 is the configuration's
}

// Question is a question about a result, or about the field of it that About names.
type Question struct {
	dual.Question
	About string
}

// Rules are a Tool's, ready for use. They never change.
type Rules struct {
	tool      Tool
	projector *project.Projector
}

// Compile makes the rules of a tool, or says what is wrong with them.
func Compile(t Tool) (*Rules, error) {
	p, err := project.Compile(t.Project, project.Limits{})
	if err != nil {
		return nil, err
	}
	for i, q := range t.Questions {
		if q.ID == "" {
			t.Questions[i].ID = fmt.Sprintf("q%d", i)
		}
		if err := t.Questions[i].Check(); err != nil {
			return nil, fmt.Errorf("question %d: %w", i, err)
		}
	}
	return &Rules{tool: t, projector: p}, nil
}

// Caller is on whose behalf a session is.
type Caller struct {
	Scope label.Scope
	// Token makes a delegated token for one call of a model.
	Token func(purpose string) (string, error)
}

// Session is the quarantine of one exchange. It is for one goroutine.
type Session struct {
	g       *Guard
	caller  Caller
	request *llm.Request
	history *provenance.History
	release *provenance.Released
	issuer  ref.Issuer
	table   *ref.Table
	pieces  []Piece
	away    bool // the store did not answer
	edit    llm.Edit
	context label.Label // of everything that the model reads
	report  []Report
	refs    bool // there are references that an answer may have in it
}

// Open begins a session.
func (g *Guard) Open(caller Caller, r *llm.Request) *Session {
	return &Session{g: g, caller: caller, request: r, history: g.provenance.Begin(caller.Scope, r)}
}

// Piece is something that policy has to treat: a tool's result, or a part of the conversation that is to be treated as one whatever
// its role.
type Piece struct {
	Result   int    // index in the request's results; -1: a part
	Part     int    // index in the request's parts; -1: a result
	Tool     string // as the client names it; "" when it is not proven
	ID       string
	Verified bool
	Bytes    int
	Label    label.Label // what is known of it from before
	Reason   string      // why it is believed, or is not
}

// Recall finds out where everything in the request comes from. A store that is away is no error here: nothing is proven then.
func (s *Session) Recall(ctx context.Context) {
	if err := s.history.Lookup(ctx); err != nil {
		s.away = true
		s.g.c.Log.Warn("the store is away; results are withheld", "err", err)
		s.history.Forget()
	}
	s.issuer = s.g.minter.For(s.caller.Scope, s.history.Conversation)
	s.table = ref.NewTable(s.issuer, s.g.c.Store)
	s.release = s.history.Release()
	s.refs = s.history.Label.Integrity != label.Trusted // a conversation with references in it is not
	for i := range s.request.Results {
		r, o := &s.request.Results[i], &s.history.Results[i]
		s.pieces = append(s.pieces, Piece{
			Result: i, Part: -1, Tool: o.Tool, ID: r.ID, Verified: o.Verified, Bytes: r.Bytes, Label: o.Label, Reason: o.Reason,
		})
	}
	s.suspects(0)
}

// suspects adds the parts that are to be treated as results and are not among the pieces yet.
func (s *Session) suspects(known int) {
	seen := map[int]bool{}
	for _, p := range s.pieces[known:] {
		if p.Part >= 0 {
			seen[p.Part] = true
		}
	}
	for i, o := range s.history.Parts {
		if o.Result && !seen[i] {
			s.pieces = append(s.pieces, Piece{Result: -1, Part: i, Bytes: s.request.Parts[i].Span.Len(), Label: o.Label, Reason: o.Reason})
		}
	}
}

// Pieces are what policy has to treat.
func (s *Session) Pieces() []Piece { return s.pieces }

// Label is the label of everything in the request but its pieces, joined with what the store holds of the conversation.
func (s *Session) Label() label.Label { return s.history.Label }

// Away tells that the store did not answer.
func (s *Session) Away() bool { return s.away }

// skeletons remembers projections: a growing conversation sends the same results again and again.
type skeletons struct {
	max   int
	bytes int // of the contents
	mu    sync.Mutex
	all   map[skeletonKey]*list.Element
	order *list.List // of *skeletonEntry, the last used in front
}

type skeletonKey struct {
	content  [32]byte
	rules    *Rules
	capacity budget.Bits
}

type skeletonEntry struct {
	key      skeletonKey
	skeleton *project.Skeleton
	bytes    int
}

// maxSkeleton is the content after which a projection is not remembered, and maxSkeletons that of all that are.
const (
	maxSkeleton  = 256 << 10
	maxSkeletons = 32 << 20
)

func newSkeletons(limit int) *skeletons {
	return &skeletons{max: limit, all: map[skeletonKey]*list.Element{}, order: list.New()}
}

func (c *skeletons) get(k skeletonKey, content []byte) *project.Skeleton {
	c.mu.Lock()
	if e := c.all[k]; e != nil {
		c.order.MoveToFront(e)
		c.mu.Unlock()
		return e.Value.(*skeletonEntry).skeleton
	}
	c.mu.Unlock()
	s := k.rules.projector.Project(content, k.rules.tool.Project.Kind, k.capacity)
	if len(content) > maxSkeleton {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[k] == nil {
		c.all[k] = c.order.PushFront(&skeletonEntry{k, s, len(content)})
		c.bytes += len(content)
		for c.order.Len() > c.max || c.bytes > maxSkeletons {
			last := c.order.Remove(c.order.Back()).(*skeletonEntry)
			delete(c.all, last.key)
			c.bytes -= last.bytes
		}
	}
	return s
}
