package llm

import (
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Bounds on what a request may ask of policy, in every dialect; a client within reason is far below them.
const (
	MaxTools    = 512
	MaxResults  = 4096 // and calls of the history: each costs policy time
	MaxModels   = 64
	MaxFeatures = 64

	MaxValue = 256 // bytes of what is kept of a feature's value, a URL, a file's name

	maxUnknown = 32
	maxName    = 256
)

// AddPart adds a part to the context and tells its index, unless there is nothing in it: then it is -1. Arguments that are
// an object are a part even when they are none, as the text "{}" is. Whose it is is
// filled in by the dialect.
func (r *Request) AddPart(kind PartKind, span Span) int {
	if raw := span.Of(r.Doc); !says(raw) && (kind != ArgumentsPart || raw[0] != '{') {
		return -1
	}
	r.Parts = append(r.Parts, Part{Kind: kind, Span: span, Message: -1, Result: -1, Call: -1, Tool: -1, Media: -1})
	return len(r.Parts) - 1
}

// AddOutside adds a part that stands in no message: the application's words, as far as its place tells.
func (r *Request) AddOutside(span Span) {
	if i := r.AddPart(TextPart, span); i >= 0 {
		r.Parts[i].Role = "developer"
	}
}

// AddMedia adds a part that is no text.
func (r *Request) AddMedia(media Media, span Span) {
	if i := r.AddPart(MediaPart, span); i >= 0 {
		r.Parts[i].Media = len(r.Media)
		r.Media = append(r.Media, media)
	}
}

// AddRemote says of media that the provider fetches it from a URL, which is asked of policy: what comes is nothing that a
// proxy sees.
func (r *Request) AddRemote(media *Media, address string) {
	media.URL = Clip(address)
	host := ""
	if u, err := url.Parse(media.URL); err == nil {
		host = u.Host
	}
	r.AddFeature("remote:"+media.Type, host)
}

// AddStored says of media that the provider has it in a store of its own, which is asked of policy for the same reason.
func (r *Request) AddStored(media *Media, id string) {
	media.Stored = Clip(id)
	r.AddFeature("stored:"+media.Type, "")
}

// says tells whether there may be something to read in a value.
func says(raw []byte) bool {
	switch raw[0] {
	case '"', '[', '{':
		return len(raw) > 2
	}
	return false
}

// AddUnknown notes an unknown field, once. where is the place that it stands in, with a dot at its end.
func (r *Request) AddUnknown(where, name string) error {
	if len(name) > maxName {
		return &FieldError{Field: where + Printable(name), Reason: "is an unknown field with a long name"}
	}
	if name = where + name; !slices.Contains(r.Unknown, name) {
		if r.Unknown = append(r.Unknown, name); len(r.Unknown) > maxUnknown {
			return &FieldError{Field: Printable(name), Reason: "is one unknown field too many"}
		}
	}
	return nil
}

// AddFeature notes something that is asked of policy, once. One more than MaxFeatures tells that there were too many.
func (r *Request) AddFeature(name, value string) {
	if len(name) > 2*maxName {
		// No grant can name it, and a grant for the beginning must not.
		name = name[:maxName] + "…"
	}
	if len(value) > MaxValue {
		value = value[:MaxValue]
	}
	f := Feature{Name: strings.ToValidUTF8(name, "\uFFFD"), Value: strings.ToValidUTF8(value, "\uFFFD")}
	if len(r.Features) <= MaxFeatures && !slices.Contains(r.Features, f) {
		r.Features = append(r.Features, f)
	}
}

// AddModelFeatures notes what a model's name asks for besides a model: "@preset/NAME" is a stored prompt with tools and
// models of its own, ":online" searches, ":nitro" chooses hosts. Such a variant is a word; what begins with a digit, and
// "latest", is the tag of a local model (llama3:8b), which is a name and nothing more.
func (r *Request) AddModelFeatures(name string) {
	if _, preset, ok := strings.Cut(name, "@preset/"); ok {
		preset, _, _ = strings.Cut(preset, ":")
		r.AddFeature("preset:"+preset, preset)
	} else if strings.Contains(name, "@") {
		r.AddFeature("@", name)
	}
	_, variants, _ := strings.Cut(name, ":")
	if variants == "" {
		return
	}
	for v := range strings.SplitSeq(variants, ":") {
		if v == "latest" || v != "" && '0' <= v[0] && v[0] <= '9' {
			continue
		}
		r.AddFeature(":"+v, name)
	}
}

// Clip bounds how much of a text that a client chose is kept.
func Clip(text string) string {
	if len(text) > MaxValue {
		text = strings.ToValidUTF8(text[:MaxValue], "")
	}
	return text
}

// ValidName tells whether a tool may have a name: at most 256 printable characters.
func ValidName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for _, r := range name {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return false
		}
	}
	return true
}

// ReadCount reads a count of tokens, if it is one: what it is not is passed over, since it is for accounts and not for decisions.
func ReadCount(r *strictjson.Reader, into *int64) error {
	if r.Kind() != strictjson.Number {
		return nil
	}
	n, err := r.Float()
	if err == nil && n >= 0 && n < 1<<53 {
		*into = int64(n)
	}
	return err
}
