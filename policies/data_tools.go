package policies

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// toolKeys is the shape of an entry of data.tools.
var toolKeys = map[string]check{
	"allow":           stringList,
	"aliases":         byName(anyName, stringList),
	"effect":          oneOf(Read, Write, Destructive),
	"result":          oneOf("trusted", "untrusted", "drop"),
	"confidentiality": oneOf("public", "internal", "secret"),
	"audience":        oneOf("public", "internal", "secret"),
	"sensitive":       trueOrFalse,
	"args":            byName(argPath, oneOf(ArgTrusted, ArgAny, ArgText)),
	"confirm":         oneOf("tainted", "always"),
	"grant":           oneOf("required"),
	"pin":             pinMode,

	"format":    oneOf("text", "json", "yaml", "python", "csv", "table"),
	"fields":    byName(fieldPath, checkField),
	"names":     stringList,
	"schema":    mapping,
	"max_items": wholeFrom(1, 100_000),
	"bits":      numberFrom(0, 1_000_000),
	"questions": checkQuestions,
	"rounds":    wholeFrom(0, 8),
}

var checkTool = keys(toolKeys)

var pinMode = oneOf(PinWarn, PinTaint, PinRefuse)

// The shape of a field's rule that is a mapping, by its type.
var fieldKeys = map[string]check{
	"type": oneOf(fieldTypes...), "min": numberFrom(-1e15, 1e15), "max": numberFrom(-1e15, 1e15), "decimals": wholeFrom(0, 9), "enum": stringList,
	"pattern": pattern, "max_len": wholeFrom(1, 64), "bits": numberFrom(0, 1_000_000),
}

var fieldTypes = []string{
	"any", "bool", "int", "number", "date", "datetime", "time", "enum", "pattern", "capture", "lines", "ref", "drop",
}

// What belongs to the types of a field's rule, beside bits.
var fieldMembers = map[string][]string{
	"int": {"min", "max"}, "number": {"min", "max", "decimals"}, "date": {"min", "max"}, "datetime": {"min", "max"},
	"enum": {"enum"}, "pattern": {"pattern", "max_len"}, "capture": {"pattern", "max_len"},
}

// checkField takes a type, the words of an enum, or a mapping.
func checkField(v *validator, path []string, value any) {
	rule := asNode(value)
	switch value.(type) {
	case string:
		rule = node{"type": value}
	case []any:
		rule = node{"type": "enum", "enum": value}
	}
	if rule == nil {
		v.fail(path, "must be a type, a list of words, or a mapping")
		return
	}
	before := len(v.found)
	keys(fieldKeys)(v, path, map[string]any(rule))
	if len(v.found) > before {
		return
	}
	kind := rule.word("type", "")
	if kind == "" {
		v.fail(path, "needs a type, one of %s", strings.Join(fieldTypes, ", "))
		return
	}
	v.belonging(path, rule, kind, fieldMembers[kind], "type", "bits")
	v.ordered(path, rule)
	switch kind {
	case "enum":
		v.needs(path, rule, "enum")
	case "pattern", "capture":
		v.needs(path, rule, "pattern")
	}
}

var questionKeys = map[string]check{
	"id": textOf(64), "ask": textOf(300), "type": oneOf(questionTypes...), "options": options, "min": limit, "max": limit,
	"pattern": pattern, "about": textOf(256),
}

var questionTypes = []string{"yesno", "choice", "int", "date", "count", "span", "render"}

var questionMembers = map[string][]string{
	"choice": {"options"}, "int": {"min", "max"}, "date": {"min", "max"}, "count": {"max"}, "span": {"pattern"},
}

// maxQuestions bounds what is asked about one result.
const maxQuestions = 32

func checkQuestions(v *validator, path []string, value any) {
	items, ok := value.([]any)
	if !ok || len(items) > maxQuestions {
		v.fail(path, "must be a list of at most %d questions", maxQuestions)
		return
	}
	ids := map[string]bool{}
	for i, item := range items {
		checkQuestion(v, path, i, item)
		id := questionRule(i, item).ID
		if ids[id] {
			v.fail(path, "element %d has the id %s of another one", i, id)
		}
		ids[id] = true
	}
}

