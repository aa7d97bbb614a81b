package awsevent

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"unicode/utf8"
)

// What can be wrong with a stream.
var (
	ErrTruncated = errors.New("the stream ends within a message")
	ErrTooLarge  = errors.New("a message is larger than the limit")
	ErrChecksum  = errors.New("a message whose checksum is wrong")
	ErrGrammar   = errors.New("the stream is not in the grammar of event streams")
)

const (
	preludeBytes  = 12 // two lengths and their checksum
	checksumBytes = 4
	leastBytes    = preludeBytes + checksumBytes
	maxHeaders    = 64 // of one message; those of AWS have a handful
)

// Reader cuts a stream into messages. Use one per stream, from one goroutine.
type Reader struct {
	max   int
	buf   []byte // the bytes of messages that Next has not returned
	start int    // of the message that is being read
	err   error
}

// NewReader makes a reader; a message over maxMessage bytes is an error.
func NewReader(maxMessage int) *Reader { return &Reader{max: maxMessage} }

// Feed adds what arrived. It copies chunk, and invalidates the messages returned so far.
func (r *Reader) Feed(chunk []byte) {
	if r.start > 0 {
		n := copy(r.buf, r.buf[r.start:])
		r.buf, r.start = r.buf[:n], 0
	}
	r.buf = append(r.buf, chunk...)
}

// Next returns the next complete message, or ok false when there is none yet.
func (r *Reader) Next() (m Message, ok bool, err error) {
	if r.err != nil {
		return Message{}, false, r.err
	}
	m, ok, r.err = r.next()
	return m, ok, r.err
}

// Close says that the stream has ended, after Next had no more.
func (r *Reader) Close() error {
	if r.err == nil && r.start < len(r.buf) {
		r.err = ErrTruncated
	}
	return r.err
}

func (r *Reader) next() (Message, bool, error) {
	b := r.buf[r.start:]
	if len(b) < preludeBytes {
		return Message{}, false, nil
	}
	total, headers := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	switch {
	case crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]):
		return Message{}, false, ErrChecksum
	case total < leastBytes, headers > total-leastBytes:
		return Message{}, false, ErrGrammar
	case uint64(total) > uint64(max(r.max, 0)):
		return Message{}, false, ErrTooLarge
	case len(b) < int(total):
		return Message{}, false, nil
	}
	raw := b[:total:total]
	end := len(raw) - checksumBytes
	if crc32.ChecksumIEEE(raw[:end]) != binary.BigEndian.Uint32(raw[end:]) {
		return Message{}, false, ErrChecksum
	}
	split := preludeBytes + int(headers)
	m := Message{Raw: raw, Headers: raw[preludeBytes:split:split], Payload: raw[split:end:end]}
	if !sound(m.Headers) {
		return Message{}, false, ErrGrammar
	}
	r.start += len(raw)
	return m, true, nil
}

// sound tells whether headers can be read in only one way.
func sound(headers []byte) bool {
	var names [maxHeaders][]byte
	for n := 0; len(headers) > 0; n++ {
		var name, typ, value []byte
		name, typ, value, headers = split(headers)
		switch {
		case typ == nil, n == maxHeaders, !utf8.Valid(name), Type(typ[0]) == String && !utf8.Valid(value):
			return false
		}
		for _, before := range names[:n] {
			if string(before) == string(name) {
				return false
			}
		}
		names[n] = name
	}
	return true
}
