package project

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxYAML bounds what is given to the YAML parser, which is far slower than the others.
const maxYAML = 512 << 10

// parseYAML reads one document of plain YAML: no tags of its own, no merge, names that are scalars and stand once. An alias is
// read again at each place, and takes from the bounds at each, so that a small document cannot stand for a large one.
func parseYAML(content []byte, b *bounds) (v Value, err error) {
	if len(content) > maxYAML || tooNested(content, b.depth) {
		return v, errStructure
	}
	// A parser that panics over what a third party wrote must not end the process.
	defer func() {
		if p := recover(); p != nil {
			v, err = Value{}, fmt.Errorf("%w: %v", errStructure, p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return v, errStructure
	}
	if dec.Decode(&more) == nil || doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return v, errStructure // several documents
	}
	return yamlValue(doc.Content[0], b)
}

// tooNested counts what could open a level, before the parser recurses over it.
func tooNested(content []byte, depth int) bool {
	level, deepest := 0, 0
	for line := range bytes.Lines(content) {
		indent := len(line) - len(bytes.TrimLeft(line, " -?"))
		deepest = max(deepest, indent)
		for _, c := range line {
			switch c {
			case '[', '{':
				level++
				deepest = max(deepest, level)
			case ']', '}':
				level = max(level-1, 0)
			}
		}
	}
	return deepest > 8*depth
}

func yamlValue(n *yaml.Node, b *bounds) (v Value, err error) {
	if err := b.enter(); err != nil {
		return v, err
	}
	defer b.leave()
	if n.Style&yaml.TaggedStyle != 0 {
		return v, errStructure
	}
	switch n.Kind {
	case yaml.AliasNode:
		return yamlValue(n.Alias, b)
	case yaml.ScalarNode:
		return yamlScalar(n), nil
	case yaml.SequenceNode:
		v.Kind = List
		for _, c := range n.Content {
			item, err := yamlValue(c, b)
			if err != nil {
				return v, err
			}
			v.Items = append(v.Items, item)
		}
		return v, nil
	case yaml.MappingNode:
		v.Kind = Object
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i]
			if name.Kind != yaml.ScalarNode || name.ShortTag() == "!!merge" || name.Style&yaml.TaggedStyle != 0 {
				return v, errStructure
			}
			value, err := yamlValue(n.Content[i+1], b)
			if err != nil {
				return v, err
			}
			v.Members = append(v.Members, Member{Name: name.Value, Value: value})
		}
		if !unique(v.Members) {
			return v, errStructure
		}
		return v, nil
	}
	return v, errStructure
}

func yamlScalar(n *yaml.Node) Value {
	switch n.ShortTag() {
	case "!!null":
		return Value{Kind: Null}
	case "!!bool":
		return Value{Kind: Bool, Text: strings.ToLower(n.Value)}
	case "!!int", "!!float":
		// 0x1F, 1_000, .5 and 0789 are numbers to some readers and texts to others: they stay texts.
		if isNumber(n.Value) {
			return Value{Kind: Number, Text: n.Value}
		}
	}
	return Value{Kind: String, Text: n.Value}
}
