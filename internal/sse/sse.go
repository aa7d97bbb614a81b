// Package sse reads and writes server-sent events (WHATWG HTML, 9.2) so that what we read is what every client reads.
//
// Bytes are fed as they arrive and complete events come out; how the bytes were cut never shows. An event is everything
// up to and including its blank line, kept as it came in Raw, with its data lines joined. Lines end by CR, LF or CRLF; a
// CR that is the last byte so far waits for the byte after it. A byte order mark at the start is dropped, because only
// some clients skip it.
//
// Clients differ in what they forgive, so what is ambiguous is an error here: invalid UTF-8, an unknown field (a lenient
// client may take "Data" or "data " for data), and outside of data any character that some libraries take for
// the end of a line. An event that the stream ends within is an error too, [ErrTruncated]. Errors stick.
package sse

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// What can be wrong with a stream.
var (
	ErrTruncated = errors.New("the stream ends within an event")
	ErrTooLarge  = errors.New("an event is larger than the limit")
	ErrUTF8      = errors.New("invalid UTF-8 in the stream")
	ErrGrammar   = errors.New("the stream is not in the grammar of server-sent events")
)

// Event is one event, comment or run of blank lines. Its slices are valid until the next Feed.
type Event struct {
	Raw     []byte // every byte of it, blank line included
	Name    string // the last event field, "" when there is none
	Data    []byte // the data lines, joined by LF
	Comment bool   // nothing but comments (or nothing at all): no field
	HasData bool   // there was a data line, so a client sees an event
	ID      string // the last id field
	HasID   bool   // there was one
	Retry   string // the last retry field that is a number: milliseconds; "" when there is none
}

// Reader cuts a stream into events. Use one per stream, from one goroutine.
type Reader struct {
	max     int
	buf     []byte // the bytes of events that Next has not returned
	start   int    // of the event that is being read
	line    int    // of the line that is being read
	scanned int    // no line ends between line and here
	begun   bool   // the byte order mark was looked for
	ended   bool
	joined  []byte // data of events that have several lines of it
	err     error

	// The event that is being read.
	name   string
	id     string
	hasID  bool
	retry  string
	data   [2]int // of the only data line, while there is one
	lines  int    // of data
	field  bool
	pieces []byte
}

// NewReader makes a reader; an event over maxEvent bytes is an error.
func NewReader(maxEvent int) *Reader { return &Reader{max: maxEvent} }

// Feed adds what arrived. It copies chunk, and invalidates the events returned so far.
func (r *Reader) Feed(chunk []byte) {
	if r.start > 0 {
		n := copy(r.buf, r.buf[r.start:])
		r.buf = r.buf[:n]
		r.line -= r.start
		r.scanned -= r.start
		r.data[0] -= r.start
		r.data[1] -= r.start
		r.start = 0
	}
	r.joined = r.joined[:0]
	r.buf = append(r.buf, chunk...)
}

// Close says that the stream has ended, after Next had no more. A CR at the very end then ends its line, and Next returns
// the event that it completes, if it does; anything else that is left is [ErrTruncated].
func (r *Reader) Close() error {
	r.ended = true
	blank := r.line == len(r.buf)-1 && r.buf[r.line] == '\r'
	if r.err == nil && r.start < len(r.buf) && !blank {
		r.err = ErrTruncated
	}
	return r.err
}

// Next returns the next complete event; false means that more must be fed first.
func (r *Reader) Next() (Event, bool, error) {
	if r.err != nil {
		return Event{}, false, r.err
	}
	if !r.skipMark() {
		return Event{}, false, nil
	}
	for {
		text, next, ok := r.nextLine()
		if !ok {
			if len(r.buf)-r.start > r.max {
				r.err = ErrTooLarge
			}
			return Event{}, false, r.err
		}
		if next-r.start > r.max {
			r.err = ErrTooLarge
			return Event{}, false, r.err
		}
		if text[0] == text[1] {
			r.line, r.scanned = next, next
			return r.dispatch(next), true, nil
		}
		if r.err = r.read(text); r.err != nil {
			return Event{}, false, r.err
		}
		r.line, r.scanned = next, next
	}
}

var mark = []byte("\xef\xbb\xbf")

// skipMark drops a byte order mark; false means that it cannot be told yet.
func (r *Reader) skipMark() bool {
	if r.begun {
		return true
	}
	if len(r.buf) < len(mark) && bytes.HasPrefix(mark, r.buf) && !r.ended {
		return false
	}
	r.begun = true
	if bytes.HasPrefix(r.buf, mark) {
		r.start, r.line, r.scanned = len(mark), len(mark), len(mark)
	}
	return true
}

