package openaichat

import (
	"strconv"
	"strings"
	"unicode"
)

// FieldError says which field of a request is not what the dialect takes. It never quotes a value.
type FieldError struct {
	Field  string // as in "tools[2].function.name"
	Reason string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// maxNamed bounds how much of a name that a client chose an error repeats.
const maxNamed = 64

// printable makes a client's name fit for an error body and a log line.
func printable(name string) string {
	if len(name) > maxNamed {
		name = strings.ToValidUTF8(name[:maxNamed], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
}

// at names an element: at("tools", 2) is "tools[2]".
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }
