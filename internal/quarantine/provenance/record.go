package provenance

import (
	"encoding/binary"
	"strings"

	"github.com/yellowjack/yellowjack/internal/label"
)

// callRecord is what is kept of a released call.
type callRecord struct {
	tool       string
	providerID string
	arguments  []byte   // as the model wrote them
	resolved   [32]byte // the content hash of what the client was given
	label      label.Label
}

// contentRecord is what is kept of a content that was seen or released.
type contentRecord struct {
	kind         byte // turn or result
	conversation label.ConversationID
	label        label.Label
	upstream     []byte // a turn's form with references; nil when it is the same
}

const (
	kindTurn   = 't'
	kindResult = 'r'
	kindOwed   = 'o' // how a request began that was answered by a call
)

// recordVersion begins every record. One of another version is not known.
const recordVersion = 1

// maxRecord bounds one field of a record.
const maxRecord = 1 << 28

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// cutBytes reads what appendBytes wrote.
func cutBytes(b []byte) (value, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > maxRecord || uint64(len(b)-used) < n {
		return nil, nil, false
	}
	return b[used : used+int(n) : used+int(n)], b[used+int(n):], true
}

// appendLabel writes a label.
func appendLabel(dst []byte, l label.Label) []byte {
	dst = append(dst, byte(l.Integrity), byte(l.Confidentiality))
	return appendBytes(dst, []byte(strings.Join(l.Sources, "\x00")))
}

// cutLabel reads what appendLabel wrote; what is out of range is the worst.
func cutLabel(b []byte) (l label.Label, rest []byte, ok bool) {
	if len(b) < 2 {
		return l, nil, false
	}
	if b[0] <= byte(label.Trusted) && b[1] <= byte(label.Public) {
		l.Integrity, l.Confidentiality = label.Integrity(b[0]), label.Confidentiality(b[1])
	}
	sources, rest, ok := cutBytes(b[2:])
	if ok && len(sources) > 0 {
		l.Sources = strings.Split(string(sources), "\x00")
	}
	return l, rest, ok
}

func (r *callRecord) append(dst []byte) []byte {
	dst = append(dst, recordVersion)
	dst = appendBytes(dst, []byte(r.tool))
	dst = appendBytes(dst, []byte(r.providerID))
	dst = appendBytes(dst, r.arguments)
	dst = append(dst, r.resolved[:]...)
	return appendLabel(dst, r.label)
}

// readCall reads a record; nil when it is none.
func readCall(b []byte) *callRecord {
	if len(b) == 0 || b[0] != recordVersion {
		return nil
	}
	r := &callRecord{}
	tool, b, ok := cutBytes(b[1:])
	if !ok {
		return nil
	}
	provider, b, ok := cutBytes(b)
	if !ok {
		return nil
	}
	if r.arguments, b, ok = cutBytes(b); !ok || len(b) < len(r.resolved) {
		return nil
	}
	r.tool, r.providerID = string(tool), string(provider)
	b = b[copy(r.resolved[:], b):]
	if r.label, b, ok = cutLabel(b); !ok || len(b) != 0 {
		return nil
	}
	return r
}

func (r *contentRecord) append(dst []byte) []byte {
	dst = append(dst, recordVersion, r.kind)
	dst = append(dst, r.conversation[:]...)
	dst = appendLabel(dst, r.label)
	return append(dst, r.upstream...)
}

// readContent reads a record; nil when it is none.
func readContent(b []byte) *contentRecord {
	if len(b) < 18 || b[0] != recordVersion || b[1] != kindTurn && b[1] != kindResult && b[1] != kindOwed {
		return nil
	}
	r := &contentRecord{kind: b[1]}
	b = b[2:]
	b = b[copy(r.conversation[:], b):]
	var ok bool
	if r.label, b, ok = cutLabel(b); !ok {
		return nil
	}
	if len(b) > 0 {
		r.upstream = b
	}
	return r
}

// Members of a conversation's set. The set is there from the first release on, so that a missing one is told from a clean one.
const (
	memberOpen        = "o"
	memberUntrusted   = "u"
	memberConstrained = "k"
	memberSecret      = "s"
	memberInternal    = "n"
	memberSource      = "t:"
	memberPrints      = "f:"
)

// membersOf are the members that a label adds to a conversation's set.
func membersOf(l label.Label) []string {
	out := []string{memberOpen}
	switch l.Integrity {
	case label.Untrusted:
		out = append(out, memberUntrusted)
	case label.Constrained:
		out = append(out, memberConstrained)
	}
	switch l.Confidentiality {
	case label.Secret:
		out = append(out, memberSecret)
	case label.Internal:
		out = append(out, memberInternal)
	}
	for _, s := range l.Sources {
		out = append(out, memberSource+s)
	}
	return out
}

// labelOf is the label that a set of members stands for; an unknown member is the worst.
func labelOf(members []string) label.Label {
	l := label.Clean()
	for _, m := range members {
		switch {
		case m == memberOpen, strings.HasPrefix(m, memberPrints):
		case m == memberConstrained:
			l = l.Join(label.Label{Integrity: label.Constrained, Confidentiality: label.Public})
		case m == memberUntrusted:
			l = l.Join(label.Label{Confidentiality: label.Public})
		case m == memberInternal:
			l = l.Join(label.Label{Integrity: label.Trusted, Confidentiality: label.Internal})
		case m == memberSecret:
			l = l.Join(label.Label{Integrity: label.Trusted})
		case strings.HasPrefix(m, memberSource):
			l = l.Join(label.Label{Integrity: label.Trusted, Confidentiality: label.Public, Sources: []string{m[len(memberSource):]}})
		default:
			l = l.Join(label.Label{})
		}
	}
	return l
}
