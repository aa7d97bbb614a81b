package anthropic

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

const (
	// VersionHeader names the version of the API.
	VersionHeader = "anthropic-version"
	// BetaHeader names what of it is not in that version yet.
	BetaHeader = "anthropic-beta"
	// Version is the one that is spoken where a client names none.
	Version = "2023-06-01"

	maxBetas = 64
)

// inertBetas shape the answer, its length or its price, or let the body have a field that is looked at by itself. A name without its
// date stands for all dates.
var inertBetas = map[string]bool{ //nolint:gochecknoglobals // a constant in all but syntax
	"claude-code": true, "context-1m": true, "effort": true, "extended-cache-ttl": true, "fine-grained-tool-streaming": true, "interleaved-thinking": true,
	"max-tokens-3-5-sonnet": true, "model-context-window-exceeded": true, "oauth": true, "output-128k": true, "pdfs": true, "prompt-caching": true,
	"search-results": true, "structured-outputs": true, "token-counting": true, "token-efficient-tools": true,
	// A field of the body that policy is asked about says whether these are used.
	"code-execution": true, "computer-use": true, "context-management": true, "files-api": true, "mcp-client": true, "skills": true, "web-fetch": true,
}

// Betas are the features that a request asks for by its headers: those that are not known to be inert, which policy has to grant by
// name. An error is a *llm.FieldError.
func Betas(headers []string) ([]llm.Feature, error) {
	var out []llm.Feature
	n := 0
	for _, line := range headers {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.TrimSpace(name)
			if name == "" {
				continue
			}
			if n++; n > maxBetas || !llm.ValidName(name) {
				return nil, &llm.FieldError{Field: BetaHeader, Reason: "is no list of names"}
			}
			if !inertBetas[withoutDate(name)] {
				out = append(out, llm.Feature{Name: "beta:" + name, Value: name})
			}
		}
	}
	return out, nil
}

// withoutDate is a name without -2025-08-07 or -20250807 at its end.
func withoutDate(name string) string {
	for _, shape := range []string{"-9999-99-99", "-99999999"} {
		at := len(name) - len(shape)
		if at <= 0 {
			continue
		}
		match := true
		for i := range len(shape) {
			c := name[at+i]
			match = match && (shape[i] == '-') == (c == '-') && (c == '-' || c >= '0' && c <= '9')
		}
		if match {
			return name[:at]
		}
	}
	return name
}
