package provenance

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// maxGrants is how many like calls of one answer are told apart.
const maxGrants = 8

const versionGrant = 0x31

// Grant is a grant that was taken.
type Grant struct {
	Conversation label.ConversationID
	Label        label.Label
}

// Grant notes that a call was released, so that it may be run, once, by who gets it: the arguments are as the client gets them.
func (r *Released) Grant(tool string, arguments []byte, l label.Label) error {
	canonical, err := strictjson.Canonical(arguments)
	if err != nil {
		return fmt.Errorf("provenance: arguments of a grant: %w", err)
	}
	key := r.h.a.grantKey(r.h.scope, tool, canonical)
	n := r.grants[key]
	if n >= maxGrants {
		return fmt.Errorf("provenance: more than %d like calls of %q in one answer", maxGrants, tool)
	}
	r.grants[key]++
	value := appendLabel(append([]byte{versionGrant}, r.h.Conversation[:]...), l)
	r.ops = append(r.ops, &store.Put{Key: key + ":" + strconv.Itoa(n), Value: value, TTL: r.h.a.c.Grant})
	return nil
}

func (a *Analyzer) grantKey(s label.Scope, tool string, canonical []byte) string {
	sum := a.keys.grant.sum(s, []byte(tool), canonical)
	return a.c.Keys.Slot(s) + "g:" + hex.EncodeToString(sum[:16])
}

// TakeGrant takes a grant for a call of a principal: of all who take it, one gets it. Nil is none.
func (a *Analyzer) TakeGrant(ctx context.Context, s label.Scope, tool string, arguments []byte) (*Grant, error) {
	canonical, err := strictjson.Canonical(arguments)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // what is no JSON was never granted
	}
	key := a.grantKey(s, tool, canonical)
	for n := range maxGrants {
		take := &store.Take{Key: key + ":" + strconv.Itoa(n)}
		if err := a.c.Store.Do(ctx, take); err != nil {
			return nil, fmt.Errorf("provenance: a grant: %w", err)
		}
		if take.Found {
			if g := readGrant(take.Value); g != nil {
				return g, nil
			}
		}
	}
	return nil, nil //nolint:nilnil // no grant is no error
}

// readGrant reads a grant; nil when it is none.
func readGrant(b []byte) *Grant {
	g := &Grant{}
	if len(b) < 1+len(g.Conversation) || b[0] != versionGrant {
		return nil
	}
	in := reader{b: b[1:]}
	copy(g.Conversation[:], in.take(len(g.Conversation)))
	if g.Label = in.label(); in.fail || len(in.b) != 0 {
		return nil
	}
	return g
}
