// Package embeddings is the dialect of OpenAI's embeddings, as OpenAI, OpenRouter and the compatible providers speak it.
//
// A model of embeddings calls no tool and says no word: what comes back are numbers. So a request is read for what policy decides,
// which is the model, and for what nobody knows (Request.Unknown); its input is the client's and is not a conversation, so that it
// has no parts. An answer is released when it is one: a list of embeddings, each of numbers or base64, or the provider's error.
package embeddings

import (
	"bytes"
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrNotEmbeddings is why a body is refused that is strict JSON, but no list of embeddings as a client reads it.
var ErrNotEmbeddings = errors.New("not a list of embeddings")

// What a request has, an answer, and an embedding in it.
var ( //nolint:gochecknoglobals // constants in all but syntax
	requestNames   = strictjson.NewNames("model", "input", "encoding_format", "dimensions", "user", "provider", "input_type")
	answerNames    = strictjson.NewNames("object", "data", "model", "usage", "id", "provider", "error")
	embeddingNames = strictjson.NewNames("object", "index", "embedding")
)

// ParseRequest reads the body of a request for embeddings. Its errors are a *strictjson.Error or an *llm.FieldError.
func ParseRequest(doc []byte, l strictjson.Limits) (*llm.Request, error) {
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	out := &llm.Request{Doc: doc, Choices: 1}
	seen := false
	err := r.Object(requestNames, func(m strictjson.Member) error {
		switch kind := r.Kind(); m.Name {
		case "model":
			if kind != strictjson.String {
				return &llm.FieldError{Field: "model", Reason: "is of the wrong type"}
			}
			var err error
			out.Model, out.ModelSpan, err = r.String()
			return err
		case "input":
			seen = true
			if kind != strictjson.String && kind != strictjson.Array {
				return &llm.FieldError{Field: "input", Reason: "is of the wrong type"}
			}
		case "provider": // OpenRouter's choice among hosts
			if kind != strictjson.Object {
				return &llm.FieldError{Field: "provider", Reason: "is of the wrong type"}
			}
			return r.Object(nil, func(m strictjson.Member) error {
				span, err := r.Skip()
				if err == nil {
					out.AddFeature("provider:"+m.Name, string(span.Of(doc)))
				}
				return err
			})
		case "encoding_format", "dimensions", "user", "input_type":
		default:
			if err := out.AddUnknown("", m.Name); err != nil {
				return err
			}
		}
		_, err := r.Skip()
		return err
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return nil, err
	case out.Model == "":
		return nil, &llm.FieldError{Field: "model", Reason: "is required"}
	case !seen:
		return nil, &llm.FieldError{Field: "input", Reason: "is required"}
	}
	out.AddModelFeatures(out.Model)
	return out, nil
}

// Apply sets the model; there is nothing else that could change.
func Apply(r *llm.Request, e llm.Edit) ([]byte, error) {
	if len(e.HideTools)+len(e.DropResults)+len(e.Results)+len(e.CallIDs)+len(e.CallTools)+len(e.ResultIDs)+len(e.Arguments)+len(e.PartTexts) > 0 {
		return nil, errors.New("embeddings: an edit of what is not there")
	}
	var s llm.Splices
	if e.Model != "" && e.Model != r.Model {
		s.Replace(r.ModelSpan, llm.AppendQuoted(nil, e.Model))
	}
	return s.Apply(r.Doc), nil
}

// Response is the view of an answer.
type Response struct {
	Doc   []byte
	Model string // that answered, "" when the answer does not say
	Usage llm.Usage
	Error bool // the provider's own error stands in it
}

// ParseResponse reads the body of a 2xx answer: embeddings, or the error that some providers answer with in their place.
func ParseResponse(doc []byte, l strictjson.Limits) (*Response, error) {
	r := strictjson.NewReader(doc, l)
	defer r.Close()
	out := &Response{Doc: doc}
	listed := false
	err := r.Object(answerNames, func(m strictjson.Member) (err error) {
		kind := r.Kind()
		switch {
		case m.Name == "data" && kind == strictjson.Array:
			listed = true
			return r.Array(func(int) error { return embedding(r, doc) })
		case m.Name == "data":
			return r.Fail(ErrNotEmbeddings, "data that is no list")
		case m.Name == "model" && kind == strictjson.String:
			out.Model, _, err = r.String()
		case m.Name == "usage" && kind == strictjson.Object:
			out.Usage, err = openaichat.ReadUsage(r)
		case m.Name == "error" && kind != strictjson.Null:
			out.Error = true
			_, err = r.Skip()
		case m.Name == "choices" || m.Name == "output" || m.Name == "content":
			return r.Fail(ErrNotEmbeddings, "an answer of another API")
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err == nil && !listed && !out.Error {
		err = ErrNotEmbeddings
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// embedding reads one: numbers, or their base64.
func embedding(r *strictjson.Reader, doc []byte) error {
	given := false
	err := r.Object(embeddingNames, func(m strictjson.Member) error {
		if m.Name != "embedding" {
			return nil
		}
		given = true
		switch r.Kind() {
		case strictjson.String:
			span, err := r.Skip()
			if err == nil && bytes.ContainsFunc(doc[span.Start+1:span.End-1], notBase64) {
				return r.Fail(ErrNotEmbeddings, "an embedding that is a text")
			}
			return err
		case strictjson.Array:
			return r.Array(func(int) error {
				if r.Kind() != strictjson.Number {
					return r.Fail(ErrNotEmbeddings, "an embedding of something else than numbers")
				}
				_, err := r.Skip()
				return err
			})
		}
		return r.Fail(ErrNotEmbeddings, "an embedding that is none")
	})
	if err == nil && !given {
		return r.Fail(ErrNotEmbeddings, "an element without an embedding")
	}
	return err
}

func notBase64(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=')
}

// Rewrite changes nothing: there is no call in an answer, and no text.
func (a *Response) Rewrite([]llm.Verdict, func(choice int) llm.TextFilter) ([]byte, []llm.Turn, error) {
	return a.Doc, nil, nil
}
