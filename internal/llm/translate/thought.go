package translate

import "github.com/go-json-experiment/json"

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
