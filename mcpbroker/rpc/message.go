// Package rpc reads and writes the JSON-RPC 2.0 messages of MCP without understanding what is in them.
//
// Parse reads a message once and strictly (no duplicate names, no invalid UTF-8, nothing that one reader takes for something
// else) to spans of its document: method, id, params, result, error. What nobody changes is then handed on byte for byte; object.go
// finds members inside and changes them by splicing. A typed reading would lose what it has no field for: `$schema`, vendor keys,
// integers above 2^53, kinds of content that came later.
//
// MCP is narrower than JSON-RPC: an id is a string or an integer and never null, params and results are objects, and a list of
// messages (a batch) exists in version 2025-03-26 alone (ParseBatch).
package rpc

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

// Codes of errors. The first five are JSON-RPC's own (section 5.1), the next are of MCP 2026-07-28 ("Error Codes"), the last two of
// versions before it, which that version no longer sends.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeNoMethod       = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603

	CodeHeaderMismatch     = -32020
	CodeMissingCapability  = -32021
	CodeUnsupportedVersion = -32022

	CodeNoResource  = -32002
	CodeURLRequired = -32042
)

// MaxBatch is how many messages one batch may have.
const MaxBatch = 64

// maxID is how long an id may be, as it is written.
const maxID = 512

// Kind is what a message is.
type Kind uint8

// The kinds of messages.
const (
	Request Kind = iota + 1
	Notification
	Response // a result or an error
)

// Message is one message: spans over a document that nobody changes.
type Message struct {
	Kind   Kind
	Doc    []byte // of this message alone
	ID     ID     // nil: a notification, or an error whose request could not be read
	Method string
	Params []byte // an object; nil when there is none
	Result []byte // an object; nil when there is none
	Err    *relay.Error
}

// ID is a request's id as it is written: a JSON string or an integer.
type ID []byte

