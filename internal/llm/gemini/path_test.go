package gemini

import (
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
)

func TestPath(t *testing.T) {
	for target, want := range map[string]Path{
		"/v1beta/models/gemini-2.5-flash:generateContent":                     {Version: "v1beta", Kind: "models", Model: "gemini-2.5-flash", Method: Generate},
		"/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse":           {Version: "v1", Kind: "models", Model: "gemini-2.5-flash", Method: Stream, Stream: true},
		"/v1beta/models/openai/gpt-5:online:generateContent?alt=json":         {Version: "v1beta", Kind: "models", Model: "openai/gpt-5:online", Method: Generate},
		"/v1beta/tunedModels/my-model:generateContent":                        {Version: "v1beta", Kind: "tunedModels", Model: "my-model", Method: Generate},
		"/v1beta1/publishers/google/models/gemini-2.5:generateContent":        {Version: "v1beta1", Kind: "publishers/google/models", Model: "gemini-2.5", Method: Generate},
		"/v1/projects/p-1/locations/us-central1/endpoints/12:generateContent": {Version: "v1", Project: "p-1", Location: "us-central1", Kind: "endpoints", Model: "12", Method: Generate},
		"/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-pro@001:streamGenerateContent?alt=sse": {
			Version: "v1", Project: "p", Location: "global", Kind: "publishers/google/models", Model: "gemini-2.5-pro@001", Method: Stream, Stream: true,
		},
	} {
		got, err := ParsePath(target)
		if err != nil || got != want {
			t.Errorf("%s: %+v %v", target, got, err)
		}
		if again := got.String(); again != strings.TrimSuffix(target, "?alt=json") || !got.Valid() {
			t.Errorf("%s became %s", target, again)
		}
	}
}

func TestPathRefused(t *testing.T) {
	for target, field := range map[string]string{
		"":                                                                         "path",
		"/":                                                                        "path",
		"v1beta/models/m:generateContent":                                          "path",
		"//v1beta/models/m:generateContent":                                        "path",
		"xv1beta/models/m:generateContent":                                         "path",
		"/v1beta/models/m":                                                         "path",
		"/v1beta/models/m:countTokens":                                             "path",
		"/v1beta/models/m:embedContent":                                            "path",
		"/v1beta/models/m:GenerateContent":                                         "path",
		"/v1beta/models/:generateContent":                                          "path",
		"/v1beta/models/m:generateContent:":                                        "path",
		"/v1beta/models/m:generateContent/":                                        "path",
		"/v1beta/models/m%3AgenerateContent:generateContent":                       "path",
		"/v1beta/models/../models/m:generateContent":                               "path",
		"/v1beta/models/a..b:generateContent":                                      "path",
		"/v1beta/models/.m:generateContent":                                        "path",
		"/v1beta/models//m:generateContent":                                        "path",
		"/v1beta/models/m/:generateContent":                                        "path",
		"/v1beta/models/m:a/b:generateContent":                                     "path",
		"/v1beta/models/m;a=b:generateContent":                                     "path",
		"/v1beta/models/m\\x:generateContent":                                      "path",
		"/v1beta/models/m#x:generateContent":                                       "path",
		"/v1beta/models/ünder:generateContent":                                     "path",
		"/v2/models/m:generateContent":                                             "path",
		"/v1beta/cachedContents/m:generateContent":                                 "path",
		"/v1beta/dynamic/m:generateContent":                                        "path",
		"/v1/projects/p/models/m:generateContent":                                  "path",
		"/v1/projects/p/locations//publishers/google/models/m:generateContent":     "path",
		"/v1/projects/p/locations/l/publishers/anthropic/models/m:generateContent": "path",
		"/v1/projects/p/locations/l/models/m:generateContent":                      "path",
		"/v1/endpoints/m:generateContent":                                          "path",
		"/v1beta/models/" + strings.Repeat("m", 257) + ":generateContent":          "path",
		"/v1beta/models/m:streamGenerateContent":                                   "alt",
		"/v1beta/models/m:streamGenerateContent?":                                  "query",
		"/v1beta/models/m:streamGenerateContent?alt=json":                          "alt",
		"/v1beta/models/m:generateContent?alt=sse":                                 "alt",
		"/v1beta/models/m:streamGenerateContent?alt=sse&alt=json":                  "query",
		"/v1beta/models/m:streamGenerateContent?alt=SSE":                           "query",
		"/v1beta/models/m:generateContent?alt=media":                               "query",
		"/v1beta/models/m:generateContent?fields=candidates":                       "query",
		"/v1beta/models/m:generateContent?%24alt=sse":                              "query",
		"/v1beta/models/m:generateContent?$alt=sse":                                "query",
		"/v1beta/models/m:generateContent?alt=json?alt=sse":                        "query",
		"/v1beta/models/m:generateContent?key=secret":                              "key",
	} {
		_, err := ParsePath(target)
		var is *llm.FieldError
		if !errors.As(err, &is) || is.Field != field || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, not of %s", target, err, field)
		}
	}
}

// FuzzPath: what is read is what is written again, and nothing in it says anything to another reader of paths.
func FuzzPath(f *testing.F) {
	f.Add("/v1beta/models/m:generateContent")
	f.Add("/v1/projects/p/locations/l/publishers/google/models/m@1:streamGenerateContent?alt=sse")
	f.Add("/v1beta/models/a/b:c:generateContent?alt=json")
	f.Fuzz(func(t *testing.T, target string) {
		p, err := ParsePath(target)
		if err != nil {
			return
		}
		if got := p.String(); got != target && got+"?alt=json" != target || !p.Valid() {
			t.Fatalf("%q became %q", target, got)
		}
		if strings.ContainsAny(p.Model, "%?#;\\ ") || strings.Contains(target, "//") || strings.Contains(target, "..") {
			t.Fatalf("%q has the model %q", target, p.Model)
		}
		if p.Stream != (p.Method == Stream) {
			t.Fatalf("%+v", p)
		}
	})
}
