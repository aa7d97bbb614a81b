package policies

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/label"
)

// mayUse says in Go what the shipped policy says in Rego of a tool's name.
func mayUse(data map[string]any, p Principal, name string) (tool string, ok bool) {
	tools := data["tools"].(map[string]any)
	if _, ok := tools[name]; ok {
		tool = name
	} else {
		for t, v := range tools {
			aliases, _ := v.(map[string]any)["aliases"].(map[string]any)
			for client, names := range aliases {
				if (client == "*" || client == p.Client) && slices.Contains(names.([]any), any(name)) {
					tool = t
				}
			}
		}
	}
	if tool == "" {
		return "", false
	}
	for _, s := range tools[tool].(map[string]any)["allow"].([]any) {
		if slices.Contains(p.Subjects, s.(string)) {
			return tool, true
		}
	}
	for _, team := range p.Teams {
		of, _ := data["teams"].(map[string]any)[team].(map[string]any)
		if of != nil && slices.Contains(of["tools"].([]any), any(tool)) {
			return tool, true
		}
	}
	return "", false
}

func anyOf(t *rapid.T, label string, from ...string) []any {
	out := []any{}
	for _, s := range rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, 2, rapid.ID).Draw(t, label) {
		out = append(out, s)
	}
	return out
}

func drawData(t *rapid.T) map[string]any {
	tools, teams := map[string]any{}, map[string]any{}
	for _, name := range []string{"a", "b", "c"} {
		tool := map[string]any{"allow": anyOf(t, name, "*", "group:x", "group:y", "user:u@example.com")}
		if client := rapid.SampledFrom([]string{"", "*", "agent", "other"}).Draw(t, "client"); client != "" {
			tool["aliases"] = map[string]any{client: []any{"as_" + name}}
		}
		tools[name] = tool
	}
	for _, team := range []string{"s", "t"} {
		teams[team] = map[string]any{"tools": anyOf(t, team, "a", "b", "ghost")}
	}
	return map[string]any{"tools": tools, "teams": teams}
}

// Not visible means that every call is denied, and that it is not offered,
// whatever a policy in place of the shipped ones says.
func TestNotVisibleIsNeverCalled(t *testing.T) {
	allowAll := folder(t, map[string]string{
		"t.rego": "package yellowjack.toolcall\n\ndecision := {\"calls\": [{\"verdict\": \"allow\"} | some _ in input.calls]}\n",
		"r.rego": requestPolicy(`{"allowed": true, "tools": {n: "offer" | some n in input.names}, "results": []}`),
	})
	names := []string{"a", "b", "c", "as_a", "as_b", "as_c", "ghost", "", "A", "a ", "*"}
	// An engine takes as long to make as hundreds of decisions, so the draws share a few.
	const worlds = 16
	drawn := rapid.Custom(drawData)
	for _, dir := range []string{"", allowAll} {
		engines, all := make([]*Engine, worlds), make([]map[string]any, worlds)
		for i := range worlds {
			all[i] = drawn.Example(i)
			e, err := New(t.Context(), Config{Data: all[i], Folder: dir, Timeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			engines[i] = e
		}
		rapid.Check(t, func(rt *rapid.T) {
			world := rapid.IntRange(0, worlds-1).Draw(rt, "world")
			data, e := all[world], engines[world]
			p := Principal{Client: rapid.SampledFrom([]string{"agent", "other", ""}).Draw(rt, "who")}
			p.Subjects = rapid.SliceOfN(rapid.SampledFrom([]string{"group:x", "group:y", "user:u@example.com", "user:v@example.com", "*"}), 0, 2).Draw(rt, "subjects")
			p.Teams = rapid.SliceOfN(rapid.SampledFrom([]string{"s", "t", "v"}), 0, 2).Draw(rt, "teams")
			calls, request := &ToolcallInput{Principal: p, Context: label.Clean()}, &RequestInput{Principal: p, Context: label.Clean()}
			for i := range rapid.IntRange(1, 6).Draw(rt, "calls") {
				tool := rapid.SampledFrom(names).Draw(rt, "tool")
				calls.Calls = append(calls.Calls, Call{Index: i, Tool: tool, Arguments: []byte(`{}`), Offered: rapid.Bool().Draw(rt, "offered")})
				request.Tools = append(request.Tools, Tool{Name: tool})
			}
			d, err := e.Toolcall(t.Context(), calls)
			if err != nil {
				rt.Fatal(err)
			}
			r, err := e.Request(t.Context(), request)
			if err != nil || !r.Allowed {
				rt.Fatal(r, err)
			}
			for i, c := range calls.Calls {
				tool, may := mayUse(data, p, c.Tool)
				what := fmt.Sprintf("%q of %+v with %v: %+v", c.Tool, p, data, d.Calls[i])
				if got := d.Calls[i]; (got.Verdict == Allow) != (may && c.Offered) || got.Verdict == Allow && got.Tool != tool {
					rt.Fatalf("call, may %v: %s", may, what)
				}
				if offered := r.Tools[c.Tool] == Offer; offered != may {
					rt.Fatalf("offered %v, may %v: %s", offered, may, what)
				}
			}
		})
	}
}
