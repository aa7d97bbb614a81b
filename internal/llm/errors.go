package llm

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

// Printable makes a client's name fit for an error body and a log line.
func Printable(name string) string {
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

// Place writes a JSON pointer as a client would name the field: "/tools/2/function" is "tools[2].function".
func Place(pointer string) string {
	var b strings.Builder
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if _, err := strconv.Atoi(token); err == nil {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return b.String()
}
