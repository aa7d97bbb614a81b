package awsevent

import "encoding/binary"

// Type is the type of a header's value.
type Type uint8

// The types, as they stand on the wire. True and False have no value besides.
const (
	True Type = iota
	False
	Int8
	Int16
	Int32
	Int64
	Bytes
	String
	Timestamp // milliseconds since 1970
	UUID
	types // how many there are
)

// fixed are the lengths of the values of each type; those of Bytes and String say theirs in two bytes.
var fixed = [types]int{Int8: 1, Int16: 2, Int32: 4, Int64: 8, Timestamp: 8, UUID: 16} //nolint:gochecknoglobals // a constant in all but syntax

// maxValue bounds a value: some clients take its length for a signed number.
const maxValue = 1<<15 - 1

// Header is one header. Its value is as on the wire, without a length.
type Header struct {
	Name  string
	Type  Type
	Value []byte
}

// Text is a header of type String.
func Text(name, value string) Header { return Header{Name: name, Type: String, Value: []byte(value)} }

// Message is one message. Its slices are valid until the reader's next Feed.
type Message struct {
	Raw     []byte // every byte of it
	Headers []byte // as on the wire; they were read
	Payload []byte
}

// Header finds a header.
func (m Message) Header(name string) (Header, bool) {
	for rest := m.Headers; len(rest) > 0; {
		var n, typ, value []byte
		n, typ, value, rest = split(rest)
		if typ == nil { // cannot be: they were read
			break
		}
		if string(n) == name {
			return Header{Name: name, Type: Type(typ[0]), Value: value}, true
		}
	}
	return Header{}, false
}

// Text is the value of a header of type String; nil of any other, and when there is none.
func (m Message) Text(name string) []byte {
	h, ok := m.Header(name)
	if !ok || h.Type != String {
		return nil
	}
	return h.Value
}

// split takes the first of some headers. typ is nil when it is none.
func split(headers []byte) (name, typ, value, rest []byte) {
	n := int(headers[0])
	if n == 0 || len(headers) < 1+n+1 {
		return nil, nil, nil, nil
	}
	name, typ, rest = headers[1:1+n], headers[1+n:2+n], headers[2+n:]
	if typ[0] >= byte(types) {
		return nil, nil, nil, nil
	}
	size := fixed[typ[0]]
	if t := Type(typ[0]); t == Bytes || t == String {
		if len(rest) < 2 {
			return nil, nil, nil, nil
		}
		size, rest = int(binary.BigEndian.Uint16(rest)), rest[2:]
	}
	if len(rest) < size || size > maxValue {
		return nil, nil, nil, nil
	}
	return name, typ, rest[:size:size], rest[size:]
}
