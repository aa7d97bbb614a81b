package policies

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DataError says what is wrong with policy data, and where.
type DataError struct {
	Path   []string // keys from the root of data, such as tools, slack__post_message, alow
	Reason string
}

// Error says the path and the reason.
func (e *DataError) Error() string { return strings.Join(e.Path, ".") + ": " + e.Reason }

// DataErrors is every problem that ValidateData found, in the data's order of keys.
type DataErrors []*DataError

// Error says each of them on a line.
func (e DataErrors) Error() string {
	lines := make([]string, len(e))
	for i, d := range e {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// check is the shape of one value: it reports what is wrong below path.
type check func(v *validator, path []string, value any)

type validator struct{ found DataErrors }

func (v *validator) fail(path []string, format string, args ...any) {
	v.found = append(v.found, &DataError{Path: slices.Clone(path), Reason: fmt.Sprintf(format, args...)})
}

// roots is the shape of the data that the shipped policies read.
var roots = map[string]check{
	"tools":     byName(toolName, checkTool),
	"teams":     byName(anyName, keys(map[string]check{"tools": stringList, "models": stringList})),
	"models":    byName(modelName, keys(map[string]check{"allow": stringList})),
	"features":  byName(anyName, keys(map[string]check{"allow": stringList, "taints": trueOrFalse})),
	"providers": byName(anyName, keys(map[string]check{"byok": stringList})),
	"fields":    keys(map[string]check{"allow": stringList}),
	"pins":      keys(map[string]check{"mode": pinMode, "authors": stringList, "tools": byName(toolName, hashList)}),
}

// ValidateData checks the data that the shipped policies read: unknown keys,
// values of the wrong shape and ambiguous aliases are refused by name. The
// error is a DataErrors.
func ValidateData(data map[string]any) error {
	v := &validator{}
	keys(roots)(v, nil, data)
	return v.result(data)
}

// validateFolder is ValidateData for a folder, whose own policies may bring
// data of their own under other names.
func validateFolder(data map[string]any) error {
	v := &validator{}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		switch shape, ok := roots[key]; {
		case ok:
			shape(v, []string{key}, data[key])
		case key == "derived" || key == "yellowjack" || key == "system":
			v.fail([]string{key}, "is reserved; choose another name")
		}
	}
	return v.result(data)
}

func (v *validator) result(data map[string]any) error {
	if len(v.found) == 0 {
		v.teamModels(data)
		deriveAliases(data, v)
	}
	if len(v.found) > 0 {
		return v.found
	}
	return nil
}

// teamModels refuses a list that would not do what it seems to: without
// data.models every model passes.
func (v *validator) teamModels(data map[string]any) {
	if _, ok := data["models"]; ok {
		return
	}
	teams, _ := data["teams"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(teams)) {
		if team, _ := teams[name].(map[string]any); team["models"] != nil {
			v.fail([]string{"teams", name, "models"}, "has no effect without models, for every model then passes; add models, empty if need be")
		}
	}
}

// keys is an object with only these members.
func keys(known map[string]check) check {
	return func(v *validator, path []string, value any) {
		m, ok := value.(map[string]any)
		if !ok {
			v.fail(path, "must be a mapping")
			return
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			at := append(slices.Clone(path), key)
			switch shape, ok := known[key]; {
			case ok:
				shape(v, at, m[key])
			default:
				v.fail(at, "is not a known key; known are %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
		}
	}
}

// byName is an object whose members' names are the user's own.
func byName(name func(string) string, shape check) check {
	return func(v *validator, path []string, value any) {
		m, ok := value.(map[string]any)
		if !ok {
			v.fail(path, "must be a mapping")
			return
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			at := append(slices.Clone(path), key)
			if wrong := name(key); wrong != "" {
				v.fail(at, "%s", wrong)
				continue
			}
			shape(v, at, m[key])
		}
	}
}

func anyName(name string) string {
	if name == "" {
		return "has an empty name"
	}
	return ""
}

func toolName(name string) string {
	if strings.Contains(name, "*") {
		return "a tool's name is exact; * is not a wildcard here"
	}
	return anyName(name)
}

func modelName(name string) string {
	if star := strings.Index(name, "*"); star >= 0 && (star != len(name)-1 || !strings.HasSuffix(name, "/*")) {
		return "a model is a name, provider/name, or a prefix of that ending in /*"
	}
	return anyName(name)
}

func stringList(v *validator, path []string, value any) {
	items, ok := value.([]any)
	if !ok {
		if typed, isStrings := value.([]string); isStrings {
			for _, s := range typed {
				items = append(items, s)
			}
		} else {
			v.fail(path, "must be a list of strings")
			return
		}
	}
	for i, item := range items {
		if s, ok := item.(string); !ok || s == "" {
			v.fail(path, "element %d must be a string that is not empty", i)
		}
	}
}

func oneOf(words ...string) check {
	return func(v *validator, path []string, value any) {
		if s, ok := value.(string); !ok || !slices.Contains(words, s) {
			v.fail(path, "must be one of %s", strings.Join(words, ", "))
		}
	}
}

// deriveAliases turns tools.<tool>.aliases.<client>: [names] around, to
// client → name → tool, so that a rule finds a name without a search. A name
// that could mean two tools is refused: it would be decided as either.
func deriveAliases(data map[string]any, v *validator) map[string]any {
	out := map[string]any{}
	tools, _ := data["tools"].(map[string]any)
	for _, tool := range slices.Sorted(maps.Keys(tools)) {
		entry, _ := tools[tool].(map[string]any)
		aliases, _ := entry["aliases"].(map[string]any)
		for _, client := range slices.Sorted(maps.Keys(aliases)) {
			at := []string{"tools", tool, "aliases", client}
			for _, name := range stringsOf(aliases[client]) {
				if _, ok := tools[name]; ok {
					v.fail(at, "%s is itself a tool", name)
					continue
				}
				if other := aliasConflict(out, client, name, tool); other != "" {
					v.fail(at, "%s is already an alias of %s", name, other)
					continue
				}
				names, ok := out[client].(map[string]any)
				if !ok {
					names = map[string]any{}
					out[client] = names
				}
				names[name] = tool
			}
		}
	}
	return out
}

// aliasConflict is another tool that the client's name could mean; "*" is every client.
func aliasConflict(aliases map[string]any, client, name, tool string) string {
	for other, names := range aliases {
		if other == client || other == "*" || client == "*" {
			if t, ok := names.(map[string]any)[name].(string); ok && t != tool {
				return t
			}
		}
	}
	return ""
}

func stringsOf(value any) []string {
	if typed, ok := value.([]string); ok {
		return typed
	}
	items, _ := value.([]any)
	out := make([]string, 0, len(items))
	for _, item := range items {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
