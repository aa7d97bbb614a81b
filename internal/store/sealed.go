package store

import (
	"context"
	"fmt"
	"slices"
)

// sealed is a layer over a Store that keeps nothing readable in it.
type sealed struct {
	Store
	keys *Keys
}

// Sealed encrypts what a Store keeps: the values of records, with where they point, and the members of sets. What stays readable are
// keys (which hold nothing personal), expiries, lengths, numbers, and the owners of locks (which are random).
//
// A record that does not open is an error, never "not found". Who may write to Redis can still delete what is there, put
// an older version of a record back, take members out of a set and change counters: Redis' user and TLS keep strangers from that.
func Sealed(s Store, k *Keys) Store { return &sealed{s, k} }

// Do seals what goes in and opens what comes out.
func (s *sealed) Do(ctx context.Context, ops ...Op) error {
	if _, err := check(ops); err != nil {
		return err
	}
	inner := make([]Op, len(ops))
	for i, op := range ops {
		inner[i] = s.in(op)
	}
	if err := s.Store.Do(ctx, inner...); err != nil {
		return err
	}
	for i, op := range ops {
		if err := s.out(op, inner[i]); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

// in makes of an operation the one on what is sealed.
func (s *sealed) in(op Op) Op {
	with := s.keys.seals[0]
	switch o := op.(type) {
	case *Get:
		return &Get{Key: o.Key, Follow: o.Follow}
	case *Put:
		return &Put{Key: o.Key, Value: with.record(o.Key, o.Next, o.Value), Next: o.Next, TTL: o.TTL, IfAbsent: o.IfAbsent}
	case *Take:
		return &Take{Key: o.Key}
	case *Union:
		aead := with.cipher(ofMember, o.Key)
		u := &Union{Key: o.Key, Members: make([]string, len(o.Members)), TTL: o.TTL}
		for i, m := range o.Members {
			u.Members[i] = with.member(aead, o.Key, m)
		}
		return u
	case *Members:
		return &Members{Key: o.Key}
	case *PutOwned:
		return &PutOwned{Lock: o.Lock, Owner: o.Owner, Key: o.Key, Value: with.record(o.Key, "", o.Value), TTL: o.TTL}
	}
	return op
}

// out fills in the results of an operation from those of the one on what is sealed.
func (s *sealed) out(op, inner Op) (err error) {
	switch o := op.(type) {
	case *Get:
		return s.get(o, inner.(*Get))
	case *Put:
		o.Stored = inner.(*Put).Stored
	case *Take:
		in := inner.(*Take)
		if o.Value, o.Found = nil, in.Found; in.Found {
			_, o.Value, err = s.keys.openRecord(o.Key, in.Value)
		}
	case *Members:
		in := inner.(*Members)
		o.Found = in.Found
		o.Members, err = s.members(o.Key, in.Members)
	case *PutOwned:
		o.Stored = inner.(*PutOwned).Stored
	}
	return err
}

func (s *sealed) get(o, in *Get) (err error) {
	o.Value, o.Found, o.Next, o.Followed, o.Members = nil, in.Found, "", nil, nil
	if !in.Found {
		return nil
	}
	if o.Next, o.Value, err = s.keys.openRecord(o.Key, in.Value); err != nil {
		return err
	}
	if o.Next != in.Next {
		return ErrSealed
	}
	if in.Followed != nil {
		if _, o.Followed, err = s.keys.openRecord(o.Next, in.Followed); err != nil {
			return err
		}
	}
	o.Members, err = s.members(o.Next, in.Members)
	return err
}

func (s *sealed) members(key string, members []string) ([]string, error) {
	if err := s.keys.openMembers(key, members); err != nil {
		return nil, err
	}
	slices.Sort(members)
	return slices.Compact(members), nil
}
