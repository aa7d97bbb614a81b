package provenance

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
)

// entry is what is kept of anything that was released.
type entry struct {
	conversation label.ConversationID
	ordinal      uint32 // what was released later in the conversation has a higher one
	at           int64  // when it was written, in seconds
	label        label.Label
}

// callRecord is what is kept of a released call.
type callRecord struct {
	entry
	tool       string
	providerID string
	arguments  []byte   // as the model wrote them
	resolved   [32]byte // the content hash of what the client was given, canonical
	place      [8]byte  // of the chain that it was released behind
}

// turnRecord is what is kept of a released text.
type turnRecord struct {
	entry
	rendered bool   // it is shown in another form than it goes up in
	upstream []byte // the form it goes up in
}

// The first byte of a record. One of another version is not known.
const (
	versionCall = 0x11
	versionTurn = 0x21
	versionGap  = 0x41
)

// maxField bounds one field of a record.
const maxField = 1 << 28

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// reader takes a record apart; once it has failed it gives nothing.
type reader struct {
	b    []byte
	fail bool
}

func (r *reader) take(n int) []byte {
	if r.fail || n < 0 || n > len(r.b) {
		r.fail = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) number() uint64 {
	n, used := binary.Uvarint(r.b)
	if r.fail || used <= 0 {
		r.fail = true
		return 0
	}
	r.b = r.b[used:]
	return n
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > maxField {
		r.fail = true
		return nil
	}
	return r.take(int(n))
}

// appendLabel writes a label.
func appendLabel(dst []byte, l label.Label) []byte {
	dst = append(dst, byte(l.Integrity), byte(l.Confidentiality))
	return appendBytes(dst, []byte(strings.Join(l.Sources, "\x00")))
}

// label reads what appendLabel wrote; what is out of range is the worst.
func (r *reader) label() (l label.Label) {
	b := r.take(2)
	sources := r.bytes()
	if r.fail {
		return label.Label{}
	}
	if b[0] <= byte(label.Trusted) && b[1] <= byte(label.Public) {
		l.Integrity, l.Confidentiality = label.Integrity(b[0]), label.Confidentiality(b[1])
	}
	if len(sources) > 0 {
		l.Sources = strings.Split(string(sources), "\x00")
	}
	return l
}

func (r *entry) append(dst []byte) []byte {
	dst = append(dst, r.conversation[:]...)
	dst = binary.AppendUvarint(dst, uint64(r.ordinal))
	dst = binary.AppendUvarint(dst, uint64(max(r.at, 0)))
	return appendLabel(dst, r.label)
}

func (r *reader) entry() (out entry) {
	copy(out.conversation[:], r.take(len(out.conversation)))
	ordinal := r.number()
	out.at = int64(min(r.number(), 1<<62))
	out.label = r.label()
	if ordinal > 1<<32-1 {
		r.fail = true
	}
	out.ordinal = uint32(ordinal)
	return out
}

func (r *callRecord) append(dst []byte) []byte {
	dst = append(dst, versionCall)
	dst = r.entry.append(dst)
	dst = appendBytes(dst, []byte(r.tool))
	dst = appendBytes(dst, []byte(r.providerID))
	dst = appendBytes(dst, r.arguments)
	dst = append(dst, r.place[:]...)
	return append(dst, r.resolved[:]...)
}

// readCall reads a record; nil when it is none.
func readCall(b []byte) *callRecord {
	if len(b) == 0 || b[0] != versionCall {
		return nil
	}
	in := reader{b: b[1:]}
	r := &callRecord{entry: in.entry(), tool: string(in.bytes()), providerID: string(in.bytes()), arguments: in.bytes()}
	copy(r.place[:], in.take(len(r.place)))
	copy(r.resolved[:], in.take(len(r.resolved)))
	if in.fail || len(in.b) != 0 {
		return nil
	}
	return r
}

func (r *turnRecord) append(dst []byte) []byte {
	dst = append(dst, versionTurn)
	dst = r.entry.append(dst)
	rendered := byte(0)
	if r.rendered {
		rendered = 1
	}
	dst = append(dst, rendered)
	return appendBytes(dst, r.upstream)
}

// readTurn reads a record; nil when it is none.
func readTurn(b []byte) *turnRecord {
	if len(b) == 0 || b[0] != versionTurn {
		return nil
	}
	in := reader{b: b[1:]}
	r := &turnRecord{entry: in.entry()}
	if rendered := in.take(1); rendered != nil {
		r.rendered = rendered[0] != 0
	}
	r.upstream = in.bytes()
	if in.fail || len(in.b) != 0 {
		return nil
	}
	return r
}

// alone writes that calls were released somewhere.
func (r *entry) alone() []byte { return r.append([]byte{versionGap}) }

// readEntry reads what alone wrote; nil when it is none.
func readEntry(b []byte) *entry {
	if len(b) == 0 || b[0] != versionGap {
		return nil
	}
	in := reader{b: b[1:]}
	r := in.entry()
	if in.fail || len(in.b) != 0 {
		return nil
	}
	return &r
}

// old tells that a record is to be written again, so that it does not expire while it is in use.
func (r *entry) old(now time.Time, stale time.Duration) bool {
	return now.Sub(time.Unix(r.at, 0)) > stale
}
