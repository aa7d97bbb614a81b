package mcpbroker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// What a call waits for.
const (
	waitsForServer  = 's' // an input that its server asked for
	waitsForConfirm = 'c' // the person's consent
	waitsForConnect = 'a' // the person's account at the server
)

const stateVersion = 1

// state is what a call comes again with: the edge seals it to the principal and the request.
type state struct {
	waits    byte
	server   string
	once     string // names the record in the store that this state is good for once; "" is any number of times
	has      bool   // the server gave a state of its own
	upstream []byte
}

func (s *state) append(dst []byte) []byte {
	dst = append(dst, stateVersion, s.waits)
	dst = appendText(dst, s.server)
	dst = appendText(dst, s.once)
	if s.has {
		dst = append(append(dst, 1), s.upstream...)
	} else {
		dst = append(dst, 0)
	}
	return dst
}

var errState = errors.New("mcpbroker: the state is not one of ours, or was used")

// readState reads what append wrote.
func readState(b []byte) (*state, error) {
	if len(b) < 2 || b[0] != stateVersion || b[1] != waitsForServer && b[1] != waitsForConfirm && b[1] != waitsForConnect {
		return nil, errState
	}
	s := &state{waits: b[1]}
	var ok bool
	if s.server, b, ok = cutText(b[2:]); !ok {
		return nil, errState
	}
	if s.once, b, ok = cutText(b); !ok || len(b) < 1 {
		return nil, errState
	}
	switch {
	case b[0] == 1:
		s.has, s.upstream = true, b[1:]
	case b[0] != 0 || len(b) > 1:
		return nil, errState
	}
	return s, nil
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func cutText(b []byte) (s string, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || uint64(len(b)-used) < n {
		return "", nil, false
	}
	return string(b[used : used+int(n)]), b[used+int(n):], true //nolint:gosec // not above the length
}

// earned is what a call has behind it that no other call may use: a grant, a person's consent.
type earned struct {
	granted   bool
	confirmed bool
	label     label.Label // with granted: of what the model read
}

func (e earned) any() bool { return e.granted || e.confirmed }

// keep puts what a call has earned into the store, for whoever comes with the name that it gets.
func (b *Broker) keep(ctx context.Context, p *identity.Principal, t *target, e earned) (once string, err error) {
	once = rand.Text()
	value := append([]byte{stateVersion, flag(e.granted), flag(e.confirmed), byte(e.label.Integrity), byte(e.label.Confidentiality)}, t.digest()...)
	value = append(value, strings.Join(e.label.Sources, "\x00")...)
	return once, b.c.Store.Do(ctx, &store.Put{Key: b.onceKey(p, once), Value: value, TTL: b.c.StateTTL})
}

// spend takes it from there: of all who come, one gets it, and only for the call that it was kept for.
func (b *Broker) spend(ctx context.Context, p *identity.Principal, t *target, once string) (earned, error) {
	take := &store.Take{Key: b.onceKey(p, once)}
	if err := b.c.Store.Do(ctx, take); err != nil {
		return earned{}, err
	}
	const head = 5 + sha256.Size
	v := take.Value
	if !take.Found || len(v) < head || v[0] != stateVersion || string(v[5:head]) != string(t.digest()) {
		return earned{}, errState
	}
	e := earned{granted: v[1] == 1, confirmed: v[2] == 1}
	if v[3] <= byte(label.Trusted) && v[4] <= byte(label.Public) {
		e.label.Integrity, e.label.Confidentiality = label.Integrity(v[3]), label.Confidentiality(v[4])
	}
	if len(v) > head {
		e.label.Sources = strings.Split(string(v[head:]), "\x00")
	}
	return e, nil
}

func (b *Broker) onceKey(p *identity.Principal, once string) string {
	return b.c.Keys.Slot(scopeOf(p)) + "m:" + once
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// digest is what a call is: two with the same one do the same.
func (t *target) digest() []byte {
	arguments := t.arguments
	if canonical, err := strictjson.Canonical(arguments); err == nil {
		arguments = canonical
	}
	h := sha256.New()
	_, _ = h.Write(appendText(appendText(nil, t.method), t.full))
	_, _ = h.Write(arguments)
	return h.Sum(nil)
}
