package provenance

import (
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// Contain marks the parts that carry a piece of results which policy holds for untrusted, whatever their role and wherever they stand.
// It tells whether any was marked. What stood in a trusted part before such a result was seen does not count: an attacker who quotes
// the person taints nothing.
func (h *History) Contain(untrusted []int) bool {
	contents := make([][]byte, len(untrusted))
	for n, i := range untrusted {
		contents[n] = h.request.ResultText(i)
	}
	return h.contain(contents)
}

// containSuspects does the same for the parts that are treated as results.
func (h *History) containSuspects() {
	var contents [][]byte
	for k, p := range h.request.Parts {
		if h.Parts[k].Result && worded(p) && p.Kind != llm.MediaPart && p.Span.Len() >= windowSize {
			contents = append(contents, h.request.Text(p))
		}
	}
	h.contain(contents)
}

// candidates are the texts that are believed though nothing of ours says that they stood there.
func (h *History) candidates() []int {
	var out []int
	front := !h.prompted()
	for k, p := range h.request.Parts {
		o := &h.Parts[k]
		if front = front && (isPrompt(p) || p.Kind == llm.DescriptionPart); front {
			continue // of an application that had no prompt before, and has one now
		}
		if worded(p) && !o.Result && p.Kind != llm.MediaPart && o.Reason != ruleKnownTurn && o.Reason != ruleStood && p.Span.Len() >= windowSize {
			out = append(out, k)
		}
	}
	return out
}

func (h *History) contain(contents [][]byte) bool {
	if len(contents) == 0 || h.fresh {
		return false
	}
	candidates := h.candidates()
	if len(candidates) == 0 {
		return false
	}
	// Of a new text all windows but those that stood in another, of a prompt in a new form the samples that stood in no other. They are
	// looked for in what a content is known by, and in all of it.
	texts, prompts := newWindows(), newWindows()
	varied := map[int]bool{}
	for _, k := range candidates {
		p := h.request.Parts[k]
		if varied[k] = h.variation(p, prompts); !varied[k] {
			rolling(h.request.Text(p), h.key64(), func(hash uint64) bool {
				texts.add(hash)
				return true
			})
		}
	}
	for k, p := range h.request.Parts {
		if h.stoodBefore(k, p) {
			texts.remove(h.request.Text(p), h.key64())
			prompts.remove(h.request.Text(p), h.key64())
		}
	}
	inTexts, inPrompts := map[uint64]struct{}{}, map[uint64]struct{}{}
	for _, content := range contents {
		if len(texts.all) > 0 {
			winnow(content, h.key64(), func(hash uint64) { texts.note(hash, inTexts) })
		}
		if len(prompts.all) > 0 {
			samples(content, h.key64(), func(hash uint64) { prompts.note(hash, inPrompts) })
		}
	}
	marked := false
	for _, k := range candidates {
		carried := inTexts
		if varied[k] {
			carried = inPrompts
		}
		if contains(h.request.Text(h.request.Parts[k]), h.key64(), carried) {
			h.Parts[k] = PartOrigin{Reason: ruleContains, Result: true}
			marked = true
		}
	}
	return marked
}

// prompted tells that a prompt stood in this conversation when something was released.
func (h *History) prompted() bool {
	for _, c := range h.pointed {
		if len(h.held[c].prompt) > 0 {
			return true
		}
	}
	return false
}

// variation tells a prompt that stood there in another form, and adds the samples of it that are new.
func (h *History) variation(p llm.Part, samplesOf *windows) bool {
	known := h.samplesBefore()
	if !isPrompt(p) || len(known) == 0 {
		return false
	}
	var fresh []uint64
	stood := false
	samples(h.request.Text(p), h.key64(), func(hash uint64) {
		if _, there := known[hash]; there {
			stood = true
		} else {
			fresh = append(fresh, hash)
		}
	})
	if stood {
		for _, hash := range fresh {
			samplesOf.add(hash)
		}
	}
	return stood
}

// isPrompt tells a text that the client says the application wrote.
func isPrompt(p llm.Part) bool {
	return p.Kind == llm.TextPart && (p.Role == "system" || p.Role == "developer")
}

// samplesBefore are those of the prompts that stood there when something was released.
func (h *History) samplesBefore() map[uint64]struct{} {
	if h.before == nil {
		h.before = map[uint64]struct{}{}
		for _, c := range h.pointed {
			for _, packed := range h.held[c].prompt {
				unpackPrints(packed, h.before)
			}
		}
	}
	return h.before
}

// stoodBefore tells a part whose words are no sign of a content that has them too: it stood there before the content was seen, or it
// is a pinned description.
func (h *History) stoodBefore(i int, p llm.Part) bool {
	return h.Parts[i].Reason == ruleStood && p.Result < 0 || p.Kind == llm.DescriptionPart && h.pinned != nil && p.Tool >= 0 && h.pinned(p.Tool)
}

// carries tells whether a text has a piece of untrusted content of this conversation, from before.
func (h *History) carries(text []byte) bool {
	if len(text) < windowSize || len(h.packed) == 0 {
		return false
	}
	if h.prints == nil {
		h.prints = map[uint64]struct{}{}
		for _, packed := range h.packed {
			unpackPrints(packed, h.prints)
		}
	}
	return contains(text, h.key64(), h.prints)
}

// exempt takes out of the fingerprints of a content those of what stood there before it was seen, and of pinned descriptions.
func (h *History) exempt(prints map[uint64]struct{}) {
	if len(prints) == 0 {
		return
	}
	for k, p := range h.request.Parts {
		// A prompt that is new, and was not found to carry any of it (Contain), shares with it what stood there before.
		if o := &h.Parts[k]; h.stoodBefore(k, p) || isPrompt(p) && !o.Result && o.Label.Integrity == label.Trusted {
			rolling(h.request.Text(p), h.key64(), func(hash uint64) bool {
				delete(prints, hash)
				return true
			})
		}
	}
}
