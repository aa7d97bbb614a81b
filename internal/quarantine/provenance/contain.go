package provenance

import (
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// Contain marks the parts behind results that policy holds for untrusted which carry a piece of them, whatever their role. It
// tells whether any was marked. What stood in a trusted part before such a result does not count: an attacker who quotes the
// person taints nothing. Every text is read once, however many results there are.
func (h *History) Contain(untrusted []int) bool {
	first := h.request.Messages // of the results
	for _, i := range untrusted {
		first = min(first, h.request.Results[i].Message)
	}
	if !h.candidates(first) {
		return false
	}
	prints := map[uint64]int{} // and the message of the first result that has each
	for _, i := range untrusted {
		at := h.request.Results[i].Message
		own := map[uint64]struct{}{}
		fingerprint(h.request.ResultText(i), own)
		for hash := range own {
			if known, there := prints[hash]; !there || at < known {
				prints[hash] = at
			}
		}
	}
	for k, p := range h.request.Parts {
		if h.exempts(k, p) {
			rolling(h.request.Text(p), func(hash uint64) {
				if at, there := prints[hash]; there && p.Message < at {
					delete(prints, hash)
				}
			})
		}
	}
	marked := false
	for k, p := range h.request.Parts {
		if p.Message <= first || !h.candidate(k, p) {
			continue
		}
		found := false
		rolling(h.request.Text(p), func(hash uint64) {
			if !found {
				at, there := prints[hash]
				found = there && at < p.Message
			}
		})
		if found {
			h.Parts[k] = PartOrigin{Reason: ruleContains, Result: true}
			marked = true
		}
	}
	return marked
}

// candidate tells whether a part is a text that nobody knows.
func (h *History) candidate(k int, p llm.Part) bool {
	o := &h.Parts[k]
	return p.Result < 0 && !o.Result && o.Reason != ruleKnownTurn && (p.Kind == llm.TextPart || p.Kind == llm.NamePart || p.Kind == llm.ReasoningPart)
}

// candidates tells whether such a text stands behind a message.
func (h *History) candidates(message int) bool {
	for k, p := range h.request.Parts {
		if p.Message > message && h.candidate(k, p) {
			return true
		}
	}
	return false
}

// exempts tells whether the windows of a part are trusted, so that they do not count in what stands behind it.
func (h *History) exempts(k int, p llm.Part) bool {
	return (p.Kind == llm.TextPart || p.Kind == llm.DescriptionPart) && p.Result < 0 && h.Parts[k].Label.Integrity == label.Trusted && !h.Parts[k].Result
}

// printsOf are the fingerprints of untrusted contents, by index, less those of trusted text that stands before each. Every text is
// read once.
func (h *History) printsOf(contents []noted) []map[uint64]struct{} {
	out := make([]map[uint64]struct{}, len(contents))
	last := map[uint64]int{} // the last message before which a window counts, of all contents that have it
	for i, c := range contents {
		out[i] = map[uint64]struct{}{}
		fingerprint(c.text, out[i])
		for hash := range out[i] {
			last[hash] = max(last[hash], c.message)
		}
	}
	if len(last) == 0 {
		return out
	}
	trusted := map[uint64]int{} // windows in trusted text, and the first message that has each
	for k, p := range h.request.Parts {
		if !h.exempts(k, p) {
			continue
		}
		rolling(h.request.Text(p), func(hash uint64) {
			if before, there := last[hash]; there && p.Message < before {
				if at, known := trusted[hash]; !known || p.Message < at {
					trusted[hash] = p.Message
				}
			}
		})
	}
	for i, c := range contents {
		for hash := range out[i] {
			if at, there := trusted[hash]; there && at < c.message {
				delete(out[i], hash)
			}
		}
	}
	return out
}
