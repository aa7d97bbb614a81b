package policies

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Decision documents that are not quite right: each is an error, not a guess.
func TestRequestDecisionsAreReadStrictly(t *testing.T) {
	visible := map[string]string{"a": "a", "b": "b"}
	for document, want := range map[string]string{
		`{}`: "allowed is missing",
		`{"tools": {"a": "offer"}, "results": ["pass"]}`: "allowed is missing",
		`{"allowed": "true"}`:                            "not a boolean",
		`{"allowed": true, "tools": {"a": "offer"}, "results": ["pass"], "alowed": true}`:                         "alowed is not a member",
		`{"allowed": true, "tools": {"a": "offer"}, "results": []}`:                                               "answers 0 of 1",
		`{"allowed": true, "tools": {"a": "offer"}, "results": ["pass", "pass"]}`:                                 "answers 2 of 1",
		`{"allowed": true, "tools": {"a": "offer"}, "results": ["let through"]}`:                                  "not one of pass, quarantine, drop",
		`{"allowed": true, "tools": {"a": "offer"}, "results": {"0": "pass"}}`:                                    "not an array",
		`{"allowed": true, "tools": {}, "results": ["pass"]}`:                                                     `does not answer "a"`,
		`{"allowed": true, "results": ["pass"]}`:                                                                  `does not answer "a"`,
		`{"allowed": true, "tools": {"a": "offer", "b": "hide"}, "results": ["pass"]}`:                            "more than was asked",
		`{"allowed": true, "tools": {"a": "allow"}, "results": ["pass"]}`:                                         "not one of offer, hide",
		`{"allowed": true, "tools": {"a": true}, "results": ["pass"]}`:                                            "not a string",
		`{"allowed": true, "tools": {1: "offer"}, "results": ["pass"]}`:                                           "no string",
		`{"allowed": true, "tools": ["a"], "results": ["pass"]}`:                                                  "not an object",
		`{"allowed": true, "http_status": 403, "tools": {"a": "offer"}, "results": ["pass"]}`:                     "with allowed true",
		`{"allowed": false, "http_status": 200}`:                                                                  "no refusal",
		`{"allowed": false, "http_status": 403.5}`:                                                                "not an integer",
		`{"allowed": false, "reason": 1}`:                                                                         "not a string",
		`{"allowed": true, "byok": "yes", "tools": {"a": "offer"}, "results": ["pass"]}`:                          "not a boolean",
		`{"allowed": true, "headers": {"X-Envoy-Retry-On": "5xx"}, "tools": {"a": "offer"}, "results": ["pass"]}`: "not a policy's to set",
		`{"allowed": true, "headers": {"a b": "c"}, "tools": {"a": "offer"}, "results": ["pass"]}`:                "not valid",
		`{"allowed": true, "headers": {"a": "b\r\nc: d"}, "tools": {"a": "offer"}, "results": ["pass"]}`:          "not valid",
		`{"allowed": true, "headers": {"Authorization": "x"}, "tools": {"a": "offer"}, "results": ["pass"]}`:      "holds authorization, which is not a policy's to set",
		`{"allowed": true, "headers": {"x-a": "b", "X-A": "c"}, "tools": {"a": "offer"}, "results": ["pass"]}`:    "holds x-a twice",
		`{"allowed": false, "headers": {"x-yellowjack-cluster": "b"}}`:                                            "not a policy's to set",
		`{"allowed": true, "dynamic_metadata": {"": 1}, "tools": {"a": "offer"}, "results": ["pass"]}`:            "holds too much",
		`{"allowed": true, "tools": {"a": "offer"}, "results": [{"treatment": "pass", "why": "x"}]}`:              "why is not a member",
		`{"allowed": true, "tools": {"a": "offer"}, "results": [{"reason": "x"}]}`:                                "has no treatment",
		`{"allowed": true, "tools": {"a": "offer"}, "results": [{"treatment": "let through"}]}`:                   "not one of pass, quarantine, drop",
		`{"allowed": true, "headers": {"a": 1}, "tools": {"a": "offer"}, "results": ["pass"]}`:                    "not a string",
		`{"allowed": true, "dynamic_metadata": [1], "tools": {"a": "offer"}, "results": ["pass"]}`:                "not an object",
		`[]`: "not an object",
	} {
		d, err := decodeRequest(ast.MustParseTerm(document), []string{"a"}, 1, visible)
		if err == nil || !strings.Contains(err.Error(), want) || d.Allowed || d.Tools != nil {
			t.Errorf("%s: %+v, %v; want %q", document, d, err, want)
		}
	}
}

