package extproc

import (
	"errors"
	"unicode/utf8"
)

// message is one message of Envoy's, as much of it as the walk reads.
type message struct {
	kind    kind
	headers headerView // of headers and trailers
	body    []byte
	end     bool
	details string // the attribute response.code_details
}

// kind is which of Envoy's messages one is.
type kind uint8

// The numbers are those of their fields in envoy.service.ext_proc.v3.ProcessingRequest.
const (
	requestHeaders kind = iota + 2
	responseHeaders
	requestBody
	responseBody
	requestTrailers
	responseTrailers
)

var (
	errWire  = errors.New("Envoy's message cannot be read")
	errTwice = errors.New("Envoy's message is two at once")
	errNone  = errors.New("Envoy's message is none that is known here")
)

// parseMessage reads a ProcessingRequest. The generated code would make an object of each header and of much that nobody
// asks for, which cost more than some of the walk's own steps. What is not read is skipped, as protobuf has it; a message
// that is none, or two at once, is an error. The body is b's own bytes, everything else a copy.
func parseMessage(b []byte) (message, error) {
	var m message
	var err error
	w := wireOf(b)
	for err == nil && w.next() {
		switch n := w.number; {
		case w.is(9): // attributes
			err = m.parseAttributes(w.inside())
		case n < 2 || n > 7 || !w.is(n):
		case m.kind != 0:
			err = errTwice
		case n == 4 || n == 5:
			m.kind = kind(n)
			err = m.parseBody(w.inside())
		default:
			m.kind = kind(n)
			err = m.parseHeaders(w.inside())
		}
	}
	switch {
	case err != nil:
		return message{}, err
	case w.broken:
		return message{}, errWire
	case m.kind == 0:
		return message{}, errNone
	}
	return m, nil
}

// parseBody reads an HttpBody.
func (m *message) parseBody(w wire) error {
	for w.next() {
		switch {
		case w.is(1):
			m.body = w.bytes()
		case w.flag(2):
			m.end = w.value != 0
		}
	}
	return w.err()
}

// parseHeaders reads HttpHeaders, or HttpTrailers, which begin alike.
func (m *message) parseHeaders(w wire) error {
	for w.next() {
		switch {
		case w.is(1):
			if err := m.headers.parse(w.inside()); err != nil {
				return err
			}
		case w.flag(3):
			m.end = w.value != 0
		}
	}
	return w.err()
}

// parse reads a HeaderMap. One copy of it is what all its strings share.
func (v *headerView) parse(w wire) error {
	text, base := string(w.all[w.at:w.end]), w.at
	if v.list == nil {
		v.list = make([]header, 0, 24)
	}
	for w.next() {
		if !w.is(1) {
			continue
		}
		var one header
		var value, raw string
		h := w.inside()
		for h.next() {
			switch {
			case h.is(1):
				one.name = text[h.from-base : h.to-base]
			case h.is(2):
				value = text[h.from-base : h.to-base]
			case h.is(3):
				raw = text[h.from-base : h.to-base]
			}
		}
		if h.broken || !utf8.ValidString(one.name) || !utf8.ValidString(value) {
			return errWire
		}
		one.value = raw
		if raw == "" {
			one.value = value
		}
		v.list = append(v.list, one)
	}
	return w.err()
}

// parseAttributes reads one entry of map<string, Struct> and keeps response.code_details where it is in it.
func (m *message) parseAttributes(w wire) error {
	for w.next() {
		if !w.is(2) {
			continue
		}
		s := w.inside() // a Struct
		for s.next() {
			if !s.is(1) {
				continue
			}
			f := s.inside() // an entry of map<string, Value>
			var name, text string
			for f.next() {
				switch {
				case f.is(1):
					name = string(f.bytes())
				case f.is(2):
					v := f.inside() // a Value
					text = ""
					for v.next() {
						if v.is(3) {
							text = string(v.bytes())
						} else {
							text = "" // the last of its members counts
						}
					}
					f.broken = f.broken || v.broken
				}
			}
			s.broken = s.broken || f.broken
			if name == "response.code_details" {
				m.details = text
			}
		}
		w.broken = w.broken || s.broken
	}
	return w.err()
}

// err is the error of a message that is no protobuf.
func (w *wire) err() error {
	if w.broken {
		return errWire
	}
	return nil
}
