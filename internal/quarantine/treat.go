package quarantine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
)

// How a piece is treated.
type How uint8

// The treatments. The zero one is the strict one.
const (
	Quarantine How = iota
	Pass
	Drop
)

// Treatment is what policy says of a piece.
type Treatment struct {
	How   How
	Rule  string
	Rules *Rules      // nil: of a tool that policy says nothing of
	Label label.Label // of what stands in its place
}

// Report says what became of a piece, for the audit and for an explanation.
type Report struct {
	Piece     Piece
	How       How
	Rule      string
	Label     label.Label // of what the model reads
	Status    string      // why less is shown; "" when nothing is missing
	Bits      float64     // that were charged now
	Shown     float64     // that what is shown is worth
	Questions int
	Unknown   int // of these
	Model     time.Duration
	Cached    bool
	In, Out   []byte
}

// dropped is what a model reads in the place of a result that policy drops.
const dropped = "[yellowjack: this tool result was removed by policy]"

// ErrMedia is media that would have to be withheld and stands where nothing can take its place.
var ErrMedia = errors.New("quarantine: untrusted media stands where no text can take its place")

// quarantined is a piece on its way to a clearance.
type quarantined struct {
	index    int // in the pieces
	piece    Piece
	rules    *Rules
	label    label.Label // of the clearance
	content  []byte
	hash     [32]byte
	skeleton *project.Skeleton
	names    []ref.Name
	answers  []project.Answer
	status   string
	report   *Report
}

// Treat does what policy says to each piece, in the order of Pieces, and returns the label of all that the model then reads.
// context is the label that policy made of the request. What the request carries behind a piece that is untrusted and which holds
// a part of it is quarantined too.
func (s *Session) Treat(ctx context.Context, treatments []Treatment, reads label.Label, revision string) (label.Label, error) {
	s.context = reads
	if len(treatments) != len(s.pieces) {
		return label.Label{}, errors.New("quarantine: not every piece was decided")
	}
	treatments = s.contain(treatments)
	s.report = make([]Report, len(s.pieces))
	var work []*quarantined
	for i, t := range treatments {
		p := s.pieces[i]
		s.report[i] = Report{Piece: p, How: t.How, Rule: t.Rule, Label: t.Label}
		switch t.How {
		case Pass:
			if p.Result >= 0 && !t.Label.Covers(label.Clean()) || t.Label.Integrity != label.Trusted || t.Label.Confidentiality != label.Public {
				s.note(p, t.Label)
			}
		case Drop:
			s.replace(p, []byte(dropped))
		default:
			q, err := s.begin(i, p, t)
			if err != nil {
				return label.Label{}, err
			}
			work = append(work, q)
		}
	}
	if len(work) > 0 {
		s.refs = true
		ctx, cancel := context.WithTimeout(ctx, s.g.c.Request)
		defer cancel()
		s.clear(ctx, work, revision)
	}
	s.release.Context(s.context)
	s.release.Seal()
	return s.context, nil
}

// contain finds what stands behind untrusted pieces and holds a part of them.
func (s *Session) contain(treatments []Treatment) []Treatment {
	var untrusted []int
	for i, t := range treatments {
		if p := s.pieces[i]; p.Result >= 0 && (t.How != Pass || t.Label.Integrity == label.Untrusted) {
			untrusted = append(untrusted, p.Result)
		}
	}
	if len(untrusted) == 0 || !s.history.Contain(untrusted) {
		return treatments
	}
	s.suspects(0)
	treatments = append([]Treatment(nil), treatments...)
	for len(treatments) < len(s.pieces) {
		t := Treatment{Rule: "contains untrusted content", Label: label.Label{Integrity: label.Constrained, Confidentiality: s.context.Confidentiality, Sources: []string{"unknown"}}}
		s.context = s.context.Join(t.Label)
		treatments = append(treatments, t)
	}
	return treatments
}

