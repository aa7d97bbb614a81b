package policies

import (
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestValidateData(t *testing.T) {
	for text, want := range map[string]string{
		`tool: {}`:                                                  "tool: is not a known key",
		`tools: []`:                                                 "tools: must be a mapping",
		`tools: `:                                                   "tools: must be a mapping",
		`tools: {a: }`:                                              "tools.a: must be a mapping",
		`tools: {a: {alow: ["*"]}}`:                                 "tools.a.alow: is not a known key; known are aliases, allow",
		`tools: {a: {allow: "*"}}`:                                  "tools.a.allow: must be a list of strings",
		`tools: {a: {allow: ["*", 1]}}`:                             "tools.a.allow: element 1 must be a string",
		`tools: {a: {allow: [""]}}`:                                 "tools.a.allow: element 0 must be a string that is not empty",
		`tools: {a: {effect: reads}}`:                               "tools.a.effect: must be one of read, write",
		`tools: {a: {result: safe}}`:                                "tools.a.result: must be one of trusted, untrusted, drop",
		`tools: {a: {confidentiality: 1}}`:                          "tools.a.confidentiality: must be one of public, internal, secret",
		`tools: {a: {audience: all}}`:                               "tools.a.audience: must be one of",
		`tools: {"*": {}}`:                                          "tools.*: a tool's name is exact",
		`tools: {"": {}}`:                                           "has an empty name",
		`tools: {a: {args: {}}}`:                                    "tools.a.args: is not built yet",
		`tools: {a: {sensitive: true}}`:                             "tools.a.sensitive: is not built yet",
		`tools: {a: {fields: {}}}`:                                  "tools.a.fields: is not built yet",
		`tools: {a: {questions: []}}`:                               "tools.a.questions: is not built yet",
		`tools: {a: {rounds: 2}}`:                                   "tools.a.rounds: is not built yet",
		`tools: {a: {pin: warn}}`:                                   "tools.a.pin: is not built yet",
		`tools: {a: {aliases: {c: x}}}`:                             "tools.a.aliases.c: must be a list of strings",
		`tools: {a: {aliases: {c: [b]}}, b: {}}`:                    "tools.a.aliases.c: b is itself a tool",
		`tools: {a: {aliases: {c: [x]}}, b: {aliases: {c: [x]}}}`:   "tools.b.aliases.c: x is already an alias of a",
		`tools: {a: {aliases: {"*": [x]}}, b: {aliases: {c: [x]}}}`: "x is already an alias of a",
		`tools: {a: {aliases: {c: [x]}}, b: {aliases: {"*": [x]}}}`: "x is already an alias of a",
		`teams: {t: {tool: []}}`:                                    "teams.t.tool: is not a known key",
		`teams: {t: {models: [a]}}`:                                 "teams.t.models: has no effect without models",
		`models: {"openai*": {allow: []}}`:                          "models.openai*: a model is",
		`models: {"*/a": {allow: []}}`:                              "models.*/a: a model is",
		`models: {a: ["*"]}`:                                        "models.a: must be a mapping",
		`features: {web: {allow: true}}`:                            "features.web.allow: must be a list",
		`fields: [a]`:                                               "fields: must be a mapping",
		`providers: {p: {allow: []}}`:                               "providers.p.allow: is not a known key; known are byok",
		`acme: {}`:                                                  "acme: is not a known key",
		`tools: {a: {allow: ["*"], aliases: {c: [x], d: [x]}}, b: {aliases: {e: [x]}}}`:                                                                                                         "",
		`{tools: {a: {allow: ["*"]}}, teams: {t: {tools: [a], models: [m]}}, models: {"p/*": {allow: ["*"]}}, features: {f: {allow: []}}, fields: {allow: [x]}, providers: {p: {byok: ["*"]}}}`: "",
	} {
		var data map[string]any
		if err := yaml.Unmarshal([]byte(text), &data); err != nil {
			t.Fatal(text, err)
		}
		err := ValidateData(data)
		var found DataErrors
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want == "":
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v; want %q", text, err, want)
		case !errors.As(err, &found) || len(found[0].Path) == 0:
			t.Errorf("%s: no path in %v", text, err)
		}
	}
}

func TestEveryProblemIsReported(t *testing.T) {
	err := ValidateData(map[string]any{"tools": map[string]any{"a": map[string]any{"x": 1}, "b": map[string]any{"pin": 1}}, "team": 1})
	var found DataErrors
	if !errors.As(err, &found) || len(found) != 3 {
		t.Errorf("%v", err)
	}
}

func TestConfiguredDataIsChecked(t *testing.T) {
	_, err := New(t.Context(), Config{Data: map[string]any{"tools": map[string]any{"a": map[string]any{"alow": []any{"*"}}}}})
	if err == nil || !strings.Contains(err.Error(), "tools.a.alow") {
		t.Errorf("%v", err)
	}
}
