package translate

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// raw is a value that means nothing here.
type raw = jsontext.Value

// readRequest reads a client's document; a member that is not known is one that cannot be expressed.
func readRequest(doc []byte, into any) error {
	err := json.Unmarshal(doc, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if field, ok := errors.AsType[*llm.FieldError](err); ok {
		return field
	}
	var at jsontext.Pointer
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		at = semantic.JSONPointer
	} else if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = syntactic.JSONPointer
	}
	field := llm.Printable(llm.Place(string(at)))
	if field == "" {
		field = "body"
	}
	if errors.Is(err, json.ErrUnknownName) {
		return &llm.FieldError{Field: field, Reason: noForm}
	}
	return &llm.FieldError{Field: field, Reason: "has a value of the wrong type"}
}

// readAnswer reads a provider's document, or an event of its stream. What is not known in it is passed over.
func readAnswer(doc []byte, into any) error {
	if err := json.Unmarshal(doc, into); err != nil {
		var at jsontext.Pointer
		if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
			at = semantic.JSONPointer
		}
		return unreadable("cannot be read at " + llm.Printable(string(at)))
	}
	return nil
}

// write writes a document of our own. Values that came from elsewhere keep their strings and numbers as they were written.
func write(v any) ([]byte, error) {
	out, err := json.Marshal(v, jsontext.PreserveRawStrings(true))
	if err != nil {
		return nil, unreadable("cannot be written")
	}
	return out, nil
}

// optional is a value that may be missing or null.
type optional[T any] struct {
	value T
	set   bool
}

func some[T any](v T) optional[T] { return optional[T]{v, true} }

func (o *optional[T]) IsZero() bool { return !o.set }

func (o *optional[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	o.set = true
	return json.UnmarshalDecode(d, &o.value)
}

func (o *optional[T]) MarshalJSONTo(e *jsontext.Encoder) error {
	if !o.set {
		return e.WriteToken(jsontext.Null)
	}
	return json.MarshalEncode(e, &o.value)
}

// either is a value that is a text or a list.
type either[T any] struct {
	kind jsontext.Kind // '"', '[', or 0 where there is none
	text string
	list []T
}

func textOf[T any](text string) either[T] { return either[T]{kind: '"', text: text} }
func listOf[T any](list []T) either[T]    { return either[T]{kind: '[', list: list} }

func (e *either[T]) IsZero() bool { return e.kind == 0 }

var errNeither = errors.New("must be a text or a list")

func (e *either[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch e.kind = d.PeekKind(); e.kind {
	case 'n':
		e.kind = 0
		return d.SkipValue()
	case '"':
		t, err := d.ReadToken()
		if err == nil {
			e.text = t.String()
		}
		return err
	case '[':
		return json.UnmarshalDecode(d, &e.list)
	}
	return errNeither
}

func (e *either[T]) MarshalJSONTo(enc *jsontext.Encoder) error {
	switch e.kind {
	case '"':
		return enc.WriteToken(jsontext.String(e.text))
	case '[':
		return json.MarshalEncode(enc, &e.list)
	}
	return enc.WriteToken(jsontext.Null)
}

// present tells of a value whether it says something.
func present(v raw) bool { return len(v) > 0 && v.Kind() != 'n' }

func isTrue(v raw) bool { return string(v) == "true" }

// quoted is a text as a value.
func quoted[T ~string | ~[]byte](text T) raw { return llm.AppendQuoted(nil, text) }

// unquoted is the text of a value, if it is one.
func unquoted(v raw) (string, bool) {
	if !present(v) || v.Kind() != '"' {
		return "", false
	}
	out, err := jsontext.AppendUnquote(nil, v)
	return string(out), err == nil
}

// object is the arguments of a call as an object: none are {}, as every client takes them.
func object(text string) (raw, error) {
	if text == "" {
		return raw("{}"), nil
	}
	if err := strictjson.CheckObject([]byte(text), strictjson.Limits{}); err != nil {
		return nil, err
	}
	return bytes.TrimSpace([]byte(text)), nil
}

// number is a setting as the client wrote it, and the field that it stood in.
type number struct {
	raw
	field string
}

func (n number) set() bool { return present(n.raw) }

// is tells whether a number is one that changes nothing.
func (n number) is(neutral float64) bool {
	f, err := strconv.ParseFloat(string(n.raw), 64)
	return err == nil && f == neutral
}

func (n number) above(most float64) bool {
	f, err := strconv.ParseFloat(string(n.raw), 64)
	return err == nil && f > most
}

// integer is a count of tokens, where the number is one.
func (n number) integer() (int64, bool) {
	i, err := strconv.ParseInt(string(n.raw), 10, 64)
	return i, err == nil
}

// numbers checks that settings are numbers, for a field whose type is open.
func numbers(all ...number) error {
	for _, n := range all {
		if n.set() && n.Kind() != '0' {
			return &llm.FieldError{Field: n.field, Reason: "must be a number"}
		}
	}
	return nil
}