// begin takes the content of a piece.
func (s *Session) begin(i int, p Piece, t Treatment) (*quarantined, error) {
	q := &quarantined{index: i, piece: p, rules: t.Rules, label: t.Label, report: &s.report[i]}
	if q.rules == nil {
		q.rules = s.g.plain
	}
	if p.Result >= 0 {
		q.content = s.request.ResultText(p.Result)
	} else {
		part := s.request.Parts[p.Part]
		if part.Kind == llm.MediaPart && (part.Media < 0 || !s.request.Media[part.Media].Element) {
			return nil, ErrMedia
		}
		if part.Kind != llm.MediaPart {
			q.content = s.request.Text(part)
		}
	}
	q.hash = ref.Content(p.Tool, q.content)
	q.report.In = q.content
	q.label.Integrity = min(q.label.Integrity, label.Constrained)
	s.note(p, untrusted(q.label))
	return q, nil
}

// untrusted is the label of the content behind a clearance.
func untrusted(l label.Label) label.Label {
	l.Integrity = label.Untrusted
	return l
}

// note writes a piece's label down, for later requests.
func (s *Session) note(p Piece, l label.Label) {
	if p.Result >= 0 {
		s.release.Result(p.Result, l)
	} else {
		s.release.Part(p.Part, l)
	}
}

// clear makes the clearances: of what needs no model first, then with what the models answer.
func (s *Session) clear(ctx context.Context, work []*quarantined, revision string) {
	for _, q := range work {
		q.project(s.g)
	}
	s.reserve(ctx, work, []byte("projection/"+revision))
	for _, q := range work {
		s.issue(q)
	}
	if s.g.c.Asker != nil && !s.away {
		s.askFixed(ctx, work, revision)
		s.plan(ctx, work, revision)
	}
	for _, q := range work {
		out := q.clearance()
		q.report.Out, q.report.Status, q.report.Label = out, q.status, q.label
		s.replace(q.piece, out)
	}
}

// project makes the skeleton. A tool may have its own capacity; the questions that are asked of it for certain have theirs.
func (q *quarantined) project(g *Guard) {
	capacity := g.budget.Capacity()
	if bits := q.rules.tool.Bits; bits > 0 {
		capacity = min(capacity, budget.From(bits))
	}
	if g.c.Asker != nil {
		for _, question := range q.rules.tool.Questions {
			capacity -= budget.From(question.Bits())
		}
	}
	q.skeleton = g.skeletons.get(skeletonKey{q.hash, q.rules, max(capacity, 0)}, q.content)
}

// reserve charges what the skeletons say. What is not granted is one reference, which says nothing.
func (s *Session) reserve(ctx context.Context, work []*quarantined, what []byte) {
	charges := make([]budget.Charge, len(work))
	for i, q := range work {
		charges[i] = budget.Charge{Result: q.hash, What: what, Bits: q.skeleton.Bits}
	}
	outcomes, err := s.g.budget.Reserve(ctx, s.caller.Scope, s.history.Conversation, charges)
	for i, q := range work {
		switch {
		case s.away || err != nil:
			q.skeleton, q.status = project.Opaque(q.content), project.Withheld
		case !outcomes[i].Granted:
			q.skeleton, q.status = project.Opaque(q.content), project.Exhausted
		default:
			q.report.Bits += outcomes[i].Charged.Float()
		}
		q.report.Shown = q.skeleton.Bits.Float()
	}
}

// issue names the references of a skeleton, and has them kept.
func (s *Session) issue(q *quarantined) {
	q.names = s.table.Add(q.hash, q.piece.Tool, untrusted(q.label), q.skeleton.References)
	if q.piece.Result >= 0 && s.history.Results[q.piece.Result].Kept && q.report.Bits == 0 && q.status == "" {
		return // they were written down together with the label, and nothing is shown that was not shown then
	}
	if op := s.table.Record(q.hash, s.g.c.Keep); op != nil {
		s.release.Also(op)
	}
}

// clearance is what the model reads.
func (q *quarantined) clearance() []byte {
	return q.skeleton.Clearance(q.piece.Tool, func(i int) string { return string(q.names[i]) }, q.answers, q.status)
}

