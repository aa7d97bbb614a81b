package conf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong at one place of the file.
type Error struct {
	File string
	Line int
	Key  string // dotted path of the key, list positions in brackets; empty for the file itself
	What string // what is wrong
	Do   string // what to do about it
}

// Error writes FILE:LINE: key: what; what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: ", e.File, e.Line)
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.What)
	if e.Do != "" {
		b.WriteString("; " + e.Do)
	}
	return b.String()
}

// Errors is everything that is wrong, in the order of the file.
type Errors []*Error

// Error writes one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, x := range e {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Sort puts the errors into the order of the file.
func (e Errors) Sort() {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
}