func checkQuestion(v *validator, path []string, i int, value any) {
	at := append(slices.Clone(path), strconv.Itoa(i))
	before := len(v.found)
	keys(questionKeys)(v, at, value)
	if len(v.found) > before {
		return
	}
	q := asNode(value)
	kind := q.word("type", "")
	v.needs(at, q, "ask")
	v.needs(at, q, "type")
	v.belonging(at, q, kind, questionMembers[kind], "id", "ask", "type", "about")
	_, isDay := q["min"].(string)
	_, toDay := q["max"].(string)
	rule := questionRule(i, value)
	switch {
	case (isDay || toDay) && kind != "date":
		v.fail(at, "has a day for a limit and is of type %s", kind)
	case kind == "choice":
		v.needs(at, q, "options")
	case kind == "span":
		v.needs(at, q, "pattern")
	case kind == "int" && (q["min"] == nil || q["max"] == nil):
		v.fail(at, "needs min and max")
	case (q["min"] != nil || kind == "count") && q["max"] != nil && rule.Min >= rule.Max:
		v.fail(at, "has a max that is not above its min")
	}
}

func (v *validator) needs(path []string, n node, key string) {
	if n[key] == nil {
		v.fail(path, "needs %s", key)
	}
}

// belonging refuses members that say nothing in a rule of that type.
func (v *validator) belonging(path []string, n node, kind string, members []string, always ...string) {
	for key := range n {
		if !slices.Contains(members, key) && !slices.Contains(always, key) {
			v.fail(append(slices.Clone(path), key), "has no meaning for type %s", kind)
		}
	}
}

func (v *validator) ordered(path []string, n node) {
	if n["min"] != nil && n["max"] != nil && n.number("min", 0) > n.number("max", 0) {
		v.fail(path, "has a min above its max")
	}
}

var index = regexp.MustCompile(`\[[^\]]`)

func argPath(path string) string {
	if index.MatchString(path) {
		return "stands for every element; write [] without a number"
	}
	return anyName(path)
}

func fieldPath(path string) string {
	if index.MatchString(path) {
		return "stands for every element; write [] without a number"
	}
	return anyName(path)
}

func trueOrFalse(v *validator, path []string, value any) {
	if _, ok := value.(bool); !ok {
		v.fail(path, "must be true or false")
	}
}

func mapping(v *validator, path []string, value any) {
	if _, ok := value.(map[string]any); !ok {
		v.fail(path, "must be a mapping")
	}
}

func numberFrom(least, most float64) check {
	return func(v *validator, path []string, value any) {
		if f, ok := float(value); !ok || math.IsNaN(f) || f < least || f > most {
			v.fail(path, "must be a number from %v to %v", least, most)
		}
	}
}

func wholeFrom(least, most int) check {
	return func(v *validator, path []string, value any) {
		if f, ok := float(value); !ok || f != math.Trunc(f) || f < float64(least) || f > float64(most) {
			v.fail(path, "must be a whole number from %d to %d", least, most)
		}
	}
}

// limit is a whole number or a day.
func limit(v *validator, path []string, value any) {
	if _, ok := bound(value); !ok {
		v.fail(path, "must be a whole number, or a day such as %s", time.DateOnly)
	}
}

func textOf(most int) check {
	return func(v *validator, path []string, value any) {
		if s, ok := value.(string); !ok || s == "" || len(s) > most {
			v.fail(path, "must be a text of at most %d bytes", most)
		}
	}
}

func pattern(v *validator, path []string, value any) {
	s, ok := value.(string)
	if !ok || s == "" {
		v.fail(path, "must be a regular expression")
		return
	}
	if _, err := regexp.Compile(s); err != nil {
		v.fail(path, "is no regular expression: %v", err)
	}
}

func options(v *validator, path []string, value any) {
	stringList(v, path, value)
	if n := len(stringsOf(value)); n < 1 || n > 16 {
		v.fail(path, "must have 1 to 16 options")
	}
}

var aHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

func hashList(v *validator, path []string, value any) {
	stringList(v, path, value)
	for _, hash := range stringsOf(value) {
		if !aHash.MatchString(hash) {
			v.fail(path, "must hold SHA-256 sums in hexadecimal")
			return
		}
	}
}
