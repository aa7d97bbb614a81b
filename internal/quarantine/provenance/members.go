package provenance

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/yellowjack/yellowjack/internal/label"
)

// Members of the sets. A conversation's is there from its first release on, so that a missing one is told from a clean one. What a
// set says is never taken back: labels only tighten.
const (
	memberOpen        = "o"
	memberUntrusted   = "u"
	memberConstrained = "k"
	memberSecret      = "s"
	memberInternal    = "n"
	memberSource      = "t:" // and the source
	memberCall        = "c:" // and the ordinal and the tag of a released call, and the tag of what was released before it
	memberDone        = "d:" // and the tag of a call and the mark of a content that answered it
	memberStood       = "s:" // and the mark of a text of the system or the person that was trusted when something was released
	memberAsked       = "q:" // and how many bytes the person's last such text had
	memberPrompt      = "e:" // and samples of such a text of the system
	memberPrints      = "f:" // and fingerprints of an untrusted content
)

// membersOf are the members that a label adds to a set.
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

// conversation is what the store holds of one, or of a content in the ledger.
type conversation struct {
	missing bool // although something leads to it
	label   label.Label
	calls   map[string]callAt // released, by tag
	done    map[string][]mark // answered, by tag: by which contents
	stood   map[mark]struct{} // texts that were there, and trusted
	asked   []uint32          // lengths of what the person wrote last
	prompt  []string          // samples of those of the system; one for each, though there be none in it
	sampled int               // how many there are
	prints  []string
	printed int // how many there are
}

// callAt is where a call was released.
type callAt struct {
	ordinal uint32
	after   string // the tag of the last thing of ours that stood before it
}

// markSize is how much of a content's hash is kept of what answered a call.
const markSize = 8

func callMember(ordinal uint32, tag, after string) string {
	return string(binary.BigEndian.AppendUint32([]byte(memberCall), ordinal)) + tag + after
}

// doneBy is the mark of a content as a done member has it.
func doneBy(content []byte) (m mark) {
	copy(m[:markSize], content)
	return m
}

func doneMember(tag string, content [32]byte) string {
	return memberDone + tag + string(content[:markSize])
}

// tagSize is the length of a tag: the nonce of an id, and some of its MAC.
const tagSize = nonceSize + 5

// readMembers reads a set; an unknown member is the worst label.
func readMembers(members []string) *conversation {
	c := &conversation{label: label.Clean()}
	at := label.Label{Integrity: label.Trusted, Confidentiality: label.Public}
	var sources []string
	calls, done, stood := 0, 0, 0 // a long conversation has many, and a map that grows is copied each time
	for _, m := range members {
		switch {
		case strings.HasPrefix(m, memberCall):
			calls++
		case strings.HasPrefix(m, memberDone):
			done++
		case strings.HasPrefix(m, memberStood):
			stood++
		}
	}
	if calls+done+stood > 0 {
		c.calls, c.done, c.stood = make(map[string]callAt, calls), make(map[string][]mark, done), make(map[mark]struct{}, stood)
	}
	for _, m := range members {
		kind, rest := m, ""
		if len(m) > 1 && m[1] == ':' {
			kind, rest = m[:2], m[2:]
		}
		switch {
		case kind == memberOpen:
		case kind == memberConstrained:
			at.Integrity = min(at.Integrity, label.Constrained)
		case kind == memberUntrusted:
			at.Integrity = label.Untrusted
		case kind == memberInternal:
			at.Confidentiality = min(at.Confidentiality, label.Internal)
		case kind == memberSecret:
			at.Confidentiality = label.Secret
		case kind == memberSource:
			sources = append(sources, rest)
		case kind == memberCall && len(rest) == 4+2*tagSize:
			c.calls[rest[4:4+tagSize]] = callAt{binary.BigEndian.Uint32([]byte(rest)), rest[4+tagSize:]}
		case kind == memberDone && len(rest) == tagSize+markSize:
			c.done[rest[:tagSize]] = append(c.done[rest[:tagSize]], doneBy([]byte(rest[tagSize:])))
		case kind == memberStood && len(rest) == len(mark{}):
			c.stood[mark([]byte(rest))] = struct{}{}
		case kind == memberAsked && len(rest) == 4:
			c.asked = append(c.asked, binary.BigEndian.Uint32([]byte(rest)))
		case kind == memberPrompt:
			c.prompt = append(c.prompt, rest)
			c.sampled += len(rest) / printSize
		case kind == memberPrints:
			c.prints = append(c.prints, rest)
			c.printed += len(rest) / printSize
		default:
			at.Integrity, at.Confidentiality = label.Untrusted, label.Secret
		}
	}
	c.label = at
	for _, s := range sources {
		c.label = c.label.Join(label.Label{Integrity: label.Trusted, Confidentiality: label.Public, Sources: []string{s}})
	}
	return c
}

// labelOf is the label that a set of members stands for.
func labelOf(members []string) label.Label { return readMembers(members).label }

// answered tells whether a call was answered, as far as the store knows.
func (c *conversation) answered(tag string) bool { return len(c.done[tag]) > 0 }

// changed tells whether a call was answered by another content than this one.
func (c *conversation) changed(tag string, content [32]byte) bool {
	by := doneBy(content[:])
	return slices.ContainsFunc(c.done[tag], func(m mark) bool { return m != by })
}

// follows tells whether a call was released behind something of ours, with nothing but other calls between.
func (c *conversation) follows(call callAt, last string) bool {
	for range len(c.calls) + 1 {
		if call.after == last {
			return true
		}
		before, there := c.calls[call.after]
		if !there {
			return false
		}
		call = before
	}
	return false
}
