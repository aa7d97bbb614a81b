package protocol

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// Headers of a request (2026-07-28, "Request Metadata"; the session's and the event's are of the legacy era).
const (
	HeaderVersion     = "MCP-Protocol-Version"
	HeaderMethod      = "Mcp-Method"
	HeaderName        = "Mcp-Name"
	HeaderParam       = "Mcp-Param-"
	HeaderSession     = "Mcp-Session-Id"
	HeaderLastEventID = "Last-Event-ID"
)

const (
	encodedPrefix = "=?base64?"
	encodedSuffix = "?="
)

// ErrHeader is a header that does not say what the body says.
var ErrHeader = errors.New("protocol: header mismatch")

// Encode writes a value as a header carries it: as it is, or in base64 where it could not stand there ("Value Encoding").
func Encode(value string) string {
	plain := value == strings.Trim(value, " \t") && !(strings.HasPrefix(value, encodedPrefix) && strings.HasSuffix(value, encodedSuffix))
	for i := 0; plain && i < len(value); i++ {
		plain = visible(value[i])
	}
	if plain {
		return value
	}
	return encodedPrefix + base64.StdEncoding.EncodeToString([]byte(value)) + encodedSuffix
}

// Decode reads the value of a header.
func Decode(header string) (string, error) {
	for i := range len(header) {
		if !visible(header[i]) {
			return "", fmt.Errorf("%w: a character that no header has", ErrHeader)
		}
	}
	inner, ok := strings.CutPrefix(header, encodedPrefix)
	if !ok {
		return header, nil
	}
	if inner, ok = strings.CutSuffix(inner, encodedSuffix); !ok {
		return header, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(inner)
	if err != nil || !utf8.Valid(b) {
		return "", fmt.Errorf("%w: not base64 of UTF-8", ErrHeader)
	}
	return string(b), nil
}

func visible(c byte) bool { return c >= ' ' && c <= '~' || c == '\t' }

// NameOf is what Mcp-Name mirrors: the name or the URI that a call is about. ok is false for methods that have none.
func NameOf(method string, params []byte) (name string, ok bool) {
	switch method {
	case CallTool, GetPrompt:
		name, _ = rpc.Text(params, "name")
		return name, true
	case ReadResource:
		name, _ = rpc.Text(params, "uri")
		return name, true
	}
	return "", false
}

// Check compares the standard headers of a modern request with its body. Each is there once and says the same.
func Check(h http.Header, version, method string, params []byte) error {
	if err := one(h, HeaderVersion, version, false); err != nil {
		return err
	}
	if err := one(h, HeaderMethod, method, false); err != nil {
		return err
	}
	if name, ok := NameOf(method, params); ok {
		return one(h, HeaderName, name, true)
	}
	return nil
}

func one(h http.Header, name, want string, encoded bool) error {
	values := h.Values(name)
	if len(values) != 1 {
		return fmt.Errorf("%w: %s must be there once", ErrHeader, name)
	}
	got := values[0]
	if encoded {
		var err error
		if got, err = Decode(got); err != nil {
			return err
		}
	}
	if got != want {
		return fmt.Errorf("%w: %s is not what the body says", ErrHeader, name)
	}
	return nil
}

// Param is one argument that a tool wants mirrored into a header.
type Param struct {
	Header string   // the part after Mcp-Param-
	Path   []string // of the argument
	Kind   string   // string, integer or boolean
}

// maxSchemaDepth bounds the walk over a tool's schema.
const maxSchemaDepth = 64

// Params finds the arguments that a tool's inputSchema wants mirrored ("Schema Extension"). An error means that the definition is
// invalid, and that the tool has to be left out.
func Params(schema []byte) ([]Param, error) {
	w := &paramWalk{seen: map[string]bool{}}
	if err := w.object(schema, nil, true); err != nil {
		return nil, err
	}
	return w.params, nil
}

type paramWalk struct {
	params []Param
	seen   map[string]bool
}

// errSchema is a schema whose annotations break the rules.
func errSchema(why string) error { return fmt.Errorf("protocol: x-mcp-header: %s", why) }

// object walks a schema. Below anything but properties an annotation is an error.
func (w *paramWalk) object(schema []byte, path []string, reachable bool) error {
	if len(path) > maxSchemaDepth {
		return errSchema("the schema is nested too deeply")
	}
	if len(schema) == 0 || schema[0] == '[' {
		return w.list(schema, path)
	}
	if schema[0] != '{' {
		return nil
	}
	return rpc.Members(schema, func(name string, value []byte) error {
		switch {
		case name == "x-mcp-header":
			return w.annotation(schema, value, path, reachable)
		case name == "properties" && len(value) > 0 && value[0] == '{':
			return rpc.Members(value, func(property string, inner []byte) error {
				return w.object(inner, append(path[:len(path):len(path)], property), reachable)
			})
		case literal(name):
			return nil
		}
		return w.object(value, append(path[:len(path):len(path)], name), false)
	})
}

func (w *paramWalk) list(list []byte, path []string) error {
	if len(list) == 0 {
		return nil
	}
	return rpc.Elements(list, func(_ int, value []byte) error {
		return w.object(value, append(path[:len(path):len(path)], "[]"), false)
	})
}

// literal are the keywords whose value is data and no schema.
func literal(keyword string) bool {
	switch keyword {
	case "const", "default", "enum", "examples", "description", "title":
		return true
	}
	return false
}

func (w *paramWalk) annotation(schema, value []byte, path []string, reachable bool) error {
	name, ok := rpc.String(value)
	kind, _ := rpc.Text(schema, "type")
	switch {
	case !ok || !token(name):
		return errSchema("it is no name of a header")
	case !reachable || len(path) == 0:
		return errSchema("it stands where no argument is reached")
	case kind != "string" && kind != "integer" && kind != "boolean":
		return errSchema("only strings, integers and booleans can be mirrored")
	case w.seen[strings.ToLower(name)]:
		return errSchema("two arguments have the same header")
	}
	w.seen[strings.ToLower(name)] = true
	w.params = append(w.params, Param{Header: name, Path: path, Kind: kind})
	return nil
}

// token tells whether a text is a token (RFC 9110, section 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// Mirror is the value of a param's header for a call's arguments; there is false when the argument is missing or null, and an error
// when it is not of the kind that the schema says.
func (p Param) Mirror(arguments []byte) (value string, there bool, err error) {
	raw := rpc.Raw(arguments, p.Path...)
	switch {
	case raw == nil || string(raw) == "null":
		return "", false, nil
	case p.Kind == "string" && raw[0] == '"':
		value, _ = rpc.Text(arguments, p.Path...)
	case p.Kind == "boolean" && (string(raw) == "true" || string(raw) == "false"):
		value = string(raw)
	case p.Kind == "integer":
		n, ok := exact(string(raw))
		if !ok {
			return "", false, fmt.Errorf("%w: %s is no integer that a header can carry", ErrHeader, p.Header)
		}
		value = n.String()
	default:
		return "", false, fmt.Errorf("%w: %s is of another type than its schema says", ErrHeader, p.Header)
	}
	return Encode(value), true, nil
}

// Check compares a param's header with a call's arguments.
func (p Param) Check(h http.Header, arguments []byte) error {
	want, there, err := p.Mirror(arguments)
	if err != nil {
		return err
	}
	values := h.Values(HeaderParam + p.Header)
	if !there {
		if len(values) != 0 {
			return fmt.Errorf("%w: %s is not among the arguments", ErrHeader, p.Header)
		}
		return nil
	}
	if len(values) != 1 {
		return fmt.Errorf("%w: %s%s must be there once", ErrHeader, HeaderParam, p.Header)
	}
	got, err := Decode(values[0])
	if err != nil {
		return err
	}
	same, _ := Decode(want)
	if p.Kind == "integer" {
		a, okA := exact(got)
		b, okB := exact(same)
		if okA && okB && a.Cmp(b) == 0 {
			return nil
		}
	} else if got == same {
		return nil
	}
	return fmt.Errorf("%w: %s%s is not what the body says", ErrHeader, HeaderParam, p.Header)
}

// maxSafe is the largest integer that a double holds exactly, with all below it.
var maxSafe = big.NewInt(1<<53 - 1)

// exact reads a number that is an integer within the safe range, however it is written.
func exact(text string) (*big.Int, bool) {
	if len(text) > 40 || strings.ContainsAny(text, "eE") && len(text) > 6 {
		return nil, false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || strings.ContainsAny(text, "/_xXoObBpP") || !r.IsInt() || new(big.Int).Abs(r.Num()).Cmp(maxSafe) > 0 {
		return nil, false
	}
	return r.Num(), true
}
