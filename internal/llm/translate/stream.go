package translate

import (
	"time"

	"github.com/yellowjack/yellowjack/internal/awsevent"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// Options are what an answer's translation needs besides the dialects.
type Options struct {
	ID       string    // of the answer, where the provider gives none
	Model    string    // that is asked, where the provider does not say which answers
	Now      time.Time // of the answer, where the provider does not say
	MaxEvent int       // bytes of one event; 0 is 16 MiB
	Usage    bool      // the client asked for an event with the usage, where its dialect has that asked for
}

const defaultMaxEvent = 16 << 20

// Stream translates a streamed answer, piece by piece as the guard releases it. It is used by one goroutine. What comes out
// does not depend on how the pieces were cut. Errors stick.
type Stream struct {
	in    decoder
	out   encoder
	text  *sse.Reader
	aws   *awsevent.Reader
	dst   []byte
	told  int  // of the thoughts
	over  bool // the last event was written
	err   error
	write func(event) error
}

// NewStream begins to translate a stream of a provider of the dialect from for a client of the dialect to.
func NewStream(from, to string, o Options) (*Stream, error) {
	c, p, err := pair(to, from)
	if err != nil {
		return nil, err
	}
	if o.MaxEvent <= 0 {
		o.MaxEvent = defaultMaxEvent
	}
	s := &Stream{in: p.stream(), out: c.stream(o)}
	if p.aws {
		s.aws = awsevent.NewReader(o.MaxEvent)
	} else {
		s.text = sse.NewReader(o.MaxEvent)
	}
	s.write = s.put
	return s, nil
}

// put writes one event.
func (s *Stream) put(e event) error {
	if s.over {
		if e.kind == pinged || e.kind == finished {
			return nil
		}
		return unreadable("has more behind its end")
	}
	s.over = e.kind == failing || e.kind == finished
	var err error
	s.dst, err = s.out.event(s.dst, e)
	return err
}

// Write takes what was released and appends what the client gets of it.
func (s *Stream) Write(dst, released []byte) ([]byte, error) {
	if s.err != nil {
		return dst, s.err
	}
	s.dst = dst
	if s.aws != nil {
		s.err = s.writeAWS(released)
	} else {
		s.err = s.writeText(released)
	}
	dst, s.dst = s.dst, nil
	return dst, s.err
}

func (s *Stream) writeText(released []byte) error {
	s.text.Feed(released)
	return s.readText()
}

func (s *Stream) readText() error {
	for {
		e, ok, err := s.text.Next()
		switch {
		case err != nil:
			return unreadable("is no stream of events")
		case !ok:
			return nil
		case e.Comment:
			err = s.put(event{kind: pinged})
		case e.HasData:
			err = s.in.event(e.Name, e.Data, s.write)
		}
		if err != nil {
			return err
		}
	}
}

func (s *Stream) writeAWS(released []byte) error {
	s.aws.Feed(released)
	for {
		m, ok, err := s.aws.Next()
		if err != nil {
			return unreadable("is no stream of events")
		}
		if !ok {
			return nil
		}
		name := string(m.Text(":event-type"))
		if name == "" {
			name = "!" + string(m.Text(":exception-type"))
		}
		if err := s.in.event(name, m.Payload, s.write); err != nil {
			return err
		}
	}
}

// Close ends the stream. One that did not come to its end is an error.
func (s *Stream) Close(dst []byte) ([]byte, error) {
	if s.err != nil {
		return dst, s.err
	}
	s.dst = dst
	s.err = s.end()
	dst, s.dst = s.dst, nil
	return dst, s.err
}

func (s *Stream) end() error {
	if s.text != nil {
		broken := s.text.Close()
		if err := s.readText(); err != nil {
			return err
		}
		if broken != nil {
			return unreadable("was cut")
		}
	} else if s.aws.Close() != nil {
		return unreadable("was cut")
	}
	if err := s.in.end(s.write); err != nil {
		return err
	}
	if !s.over {
		return unreadable("has no end")
	}
	return nil
}

// Thoughts are those of Thoughts that were written since it was last asked.
func (s *Stream) Thoughts() []string {
	t, ok := s.out.(thoughtful)
	if !ok {
		return nil
	}
	all := t.thoughts()
	out := all[s.told:]
	s.told = len(all)
	return out
}

// WantsUsage tells whether a request of a client's dialect asks for an event with the usage at the end of a stream.
func WantsUsage(dialect string, doc []byte) bool {
	var in struct {
		Options chatOptions `json:"stream_options"`
	}
	return dialect == Chat && readAnswer(doc, &in) == nil && in.Options.Usage
}