// nextLine finds the end of the line that is being read: its text without the ending, and where the next line starts.
func (r *Reader) nextLine() (text [2]int, next int, ok bool) {
	at := bytes.IndexByte(r.buf[r.scanned:], '\n')
	searched := r.buf[r.scanned:]
	if at >= 0 {
		searched = searched[:at]
	}
	if cr := bytes.IndexByte(searched, '\r'); cr >= 0 {
		at = r.scanned + cr
		switch {
		case at+1 < len(r.buf) && r.buf[at+1] == '\n':
			return [2]int{r.line, at}, at + 2, true
		case at+1 < len(r.buf) || r.ended:
			return [2]int{r.line, at}, at + 1, true
		}
		r.scanned = at
		return text, 0, false
	}
	if at < 0 {
		r.scanned = len(r.buf)
		return text, 0, false
	}
	at += r.scanned
	return [2]int{r.line, at}, at + 1, true
}

// read takes one line that is not blank.
func (r *Reader) read(text [2]int) error {
	line := r.buf[text[0]:text[1]]
	if !utf8.Valid(line) {
		return ErrUTF8
	}
	field, value := line, text[1]
	if colon := bytes.IndexByte(line, ':'); colon >= 0 {
		field, value = line[:colon], text[0]+colon+1
		if value < text[1] && r.buf[value] == ' ' {
			value++
		}
	}
	if string(field) == "data" {
		r.field = true
		r.addData(value, text[1])
		return nil
	}
	if breaksElsewhere(line) {
		return ErrGrammar
	}
	switch string(field) {
	case "": // a comment
	case "event":
		r.field, r.name = true, string(r.buf[value:text[1]])
	case "id":
		r.field, r.hasID, r.id = true, true, string(r.buf[value:text[1]])
	case "retry":
		r.field = true
		if number := r.buf[value:text[1]]; digits(number) {
			r.retry = string(number)
		}
	default:
		return ErrGrammar
	}
	return nil
}

// addData joins data lines; the usual single one is not copied.
func (r *Reader) addData(from, to int) {
	switch r.lines {
	case 0:
		r.data = [2]int{from, to}
	case 1:
		r.pieces = append(r.pieces[:0], r.buf[r.data[0]:r.data[1]]...)
		fallthrough
	default:
		r.pieces = append(r.pieces, '\n')
		r.pieces = append(r.pieces, r.buf[from:to]...)
	}
	r.lines++
}

// dispatch ends the event at its blank line.
func (r *Reader) dispatch(next int) Event {
	e := Event{Raw: r.buf[r.start:next:next], Name: r.name, Comment: !r.field, HasData: r.lines > 0, ID: r.id, HasID: r.hasID, Retry: r.retry}
	switch {
	case r.lines == 1:
		e.Data = r.buf[r.data[0]:r.data[1]:r.data[1]]
	case r.lines > 1:
		at := len(r.joined)
		r.joined = append(r.joined, r.pieces...)
		e.Data = r.joined[at:len(r.joined):len(r.joined)]
	}
	r.start = next
	r.name, r.lines, r.field = "", 0, false
	r.id, r.hasID, r.retry = "", false, ""
	return e
}

func digits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

// breaksElsewhere finds what is no line end here but is one to some library (Python's splitlines has eight more).
func breaksElsewhere(line []byte) bool {
	for i, c := range line {
		switch {
		case c < ' ' && c != '\t', c == 0x7f:
			return true
		case c == 0xc2:
			if i+1 < len(line) && line[i+1] == 0x85 { // U+0085
				return true
			}
		case c == 0xe2: // U+2028, U+2029
			if i+2 < len(line) && line[i+1] == 0x80 && line[i+2]|1 == 0xa9 {
				return true
			}
		}
	}
	return false
}

// AppendData appends an event with nothing but data, which may have several lines.
func AppendData(dst, data []byte) []byte { return AppendEvent(dst, "", data) }

// AppendEvent appends a named event. A CR in data ends a line as an LF does.
func AppendEvent(dst []byte, name string, data []byte) []byte {
	if name != "" {
		dst = append(dst, "event: "...)
		dst = appendLine(dst, name)
	}
	for {
		dst = append(dst, "data: "...)
		at := bytes.IndexAny(data, "\r\n")
		if at < 0 {
			dst = append(dst, data...)
			return append(dst, "\n\n"...)
		}
		dst = append(dst, data[:at]...)
		dst = append(dst, '\n')
		if data[at] == '\r' && at+1 < len(data) && data[at+1] == '\n' {
			at++
		}
		data = data[at+1:]
	}
}

// AppendComment appends a comment of one line, which clients skip.
func AppendComment(dst []byte, text string) []byte {
	dst = append(dst, ": "...)
	dst = appendLine(dst, text)
	return append(dst, '\n')
}

// appendLine writes text as one line, whatever is in it.
func appendLine(dst []byte, text string) []byte {
	for _, c := range text {
		switch {
		case c < ' ' || c == 0x7f || c == 0x85 || c == 0x2028 || c == 0x2029:
			c = ' '
		}
		dst = utf8.AppendRune(dst, c)
	}
	return append(dst, '\n')
}
