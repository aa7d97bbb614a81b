package quarantine

import (
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// Explained is one piece of the context: as it came in and as the model reads it, and why.
type Explained struct {
	Message   int    // -1: of no message
	Role      string // as the client says
	Kind      string // text, arguments, result, media, reasoning, name
	Tool      string // of a result: whose call it is proven to answer
	Origin    string // the rule by which it is believed, or is not
	Treatment string // "" where policy treats nothing
	Rule      string // of policy
	Label     label.Label
	Status    string // why less is shown
	Bits      float64
	In, Out   []byte // Out is nil where it is In
}

// Explain lists everything that the model reads but the tools, in the order of the request, after Treat and before Shrink.
func (s *Session) Explain() []Explained {
	of := map[int]*Report{}
	results := map[int]*Report{}
	for i := range s.report {
		if p := s.report[i].Piece; p.Result >= 0 {
			results[p.Result] = &s.report[i]
		} else {
			of[p.Part] = &s.report[i]
		}
	}
	var out []Explained
	done := map[int]bool{}
	for i, p := range s.request.Parts {
		switch {
		case p.Kind == llm.DescriptionPart, p.Result >= 0 && done[p.Result]:
			continue
		case p.Result >= 0:
			done[p.Result] = true
			e := Explained{Message: p.Message, Role: p.Role, Kind: "result", In: s.request.ResultText(p.Result)}
			e.report(results[p.Result])
			if text, ok := s.edit.Results[p.Result]; ok {
				e.Out = text
			}
			out = append(out, e)
			continue
		}
		origin := s.history.Parts[i]
		e := Explained{Message: p.Message, Role: p.Role, Kind: kindOf(p.Kind), Origin: origin.Reason, Label: origin.Label, In: s.request.Text(p)}
		e.report(of[i])
		if text, ok := s.edit.PartTexts[i]; ok {
			e.Out = text
		} else if text, ok := s.history.Turns[i]; ok {
			e.Out = text
		} else if p.Call >= 0 && s.history.Calls[p.Call].Verified {
			e.Tool, e.Out = s.request.Calls[p.Call].Tool, s.history.Calls[p.Call].Arguments
		}
		out = append(out, e)
	}
	return out
}

// report takes what became of a piece that policy treated.
func (e *Explained) report(r *Report) {
	if r == nil {
		return
	}
	e.Tool, e.Origin, e.Treatment, e.Rule = r.Piece.Tool, r.Piece.Reason, r.How.String(), r.Rule
	e.Label, e.Status, e.Bits = r.Label, r.Status, r.Shown
}

func kindOf(k llm.PartKind) string {
	switch k {
	case llm.TextPart:
		return "text"
	case llm.ArgumentsPart:
		return "arguments"
	case llm.MediaPart:
		return "media"
	case llm.ReasoningPart:
		return "reasoning"
	case llm.NamePart:
		return "name"
	}
	return "other"
}
