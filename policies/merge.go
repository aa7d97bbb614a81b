package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/util"
	"go.yaml.in/yaml/v3"
)

// mergeData joins the configuration's data with that of the folder's files. A
// value given twice is an error: there is no order in which one could win.
func mergeData(files []file, config map[string]any) (map[string]any, error) {
	merged, err := plain(config)
	if err != nil {
		return nil, fmt.Errorf("policies: data of the configuration: %w", err)
	}
	if err := ValidateData(merged); err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.rego() {
			continue
		}
		data, err := readData(f)
		if err != nil {
			return nil, err
		}
		if at := merge(merged, data, nil); at != nil {
			line, _ := f.line(at)
			return nil, fmt.Errorf("%s:%d: %s is already given elsewhere", f.name, line, strings.Join(at, "."))
		}
	}
	if err := validateFolder(merged); err != nil {
		return nil, inFiles(err, files)
	}
	derived := map[string]any{"plain": derivePlain(merged)}
	// Absent where there are none, so that the rule for them ends at once.
	if aliases := deriveAliases(merged, &validator{}); len(aliases) > 0 {
		derived["aliases"] = aliases
	}
	merged["derived"] = derived
	return merged, nil
}

// derivePlain is the tools whose calls in a clean context nothing more is asked
// of, so that most calls are decided by one look.
func derivePlain(data map[string]any) map[string]any {
	out := map[string]any{}
	for name, entry := range asNode(data["tools"]) {
		tool := asNode(entry)
		if tool["audience"] == nil && tool["grant"] == nil && tool["confirm"] == nil {
			out[name] = true
		}
	}
	return out
}

// plain makes data of JSON's types only, and a copy.
func plain(data map[string]any) (map[string]any, error) {
	out := map[string]any{}
	if len(data) == 0 {
		return out, nil
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	return out, util.UnmarshalJSON(text, &out)
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

func readData(f file) (map[string]any, error) {
	var data map[string]any
	if strings.HasSuffix(f.name, ".json") {
		if offset, err := decodeJSON(f.text, &data); err != nil {
			line := 1 + bytes.Count(f.text[:min(offset, len(f.text))], []byte("\n"))
			return nil, fmt.Errorf("%s:%d: %w", f.name, line, err)
		}
	} else if err := decodeYAML(f.text, &data); err != nil {
		line, reason := "1", err.Error()
		if m := yamlLine.FindStringSubmatch(reason); m != nil {
			line, reason = m[1], m[2]
		}
		return nil, fmt.Errorf("%s:%s: %s", f.name, line, reason)
	}
	data, err := plain(data)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w", f.name, err)
	}
	for _, dir := range slices.Backward(f.dir) {
		data = map[string]any{dir: data}
	}
	return data, nil
}

// decodeYAML refuses keys given twice (yaml does) and a second document, which
// would otherwise be left unread.
func decodeYAML(text []byte, into *map[string]any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(into); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("holds more than one document")
	}
	return nil
}

// merge adds from to into and returns the path of the first conflict.
func merge(into, from map[string]any, path []string) []string {
	for _, key := range slices.Sorted(maps.Keys(from)) {
		at := append(slices.Clone(path), key)
		old, ok := into[key]
		if !ok {
			into[key] = from[key]
			continue
		}
		a, aok := old.(map[string]any)
		b, bok := from[key].(map[string]any)
		if !aok || !bok {
			return at
		}
		if conflict := merge(a, b, at); conflict != nil {
			return conflict
		}
	}
	return nil
}

// inFiles says of each data error in which file and line it is.
func inFiles(err error, files []file) error {
	var found DataErrors
	if !errors.As(err, &found) {
		return err
	}
	out := make([]error, 0, len(found))
	for _, e := range found {
		var placed error = e
		for _, f := range files {
			if f.rego() {
				continue
			}
			if line, ok := f.line(e.Path); ok {
				placed = fmt.Errorf("%s:%d: %w", f.name, line, e)
			}
		}
		out = append(out, placed)
	}
	return errors.Join(out...)
}

// line finds where a path of data stands in the file.
func (f file) line(path []string) (line int, ok bool) {
	line = 1
	var root yaml.Node
	// JSON is YAML but for tabs, which stand in no JSON string.
	text := bytes.ReplaceAll(f.text, []byte("\t"), []byte(" "))
	n := min(len(f.dir), len(path))
	if err := yaml.Unmarshal(text, &root); err != nil || len(root.Content) == 0 || !slices.Equal(f.dir[:n], path[:n]) {
		return line, false
	}
	at := root.Content[0]
	for _, key := range path[n:] {
		if i, err := strconv.Atoi(key); err == nil && at.Kind == yaml.SequenceNode && i >= 0 && i < len(at.Content) {
			line, at = at.Content[i].Line, at.Content[i]
			continue
		}
		i := member(at, key)
		if i < 0 {
			return line, false
		}
		line, at = at.Content[i].Line, at.Content[i+1]
	}
	return line, true
}

func member(n *yaml.Node, key string) int {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}
