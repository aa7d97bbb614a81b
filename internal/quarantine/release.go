package quarantine

import (
	"bytes"
	"context"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine/provenance"
	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
	"github.com/yellowjack/yellowjack/internal/quarantine/render"
)

// Context is the label of everything that the model read.
func (s *Session) Context() label.Label { return s.context }

// Call is a call of the model's with what policy has to know of its arguments.
type Call struct {
	Origins []provenance.ArgOrigin // nil: all of them have the context's label and none is a reference
	Bad     error                  // a reference that is none, or that stands where none may
}

// Look says where a call's arguments come from.
func (s *Session) Look(ctx context.Context, c llm.ToolCall) Call {
	var uses []provenance.Use
	if len(ref.Scan(c.Arguments)) > 0 || s.context.Integrity != label.Trusted {
		found, err := s.table.Uses(ctx, c.Arguments)
		if err != nil {
			return Call{Bad: err}
		}
		for _, u := range found {
			uses = append(uses, provenance.Use{Path: u.Path, Label: u.Label, Whole: u.Whole})
		}
	}
	return Call{Origins: s.history.Arguments(c.Arguments, s.context, uses)}
}

// Release resolves the references in the arguments of a call that policy allows, as its tool's rules permit, and has the call
// written down: under the id that the client gets, and as a grant of the tool's own name. Nothing may go out before Commit.
func (s *Session) Release(c llm.ToolCall, tool string, permitted ref.Rules) (llm.Verdict, error) {
	resolved, err := s.table.Resolve(c.Arguments, permitted.Permit)
	if err != nil {
		return llm.Verdict{}, err
	}
	v := llm.Verdict{Allow: true}
	if string(resolved) != string(c.Arguments) {
		v.Arguments = resolved
	}
	if c.Legacy {
		s.release.Legacy(c.Tool, c.Arguments, resolved, s.context)
	} else {
		v.ID = s.release.Call(c.Tool, c.ID, c.Arguments, resolved, s.context)
	}
	if err := s.release.Grant(tool, resolved, s.context); err != nil {
		return llm.Verdict{}, err
	}
	return v, nil
}

// Text is the filter of one text for the person; nil when no reference can stand in it.
func (s *Session) Text(ctx context.Context) func(choice int) llm.TextFilter {
	if !s.refs {
		return nil
	}
	config := render.Config{
		Hosts: s.g.c.LinkHosts,
		Lookup: func(n ref.Name) (ref.Entry, bool) {
			e, err := s.table.Lookup(ctx, n)
			return e, err == nil
		},
	}
	return func(int) llm.TextFilter { return &text{config: config} }
}

// text renders one text. One that begins like JSON is rendered as JSON, whatever was asked for: a client that parses it must not find
// names and values in it that somebody else put there.
type text struct {
	config render.Config
	inner  *render.Text
}

// Write takes the next piece.
func (t *text) Write(dst, piece []byte) []byte {
	if t.inner == nil {
		begin := bytes.TrimLeft(piece, " \t\r\n")
		dst = append(dst, piece[:len(piece)-len(begin)]...)
		if len(begin) == 0 {
			return dst
		}
		t.config.JSON = bytes.IndexByte([]byte("{[\"`"), begin[0]) >= 0
		t.inner, piece = render.New(t.config), begin
	}
	return t.inner.Write(dst, piece)
}

// Close appends what was kept back.
func (t *text) Close(dst []byte) []byte {
	if t.inner == nil {
		return dst
	}
	return t.inner.Close(dst)
}

// Finish has a turn of the model's written down, with everything that was collected, in one round trip. With an error, nothing of
// it may be released.
func (s *Session) Finish(ctx context.Context, t llm.Turn) error {
	for _, text := range t.Texts {
		if text.Cut {
			continue
		}
		var upstream []byte
		if text.Said != text.Shown {
			upstream = []byte(text.Said)
		}
		s.release.Turn([]byte(text.Shown), upstream, s.context)
	}
	return s.release.Commit(ctx)
}
