package sse

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// The ways in which a stream is broken. A Reader that returned one returns it ever after.
var (
	ErrTooLarge  = errors.New("sse: an event is larger than the limit")
	ErrEncoding  = errors.New("sse: an event is not UTF-8")
	ErrTruncated = errors.New("sse: the stream ends within an event")
)

// Event is one event, or a piece of the stream that is none: comments, or blank lines between events. Its slices are
// valid until the next Feed.
type Event struct {
	Raw     []byte // the bytes as they came, the blank line that ends it included
	Name    string // of the last `event` field
	Data    []byte // the `data` fields, joined by line feeds
	HasData bool   // there was a `data` field
	Comment bool   // comments and nothing else
}

// Reader splits a stream into events, however it is cut into chunks.
type Reader struct {
	max   int
	buf   []byte
	event int // where the event that is being read begins
	line  int // where its current line begins
	scan  int // up to where the line was searched for its end
	first bool
	ended bool
	err   error
}

// NewReader makes a reader of events of at most maxEvent bytes, line ends included.
func NewReader(maxEvent int) *Reader { return &Reader{max: maxEvent, first: true} }

// Feed appends a chunk of the stream, of any size. The chunk is copied.
func (r *Reader) Feed(chunk []byte) {
	if r.event > 0 {
		n := copy(r.buf, r.buf[r.event:])
		r.buf = r.buf[:n]
		r.line -= r.event
		r.scan -= r.event
		r.event = 0
	}
	r.buf = append(r.buf, chunk...)
}

// Next returns the next complete event; false when more must be fed first.
func (r *Reader) Next() (Event, bool, error) {
	if r.err != nil {
		return Event{}, false, r.err
	}
	for {
		end, next, ok := r.lineEnd()
		if !ok {
			if len(r.buf)-r.event > r.max {
				r.err = fmt.Errorf("%w of %d bytes", ErrTooLarge, r.max)
			}
			return Event{}, false, r.err
		}
		blank := end == r.line
		r.line, r.scan = next, next
		if next-r.event > r.max {
			r.err = fmt.Errorf("%w of %d bytes", ErrTooLarge, r.max)
			return Event{}, false, r.err
		}
		if blank {
			raw := r.buf[r.event:next:next]
			r.event = next
			if !utf8.Valid(raw) {
				r.err = ErrEncoding
				return Event{}, false, r.err
			}
			return r.parse(raw), true, nil
		}
	}
}

// lineEnd finds the current line's end and where the next line begins: LF, CR LF or CR end a line. A CR that is the last
// byte so far is no end yet, since an LF may follow; at the stream's end it is one.
func (r *Reader) lineEnd() (end, next int, ok bool) {
	i := bytes.IndexAny(r.buf[r.scan:], "\r\n")
	if i < 0 {
		r.scan = len(r.buf)
		return 0, 0, false
	}
	end = r.scan + i
	next = end + 1
	if r.buf[end] == '\r' {
		switch {
		case next < len(r.buf):
			if r.buf[next] == '\n' {
				next++
			}
		case !r.ended:
			r.scan = end
			return 0, 0, false
		}
	}
	return end, next, true
}

// Close says that the stream has ended. Next returns what is still complete; Close itself returns ErrTruncated when
// something incomplete is left.
func (r *Reader) Close() error {
	if r.err != nil {
		return r.err
	}
	r.ended = true
	rest := r.buf[r.event:]
	if len(rest) > 0 && !bytes.HasSuffix(rest, []byte("\r\r")) && !bytes.HasSuffix(rest, []byte("\n\r")) && !bytes.Equal(rest, []byte("\r")) {
		r.err = ErrTruncated
		return r.err
	}
	return nil
}

var bom = []byte("\xef\xbb\xbf") //nolint:gochecknoglobals // a constant in all but syntax

// parse reads the fields of one event by the rules of the HTML standard, section 9.2.6.
func (r *Reader) parse(raw []byte) Event {
	e := Event{Raw: raw, Comment: true}
	lines := raw
	if r.first {
		lines = bytes.TrimPrefix(lines, bom)
		r.first = false
	}
	fields, joined := 0, false
	for len(lines) > 0 {
		i := bytes.IndexAny(lines, "\r\n")
		line := lines[:i]
		if lines[i] == '\r' && i+1 < len(lines) && lines[i+1] == '\n' {
			i++
		}
		lines = lines[i+1:]
		if len(line) == 0 {
			continue
		}
		fields++
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		if len(name) > 0 {
			e.Comment = false
		}
		switch string(name) {
		case "data":
			switch {
			case !e.HasData:
				e.Data, e.HasData = value, true
			case !joined:
				e.Data = append(append(append(make([]byte, 0, len(raw)), e.Data...), '\n'), value...)
				joined = true
			default:
				e.Data = append(append(e.Data, '\n'), value...)
			}
		case "event":
			e.Name = string(value)
		}
	}
	if fields == 0 {
		e.Comment = false
	}
	return e
}
