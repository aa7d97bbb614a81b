package policies

import (
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestValidateData(t *testing.T) {
	for text, want := range map[string]string{
		`tool: {}`:                                                 "tool: is not a known key",
		`tools: []`:                                                "tools: must be a mapping",
		`tools: `:                                                  "tools: must be a mapping",
		`tools: {a: }`:                                             "tools.a: must be a mapping",
		`tools: {a: {alow: ["*"]}}`:                                "tools.a.alow: is not a known key; known are aliases, allow",
		`tools: {a: {allow: "*"}}`:                                 "tools.a.allow: must be a list of strings",
		`tools: {a: {allow: ["*", 1]}}`:                            "tools.a.allow: element 1 must be a string",
		`tools: {a: {allow: [""]}}`:                                "tools.a.allow: element 0 must be a string that is not empty",
		`tools: {a: {result: safe}}`:                               "tools.a.result: must be one of trusted, untrusted, drop",
		`tools: {a: {confidentiality: 1}}`:                         "tools.a.confidentiality: must be one of public, internal, secret",
		`tools: {a: {audience: all}}`:                              "tools.a.audience: must be one of",
		`tools: {"*": {}}`:                                         "tools.*: a tool's name is exact",
		`tools: {"": {}}`:                                          "has an empty name",
		`tools: {a: {effect: reads}}`:                              "tools.a.effect: must be one of read, write, destructive",
		`tools: {a: {sensitive: "yes"}}`:                           "tools.a.sensitive: must be true or false",
		`tools: {a: {args: [to]}}`:                                 "tools.a.args: must be a mapping",
		`tools: {a: {args: {to: person}}}`:                         "tools.a.args.to: must be one of trusted, any, text",
		`tools: {a: {args: {"to[0]": any}}}`:                       "write [] without a number",
		`tools: {a: {confirm: true}}`:                              "tools.a.confirm: must be one of tainted, always",
		`tools: {a: {grant: yes}}`:                                 "tools.a.grant: must be one of required",
		`tools: {a: {pin: block}}`:                                 "tools.a.pin: must be one of warn, taint, refuse",
		`tools: {a: {format: xml}}`:                                "tools.a.format: must be one of text, json",
		`tools: {a: {names: title}}`:                               "tools.a.names: must be a list",
		`tools: {a: {schema: object}}`:                             "tools.a.schema: must be a mapping",
		`tools: {a: {max_items: 0}}`:                               "tools.a.max_items: must be a whole number from 1",
		`tools: {a: {bits: -1}}`:                                   "tools.a.bits: must be a number from 0",
		`tools: {a: {bits: .nan}}`:                                 "tools.a.bits: must be a number from 0",
		`tools: {a: {rounds: 2.5}}`:                                "tools.a.rounds: must be a whole number from 0 to 8",
		`tools: {a: {fields: {n: integer}}}`:                       "tools.a.fields.n.type: must be one of any, bool, int",
		`tools: {a: {fields: {n: {min: 1}}}}`:                      "tools.a.fields.n: needs a type",
		`tools: {a: {fields: {n: 1}}}`:                             "tools.a.fields.n",
		`tools: {a: {fields: {n: {type: int, min: 2, max: 1}}}}`:   "has a min above its max",
		`tools: {a: {fields: {n: {type: bool, max: 1}}}}`:          "tools.a.fields.n.max: has no meaning for type bool",
		`tools: {a: {fields: {n: {type: enum}}}}`:                  "tools.a.fields.n: needs enum",
		`tools: {a: {fields: {n: {type: pattern}}}}`:               "tools.a.fields.n: needs pattern",
		`tools: {a: {fields: {n: {type: pattern, pattern: "("}}}}`: "tools.a.fields.n.pattern: is no regular expression",
		`tools: {a: {fields: {n: {type: int, maximum: 1}}}}`:       "tools.a.fields.n.maximum: is not a known key",
		`tools: {a: {fields: {"a[1].b": int}}}`:                    "write [] without a number",
		`tools: {a: {questions: {ask: x}}}`:                        "tools.a.questions: must be a list",
		`tools: {a: {questions: [{ask: x}]}}`:                      "tools.a.questions.0: needs type",
		`tools: {a: {questions: [{type: yesno}]}}`:                 "tools.a.questions.0: needs ask",
		`tools: {a: {questions: [{ask: x, type: choice}]}}`:        "tools.a.questions.0: needs options",
		`tools: {a: {questions: [{ask: x, type: int, min: 1}]}}`:   "tools.a.questions.0: needs min and max",
		`tools: {a: {questions: [{ask: x, type: span}]}}`:          "tools.a.questions.0: needs pattern",
		`tools: {a: {questions: [{ask: x, type: yesno, max: 2}]}}`: "tools.a.questions.0.max: has no meaning for type yesno",
		`tools: {a: {questions: [{ask: x, type: yesno, id: q2}, {ask: y, type: yesno}]}}`:       "element 1 has the id q2",
		`tools: {a: {questions: [{ask: x, type: int, min: 2, max: 2}]}}`:                        "max that is not above",
		`tools: {a: {questions: [{ask: x, type: int, min: "2026-01-01", max: 2}]}}`:             "has a day for a limit",
		`tools: {a: {questions: [{ask: x, type: date, min: "2026-13-01", max: "2027-01-01"}]}}`: "tools.a.questions.0.min: must be a whole number, or a day",
		`tools: {a: {questions: [{ask: x, type: choice, options: []}]}}`:                        "must have 1 to 16 options",
		`features: {f: {taints: 1}}`:                                "features.f.taints: must be true or false",
		`pins: {mode: ask}`:                                         "pins.mode: must be one of warn, taint, refuse",
		`pins: {tools: {a: [abc]}}`:                                 "pins.tools.a: must hold SHA-256 sums",
		`pins: {tool: {}}`:                                          "pins.tool: is not a known key",
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
