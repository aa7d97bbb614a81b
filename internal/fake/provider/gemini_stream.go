package provider

import "encoding/json"

// playGenerate sends an answer by events: each is an answer of its own with the next parts. Calls come whole, those of a
// candidate in one event, or one by one where the script says "sequential"; the last event of a candidate says why it ends.
func (st *streamer) playGenerate() error {
	s := st.s
	for _, e := range s.events {
		if err := st.geminiEvent([]byte(e), nil); err != nil {
			return err
		}
	}
	if s.events != nil {
		return nil
	}
	for i := range st.req.N {
		for _, t := range s.thinks {
			if err := st.geminiParts(i, "", geminiPart{Text: &t, Thought: true}); err != nil {
				return err
			}
		}
		for _, t := range s.said() {
			if err := st.geminiParts(i, "", geminiPart{Text: &t}); err != nil {
				return err
			}
		}
	}
	if s.midError != nil {
		if err := st.geminiEvent(nil, geminiFailure(s.midError.Code, s.midError.Message)); err != nil {
			return err
		}
		return errEnded
	}
	if err := st.mishap(); err != nil {
		return err
	}
	for i := range st.req.N {
		if err := st.geminiEnd(i); err != nil {
			return err
		}
	}
	return nil
}

// geminiEnd sends a candidate's calls, and an empty text with the reason for which it ends.
func (st *streamer) geminiEnd(candidate int) error {
	calls := st.s.geminiCalls(candidate)
	for len(calls) > 0 {
		n := len(calls)
		if st.s.oneByOne {
			n = 1
		}
		if err := st.geminiParts(candidate, "", calls[:n]...); err != nil {
			return err
		}
		calls = calls[n:]
		if st.s.truncate == "call" {
			return errEnded
		}
		if err := pause(st.r.Context(), st.s.hold); err != nil {
			return err
		}
	}
	if st.s.truncate == "done" {
		return errEnded
	}
	empty := ""
	return st.geminiParts(candidate, st.s.geminiFinish(candidate), geminiPart{Text: &empty})
}

// geminiParts sends the next parts of a candidate.
func (st *streamer) geminiParts(candidate int, finish string, parts ...geminiPart) error {
	g := generated{Model: st.s.base(st.req, "").Model, ID: st.req.id(), Usage: st.s.geminiUsage(st.req)}
	c := geminiCandidate{Index: candidate, Finish: finish}
	c.Content.Role, c.Content.Parts = "model", parts
	g.Candidates = []geminiCandidate{c}
	return st.geminiEvent(nil, g)
}

// geminiEvent sends one event: its data, or what is to be written as that.
func (st *streamer) geminiEvent(data []byte, v any) error {
	if st.s.comments {
		if err := st.write([]byte(": keep-alive\n\n")); err != nil {
			return err
		}
	}
	if data == nil {
		var err error
		if data, err = json.Marshal(v); err != nil {
			return err
		}
	}
	if err := st.write([]byte("data: " + string(data) + "\n\n")); err != nil {
		return err
	}
	return pause(st.r.Context(), st.s.pace)
}
