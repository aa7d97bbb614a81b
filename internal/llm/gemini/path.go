package gemini

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// The methods that are served.
const (
	Generate = "generateContent"
	Stream   = "streamGenerateContent"
)

// Path is what a request says outside its body.
type Path struct {
	Version  string // v1, v1beta, …
	Project  string // of Vertex AI; "" when the path names none
	Location string // of Vertex AI; "" when the path names none
	Kind     string // models, tunedModels, publishers/google/models or endpoints
	Model    string
	Method   string // Generate or Stream
	Stream   bool   // by server-sent events
}

// maxPath bounds a path; the longest of a client within reason is far below it.
const maxPath = 1024

// ParsePath reads the path of a request with its query. Whatever another reader might take otherwise is refused: escapes,
// empty and dotted segments, parameters that change what is answered. Its errors are *llm.FieldErrors.
func ParsePath(target string) (Path, error) {
	refuse := func(field, reason string) (Path, error) {
		return Path{}, &llm.FieldError{Field: field, Reason: reason}
	}
	path, query, asked := strings.Cut(target, "?")
	if len(target) > maxPath || !strings.HasPrefix(path, "/") {
		return refuse("path", "is not of the form /v1beta/models/MODEL:METHOD")
	}
	at := strings.LastIndexByte(path, ':')
	if at < 0 {
		return refuse("path", "names no method")
	}
	p := Path{Method: path[at+1:]}
	switch p.Method {
	case Generate, Stream:
	default:
		return refuse("path", "names a method that is not served; use "+Generate+" or "+Stream)
	}
	if !p.resource(path[1:at]) {
		return refuse("path", "is not of the form /v1beta/models/MODEL:METHOD")
	}
	alt := ""
	if asked {
		for pair := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(pair, "=")
			switch {
			case name == "key":
				return refuse("key", "has no place in a URL; send it as x-goog-api-key")
			case name != "alt", alt != "", value != "sse" && value != "json":
				return refuse("query", "takes alt=sse or alt=json, and nothing else")
			}
			alt = value
		}
	}
	switch p.Stream = p.Method == Stream; {
	case p.Stream && alt != "sse":
		return refuse("alt", "must be sse for "+Stream+"; a stream that is a JSON array is not served")
	case !p.Stream && alt == "sse":
		return refuse("alt", "must be json for "+Generate)
	}
	return p, nil
}

// String is the path with its query, as ParsePath reads it.
func (p Path) String() string {
	var b strings.Builder
	b.WriteString("/" + p.Version)
	if p.Project != "" {
		b.WriteString("/projects/" + p.Project)
	}
	if p.Location != "" {
		b.WriteString("/locations/" + p.Location)
	}
	b.WriteString("/" + p.Kind + "/" + p.Model + ":" + p.Method)
	if p.Stream {
		b.WriteString("?alt=sse")
	}
	return b.String()
}

// Valid tells whether the path is one that ParsePath reads as just this: to be asked after a field was set.
func (p Path) Valid() bool {
	again, err := ParsePath(p.String())
	return err == nil && again == p
}

// resource reads what stands between the first slash and the method.
func (p *Path) resource(name string) bool {
	next := func() string {
		word, rest, _ := strings.Cut(name, "/")
		name = rest
		return word
	}
	if p.Version = next(); !version(p.Version) {
		return false
	}
	kind := next()
	if kind == "projects" {
		p.Project = next()
		if next() != "locations" {
			return false
		}
		p.Location, kind = next(), next()
		if !word(p.Project) || !word(p.Location) {
			return false
		}
	}
	switch {
	case kind == "publishers":
		if next() != "google" || next() != "models" {
			return false
		}
		p.Kind = "publishers/google/models"
	case (kind == "models" || kind == "tunedModels") && p.Project == "", kind == "endpoints" && p.Project != "":
		p.Kind = kind
	default:
		return false
	}
	p.Model = name
	return model(name)
}

// model tells whether a model may have a name: words between slashes, of which the last may have variants behind colons.
func model(name string) bool {
	path, variants, has := strings.Cut(name, ":")
	for w := range strings.SplitSeq(path, "/") {
		if !word(w) {
			return false
		}
	}
	if has {
		for w := range strings.SplitSeq(variants, ":") {
			if !word(w) {
				return false
			}
		}
	}
	return len(name) <= llm.MaxValue
}

// version tells v1, v1beta, v1alpha, v1beta1, …
func version(s string) bool {
	return len(s) >= 2 && len(s) <= 10 && s[0] == 'v' && s[1] == '1' && word(s)
}

// word tells a name that says nothing to any reader of paths.
func word(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case i > 0 && (c == '-' || c == '_' || c == '.' || c == '@'):
		default:
			return false
		}
	}
	return s != "" && !strings.Contains(s, "..")
}