func TestRequestDecisionInFull(t *testing.T) {
	document := `{"allowed": true, "http_status": 200, "reason": "r", "rule": "u", "tools": {"a": "offer", "b": "offer", "c": "hide"},
		"results": ["drop"], "byok": true, "headers": {"X-Team": "t"}, "dynamic_metadata": {"n": 1, "s": "x", "o": {"a": [true]}}, "code": "c"}`
	d, err := decodeRequest(ast.MustParseTerm(document), []string{"a", "b", "c"}, 1, map[string]string{"a": "a", "c": "c"})
	if err != nil || !d.Allowed || d.Reason != "r" || d.Rule != "u" || !d.BYOK || d.Headers["x-team"] != "t" || d.Metadata["n"] != "1" || d.Results[0].Treatment != Drop {
		t.Fatalf("%+v, %v", d, err)
	}
	if d.Metadata["s"] != "x" || d.Metadata["o"] != `{"a":[true]}` {
		t.Errorf("metadata %v", d.Metadata)
	}
	if d.Tools["a"] != Offer || d.Tools["b"] != Hide || d.Tools["c"] != Hide {
		t.Errorf("a tool that is not visible was offered: %v", d.Tools)
	}
}

func TestARefusalIsFilledIn(t *testing.T) {
	d, err := decodeRequest(ast.MustParseTerm(`{"allowed": false, "tools": {"a": "offer"}, "byok": true}`), []string{"a"}, 1, map[string]string{"a": "a"})
	if err != nil || d.HTTPStatus != 403 || d.Code != "policy_denied" || d.Reason == "" || d.Tools != nil || d.BYOK {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestCallDecisionsAreReadStrictly(t *testing.T) {
	for document, want := range map[string]string{
		`{}`:            "answers 0 of 1",
		`{"calls": []}`: "answers 0 of 1",
		`{"calls": [{"verdict": "allow"}, {"verdict": "allow"}]}`: "answers 2 of 1",
		`{"calls": [{"verdict": "permit"}]}`:                      "not one of allow, deny, confirm",
		`{"calls": [{"verdict": true}]}`:                          "not a string",
		`{"calls": [{"reason": "x"}]}`:                            "no verdict",
		`{"calls": [{"verdict": "allow", "why": "x"}]}`:           "why is not a member",
		`{"calls": ["allow"]}`:                                    "not an object",
		`{"calls": {"0": {"verdict": "allow"}}}`:                  "not an array",
		`{"calls": [{"verdict": "allow"}], "allowed": true}`:      "allowed is not a member",
		`"allow"`: "not an object",
	} {
		d, err := decodeCalls(ast.MustParseTerm(document), 1)
		if err == nil || !strings.Contains(err.Error(), want) || d != nil {
			t.Errorf("%s: %+v, %v; want %q", document, d, err, want)
		}
	}
}

// What a policy says counts only of calls that were offered and are visible.
func TestCallsAreEnforced(t *testing.T) {
	calls := []Call{{Tool: "a", Offered: true}, {Tool: "b", Offered: true}, {Tool: "a"}, {Tool: "a", Offered: true}, {Tool: "b", Offered: true}}
	document := `{"calls": [{"verdict": "allow"}, {"verdict": "allow"}, {"verdict": "confirm"}, {"verdict": "confirm"}, {"verdict": "confirm"}]}`
	d, err := decodeCalls(ast.MustParseTerm(document), len(calls))
	if err != nil {
		t.Fatal(err)
	}
	for i := range d {
		(&tables{}).enforce(&d[i], &calls[i], &ToolcallInput{}, map[string]string{"a": "canonical"})
	}
	for i, want := range []string{Allow, Deny, Deny, Confirm, Deny} {
		if d[i].Verdict != want || want != Allow && d[i].Reason == "" {
			t.Errorf("call %d: %+v, want %s", i, d[i], want)
		}
	}
	if d[0].Tool != "canonical" || d[1].Tool != "" {
		t.Errorf("tools %q %q", d[0].Tool, d[1].Tool)
	}
}

func TestModelAnswersAreReadStrictly(t *testing.T) {
	for _, document := range []string{`[true]`, `[true, true, true]`, `[true, 1]`, `{"a": true}`, `{true}`} {
		if got, err := decodeModels(ast.MustParseTerm(document), 2); err == nil || got != nil {
			t.Errorf("%s: %v", document, got)
		}
	}
	for _, document := range []string{`["a"]`, `{"a": true}`, `{1: "a"}`, `{"a"}`} {
		if got, err := decodeVisible(ast.MustParseTerm(document)); err == nil {
			t.Errorf("%s: %v", document, got)
		}
	}
}
