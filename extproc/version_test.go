package extproc

import "testing"

// TestVersionOf: what is taken for the model that was asked for is not asked of policy again.
func TestVersionOf(t *testing.T) {
	for _, c := range []struct {
		answered, asked string
		want            bool
	}{
		{"small", "small", true},
		{"openai/gpt-5-mini", "openai/gpt-5-mini", true},
		{"gpt-5-mini-2025-08-07", "openai/gpt-5-mini", true},
		{"claude-sonnet-4-20250514", "claude-sonnet-4", true},
		{"mistral-large-2411", "mistral-large-latest", true},
		{"openai/gpt-5-mini", "openai/gpt-5-mini:online", true},
		{"llama3:8b", "llama3:8b", true},
		{"llama3:70b", "llama3:8b", false},
		{"claude-opus-4-1", "anthropic/claude-opus-4", false},
		{"claude-sonnet-4-5-20250929", "claude-sonnet-4", false},
		{"gpt-5", "gpt-5-mini", false},
		{"gpt-5-mini", "gpt-5", false},
		{"other/small", "small", false},
	} {
		if got := versionOf(c.answered, c.asked); got != c.want {
			t.Errorf("versionOf(%q, %q) = %v", c.answered, c.asked, got)
		}
	}
}