// replace puts a text in a piece's place.
func (s *Session) replace(p Piece, text []byte) {
	if p.Result >= 0 {
		if s.edit.Results == nil {
			s.edit.Results = map[int][]byte{}
		}
		s.edit.Results[p.Result] = text
		return
	}
	if s.edit.PartTexts == nil {
		s.edit.PartTexts = map[int][]byte{}
	}
	part := s.request.Parts[p.Part]
	isText := s.request.Doc[part.Span.Start] == '"' || part.Media >= 0 && s.request.Media[part.Media].Element
	switch {
	case part.Kind == llm.NamePart:
		text = []byte("unknown")
	case part.Kind == llm.ReasoningPart, !isText:
		text = nil // a provider reads its own form there, or nothing
	}
	s.edit.PartTexts[p.Part] = text
}

// Edit puts into an edit of the request what takes the pieces' places, and what the model itself wrote earlier.
func (s *Session) Edit(e *llm.Edit) {
	e.Results, e.PartTexts = s.edit.Results, s.edit.PartTexts
	ids := map[string]string{}
	for i, c := range s.history.Calls {
		if !c.Verified {
			s.alias(e, i, ids)
			continue
		}
		if s.request.Calls[i].IDSpan.Len() > 0 { // a provider that gave none gets none
			setID(e, i, c.ProviderID)
			ids[s.request.Calls[i].ID] = c.ProviderID
		}
		if s.request.Calls[i].Arguments.Len() > 0 && string(c.Arguments) != string(s.request.CallArguments(i)) {
			if e.Arguments == nil {
				e.Arguments = map[int][]byte{}
			}
			e.Arguments[i] = c.Arguments
		}
	}
	for i := range s.request.Results {
		r := &s.request.Results[i]
		if r.IDSpan.Len() == 0 {
			continue
		}
		id, ok := ids[r.ID]
		switch {
		case !ok && s.history.Results[i].Verified: // its call keeps its id
			continue
		case !ok:
			id = s.history.Alias(r.ID)
		}
		if e.ResultIDs == nil {
			e.ResultIDs = map[int]string{}
		}
		e.ResultIDs[i] = id
	}
	for i, text := range s.history.Turns {
		if _, replaced := e.PartTexts[i]; replaced {
			continue
		}
		if e.PartTexts == nil {
			e.PartTexts = map[int][]byte{}
		}
		e.PartTexts[i] = text
	}
}

func setID(e *llm.Edit, i int, id string) {
	if e.CallIDs == nil {
		e.CallIDs = map[int]string{}
	}
	e.CallIDs[i] = id
}

// unknownTool is the name of a tool that is none of those which the application offers.
const unknownTool = "unknown_tool"

// alias takes the words out of a call that nobody released: its id and its name may be any text.
func (s *Session) alias(e *llm.Edit, i int, ids map[string]string) {
	c := &s.request.Calls[i]
	if c.IDSpan.Len() > 0 {
		if _, known := ids[c.ID]; !known {
			ids[c.ID] = s.history.Alias(c.ID)
		}
		setID(e, i, ids[c.ID])
	}
	if !slices.ContainsFunc(s.request.Tools, func(t llm.Tool) bool { return t.Name == c.Tool }) {
		if e.CallTools == nil {
			e.CallTools = map[int]string{}
		}
		e.CallTools[i] = unknownTool
	}
}

// Reports say what became of each piece, in the order of Pieces.
func (s *Session) Reports() []Report { return s.report }

// String is the treatment's word.
func (h How) String() string {
	switch h {
	case Pass:
		return "pass"
	case Drop:
		return "drop"
	}
	return "quarantine"
}

// Shrink lets go of the request, of which the response half needs nothing but the person's own words.
func (s *Session) Shrink() {
	s.history.Shrink(s.context.Integrity != label.Trusted || s.refs)
	s.request, s.pieces, s.edit = nil, nil, llm.Edit{}
	for i := range s.report {
		s.report[i].In = nil
	}
}
