package provider

import (
	"encoding/json"
	"strings"

	"github.com/yellowjack/yellowjack/internal/awsevent"
)

// playConverse sends an answer by events: a text and what the model thinks begin without saying so, a call says what it is.
// One call follows the other. An "event" of the script is its type and its payload.
func (st *streamer) playConverse() error {
	s := st.s
	for _, e := range s.events {
		kind, payload, _ := strings.Cut(e, " ")
		if err := st.converseMessage("event", kind, []byte(payload)); err != nil {
			return err
		}
	}
	if s.events != nil {
		return nil
	}
	if err := st.converseEvent("messageStart", map[string]any{"role": "assistant"}); err != nil {
		return err
	}
	index, err := st.converseTexts()
	if err != nil {
		return err
	}
	if s.midError != nil {
		name := converseException(s.midError.Code)
		payload, err := json.Marshal(map[string]string{"message": s.midError.Message})
		if err != nil {
			return err
		}
		if err := st.converseMessage("exception", strings.ToLower(name[:1])+name[1:], payload); err != nil {
			return err
		}
		return errEnded
	}
	if err := st.mishap(); err != nil {
		return err
	}
	for i, c := range s.calls {
		if err := st.converseCall(index+i, c, c.converseID(i)); err != nil {
			return err
		}
	}
	if s.truncate == "done" {
		return errEnded
	}
	if err := st.converseEvent("messageStop", map[string]any{"stopReason": *s.stopReason()}); err != nil || s.noUsage {
		return err
	}
	account := map[string]any{"metrics": map[string]int{"latencyMs": 1}, "usage": s.converseUsage(st.req)}
	if trace := s.converseTrace(); trace != nil {
		account["trace"] = trace
	}
	return st.converseEvent("metadata", account)
}

// converseTexts sends what the model thinks and says, and tells the number of the next block.
func (st *streamer) converseTexts() (index int, err error) {
	for _, t := range st.s.thinks {
		for _, piece := range []map[string]string{{"text": t}, {"signature": signature}} {
			if err := st.converseDelta(index, "reasoningContent", piece); err != nil {
				return index, err
			}
		}
		if err := st.converseStop(index); err != nil {
			return index, err
		}
		index++
	}
	said := st.s.said()
	for _, t := range said {
		if err := st.converseDelta(index, "text", t); err != nil {
			return index, err
		}
	}
	if len(said) > 0 {
		err = st.converseStop(index)
		index++
	}
	return index, err
}

// converseCall sends a call: its beginning, its arguments in pieces, its end.
func (st *streamer) converseCall(index int, c call, id string) error {
	start := map[string]any{"contentBlockIndex": index, "start": map[string]any{"toolUse": map[string]string{"toolUseId": id, "name": c.name}}}
	if err := st.converseEvent("contentBlockStart", start); err != nil {
		return err
	}
	for rest, first := c.args, true; rest != ""; first = false {
		var piece string
		piece, rest = cut(rest, st.s.fragmentOf(c.args))
		if err := st.converseDelta(index, "toolUse", map[string]string{"input": piece}); err != nil {
			return err
		}
		if first && st.s.truncate == "call" {
			return errEnded
		}
		if first {
			if err := pause(st.r.Context(), st.s.hold); err != nil {
				return err
			}
		}
	}
	return st.converseStop(index)
}

func (st *streamer) converseDelta(index int, kind string, value any) error {
	return st.converseEvent("contentBlockDelta", map[string]any{"contentBlockIndex": index, "delta": map[string]any{kind: value}})
}

func (st *streamer) converseStop(index int) error {
	return st.converseEvent("contentBlockStop", map[string]any{"contentBlockIndex": index})
}

// converseEvent sends an event, with the padding that hides how long it is.
func (st *streamer) converseEvent(kind string, v map[string]any) error {
	v["p"] = "abcdefghijklmnopqrstuvwxyz"[:1+len(kind)%26]
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.converseMessage("event", kind, payload)
}

// converseMessage sends a message. With "chunks" it arrives in two pieces, cut at an odd byte.
func (st *streamer) converseMessage(is, kind string, payload []byte) error {
	message := awsevent.Append(nil, []awsevent.Header{
		awsevent.Text(":"+is+"-type", kind), awsevent.Text(":content-type", "application/json"), awsevent.Text(":message-type", is),
	}, payload)
	if st.s.chunks > 0 {
		cut := len(message)/2 | 1
		if err := st.write(message[:cut]); err != nil {
			return err
		}
		message = message[cut:]
	}
	if err := st.write(message); err != nil {
		return err
	}
	return pause(st.r.Context(), st.s.pace)
}
