package openairesponses

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// maxID is how much of an item's id goes into that of the message in its place: ids have at most 64 bytes.
const maxID = 48

// MessageID is the id of the message that stands in the place of a call: that of the call's item, as a message has it. It is
// the same wherever the item is repeated, and no two of one conversation are the same, which providers refuse.
func MessageID(it *Item, response string, index int) string {
	for _, id := range []string{it.ID, it.Call.ID, response} {
		if own := plain(id); own != "" {
			return "msg_yj_" + own + "_" + strconv.Itoa(index)
		}
	}
	return "msg_yj_" + strconv.Itoa(index)
}

// plain keeps of an id what may stand in another.
func plain(id string) string {
	out := make([]byte, 0, min(len(id), maxID))
	for i := 0; i < len(id) && len(out) < maxID; i++ {
		switch c := id[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '_', c == '-':
			out = append(out, c)
		}
	}
	return string(out)
}

// AppendMessage appends a message of the assistant's with one text.
func AppendMessage(dst []byte, id, text string) []byte {
	dst = appendHead(dst, id, "completed")
	return append(appendPart(dst, text), `]}`...)
}

func appendHead(dst []byte, id, status string) []byte {
	dst = llm.AppendQuoted(append(dst, `{"id":`...), id)
	return append(append(append(dst, `,"type":"message","status":"`...), status...), `","role":"assistant","content":[`...)
}

func appendPart(dst []byte, text string) []byte {
	dst = llm.AppendQuoted(append(dst, `{"type":"output_text","annotations":[],"logprobs":[],"text":`...), text)
	return append(dst, '}')
}