// Equal tells whether two ids are the same. The string "1" and the number 1 are not.
func (id ID) Equal(other ID) bool {
	if bytes.Equal(id, other) {
		return true
	}
	if len(id) == 0 || len(other) == 0 || id[0] != '"' || other[0] != '"' {
		return false
	}
	a, errA := strictjson.Canonical(id) // escapes may differ
	b, errB := strictjson.Canonical(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// Key is the id in the one form that all ways to write it share; it can key a map.
func (id ID) Key() string {
	if len(id) > 0 && id[0] == '"' {
		if c, err := strictjson.Canonical(id); err == nil {
			return string(c)
		}
	}
	return string(id)
}

// A ParseError says why bytes are no message; Code is CodeParse or CodeInvalidRequest, and ID that of the request when it could be
// read.
type ParseError struct {
	Code   int
	ID     ID
	Reason string
}

func (e *ParseError) Error() string { return "rpc: " + e.Reason }

// envelope are the names of a message.
var envelope = strictjson.NewNames("jsonrpc", "id", "method", "params", "result", "error")

var errorNames = strictjson.NewNames("code", "message", "data")

// Parse reads a document that is one message. The message refers to doc.
func Parse(doc []byte, l strictjson.Limits) (*Message, error) {
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	m, err := read(r, doc)
	if err == nil {
		if end := r.End(); end != nil {
			err = syntax(end)
		}
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// ParseBatch reads a document that is one message or a list of them (MCP 2025-03-26, "JSON-RPC batching"); batch tells which.
func ParseBatch(doc []byte, l strictjson.Limits) (all []*Message, batch bool, err error) {
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	if r.Kind() != strictjson.Array {
		m, err := Parse(doc, l)
		if err != nil {
			return nil, false, err
		}
		return []*Message{m}, false, nil
	}
	var failed error
	err = r.Array(func(i int) error {
		if i >= MaxBatch {
			failed = &ParseError{Code: CodeInvalidRequest, Reason: fmt.Sprintf("a batch has at most %d messages", MaxBatch)}
			return failed
		}
		m, err := read(r, doc)
		if err != nil {
			failed = err
			return err
		}
		all = append(all, m)
		return nil
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case failed != nil:
		return nil, true, failed
	case err != nil:
		return nil, true, syntax(err)
	case len(all) == 0:
		return nil, true, &ParseError{Code: CodeInvalidRequest, Reason: "an empty batch"}
	}
	return all, true, nil
}

// fields is what an envelope has in it.
type fields struct {
	version, method         string
	hasID, hasMethod, wrong bool
	reason                  string
}

func (f *fields) refuse(reason string) {
	if !f.wrong {
		f.wrong, f.reason = true, reason
	}
}

// read reads one message at the reader's position. What is JSON and no message is read to its end first, so that its id is known.
func read(r *strictjson.Reader, doc []byte) (*Message, error) {
	if k := r.Kind(); k != strictjson.Object {
		if _, err := r.Skip(); err != nil {
			return nil, syntax(err)
		}
		return nil, &ParseError{Code: CodeInvalidRequest, Reason: "a message is an object"}
	}
	m, f := &Message{}, &fields{}
	start := r.Next()
	err := r.Object(envelope, func(member strictjson.Member) error { return readMember(r, doc, m, f, member.Name) })
	if err != nil {
		e := syntax(err)
		e.ID = m.ID
		return nil, e
	}
	m.Doc = doc[start:r.Offset()]
	if f.version != "2.0" {
		f.refuse(`jsonrpc must be "2.0"`)
	}
	m.settle(f)
	if f.wrong {
		return nil, &ParseError{Code: CodeInvalidRequest, ID: m.ID, Reason: f.reason}
	}
	return m, nil
}

func readMember(r *strictjson.Reader, doc []byte, m *Message, f *fields, name string) error {
	kind := r.Kind()
	switch name {
	case "jsonrpc":
		if kind == strictjson.String {
			var err error
			f.version, _, err = r.String()
			return err
		}
	case "id":
		f.hasID = true
		return readID(r, doc, m, f)
	case "method":
		if kind == strictjson.String {
			var err error
			f.hasMethod = true
			f.method, _, err = r.String()
			return err
		}
		f.refuse("method must be a string")
	case "params":
		if kind == strictjson.Object {
			return readSpan(r, doc, &m.Params)
		}
		f.refuse("params must be an object")
	case "result":
		if kind == strictjson.Object {
			return readSpan(r, doc, &m.Result)
		}
		f.refuse("result must be an object")
	case "error":
		return readError(r, doc, m, f)
	default:
		f.refuse("a member that no message has")
	}
	_, err := r.Skip()
	return err
}

func readSpan(r *strictjson.Reader, doc []byte, into *[]byte) error {
	span, err := r.Skip()
	*into = span.Of(doc)
	return err
}

func readID(r *strictjson.Reader, doc []byte, m *Message, f *fields) error {
	kind := r.Kind()
	span, err := r.Skip()
	if err != nil {
		return err
	}
	raw := span.Of(doc)
	switch {
	case kind == strictjson.Null:
		f.refuse("an id is never null")
	case len(raw) > maxID:
		f.refuse("the id is too long")
	case kind == strictjson.String, kind == strictjson.Number && !bytes.ContainsAny(raw, ".eE"):
		m.ID = raw
	default:
		f.refuse("an id is a string or an integer")
	}
	return nil
}

func readError(r *strictjson.Reader, doc []byte, m *Message, f *fields) error {
	m.Err = &relay.Error{}
	if r.Kind() != strictjson.Object {
		f.refuse("error must be an object")
		_, err := r.Skip()
		return err
	}
	has := 0
	return r.Object(errorNames, func(member strictjson.Member) error {
		switch kind := r.Kind(); {
		case member.Name == "code" && kind == strictjson.Number:
			span, err := r.Skip()
			code, ok := integer(span.Of(doc))
			if !ok {
				f.refuse("error.code must be an integer")
			}
			m.Err.Code = code
			has++
			return err
		case member.Name == "message" && kind == strictjson.String:
			var err error
			m.Err.Message, _, err = r.String()
			has++
			return err
		case member.Name == "data":
			return readSpan(r, doc, &m.Err.Data)
		case member.Name == "code" || member.Name == "message":
			f.refuse("error." + member.Name + " is of the wrong type")
		}
		_, err := r.Skip()
		return err
	})
}

// settle tells what the message is, and refuses what is two things or none.
func (m *Message) settle(f *fields) {
	m.Method = f.method
	isAnswer := m.Result != nil || m.Err != nil
	switch {
	case f.hasMethod && isAnswer || m.Result != nil && m.Err != nil:
		f.refuse("a message is a request or an answer, and an answer is a result or an error")
	case f.hasMethod && m.Method == "":
		f.refuse("method is empty")
	case f.hasMethod && f.hasID:
		m.Kind = Request
	case f.hasMethod:
		m.Kind = Notification
	case !isAnswer:
		f.refuse("a message has a method, a result or an error")
	case m.Params != nil:
		f.refuse("an answer has no params")
	case m.Result != nil && m.ID == nil:
		f.refuse("a result has the id of its request")
	default:
		m.Kind = Response
	}
}

// integer reads a JSON number that is a small integer.
func integer(raw []byte) (int, bool) {
	n, neg := 0, len(raw) > 0 && raw[0] == '-'
	if neg {
		raw = raw[1:]
	}
	if len(raw) == 0 || len(raw) > 15 {
		return 0, false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}

// syntax is the error of a document that is not strict JSON.
func syntax(err error) *ParseError {
	var e *strictjson.Error
	reason := err.Error()
	if errors.As(err, &e) {
		reason = e.Reason
	}
	return &ParseError{Code: CodeParse, Reason: reason}
}

// AppendRequest appends a request; params may be nil.
func AppendRequest(dst []byte, id ID, method string, params []byte) []byte {
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	return appendCall(dst, method, params)
}

// AppendNotification appends a notification; params may be nil.
func AppendNotification(dst []byte, method string, params []byte) []byte {
	return appendCall(append(dst, `{"jsonrpc":"2.0"`...), method, params)
}

func appendCall(dst []byte, method string, params []byte) []byte {
	dst = llm.AppendQuoted(append(dst, `,"method":`...), method)
	if params != nil {
		dst = append(append(dst, `,"params":`...), params...)
	}
	return append(dst, '}')
}

// AppendResult appends the result of a request.
func AppendResult(dst []byte, id ID, result []byte) []byte {
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	return append(append(append(dst, `,"result":`...), result...), '}')
}

// AppendError appends the error that a request led to; a nil id is left out.
func AppendError(dst []byte, id ID, e *relay.Error) []byte {
	dst = append(dst, `{"jsonrpc":"2.0"`...)
	if id != nil {
		dst = append(append(dst, `,"id":`...), id...)
	}
	dst = fmt.Appendf(dst, `,"error":{"code":%d,"message":`, e.Code)
	dst = llm.AppendQuoted(dst, e.Message)
	if e.Data != nil {
		dst = append(append(dst, `,"data":`...), e.Data...)
	}
	return append(dst, "}}"...)
}
