package llm

import "github.com/yellowjack/yellowjack/internal/strictjson"

// detailNames are the members of an element of reasoning_details: what the model thought, and what tells about it.
var detailNames = strictjson.NewNames("text", "summary", "data", "signature", "type", "format", "id", "index") //nolint:gochecknoglobals // a constant

// AppendDetails appends what a model thought as chat completions of OpenRouter's have it in reasoning_details: a list of texts,
// summaries, encrypted data and signatures, which are for the provider that wrote them. In a stream each chunk has a list of pieces;
// a client sends them back as they came, or put together, and with the members in any order. So what counts are the texts
// alone: of each element its text, summary, data and signature, one behind the other. The pieces of a stream, put together, so are
// what comes back in either form.
//
// What stands where nothing but a short word belongs, and what is in members of other names, is text as well. raw is valid JSON.
func AppendDetails(dst, raw []byte) []byte {
	r := strictjson.NewReader(raw, strictjson.Limits{})
	defer r.Close()
	out, err := appendDetails(dst, raw, r)
	if err != nil { // no list
		return appendStrings(dst, raw)
	}
	return out
}

func appendDetails(dst, raw []byte, r *strictjson.Reader) ([]byte, error) {
	err := r.Array(func(int) error {
		if r.Kind() != strictjson.Object {
			span, err := r.Skip()
			dst = appendStrings(dst, span.Of(raw))
			return err
		}
		var texts [4]Span
		var other []byte
		err := r.Object(detailNames, func(m strictjson.Member) error {
			span, err := r.Skip()
			value := span.Of(raw)
			switch m.Name {
			case "text":
				texts[0] = span
			case "summary":
				texts[1] = span
			case "data":
				texts[2] = span
			case "signature":
				texts[3] = span
			case "type", "format", "id", "index":
				if !plainWord(value) {
					other = appendStrings(other, value)
				}
			default:
				other = appendStrings(other, m.NameSpan.Of(raw))
				other = appendStrings(other, value)
			}
			return err
		})
		for _, span := range texts {
			dst = appendStrings(dst, span.Of(raw))
		}
		dst = append(dst, other...)
		return err
	})
	return dst, err
}

// maxWord is how long what tells about a thought may be: OpenAI's ids have about 70 bytes.
const maxWord = 128

// plainWord tells a value with which nothing can be said: no text, or a short one without a blank.
func plainWord(value []byte) bool {
	if value[0] != '"' {
		return value[0] != '[' && value[0] != '{'
	}
	for _, c := range value[1 : len(value)-1] {
		if c != '_' && c != '-' && c != '.' && c != ':' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(value) <= maxWord+len(`""`)
}
