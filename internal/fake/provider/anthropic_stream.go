package provider

import (
	"encoding/json"
	"fmt"
)

// playMessage sends a message by events.
func (st *streamer) playMessage() error {
	s := st.s
	if s.events != nil {
		return st.scriptedEvents()
	}
	m := s.message(st.req)
	if m.Usage = s.messageUsage(st.req); m.Usage != nil {
		m.Usage.Output = 1
	}
	if err := st.named("message_start", map[string]any{"message": m}); err != nil {
		return err
	}
	if err := st.named("ping", nil); err != nil {
		return err
	}
	index, err := st.spoken()
	if err != nil {
		return err
	}
	if s.midError != nil {
		failure := failureOf(s.midError.Code, s.midError.Message).(messageError)
		if err := st.named("error", map[string]any{"error": failure.Error}); err != nil {
			return err
		}
		return errEnded
	}
	if err := st.mishap(); err != nil {
		return err
	}
	for n, c := range s.of(0) { // blocks come one after the other
		if err := st.toolUse(index+n, n, c); err != nil {
			return err
		}
	}
	end := map[string]any{"delta": map[string]any{"stop_reason": s.stopReason(), "stop_sequence": nil}}
	if u := s.messageUsage(st.req); u != nil {
		end["usage"] = map[string]int{"output_tokens": u.Output}
	}
	if err := st.named("message_delta", end); err != nil {
		return err
	}
	if s.truncate == "done" {
		return errEnded
	}
	return st.named("message_stop", nil)
}

// spoken sends what the model thinks and says, and tells the index of the next block.
func (st *streamer) spoken() (int, error) {
	index := 0
	for _, t := range st.s.thinks {
		deltas := []any{
			map[string]string{"type": "thinking_delta", "thinking": t},
			map[string]string{"type": "signature_delta", "signature": signature},
		}
		if err := st.block(index, thinkingBlock{Type: "thinking"}, deltas); err != nil {
			return 0, err
		}
		index++
	}
	var deltas []any
	for _, piece := range st.s.said() {
		deltas = append(deltas, map[string]string{"type": "text_delta", "text": piece})
	}
	if len(deltas) == 0 {
		return index, nil
	}
	return index + 1, st.block(index, textBlock{Type: "text"}, deltas)
}

// block sends a whole block.
func (st *streamer) block(index int, begin any, deltas []any) error {
	if err := st.named("content_block_start", map[string]any{"index": index, "content_block": begin}); err != nil {
		return err
	}
	for _, d := range deltas {
		if err := st.named("content_block_delta", map[string]any{"index": index, "delta": d}); err != nil {
			return err
		}
	}
	return st.named("content_block_stop", map[string]any{"index": index})
}

// toolUse sends one call: an empty piece of its arguments first, as the API does.
func (st *streamer) toolUse(index, n int, c call) error {
	begin := c.toolUse(n)
	begin.Input = json.RawMessage("{}")
	if err := st.named("content_block_start", map[string]any{"index": index, "content_block": begin}); err != nil {
		return err
	}
	arguments := c.args
	if c.kind == "custom" {
		arguments = string(c.input())
	}
	piece, rest, first := "", arguments, true
	for {
		delta := map[string]string{"type": "input_json_delta", "partial_json": piece}
		if err := st.named("content_block_delta", map[string]any{"index": index, "delta": delta}); err != nil {
			return err
		}
		if piece != "" && first {
			first = false
			if st.s.truncate == "call" {
				return errEnded
			}
			if err := pause(st.r.Context(), st.s.hold); err != nil {
				return err
			}
		}
		if rest == "" {
			break
		}
		piece, rest = cut(rest, st.s.fragmentOf(arguments))
	}
	return st.named("content_block_stop", map[string]any{"index": index})
}

// scriptedEvents sends the events of the script, each under the name that its data gives.
func (st *streamer) scriptedEvents() error {
	for _, e := range st.s.events {
		var named struct{ Type string }
		_ = json.Unmarshal([]byte(e), &named) // what is no event has no name
		line := ""
		if named.Type != "" {
			line = "event: " + named.Type + "\n"
		}
		if err := st.write([]byte(line + "data: " + e + "\n\n")); err != nil {
			return err
		}
	}
	return nil
}

// named sends one event of a type.
func (st *streamer) named(kind string, members map[string]any) error {
	data := fmt.Appendf(nil, `{"type":%q}`, kind)
	if len(members) > 0 {
		rest, err := json.Marshal(members)
		if err != nil {
			return err
		}
		data = append(append(data[:len(data)-1], ','), rest[1:]...)
	}
	if st.s.comments {
		if err := st.write([]byte(": keep-alive\n\n")); err != nil {
			return err
		}
	}
	if err := st.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, data)); err != nil {
		return err
	}
	return pause(st.r.Context(), st.s.pace)
}
