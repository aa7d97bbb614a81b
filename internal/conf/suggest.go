package conf

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// unknown reports a key that is not known here, with the known one that is nearest.
func (d *decoder) unknown(key *yaml.Node, p path, known []string) {
	if !harmless.MatchString(key.Value) {
		d.fail(key.Line, p, "has an unknown key (not shown here)", "remove it")
		return
	}
	if s := nearest(key.Value, known); s != "" {
		d.fail(key.Line, p.with(key.Value), "is unknown", fmt.Sprintf("did you mean %q?", s))
		return
	}
	slices.Sort(known)
	d.fail(key.Line, p.with(key.Value), "is unknown", "known here: "+strings.Join(known, ", "))
}

// nearest is the known word at the smallest edit distance, if that is small for a word of this length.
func nearest(word string, known []string) string {
	best, at := "", max(1, len(word)/3)+1
	for _, k := range known {
		if n := distance(strings.ToLower(word), k); n < at {
			best, at = k, n
		}
	}
	return best
}

// distance is the optimal string alignment distance: an insertion, a deletion, another letter or two neighbours
// swapped cost one each.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b)
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
