package mcpserver

import (
	"encoding/json"
	"fmt"
	"time"
)

// What the suites want to read.
const (
	pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	quiet = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="
	step  = 50 * time.Millisecond
)

// Suite has what the MCP conformance suites look for by name, and some more for the SDKs.
func Suite() Config {
	return Config{
		Name: "conformance", Tools: suiteTools(), Prompts: suitePrompts(), Complete: func(*Call) (any, *Error) {
			return Object{"completion": Object{"values": []string{"paris", "park", "party"}, "total": 150, "hasMore": false}}, nil
		},
		Resources: map[string]Item{
			"test://static-text": resource("test://static-text", "text/plain", func(uri string) Object {
				return Object{"uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource."}
			}),
			"test://static-binary": resource("test://static-binary", "image/png", func(uri string) Object {
				return Object{"uri": uri, "mimeType": "image/png", "blob": pixel}
			}),
			"test://watched-resource": resource("test://watched-resource", "text/plain", func(uri string) Object {
				return Object{"uri": uri, "mimeType": "text/plain", "text": "Watched."}
			}),
		},
		Templates: map[string]Item{"test://template/{id}/data": {
			Definition: Object{"uriTemplate": "test://template/{id}/data", "name": "template", "description": "Data by its id", "mimeType": "application/json"},
			Handle: func(c *Call) (any, *Error) {
				id := c.Variable("id")
				return Object{"contents": []Object{{
					"uri": c.URI(), "mimeType": "application/json",
					"text": string(encode(Object{"id": id, "templateTest": true, "data": "Data for ID: " + id})),
				}}}, nil
			},
		}},
	}
}

// Tool is a tool without arguments, or with those of a schema.
func Tool(name, schema string, handle Handler) Item {
	if schema == "" {
		schema = `{"type":"object","properties":{}}`
	}
	return Item{Definition: Object{"name": name, "description": "The fixture " + name, "inputSchema": Raw(schema)}, Handle: handle}
}

// Text is a result of a tool.
func Text(format string, args ...any) Object {
	return Object{"content": []any{Object{"type": "text", "text": fmt.Sprintf(format, args...)}}}
}

func resource(uri, kind string, contents func(uri string) Object) Item {
	return Item{
		Definition: Object{"uri": uri, "name": uri, "description": "The fixture " + uri, "mimeType": kind},
		Handle:     func(c *Call) (any, *Error) { return Object{"contents": []Object{contents(c.URI())}}, nil },
	}
}

func says(result Object) Handler { return func(*Call) (any, *Error) { return result, nil } }

func suiteTools() map[string]Item {
	image := Object{"type": "image", "data": pixel, "mimeType": "image/png"}
	all := map[string]Handler{
		"test_simple_text":   says(Text("This is a simple text response for testing.")),
		"test_image_content": says(Object{"content": []any{image}}),
		"test_audio_content": says(Object{"content": []any{Object{"type": "audio", "data": quiet, "mimeType": "audio/wav"}}}),
		"test_embedded_resource": says(Object{"content": []any{Object{"type": "resource", "resource": Object{
			"uri": "test://embedded-resource", "mimeType": "text/plain", "text": "This is an embedded resource content.",
		}}}}),
		"test_multiple_content_types": says(Object{"content": []any{
			Object{"type": "text", "text": "Multiple content types test:"},
			image,
			Object{"type": "resource", "resource": Object{"uri": "test://mixed-content-resource", "mimeType": "application/json", "text": `{"test":"data","value":123}`}},
		}}),
		"test_error_handling": says(Object{"isError": true, "content": []any{Object{"type": "text", "text": "This tool intentionally returns an error for testing"}}}),
		"test_tool_with_logging": func(c *Call) (any, *Error) {
			for _, text := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
				c.Log(text)
				c.pause(step)
			}
			return Text("Tool with logging executed successfully"), nil
		},
		"test_logging_tool": func(c *Call) (any, *Error) {
			c.Log("A message")
			return Text("logged"), nil
		},
		"test_tool_with_progress": func(c *Call) (any, *Error) {
			for _, done := range []float64{0, 50, 100} {
				c.Progress(done, 100, "")
				c.pause(step)
			}
			return Text("done"), nil
		},
		"test_reconnection": func(c *Call) (any, *Error) {
			c.Cut(10 * step)
			c.pause(2 * step)
			return Text("Reconnection test completed"), nil
		},
		"test_update": func(c *Call) (any, *Error) {
			c.s.Updated("test://watched-resource")
			return Text("updated"), nil
		},
		"test_waits": func(c *Call) (any, *Error) { // until it is cancelled
			c.Progress(1, 2, "waiting")
			<-c.ctx.Done()
			c.s.count("cancelled")
			return Text("cancelled"), nil
		},
		"test_missing_capability": asks("sampling/createMessage", sampling("anything", 10)),
		"test_streaming_elicitation": func(c *Call) (any, *Error) {
			c.Progress(1, 2, "")
			return asks("elicitation/create", form("Stream", "name"))(c)
		},
		"test_trigger_tool_change":   toggles("tools", func(c *Config, name string) map[string]Item { return c.Tools }),
		"test_trigger_prompt_change": toggles("prompts", func(c *Config, name string) map[string]Item { return c.Prompts }),
	}
	out := map[string]Item{}
	for name, handle := range all {
		out[name] = Tool(name, "", handle)
	}
	for name, item := range suiteQuestions() {
		out[name] = item
	}
	out["json_schema_2020_12_tool"] = Tool("json_schema_2020_12_tool", schema202012, says(Text("read")))
	out["test_x_mcp_header"] = Tool("test_x_mcp_header", `{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"other":{"type":"string"}},"required":["region"]}`,
		func(c *Call) (any, *Error) { return Text("region %s", c.Text("region")), nil })
	return out
}

