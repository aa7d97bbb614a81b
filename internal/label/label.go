// Package label says how far a piece of a conversation may be believed and who may read it.
//
// A Label has an integrity (untrusted, constrained, trusted), a confidentiality (secret, internal, public), an audience and the
// sources it stems from. The label of several pieces is their Join: the least integrity, the most confidentiality, the audience
// that all have, the sources of all. Join is associative, commutative and idempotent, and only ever tightens; it is tested by
// properties. The zero Label is the worst one, so that a label which is missing is never read as a clean one.
package label

import (
	"errors"
	"slices"
)

// Integrity is how far something may be believed. The zero value is the least.
type Integrity uint8

// The integrities, from the least.
const (
	Untrusted   Integrity = iota // third parties may have written it
	Constrained                  // derived from untrusted content through a typed channel
	Trusted                      // the person, the application or a trusted tool wrote it
)

// Confidentiality is who may read something. The zero value is the most confidential.
type Confidentiality uint8

// The confidentialities, from the most confidential.
const (
	Secret Confidentiality = iota
	Internal
	Public
)

// MaxSources is how many sources a label names; more become Many.
const MaxSources = 32

// Many stands for the sources of a label that has more than MaxSources.
const Many = "*"

// Label is what is known of a piece of a conversation. The zero Label is the worst: untrusted and secret.
type Label struct {
	Integrity       Integrity
	Confidentiality Confidentiality
	Sources         []string // sorted, each once: names of tools and servers; nobody changes them
}

// Clean is the label of what a trusted person or application wrote and anyone may read.
func Clean() Label { return Label{Integrity: Trusted, Confidentiality: Public} }

// Join is the label of two pieces together.
func (l Label) Join(o Label) Label {
	return Label{
		Integrity:       min(l.Integrity, o.Integrity),
		Confidentiality: min(l.Confidentiality, o.Confidentiality),
		Sources:         joinSources(l.Sources, o.Sources),
	}
}

// Covers tells that l is at least as tight as o: joining o would not change l.
func (l Label) Covers(o Label) bool { return l.Join(o).equal(l) }

func (l Label) equal(o Label) bool {
	return l.Integrity == o.Integrity && l.Confidentiality == o.Confidentiality && slices.Equal(l.Sources, o.Sources)
}

func joinSources(a, b []string) []string {
	switch {
	case len(b) == 0:
		return a
	case len(a) == 0:
		return b
	}
	all := make([]string, 0, len(a)+len(b))
	all = append(append(all, a...), b...)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > MaxSources || slices.Contains(all, Many) {
		return []string{Many}
	}
	return all
}

// String is the integrity's word.
func (i Integrity) String() string {
	switch i {
	case Trusted:
		return "trusted"
	case Constrained:
		return "constrained"
	}
	return "untrusted"
}

// String is the confidentiality's word.
func (c Confidentiality) String() string {
	switch c {
	case Public:
		return "public"
	case Internal:
		return "internal"
	}
	return "secret"
}

// ErrWord is a word that names no integrity or confidentiality.
var ErrWord = errors.New("label: unknown word")

// ParseIntegrity reads the word of an integrity. An unknown one is untrusted, and an error.
func ParseIntegrity(word string) (Integrity, error) {
	switch word {
	case "trusted":
		return Trusted, nil
	case "constrained":
		return Constrained, nil
	case "untrusted":
		return Untrusted, nil
	}
	return Untrusted, ErrWord
}

// ParseConfidentiality reads the word of a confidentiality. An unknown one is secret, and an error.
func ParseConfidentiality(word string) (Confidentiality, error) {
	switch word {
	case "public":
		return Public, nil
	case "internal":
		return Internal, nil
	case "secret":
		return Secret, nil
	}
	return Secret, ErrWord
}

// Scope says whose data something is: nothing of one scope is ever found under another.
type Scope struct {
	Tenant    string
	Principal string // identity.Principal.Key
}

// ConversationID names a conversation; it is random, and says nothing.
type ConversationID [16]byte
