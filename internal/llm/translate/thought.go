package translate

import (
	"github.com/go-json-experiment/json"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// The formats of signatures, as OpenRouter names them in reasoning_details.
const (
	anthropicFormat = "anthropic-claude-v1"
	geminiFormat    = "google-gemini-v1"
)

// packed is a signature in a member that has no place for anything beside it. One that is by itself stands as it is; else there
// is an object, which no provider's signature looks like.
func (s sign) packed() string {
	if !s.signed() {
		return ""
	}
	if s.Format == anthropicFormat {
		s.Format = ""
	}
	if s.Data == "" && s.Format == "" && s.ID == "" {
		return s.Signature
	}
	out, err := json.Marshal(s)
	if err != nil { // cannot be: it was read from JSON
		return s.Signature
	}
	return string(out)
}

// unpacked is what packed has packed.
func unpacked(text string) sign {
	if len(text) == 0 || text[0] != '{' {
		return sign{Signature: text}
	}
	var s sign
	if err := json.Unmarshal([]byte(text), &s, json.RejectUnknownMembers(true)); err != nil {
		return sign{Signature: text}
	}
	return s
}

// signed tells whether a provider would take the thought back.
func (s sign) signed() bool { return s.Signature != "" || s.Data != "" }

// own tells whether a model of Anthropic's would take the thought back. One that another provider signed is for that alone.
func (s sign) own() bool { return s.signed() && (s.Format == "" || s.Format == anthropicFormat) }

// asRead are reasoning_details as the view reads them when they come back.
func asRead(v raw) string { return string(llm.AppendDetails(nil, v)) }

// thoughtful is an encoder that tells how what a model thought will come back.
type thoughtful interface{ thoughts() []string }

// Thoughts are what a model thought in a whole answer of a client's dialect, each as its view will read it when the client sends it
// back, where that is not the bare text: a signature, or what holds one.
func Thoughts(dialect string, doc []byte) []string {
	var out []string
	switch dialect {
	case Chat:
		var in struct {
			Choices []struct {
				Message struct {
					Details raw `json:"reasoning_details"`
				} `json:"message"`
			} `json:"choices"`
		}
		if readAnswer(doc, &in) == nil {
			for _, c := range in.Choices {
				if present(c.Message.Details) {
					out = append(out, asRead(c.Message.Details))
				}
			}
		}
	case Responses:
		var in struct {
			Output []struct {
				Encrypted string `json:"encrypted_content"`
			} `json:"output"`
		}
		if readAnswer(doc, &in) == nil {
			for _, i := range in.Output {
				if i.Encrypted != "" {
					out = append(out, i.Encrypted)
				}
			}
		}
	case Anthropic:
		var in anthropicAnswer
		if readAnswer(doc, &in) == nil {
			for i := range in.Content {
				if text := in.Content[i].thought(); text != "" {
					out = append(out, text)
				}
			}
		}
	}
	return out
}

// thought is what the view reads of a thought; "" of any other block.
func (in *anthropicBlock) thought() string {
	switch {
	case in.Type == "redacted_thinking":
		return in.Data.value
	case in.Type == "thinking" && in.Thinking.value == "":
		return in.Signature.value
	case in.Type == "thinking":
		return in.Thinking.value
	}
	return ""
}
