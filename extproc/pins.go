package extproc

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"sync"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/policies"
)

// maxPins bounds the descriptions that are remembered; beyond it all are forgotten.
const maxPins = 1 << 16

// pins remembers the hashes of tools' descriptions: clients send the same ones with every request.
type pins struct {
	seed maphash.Seed
	mu   sync.RWMutex
	all  map[pinKey]string
}

// pinKey is a tool's name and what it says, under a seed that nobody outside knows.
type pinKey struct {
	name        string
	description uint64
	schema      uint64
	bytes       int
}

func newPins() *pins { return &pins{seed: maphash.MakeSeed(), all: map[pinKey]string{}} }

// hash is what a tool's description and the schema of its arguments are pinned by: SHA-256 over their canonical form (RFC 8785), so
// that spaces and the order of names do not change it. first tells that it was not seen before.
func (p *pins) hash(doc []byte, t *llm.Tool) (hash string, first bool) {
	description, schema := t.Description.Of(doc), t.Schema.Of(doc)
	key := pinKey{t.Name, maphash.Bytes(p.seed, description), maphash.Bytes(p.seed, schema), len(description)<<32 | len(schema)}
	p.mu.RLock()
	hash, ok := p.all[key]
	p.mu.RUnlock()
	if ok {
		return hash, false
	}
	if len(description) == 0 {
		description = []byte(`null`)
	}
	if len(schema) == 0 {
		schema = []byte(`null`)
	}
	pinned := append(append(append(append([]byte(`{"description":`), description...), `,"schema":`...), schema...), '}')
	if canonical, err := strictjson.Canonical(pinned); err == nil {
		pinned = canonical
	}
	sum := sha256.Sum256(pinned)
	hash = hex.EncodeToString(sum[:])
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) >= maxPins {
		clear(p.all)
	}
	p.all[key] = hash
	return hash, true
}

// describe hashes what an offered tool says of itself; what was not seen before is written down, so that it can be approved.
func (x *exchange) describe(doc []byte, t *llm.Tool) string {
	if t.Server {
		return ""
	}
	hash, first := x.s.pins.hash(doc, t)
	if first {
		x.record.ToolsSeen = append(x.record.ToolsSeen, audit.Seen{Tool: clip(t.Name), Hash: hash})
	}
	return hash
}

// notePins writes down which descriptions are not the approved ones.
func (x *exchange) notePins(found []policies.PinFinding) {
	for _, f := range found {
		x.record.Pins = append(x.record.Pins, audit.Pin{Tool: f.Tool, State: f.State, Mode: f.Mode, Hash: f.Hash})
		x.s.cfg.Metrics.Pin(f.State, f.Mode)
	}
}
