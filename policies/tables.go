package policies

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
)

// tables is the data of one revision as Go reads it: what holds whatever a policy answers is decided on these, and what
// a result's projection needs is handed on from here. It never changes.
type tables struct {
	tools     map[string]*ToolRules
	aliases   map[string]map[string]string // client → name → tool
	sensitive bool                         // some tool is
	pinned    bool                         // descriptions are compared
	authors   map[string]bool              // applications whose tools are not compared
	features  map[string]bool              // whether it taints, where the data says so
}

// newTables reads data that was validated.
func newTables(data map[string]any, compile func(*ToolRules) (any, error)) (*tables, error) {
	t := &tables{
		tools: map[string]*ToolRules{}, aliases: map[string]map[string]string{},
		authors: map[string]bool{}, features: map[string]bool{},
	}
	root := node(data)
	pins := root.node("pins")
	mode := pins.word("mode", PinWarn)
	hashes := pins.node("tools")
	t.pinned = data["pins"] != nil
	for _, client := range pins.list("authors") {
		t.authors[client] = true
	}
	for name, entry := range root.node("features") {
		if taints, ok := asNode(entry)["taints"].(bool); ok {
			t.features[name] = taints
		}
	}
	tools := root.node("tools")
	var found DataErrors
	for _, name := range slices.Sorted(maps.Keys(tools)) {
		r := toolRules(name, tools.node(name), mode)
		r.Hashes = hashes.list(name)
		if compile != nil {
			var err error
			if r.Compiled, err = compile(r); err != nil {
				found = append(found, &DataError{Path: []string{"tools", name}, Reason: err.Error()})
				continue
			}
		}
		t.tools[name] = r
		t.sensitive = t.sensitive || r.Sensitive
		t.pinned = t.pinned || tools.node(name)["pin"] != nil
	}
	if len(found) > 0 {
		return nil, found
	}
	for client, names := range root.node("derived").node("aliases") {
		t.aliases[client] = map[string]string{}
		for name, tool := range asNode(names) {
			t.aliases[client][name], _ = tool.(string)
		}
	}
	return t, nil
}

// toolRules reads the entry of one tool.
func toolRules(name string, entry node, pin string) *ToolRules {
	r := &ToolRules{
		Tool: name, Trusted: entry["result"] == "trusted", Effect: entry.word("effect", Write), Sensitive: entry["sensitive"] == true,
		Grant: entry["grant"] == "required", Pin: entry.word("pin", pin), Args: map[string]string{},
		Format: entry.word("format", ""), Names: entry.list("names"), MaxItems: int(entry.number("max_items", 0)),
		Bits: entry.number("bits", 0), Rounds: int(entry.number("rounds", -1)),
	}
	// A word that is not known cannot get here; were it to, it would be secret.
	r.Confidentiality, _ = label.ParseConfidentiality(entry.word("confidentiality", "public"))
	for path, word := range entry.node("args") {
		r.Args[path], _ = word.(string)
	}
	if fields := entry.node("fields"); len(fields) > 0 {
		r.Fields = make(map[string]FieldRule, len(fields))
		for path, rule := range fields {
			r.Fields[path] = fieldRule(rule)
		}
	}
	if schema, ok := entry["schema"]; ok {
		r.Schema, _ = json.Marshal(schema) // it was read from JSON or YAML, so it is JSON
	}
	questions, _ := entry["questions"].([]any)
	for i, q := range questions {
		r.Questions = append(r.Questions, questionRule(i, q))
	}
	return r
}

// fieldRule reads a rule in any of its three forms: a type, the words of an enum, or a mapping.
func fieldRule(value any) FieldRule {
	switch rule := value.(type) {
	case string:
		return FieldRule{Type: rule}
	case []any:
		return FieldRule{Type: "enum", Enum: stringsOf(rule)}
	}
	n := asNode(value)
	f := FieldRule{
		Type: n.word("type", ""), Decimals: int(n.number("decimals", 0)), Enum: n.list("enum"), Pattern: n.word("pattern", ""),
		MaxLen: int(n.number("max_len", 0)), Bits: n.number("bits", 0),
	}
	for key, into := range map[string]**float64{"min": &f.Min, "max": &f.Max} {
		if _, ok := n[key]; ok {
			v := n.number(key, 0)
			*into = &v
		}
	}
	return f
}

func questionRule(i int, value any) QuestionRule {
	n := asNode(value)
	q := QuestionRule{
		ID: n.word("id", fmt.Sprintf("q%d", i+1)), Ask: n.word("ask", ""), Type: n.word("type", ""), Options: n.list("options"),
		Pattern: n.word("pattern", ""), About: n.word("about", ""),
	}
	q.Min, _ = bound(n["min"])
	q.Max, _ = bound(n["max"])
	return q
}

// bound reads a whole number, or a day as the days since 1970-01-01.
func bound(value any) (int64, bool) {
	if day, ok := value.(string); ok {
		at, err := time.Parse(time.DateOnly, day)
		return at.Unix() / (24 * 60 * 60), err == nil
	}
	f, ok := float(value)
	return int64(f), ok && f == float64(int64(f))
}

// canonical is the tool that a client means by a name, nil when it is none of the data's.
func (t *tables) canonical(client, name string) *ToolRules {
	if r, ok := t.tools[name]; ok {
		return r
	}
	if tool, ok := t.aliases[client][name]; ok {
		return t.tools[tool]
	}
	return t.tools[t.aliases["*"][name]]
}

// taints tells whether a feature brings content that no proxy sees into the model's context. What only chooses models,
// hosts or storage does not; of everything else it is assumed.
func (t *tables) taints(feature string) bool {
	if taints, ok := t.features[feature]; ok {
		return taints
	}
	switch {
	case feature == "models", feature == "store", strings.HasPrefix(feature, "provider:"):
		return false
	case strings.HasPrefix(feature, ":"):
		return feature == ":online"
	}
	return true
}

// pin is what is known of an offered tool's description.
func (t *tables) pin(client string, tool *Tool) (string, *ToolRules) {
	if !t.pinned || tool.Server || tool.Hash == "" || t.authors[client] {
		return PinNone, nil
	}
	r := t.canonical(client, tool.Name)
	switch {
	case r == nil:
		return PinNone, nil // it is not visible either
	case len(r.Hashes) == 0:
		return PinNew, r
	case slices.Contains(r.Hashes, tool.Hash):
		return PinSame, r
	}
	return PinChanged, r
}

// node reads a mapping of data that was validated: what is missing is its default.
type node map[string]any

func asNode(value any) node {
	m, _ := value.(map[string]any)
	return m
}

func (n node) node(key string) node { return asNode(n[key]) }

func (n node) word(key, missing string) string {
	if s, ok := n[key].(string); ok {
		return s
	}
	return missing
}

func (n node) number(key string, missing float64) float64 {
	if f, ok := float(n[key]); ok {
		return f
	}
	return missing
}

func (n node) list(key string) []string { return stringsOf(n[key]) }

// float reads a number in any of the forms that JSON and YAML give it.
func float(value any) (float64, bool) {
	switch v := value.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}