// schema202012 has words of JSON Schema that a typed reading loses.
const schema202012 = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
  "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
  "properties": {
    "name": {"type": "string"}, "address": {"$ref": "#/$defs/address"},
    "contactMethod": {"type": "string", "enum": ["phone", "email"]}, "phone": {"type": "string"}, "email": {"type": "string"}
  },
  "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
  "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
  "then": {"required": ["phone"]}, "else": {"required": ["email"]},
  "additionalProperties": false
}`

// pause waits a moment, or until nobody waits for the call.
func (c *Call) pause(d time.Duration) {
	select {
	case <-c.ctx.Done():
	case <-time.After(d):
	}
}

// toggles makes a handler that adds an item to a list, or takes it out again.
func toggles(kind string, list func(c *Config, name string) map[string]Item) Handler {
	const name = "test_comes_and_goes"
	return func(c *Call) (any, *Error) {
		c.s.Change("notifications/"+kind+"/list_changed", func(config *Config) {
			items := list(config, name)
			if _, there := items[name]; there {
				delete(items, name)
				return
			}
			if kind == "tools" {
				items[name] = Tool(name, "", says(Text("here")))
				return
			}
			items[name] = Item{Definition: Object{"name": name, "description": "It comes and goes"}, Handle: says(Object{"messages": []any{}})}
		})
		return Text("changed"), nil
	}
}

func suitePrompts() map[string]Item {
	user := func(content any) Object { return Object{"role": "user", "content": content} }
	text := func(s string) Object { return Object{"type": "text", "text": s} }
	argument := func(name string) Object {
		return Object{"name": name, "description": "The argument " + name, "required": true}
	}
	prompt := func(name string, handle Handler, arguments ...Object) Item {
		d := Object{"name": name, "description": "The fixture " + name}
		if len(arguments) > 0 {
			d["arguments"] = arguments
		}
		return Item{Definition: d, Handle: handle}
	}
	return map[string]Item{
		"test_simple_prompt": prompt("test_simple_prompt", says(Object{"messages": []any{user(text("This is a simple prompt for testing."))}})),
		"test_prompt_with_arguments": prompt("test_prompt_with_arguments", func(c *Call) (any, *Error) {
			return Object{"messages": []any{user(text(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", c.Text("arg1"), c.Text("arg2"))))}}, nil
		}, argument("arg1"), argument("arg2")),
		"test_prompt_with_embedded_resource": prompt("test_prompt_with_embedded_resource", func(c *Call) (any, *Error) {
			return Object{"messages": []any{
				user(Object{"type": "resource", "resource": Object{"uri": c.Text("resourceUri"), "mimeType": "text/plain", "text": "Embedded resource content for testing."}}),
				user(text("Please process the embedded resource above.")),
			}}, nil
		}, argument("resourceUri")),
		"test_prompt_with_image": prompt("test_prompt_with_image", says(Object{"messages": []any{
			user(Object{"type": "image", "data": pixel, "mimeType": "image/png"}), user(text("Please analyze the image above.")),
		}})),
		"test_input_required_result_prompt": prompt("test_input_required_result_prompt", func(c *Call) (any, *Error) {
			in, wait, err := c.Need("", map[string]Object{"user_context": form("What context should the prompt use?", "context")})
			if in == nil {
				return wait, err
			}
			return Object{"messages": []any{user(text("Use the context " + contentOf(in["user_context"], "context")))}}, nil
		}),
	}
}

// contentOf is what a person wrote into a form.
func contentOf(input Object, name string) string {
	content, _ := input["content"].(map[string]any)
	b, _ := json.Marshal(content[name])
	var text string
	if json.Unmarshal(b, &text) == nil {
		return text
	}
	return string(b)
}
