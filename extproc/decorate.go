package extproc

import (
	"maps"
	"slices"

	"github.com/yellowjack/yellowjack/policies"
)

// decoration is what a policy's decision adds to messages beside its words.
type decoration struct {
	towardsProvider []header
	towardsClient   []header // of a denial
	metadata        []header
}

// policyMetadata begins the names of a policy's own metadata, so that none takes the place of ours.
const policyMetadata = "policy."

func decorationOf(d policies.Decision) decoration {
	var out decoration
	if d.Allowed {
		out.towardsProvider = sorted("", d.Headers)
	} else {
		out.towardsClient = sorted("", d.Headers)
	}
	out.metadata = sorted(policyMetadata, d.Metadata)
	return out
}

func sorted(prefix string, pairs map[string]string) []header {
	if len(pairs) == 0 {
		return nil
	}
	out := make([]header, 0, len(pairs))
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		out = append(out, header{prefix + name, pairs[name]})
	}
	return out
}
