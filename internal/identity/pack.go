package identity

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// packer writes what a delegated token holds: numbers as they are, texts behind their length. unpacker reads it back.
type packer struct{ b []byte }

func (w *packer) number(n int64) { w.b = binary.AppendVarint(w.b, n) }

func (w *packer) text(s string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *packer) list(list []string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(list)))
	for _, s := range list {
		w.text(s)
	}
}

// What is true of a packed principal.
const (
	packedFirst = 1 << iota
	packedClientAlone
	packedExpires
	packedTeamsAreGroups
	packedIssued
)

// principal writes all that a principal is made of. Its subjects follow from the rest, and so are not written: they would
// be most of a token.
func (w *packer) principal(p *Principal) {
	teamsAreGroups := slices.Equal(p.teams, p.groups)
	var flags int64
	for _, f := range []struct {
		bit int64
		set bool
	}{
		{packedFirst, p.first}, {packedClientAlone, p.clientAlone()}, {packedExpires, !p.expires.IsZero()}, {packedTeamsAreGroups, teamsAreGroups}, {packedIssued, !p.issued.IsZero()},
	} {
		if f.set {
			flags |= f.bit
		}
	}
	w.number(flags)
	if !p.expires.IsZero() {
		w.number(p.expires.UnixNano())
	}
	if !p.issued.IsZero() {
		w.number(p.issued.UnixNano())
	}
	for _, s := range []string{p.issuer, p.subject, p.user, p.client, p.tenant, p.actor, p.key} {
		w.text(s)
	}
	w.list(p.groups)
	if !teamsAreGroups {
		w.list(p.teams)
	}
	w.list(p.scopes)
	w.list(p.handles)
}

var errPacked = errors.New("not what a gateway wrote")

// unpacker reads what packer wrote and keeps that something was wrong.
type unpacker struct {
	b   []byte
	bad bool
}

func (r *unpacker) number() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *unpacker) length() int {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > uint64(len(r.b)-size) { // a text of n bytes, or n texts of one byte or more
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return int(n) //nolint:gosec // at most len(r.b)
}

func (r *unpacker) text() string {
	n := r.length()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *unpacker) list() []string {
	out := make([]string, r.length())
	for i := range out {
		out[i] = r.text()
	}
	return out
}

func (r *unpacker) principal() *Principal {
	flags := r.number()
	p := &Principal{first: flags&packedFirst != 0}
	if flags&packedExpires != 0 {
		p.expires = time.Unix(0, r.number())
	}
	if flags&packedIssued != 0 {
		p.issued = time.Unix(0, r.number())
	}
	for _, s := range []*string{&p.issuer, &p.subject, &p.user, &p.client, &p.tenant, &p.actor, &p.key} {
		*s = r.text()
	}
	p.groups = r.list()
	p.teams = p.groups
	if flags&packedTeamsAreGroups == 0 {
		p.teams = r.list()
	}
	p.scopes = r.list()
	p.handles = r.list()
	p.subjects = p.allSubjects(flags&packedClientAlone != 0)
	return p
}

// end is nil when everything was read, and all of it was there.
func (r *unpacker) end() error {
	if r.bad || len(r.b) > 0 {
		return errPacked
	}
	return nil
}
