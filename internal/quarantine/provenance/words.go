package provenance

import (
	"github.com/yellowjack/yellowjack/internal/llm"
)

// spoken is a text that a history says a model wrote.
type spoken struct {
	parts   []int // more than one: of a text that a client took apart
	message int
	hash    [32]byte
	before  [32]byte // the chain
	key     string   // behind what stands before it
	loose   string   // wherever it stands
	record  *turnRecord
	placed  bool // the record is of this place
}

// gap is behind a text of the person's: where an answer stood, when calls were released there.
type gap struct {
	chain    [32]byte
	part     int // the text
	message  int // its own
	until    int // message of the person's next text
	followed bool
	record   *entry // calls were released here
}

// worded tells that a part carries words that are looked at here.
func worded(p llm.Part) bool {
	return p.Result < 0 && (p.Kind == llm.TextPart || p.Kind == llm.NamePart || p.Kind == llm.MediaPart || p.Kind == llm.ReasoningPart)
}

// hashParts names each part that has words by its content.
func (h *History) hashParts() {
	if h.hashes != nil {
		return
	}
	h.hashes = make([][32]byte, len(h.request.Parts))
	for i, p := range h.request.Parts {
		if worded(p) {
			h.hashes[i] = h.a.contentHash(h.scope, h.request.Text(p))
		}
	}
}

// hashResults names each result by its content.
func (h *History) hashResults() {
	for i := range h.Results {
		h.Results[i].Hash = h.a.contentHash(h.scope, h.request.ResultText(i))
	}
}

// hash names everything that a request carries by its content, and each text of the model's by what stands before it, too.
func (h *History) hash() {
	if h.hashed {
		return
	}
	h.hashed = true
	h.hashParts()
	h.hashResults()
	r := h.request
	var before chain
	before.start(h)
	last := -1
	for i, p := range r.Parts {
		if !worded(p) {
			continue
		}
		before.upTo(h, i, p)
		if p.Role == "user" && p.Kind == llm.TextPart {
			if n := len(h.gaps); n > 0 {
				h.gaps[n-1].until, h.gaps[n-1].followed = p.Message, true
			}
			h.gaps = append(h.gaps, gap{chain: before.sum, part: i, message: p.Message, until: r.Messages})
		}
		if p.Role != "assistant" || p.Kind != llm.TextPart && p.Kind != llm.ReasoningPart {
			continue
		}
		h.addTurn(before, p.Message, h.hashes[i], i)
		if p.Kind == llm.TextPart {
			last = h.together(before, last, i)
		}
	}
}

// together adds, behind the last text of an answer that a client took apart, all its texts as one. It returns the first text of the
// answer that i is of.
func (h *History) together(before chain, first, i int) int {
	r := h.request
	if first < 0 || r.Parts[first].Message != r.Parts[i].Message {
		return i
	}
	var parts []int
	var text []byte
	for k := first; k <= i; k++ {
		if p := r.Parts[k]; p.Kind == llm.TextPart && worded(p) {
			parts, text = append(parts, k), r.AppendText(text, p)
		}
	}
	h.addTurn(before, r.Parts[i].Message, h.a.contentHash(h.scope, text), parts...)
	return first
}

func (h *History) addTurn(before chain, message int, hash [32]byte, parts ...int) {
	h.turns = append(h.turns, spoken{
		parts: parts, message: message, hash: hash, before: before.sum, key: h.turnKey(hash, before.sum[:]), loose: h.turnKey(hash, nil),
	})
}

// chain names what stands before a place: the texts of the person and the ids of the calls. The same words of a model's, said in two
// conversations, are so told apart.
type chain struct {
	sum  [32]byte
	call int // the next one
}

func (c *chain) start(h *History) { c.sum = h.a.keys.chain.sum(h.scope) }

// upTo goes on to the i-th part, which is behind everything in earlier messages.
func (c *chain) upTo(h *History, i int, p llm.Part) {
	for ; c.call < len(h.request.Calls) && h.request.Calls[c.call].Message < p.Message; c.call++ {
		c.sum = h.a.keys.chain.sum(h.scope, c.sum[:], []byte{'c'}, []byte(h.request.Calls[c.call].ID))
	}
	if p.Role == "user" && p.Kind == llm.TextPart {
		c.sum = h.a.keys.chain.sum(h.scope, c.sum[:], []byte{'u'}, h.hashes[i][:])
	}
}

// atEnd is the chain behind all of a request: where its answer will stand.
func (h *History) atEnd() [32]byte {
	var c chain
	c.start(h)
	for i, p := range h.request.Parts {
		if worded(p) {
			c.upTo(h, i, p)
		}
	}
	c.upTo(h, 0, llm.Part{Message: h.request.Messages, Kind: llm.ReasoningPart})
	return c.sum
}
