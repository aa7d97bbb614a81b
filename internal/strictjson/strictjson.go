// Package strictjson reads JSON the one way that nobody can read differently.
//
// Two parsers that disagree about a document are a way around a guard: the one decides on the first "model", the other
// calls the last. So a document with a duplicate member name, invalid UTF-8, a lone surrogate, bytes after its end, or
// too much depth or size is an error here and never a guess, and so is a member whose name differs only by case from one
// that the reader knows (encoding/json and others would take it for that one).
//
// A [Reader] walks a complete document once and hands out spans: byte offsets into the document, so that an editor can
// splice without touching anything else. What a caller does not look into is skipped as one value, still validated in full
// (duplicates included) and with its depth counted. The tokenizer is our own (scan.go) and held to jsontext, which also says
// what is wrong with a document that is refused. Readers are pooled.
//
// [Canonical] gives equal documents equal bytes (RFC 8785, but a number that a double would change stays text), and
// [Decode] fills a small typed document strictly. Errors say where and why, and never quote a value.
package strictjson

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound a document. A field that is zero takes its value from [DefaultLimits].
type Limits struct {
	MaxBytes int // length of the document
	MaxDepth int // arrays and objects inside one another
}

// DefaultLimits are the limits of a document whose reader sets none.
func DefaultLimits() Limits { return Limits{MaxBytes: 16 << 20, MaxDepth: 64} }

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.MaxBytes <= 0 {
		l.MaxBytes = d.MaxBytes
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = d.MaxDepth
	}
	return l
}

// Span is a range of bytes in a document.
type Span struct{ Start, End int }

// Of returns the span's bytes in doc.
func (s Span) Of(doc []byte) []byte { return doc[s.Start:s.End] }

// Len is the number of bytes in the span. The zero Span, of a value that is not there, has none.
func (s Span) Len() int { return s.End - s.Start }

// Kind is the first byte of a value, with '0' for every number and 't' and 'f' for true and false.
type Kind byte

// The kinds of a value. None stands for the end of the document, or something that is no value.
const (
	None   Kind = 0
	Null   Kind = 'n'
	True   Kind = 't'
	False  Kind = 'f'
	String Kind = '"'
	Number Kind = '0'
	Object Kind = '{'
	Array  Kind = '['
)

// Why a document is refused; errors.Is on an [*Error] tells them apart.
var (
	ErrSyntax    = errors.New("not valid JSON")
	ErrTruncated = errors.New("the document ends too early")
	ErrTrailing  = errors.New("data after the document's end")
	ErrUTF8      = errors.New("invalid UTF-8 or surrogate")
	ErrDuplicate = errors.New("duplicate member name")
	ErrCase      = errors.New("member name differs only by case from a known one")
	ErrUnknown   = errors.New("unknown member")
	ErrType      = errors.New("value of the wrong type")
	ErrDepth     = errors.New("nested too deeply")
	ErrSize      = errors.New("document too large")
	errMisuse    = errors.New("reader left in the middle of a value")
)

// Error says where a document broke which rule.
type Error struct {
	Offset int    // in bytes
	Path   string // a JSON pointer, with anything unprintable replaced
	Reason string // never quotes the document
	kind   error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Reason)
	if e.Path != "" {
		b.WriteString(" at ")
		b.WriteString(e.Path)
	}
	b.WriteString(" (offset ")
	b.WriteString(strconv.Itoa(e.Offset))
	b.WriteByte(')')
	return b.String()
}

// Unwrap returns which of this package's rules was broken.
func (e *Error) Unwrap() error { return e.kind }

// maxPath bounds how much of a document's own names an error carries.
const maxPath = 120

// printable makes a pointer fit for a log line and an error body.
func printable(p jsontext.Pointer) string {
	s := string(p)
	if len(s) > maxPath {
		s = strings.ToValidUTF8(s[:maxPath], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// asError translates what jsontext says; its own texts quote the document.
func asError(err error, offset int) error {
	var mine *Error
	if errors.As(err, &mine) {
		return err
	}
	e := &Error{Offset: offset, kind: ErrSyntax}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		e.Offset, e.Path = int(syntax.ByteOffset), printable(syntax.JSONPointer)
		if why := syntax.Err.Error(); strings.Contains(why, "invalid UTF-8") || strings.Contains(why, "surrogate") {
			e.kind = ErrUTF8
		}
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		e.kind = ErrDuplicate
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.kind = ErrTruncated
	}
	e.Reason = e.kind.Error()
	return e
}
