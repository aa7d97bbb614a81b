package hold_test

import (
	"encoding/json"
	"fmt"
)

// readByConcatenating reads the calls of a stream as openai-python's accumulate_delta and LangChain's merge_dicts do: a
// member that is there already goes on by concatenation, whatever it is, and only the first list of calls stands as it
// came; an element of a later one goes to the place that its index names. Unlike both, it does not spare the type.
func readByConcatenating(stream []byte) (map[int]*clientChoice, error) {
	data, err := dataOf(stream)
	if err != nil {
		return nil, err
	}
	all := map[int]map[string]any{}
	for _, doc := range data {
		var chunk struct {
			Choices []struct {
				Index int
				Delta map[string]any
			}
		}
		if json.Unmarshal([]byte(doc), &chunk) != nil {
			continue // [DONE], or what the other client refuses
		}
		for _, ch := range chunk.Choices {
			if all[ch.Index] == nil {
				all[ch.Index] = map[string]any{}
			}
			for _, name := range []string{"tool_calls", "function_call"} {
				if value, ok := ch.Delta[name]; ok {
					if err := accumulate(all[ch.Index], map[string]any{name: value}); err != nil {
						return nil, fmt.Errorf("%w in %s", err, doc)
					}
				}
			}
		}
	}
	out := map[int]*clientChoice{}
	for index, delta := range all {
		out[index] = concatenated(delta)
	}
	return out, nil
}

func accumulate(acc, delta map[string]any) error {
	for key, now := range delta {
		before := acc[key]
		if before == nil || key == "index" {
			acc[key] = now
			continue
		}
		switch before := before.(type) {
		case string:
			if now, ok := now.(string); ok {
				acc[key] = before + now
			}
		case map[string]any:
			if now, ok := now.(map[string]any); ok {
				if err := accumulate(before, now); err != nil {
					return err
				}
			}
		case []any:
			if now, ok := now.([]any); ok && key == "tool_calls" {
				var err error
				if acc[key], err = accumulateList(before, now); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func accumulateList(acc, delta []any) ([]any, error) {
	if len(acc) == 0 {
		return delta, nil
	}
	for _, entry := range delta {
		now, _ := entry.(map[string]any)
		index, ok := now["index"].(float64)
		switch {
		case !ok || index < 0 || int(index) > len(acc):
			return nil, fmt.Errorf("no place for %v among %d calls", now, len(acc))
		case int(index) == len(acc):
			acc = append(acc, now)
		default:
			before, _ := acc[int(index)].(map[string]any)
			if err := accumulate(before, now); err != nil {
				return nil, err
			}
		}
	}
	return acc, nil
}

// concatenated is what an application finds in what was accumulated.
func concatenated(delta map[string]any) *clientChoice {
	out := &clientChoice{calls: map[int]*clientCall{}}
	list, _ := delta["tool_calls"].([]any)
	for i, entry := range list {
		members, _ := entry.(map[string]any)
		c := &clientCall{id: textIn(members, "id"), kind: textIn(members, "type")}
		c.concatenate(members["function"])
		c.concatenate(members["custom"])
		out.calls[i] = c
	}
	if legacy, ok := delta["function_call"]; ok && legacy != nil {
		out.legacy = &clientCall{}
		out.legacy.concatenate(legacy)
	}
	return out
}

func (c *clientCall) concatenate(part any) {
	members, _ := part.(map[string]any)
	c.name += textIn(members, "name")
	c.arguments += textIn(members, "arguments") + textIn(members, "input")
}

func textIn(members map[string]any, name string) string {
	text, _ := members[name].(string)
	return text
}
