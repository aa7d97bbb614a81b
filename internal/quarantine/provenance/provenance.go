// Package provenance says, of every piece of a conversation that a client sends, where it comes from and how far it may be
// believed. The history is the client's word, and nothing in it is believed because of its role.
//
// What we know is what we wrote down. When a call or a text of the model's is released to the client, a record of it is kept
// (release.go): of a call under the id that the client is given, which is signed (id.go); of a text under the hash of its words and
// of what stood before it (words.go). A conversation is a set (members.go): its label, what was called and what was answered, and which
// texts of the system and of the person stood there and were trusted. A result that was seen has its label in a ledger, by its
// content. Lookup reads, in one round trip, all that a history can point to (lookup.go), and then walks it (settle.go, text.go):
//
//   - A call is verified when its id is ours, its record is there, and it is a call of that tool. Its provider's id and its
//     arguments as the model wrote them go back up; the client sends them resolved. A result is verified when it is the first that
//     answers such a call.
//   - A text that stood there, trusted, when something was released is trusted.
//   - Any other text may be the result of a call that has none: of one that stands in the history; of one that was released where the
//     text now stands, or at the history's end, and which the client left out. Then it is one, whatever its role.
//     What the person asks in the place of her last question is none, unless it holds that one and goes on: people stop a call.
//   - Else a text of the system or the person is trusted up to the first tool traffic, and after it when a text of the model's that we
//     know, released later than every call, lies between (or the application vouches for it, Attest).
//   - Text of a model that we do not know is untrusted, and a result of an unknown tool once there was tool traffic.
//   - Whatever the ledger knows has the label that it had, under any role; what carries a piece of untrusted content (contain.go)
//     is a result too. Neither counts for what stood there, trusted, before the content was seen.
//
// Sets only grow, so labels only tighten. A set that is missing although a record points to it is the worst label, so a store that has
// forgotten loosens nothing; one that is away is an error, and the walk withholds. What has one text of the person's, no assistant's
// turn and no tool traffic begins a conversation, and asks nobody. What a client says in the person's name when it begins one, or
// answers a call with, is its word.
//
// Where calls may come back without their ids, what stands before each tells which it is (nameless.go).
//
// arguments.go and person.go tell which arguments of a call are the person's own words.
package provenance

import (
	"errors"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/store"
)

// Config is what an Analyzer works with.
type Config struct {
	Store store.Store
	Keys  *store.Keys
	Keep  time.Duration // how long what is written down is kept after it was last heard of; default 24 h
	Grant time.Duration // how long a grant is good; default 10 min
	Cache int64         // bytes of records kept in the process; default 32 MiB, negative for none
}

// Analyzer analyzes histories; it is safe for concurrent use.
type Analyzer struct {
	c     Config
	keys  keys
	cache *cache
}

// New makes an analyzer.
func New(c Config) (*Analyzer, error) {
	if c.Store == nil || c.Keys == nil {
		return nil, errors.New("provenance: a store and its keys are needed")
	}
	if c.Keep == 0 {
		c.Keep = 24 * time.Hour
	}
	if c.Grant == 0 {
		c.Grant = 10 * time.Minute
	}
	if c.Cache == 0 {
		c.Cache = 32 << 20
	}
	return &Analyzer{c: c, keys: newKeys(c.Keys), cache: newCache(c.Cache)}, nil
}

// stale is how old a record may become until it is written again, so that what is in use does not expire.
func (a *Analyzer) stale() time.Duration { return a.c.Keep / 4 }

// PartOrigin says where a part comes from.
type PartOrigin struct {
	Label  label.Label
	Result bool   // it is to be treated as a result of an unknown tool, whatever its role
	Reason string // the rule that decided
}

// ResultOrigin says where a result comes from.
type ResultOrigin struct {
	Tool     string // whose call it answers; "" when that is not proven
	Verified bool
	Known    bool        // the ledger has seen this content
	Kept     bool        // and what goes with it was written down in this conversation, not long ago
	Changed  bool        // this call was answered by another content before
	Label    label.Label // no result may have a better one: what the ledger knows of the content; label.Clean when nothing is
	Hash     [32]byte    // of the content, for this principal alone
	Reason   string
}

// CallOrigin says where a call of the history comes from.
type CallOrigin struct {
	Verified   bool
	ProviderID string
	Arguments  []byte // as the model wrote them, to be put back; nil when they are not known
	Label      label.Label
	Reason     string
}

// History is the analysis of one request. It is for one goroutine. Until Lookup has succeeded everything in it is untrusted.
type History struct {
	Conversation label.ConversationID
	New          bool        // nothing ties the request to an earlier one
	Label        label.Label // of everything but the results and what is treated as one, joined with what the store holds
	Parts        []PartOrigin
	Results      []ResultOrigin
	Calls        []CallOrigin
	Turns        map[int][]byte // text parts that go up in another form, with references, by the part's index

	a        *Analyzer
	scope    label.Scope
	request  *llm.Request
	fresh    bool // nothing in it can be known
	older    bool // there is an assistant's turn or tool traffic
	attested bool
	pinned   func(tool int) bool

	hashes [][32]byte // of the parts' texts; zero for parts that have none
	hashed bool       // and everything else is, too
	turns  []spoken   // texts of assistants
	gaps   []gap
	owner  []int // by result: the call that it answers by its id, or -1
	calls  []*callRecord
	proofs map[string]*callRecord // by id, of results whose call the client left out
	held   map[label.ConversationID]*conversation

	pointed     []label.ConversationID // that records lead to
	derived     label.ConversationID   // of a history that nothing of ours ties to one
	last        string                 // the tag of the last thing of ours in the history
	lastMessage int                    // its message, -1 when there is none
	asking      uint32                 // bytes of the person's last text that is believed
	ordinal     uint32                 // of the last thing that we know was released
	seen        map[mark]struct{}      // texts that stood there, trusted, when something was released
	ledger      map[[32]byte]label.Label
	packed      []string            // fingerprints of untrusted content of this conversation, from before
	prints      map[uint64]struct{} // the same, once they are needed
	printed     int
	before      map[uint64]struct{} // samples of prompts that stood there
	sampled     map[uint64]struct{} // samples of the prompt, which are new
	printKey    uint64
	refresh     []store.Op // records in use that would expire
	prepared    bool
	behind      [32]byte // the chain behind the request
	nameless    bool     // the request is, and trail is what stands in it
	trail       trail
	stood       []mark // the trusted texts of the request
	slotOnce    string
	person      *words
	personal    []string // what the person wrote, once it was asked for
	read        bool
	shown       []byte // untrusted text that goes up as it is
	plain       []byte // its letters and digits
	overShown   bool   // there was more than is searched
}

// Attest tells, before Lookup, that the application vouches for its user role: what stands there was typed by the person. What is
// known as untrusted content stays so.
func (h *History) Attest() { h.attested = true }

// Pinned tells, before Lookup, which offered tools have an approved description: what stands there is no fingerprint of a content
// that quotes it.
func (h *History) Pinned(pinned func(tool int) bool) { h.pinned = pinned }
