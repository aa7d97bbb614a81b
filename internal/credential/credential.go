// Package credential chooses which provider key pays for a request.
//
// A Store is made once from the configuration's entries, each for one provider and for one user, for one team or for
// everyone. Pick takes the most specific entry that the principal may use: their own, then a team's (the first in the
// configuration's order where several fit), then everyone's. A user's entry needs a verified e-mail address; a team's
// needs the team as the principal has it, so a team of another issuer (partner/finance) is another team. Two entries
// for the same provider and the same people are an error, because one of them would never be used. Secrets are read
// once, when the store is made: a key that cannot be read, or that could not stand in a header, is an error then.
//
// Keys print as [redacted] however they are printed; only Reveal gives the value. Their ID is what the audit holds.
package credential

import (
	"errors"
	"fmt"
	"strings"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/identity"
)

// Entry is one provider key and who may use it. With neither a user nor a team everyone may.
type Entry struct {
	ID       string // for the audit; empty means one made of the other fields, such as openrouter/team:finance
	Provider string
	User     string
	Team     string
	Secret   conf.Secret
	Source   Source // in the place of Secret, for a provider that takes no plain key
}

// who is the part of a generated id that says for whom an entry is.
func (e Entry) who() string {
	switch {
	case e.User != "":
		return "user:" + e.User
	case e.Team != "":
		return "team:" + e.Team
	}
	return "*"
}

// Store holds the keys. It is immutable.
type Store struct {
	providers map[string]*entries
}

// entries are one provider's keys.
type entries struct {
	users map[string]Key
	teams []teamKey
	all   *Key
}

type teamKey struct {
	team string
	key  Key
}

// FromConfig is the entries of a configuration; source makes what one has in the place of a secret, or nil.
func FromConfig(list []conf.Credential, source func(conf.Credential) Source) []Entry {
	out := make([]Entry, len(list))
	for i, c := range list {
		out[i] = Entry{ID: c.ID, Provider: c.Provider, User: c.User, Team: c.Team, Secret: c.Secret, Source: source(c)}
	}
	return out
}

// New reads the secrets and makes a store. The error names every entry that is wrong by its id, never a value.
func New(list []Entry) (*Store, error) {
	s := &Store{providers: map[string]*entries{}}
	ids := map[string]bool{}
	var errs []error
	for i, e := range list {
		e.User = strings.ToLower(e.User)
		if e.ID == "" {
			e.ID = e.Provider + "/" + e.who()
		}
		if err := s.add(e, ids); err != nil {
			errs = append(errs, fmt.Errorf("credentials[%d] (%s): %w", i, e.ID, err))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

func (s *Store) add(e Entry, ids map[string]bool) error {
	switch {
	case e.Provider == "":
		return errors.New("names no provider")
	case e.User != "" && e.Team != "":
		return errors.New("names a user and a team; keep one")
	case ids[e.ID]:
		return errors.New("another credential has the same id")
	}
	ids[e.ID] = true
	key := Key{ID: e.ID, source: e.Source}
	if e.Source == nil {
		value, err := e.Secret.Reveal()
		if err != nil {
			return fmt.Errorf("secret: %w", err)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return errors.New("secret: holds characters that no key has")
		}
		key = newKey(e.ID, value)
	}
	p := s.providers[e.Provider]
	if p == nil {
		p = &entries{users: map[string]Key{}}
		s.providers[e.Provider] = p
	}
	errTie := errors.New("another credential is for the same provider and the same people")
	switch {
	case e.User != "":
		if _, ok := p.users[e.User]; ok {
			return errTie
		}
		p.users[e.User] = key
	case e.Team != "":
		for _, t := range p.teams {
			if t.team == e.Team {
				return errTie
			}
		}
		p.teams = append(p.teams, teamKey{e.Team, key})
	default:
		if p.all != nil {
			return errTie
		}
		p.all = &key
	}
	return nil
}

// Pick is the most specific key of a provider that the principal may use.
func (s *Store) Pick(p *identity.Principal, provider string) (Key, bool) {
	if p == nil {
		return Key{}, false
	}
	return s.pick(p.User(), p.Teams(), provider)
}

func (s *Store) pick(user string, teams []string, provider string) (Key, bool) {
	e := s.providers[provider]
	if e == nil {
		return Key{}, false
	}
	if user != "" && len(e.users) > 0 {
		if k, ok := e.users[strings.ToLower(user)]; ok {
			return k, true
		}
	}
	for _, t := range e.teams {
		for _, mine := range teams {
			if mine == t.team {
				return t.key, true
			}
		}
	}
	if e.all != nil {
		return *e.all, true
	}
	return Key{}, false
}

// Keyless says that no key at all is configured for a provider: a local model server that wants none. A provider with
// keys, none of which this principal may use, is not keyless.
func (s *Store) Keyless(provider string) bool { return s.providers[provider] == nil }
