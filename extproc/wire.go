package extproc

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// wire reads the fields of one protobuf message, which is all[at:end]. Offsets are into all, so that whoever made one copy
// of a part can cut strings from it.
type wire struct {
	all     []byte
	at, end int
	broken  bool

	// The field that next found: a varint, or the bytes all[from:to].
	number   protowire.Number
	kind     protowire.Type
	value    uint64
	from, to int
}

func wireOf(b []byte) wire { return wire{all: b, end: len(b)} }

// next finds the next field. It returns false at the end, or where the bytes are no protobuf: broken then says so.
func (w *wire) next() bool {
	if w.at >= w.end || w.broken {
		return false
	}
	number, kind, n := protowire.ConsumeTag(w.all[w.at:w.end])
	if n < 0 {
		w.broken = true
		return false
	}
	w.number, w.kind = number, kind
	w.at += n
	rest := w.all[w.at:w.end]
	switch kind {
	case protowire.VarintType:
		w.value, n = protowire.ConsumeVarint(rest)
	case protowire.BytesType:
		var v []byte
		v, n = protowire.ConsumeBytes(rest)
		w.to = w.at + n
		w.from = w.to - len(v)
	default:
		n = protowire.ConsumeFieldValue(number, kind, rest)
	}
	if n < 0 {
		w.broken = true
		return false
	}
	w.at += n
	return true
}

// is tells whether the field has a number and bytes; flag, whether it has a number and a varint. A field of another type
// than its number's is unknown, as protobuf has it.
func (w *wire) is(n protowire.Number) bool { return w.number == n && w.kind == protowire.BytesType }

func (w *wire) flag(n protowire.Number) bool { return w.number == n && w.kind == protowire.VarintType }

// inside reads the field that next found as a message of its own.
func (w *wire) inside() wire { return wire{all: w.all, at: w.from, end: w.to} }

// bytes is the field that next found; what is appended to it does not touch what follows.
func (w *wire) bytes() []byte { return w.all[w.from:w.to:w.to] }

// The other direction: the length of a message is written before it, so each part tells its size first.

// sizeOf is the size of a field of n bytes; numbers below 16 have a tag of one byte, as all that we write have.
func sizeOf(n int) int { return 1 + protowire.SizeBytes(n) }

// sizeText is the size of a field that is left out when it is empty.
func sizeText(n int) int {
	if n == 0 {
		return 0
	}
	return sizeOf(n)
}

// appendHead begins a field of n bytes.
func appendHead(b []byte, number protowire.Number, n int) []byte {
	b = append(b, byte(number<<3)|byte(protowire.BytesType))
	return protowire.AppendVarint(b, uint64(n)) //nolint:gosec // a length
}

// appendText is a string or bytes, left out when empty.
func appendText[T string | []byte](b []byte, number protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return append(appendHead(b, number, len(v)), v...)
}

// appendNumber is a varint, or true.
func appendNumber(b []byte, number protowire.Number, v int) []byte {
	b = append(b, byte(number<<3)|byte(protowire.VarintType))
	return protowire.AppendVarint(b, uint64(v)) //nolint:gosec // never negative
}

// sizeNumber is the size of a varint field.
func sizeNumber(v int) int { return 1 + protowire.SizeVarint(uint64(v)) } //nolint:gosec // never negative
