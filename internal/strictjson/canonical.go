package strictjson

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Check reads a whole document and returns its first error.
func Check(doc []byte, l Limits) error {
	_, err := check(doc, l)
	return err
}

// CheckObject is Check for a document that must be one object.
func CheckObject(doc []byte, l Limits) error {
	kind, err := check(doc, l)
	if err == nil && kind != Object {
		err = &Error{Reason: "must be an object", kind: ErrType}
	}
	return err
}

func check(doc []byte, l Limits) (Kind, error) {
	r := NewReader(doc, l)
	defer r.Close()
	kind := r.Kind()
	if _, err := r.Skip(); err != nil {
		return kind, err
	}
	return kind, r.End()
}

// Canonical returns the document's canonical form: no whitespace, members ordered by their UTF-16 code units, strings
// escaped as little as can be, numbers as RFC 8785 writes them. A number that a double would change (a long id, a
// long fraction, one out of range) stays as it is written, so that two that differ never become one.
func Canonical(doc []byte) ([]byte, error) {
	if err := Check(doc, Limits{}); err != nil {
		return nil, err
	}
	v := jsontext.Value(bytes.Clone(doc))
	err := v.Format(
		jsontext.PreserveRawStrings(false), jsontext.ReorderRawObjects(true),
		jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false))
	if err != nil {
		return nil, asError(err, 0)
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); {
		switch c := v[i]; {
		case c == '"':
			end := EndOfString(v, i) + 1
			out = append(out, v[i:end]...)
			i = end
		case c == '-' || '0' <= c && c <= '9':
			end := i + 1
			for end < len(v) && strings.IndexByte("+-.eE0123456789", v[end]) >= 0 {
				end++
			}
			out = appendNumber(out, string(v[i:end]))
			i = end
		default:
			out = append(out, c)
			i++
		}
	}
	return out, nil
}

// appendNumber writes a number as RFC 8785 does when that is the same number, and as text otherwise.
func appendNumber(dst []byte, text string) []byte {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return append(dst, text...)
	}
	v := jsontext.Value(text)
	if err := v.Canonicalize(); err != nil || !sameNumber(text, string(v)) {
		return append(dst, text...)
	}
	return append(dst, v...)
}

// sameNumber compares two JSON numbers exactly, without building a number as large as an exponent asks for.
func sameNumber(a, b string) bool {
	da, ea, na, oka := decimal(a)
	db, eb, nb, okb := decimal(b)
	if !oka || !okb || da != db {
		return false
	}
	return da == "" || ea == eb && na == nb
}

// decimal splits a JSON number into its significant digits and their exponent; zero has no digits.
func decimal(text string) (digits string, exponent int, negative, ok bool) {
	text, negative = strings.CutPrefix(text, "-")
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		e, err := strconv.ParseInt(text[at+1:], 10, 32)
		if err != nil {
			return "", 0, false, false
		}
		text, exponent = text[:at], int(e)
	}
	whole, fraction, _ := strings.Cut(text, ".")
	exponent -= len(fraction)
	digits = strings.TrimLeft(whole+fraction, "0")
	trimmed := strings.TrimRight(digits, "0")
	return trimmed, exponent + len(digits) - len(trimmed), negative, true
}

// Decode fills into from a small document: unknown members, case variants and duplicates are refused.
func Decode(doc []byte, l Limits, into any) error {
	if err := Check(doc, l); err != nil {
		return err
	}
	err := json.Unmarshal(doc, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	e := &Error{kind: ErrType}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		e.Offset, e.Path = int(semantic.ByteOffset), printable(semantic.JSONPointer)
	}
	if errors.Is(err, json.ErrUnknownName) {
		e.kind = ErrUnknown
	}
	e.Reason = e.kind.Error()
	return e
}
