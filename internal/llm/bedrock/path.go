package bedrock

import (
	"net/url"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// Path is what a request says outside its body.
type Path struct {
	Model  string // its id or ARN, decoded
	Stream bool
}

// The operations that are served.
const (
	converse       = "converse"
	converseStream = "converse-stream"
)

// maxModel bounds a model's id; the longest ARN is far below it.
const maxModel = 512

// named are the operations of the service that are refused by their name.
var named = map[string]bool{ //nolint:gochecknoglobals // a constant in all but syntax
	"invoke": true, "invoke-with-response-stream": true, "invoke-with-bidirectional-stream": true, "count-tokens": true,
}

// ParsePath reads the path of a request, as it came and with its query: /model/{modelId}/converse or …/converse-stream. The
// id is one segment; what it is made of may be percent-encoded, once. Whatever another reader might take otherwise is
// refused. Its errors are *llm.FieldErrors.
func ParsePath(target string) (Path, error) {
	refuse := func(field, reason string) (Path, error) {
		return Path{}, &llm.FieldError{Field: field, Reason: reason}
	}
	const form = "is not of the form /model/{modelId}/" + converse + " or /model/{modelId}/" + converseStream
	rest, ok := strings.CutPrefix(target, "/model/")
	if !ok || len(target) > 3*maxModel+len(target)-len(rest)+64 {
		return refuse("path", form)
	}
	if strings.ContainsAny(rest, "?#") {
		return refuse("query", "is not taken")
	}
	segment, operation, _ := strings.Cut(rest, "/")
	var p Path
	switch {
	case operation == converse:
	case operation == converseStream:
		p.Stream = true
	case named[operation]:
		return refuse("path", "names "+operation+", which is not served; use "+converse+" or "+converseStream)
	default:
		return refuse("path", form)
	}
	model, err := url.PathUnescape(segment)
	if err != nil || !validModel(model) {
		return refuse("modelId", "is no id or ARN of a model")
	}
	p.Model = model
	return p, nil
}

// String is the path as ParsePath reads it and AWS' SDKs write it.
func (p Path) String() string {
	const hex = "0123456789ABCDEF"
	out := []byte("/model/")
	for i := range len(p.Model) {
		switch c := p.Model[i]; {
		case c == '-', c == '.', c == '_', c == '~', '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
			out = append(out, c)
		default:
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	if p.Stream {
		return string(append(out, "/"+converseStream...))
	}
	return string(append(out, "/"+converse...))
}

// Valid tells whether the path is one that ParsePath reads as just this: to be asked after a field was set.
func (p Path) Valid() bool { return validModel(p.Model) }

// validModel tells an id (anthropic.claude-v2:1) or an ARN, which alone has slashes, with words between them.
func validModel(id string) bool {
	if id == "" || len(id) > maxModel || strings.Contains(id, "/") && !strings.HasPrefix(id, "arn:") {
		return false
	}
	for word := range strings.SplitSeq(id, "/") {
		if strings.Trim(word, ".") == "" {
			return false
		}
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c == '-', c == '.', c == '_', c == ':', c == '/', '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		default:
			return false
		}
	}
	return true
}

// resource is the kind of resource that an ARN names: foundation-model, prompt, …; "" of an id.
func (p Path) resource() string {
	fields := strings.SplitN(p.Model, ":", 6)
	if len(fields) < 6 || fields[0] != "arn" {
		return ""
	}
	kind, _, _ := strings.Cut(fields[5], "/")
	return kind
}
