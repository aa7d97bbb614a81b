package bedrock

import (
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
)

func TestParsePath(t *testing.T) {
	for in, want := range map[string]Path{
		"/model/anthropic.claude-v2/converse":                                                       {Model: "anthropic.claude-v2"},
		"/model/us.anthropic.claude-sonnet-4-20250514-v1:0/converse-stream":                         {Model: "us.anthropic.claude-sonnet-4-20250514-v1:0", Stream: true},
		"/model/us.anthropic.claude-sonnet-4-20250514-v1%3A0/converse":                              {Model: "us.anthropic.claude-sonnet-4-20250514-v1:0"},
		"/model/us.anthropic.claude-sonnet-4-20250514-v1%3a0/converse":                              {Model: "us.anthropic.claude-sonnet-4-20250514-v1:0"},
		"/model/%61nthropic.x/converse":                                                             {Model: "anthropic.x"},
		"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fx.y-v1%3A0/converse-stream": {Model: "arn:aws:bedrock:us-east-1::foundation-model/x.y-v1:0", Stream: true},
	} {
		got, err := ParsePath(in)
		if err != nil || got != want {
			t.Errorf("%s: %+v %v", in, got, err)
		}
		if again, err := ParsePath(got.String()); err != nil || again != got || !got.Valid() {
			t.Errorf("%s: written again it is %s: %+v %v", in, got, again, err)
		}
	}
	if got := (Path{Model: "arn:aws:bedrock:eu-west-1::foundation-model/a_b-v1:0", Stream: true}).String(); got != "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A%3Afoundation-model%2Fa_b-v1%3A0/converse-stream" {
		t.Error(got) // as boto3 and the SDKs write it
	}
}

func TestPathsRefused(t *testing.T) {
	for in, reason := range map[string]string{
		"":                                     "form",
		"/":                                    "form",
		"/model/":                              "form",
		"/model/x":                             "form",
		"/model/x/":                            "form",
		"/model//converse":                     "no id",
		"/models/x/converse":                   "form",
		"/v1/model/x/converse":                 "form",
		"/model/x/Converse":                    "form",
		"/model/x/converse/":                   "form",
		"/model/x/converse/y":                  "form",
		"/model/x%2Fconverse":                  "form",
		"/model/x/converse%2Dstream":           "form",
		"/model/x/invoke":                      "names invoke,",
		"/model/x/invoke-with-response-stream": "names invoke-with-response-stream,",
		"/model/x/invoke-with-bidirectional-stream":                 "names invoke-with-bidirectional-stream,",
		"/model/x/count-tokens":                                     "names count-tokens,",
		"/model/x/converse?":                                        "query",
		"/model/x/converse?y=1":                                     "query",
		"/model/x/converse#y":                                       "query",
		"/model/a/b/converse":                                       "form",
		"/model/a%2Fb/converse":                                     "no id",
		"/model/../converse":                                        "no id",
		"/model/%2e%2e/converse":                                    "no id",
		"/model/arn:aws:x%2F..%2Fy/converse":                        "no id",
		"/model/arn:aws:x%2F%2Fy/converse":                          "no id",
		"/model/x%253A0/converse":                                   "no id",
		"/model/x%zz/converse":                                      "no id",
		"/model/x%00/converse":                                      "no id",
		"/model/x y/converse":                                       "no id",
		"/model/x;y/converse":                                       "no id",
		"/model/ü/converse":                                         "no id",
		"/model/" + strings.Repeat("x", 513) + "/converse":          "no id",
		"/model/" + strings.Repeat("%41", 10_000) + "/converse":     "form",
		"/model/" + strings.Repeat("x", 512) + "/converse" + "\x00": "form",
	} {
		got, err := ParsePath(in)
		var field *llm.FieldError
		if !errors.As(err, &field) || !strings.Contains(err.Error(), reason) || got != (Path{}) {
			t.Errorf("%q: %+v %v", in, got, err)
		}
	}
}

// FuzzPath: what is read is written as what reads the same, and nothing in it is a path of its own.
func FuzzPath(f *testing.F) {
	for _, in := range []string{"/model/a.b-v1%3A0/converse", "/model/arn:aws:bedrock:::x%2Fy/converse-stream", "/model/../converse", "/model/%252e/converse"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := ParsePath(in)
		if err != nil {
			return
		}
		out := got.String()
		again, err := ParsePath(out)
		if err != nil || again != got || again.String() != out || strings.Count(out, "/") != 3 || strings.ContainsAny(out, "?#\\ ") {
			t.Errorf("%q: %+v, %q, %+v %v", in, got, out, again, err)
		}
		for word := range strings.SplitSeq(got.Model, "/") {
			if word == "" || word == "." || word == ".." {
				t.Errorf("%q: %q", in, got.Model)
			}
		}
	})
}
