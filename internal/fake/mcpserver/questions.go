package mcpserver

import "strings"

// form is an elicitation of some texts.
func form(message string, names ...string) Object {
	properties := Object{}
	for _, n := range names {
		properties[n] = Object{"type": "string", "description": "The " + n}
	}
	return elicitation(message, Object{"type": "object", "properties": properties, "required": names})
}

func elicitation(message string, schema any) Object {
	return Object{"method": "elicitation/create", "params": Object{"mode": "form", "message": message, "requestedSchema": schema}}
}

func sampling(text string, most int) Object {
	return Object{"method": "sampling/createMessage", "params": Object{
		"messages": []any{Object{"role": "user", "content": Object{"type": "text", "text": text}}}, "maxTokens": most,
	}}
}

func roots() Object { return Object{"method": "roots/list", "params": Object{}} }

// asks makes a handler that asks one thing and says what came.
func asks(_ string, request Object) Handler {
	return func(c *Call) (any, *Error) {
		in, wait, err := c.Need("", map[string]Object{"answer": request})
		if in == nil {
			return wait, err
		}
		return Text("%s", encode(in["answer"])), nil
	}
}

// elicits makes a handler that says how the person acted.
func elicits(schema string) Handler {
	return func(c *Call) (any, *Error) {
		in, wait, err := c.Need("", map[string]Object{"answer": elicitation("Please review", Raw(schema))})
		if in == nil {
			return wait, err
		}
		return Text("Elicitation completed: action=%v, content=%s", in["answer"]["action"], encode(in["answer"]["content"])), nil
	}
}

// suiteQuestions are the tools that ask their client.
func suiteQuestions() map[string]Item {
	out := map[string]Item{
		"test_sampling": Tool("test_sampling", `{"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]}`, func(c *Call) (any, *Error) {
			in, wait, err := c.Need("", map[string]Object{"answer": sampling(c.Text("prompt"), 100)})
			if in == nil {
				return wait, err
			}
			return Text("LLM response: %s", sampled(in["answer"])), nil
		}),
		"test_elicitation": Tool("test_elicitation", `{"type":"object","properties":{"message":{"type":"string"}},"required":["message"]}`, func(c *Call) (any, *Error) {
			in, wait, err := c.Need("", map[string]Object{"answer": form(c.Text("message"), "username", "email")})
			if in == nil {
				return wait, err
			}
			return Text("User response: action: %v, content: %s", in["answer"]["action"], encode(in["answer"]["content"])), nil
		}),
		"test_elicitation_sep1034_defaults": Tool("test_elicitation_sep1034_defaults", "", elicits(`{"type":"object","properties":{
			"name":{"type":"string","default":"John Doe"},"age":{"type":"integer","default":30},"score":{"type":"number","default":95.5},
			"status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},"verified":{"type":"boolean","default":true}}}`)),
		"test_elicitation_sep1330_enums": Tool("test_elicitation_sep1330_enums", "", elicits(`{"type":"object","properties":{
			"untitledSingle":{"type":"string","enum":["option1","option2","option3"]},
			"titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},
			"legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],"enumNames":["Option One","Option Two","Option Three"]},
			"untitledMulti":{"type":"array","items":{"type":"string","enum":["option1","option2","option3"]}},
			"titledMulti":{"type":"array","items":{"anyOf":[{"const":"value1","title":"First Choice"},{"const":"value2","title":"Second Choice"},{"const":"value3","title":"Third Choice"}]}}}}`)),
	}
	for name, handle := range inputRequired() {
		out[name] = Tool(name, "", handle)
	}
	return out
}

// inputRequired are the suite's tools of multi round-trip requests, less its common prefix.
func inputRequired() map[string]Handler {
	one := func(state, key string, request Object, say func(in Object) string) Handler {
		return func(c *Call) (any, *Error) {
			if c.Forged() {
				return nil, &Error{Code: -32602, Message: "the state is not one of ours"}
			}
			in, wait, err := c.Need(state, map[string]Object{key: request})
			if in == nil {
				return wait, err
			}
			return Text("%s", say(in[key])), nil
		}
	}
	confirm := elicitation("Please confirm", Raw(`{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}`))
	tools := map[string]Handler{
		"elicitation":    one("", "user_name", form("What is your name?", "name"), func(in Object) string { return "Hello, " + contentOf(in, "name") + "!" }),
		"sampling":       one("", "capital_question", sampling("What is the capital of France?", 100), sampled),
		"list_roots":     one("", "client_roots", roots(), func(in Object) string { return "roots: " + string(encode(in["roots"])) }),
		"request_state":  one("state", "confirm", confirm, func(Object) string { return "state-ok" }),
		"tampered_state": one("state", "confirm", confirm, func(Object) string { return "state-ok" }),
		"multiple_inputs": func(c *Call) (any, *Error) {
			in, wait, err := c.Need("several", map[string]Object{
				"user_name": form("What is your name?", "name"), "greeting": sampling("Generate a greeting", 50), "client_roots": roots(),
			})
			if in == nil {
				return wait, err
			}
			return Text("%s %s %s", sampled(in["greeting"]), contentOf(in["user_name"], "name"), encode(in["client_roots"])), nil
		},
		"multi_round": func(c *Call) (any, *Error) {
			name, first := strings.CutPrefix(c.State(), "second ")
			if !first {
				in, wait, err := c.Need("first", map[string]Object{"step1": form("Step 1: What is your name?", "name")})
				if in == nil {
					return wait, err
				}
				name = contentOf(in["step1"], "name")
			}
			in, wait, err := c.Need("second "+name, map[string]Object{"step2": form("Step 2: What is your favorite color?", "color")})
			if in == nil {
				return wait, err
			}
			return Text("%s likes %s", name, contentOf(in["step2"], "color")), nil
		},
		"capabilities": func(c *Call) (any, *Error) {
			wanted := map[string]Object{}
			for key, r := range map[string]Object{"ask": form("Your name?", "name"), "think": sampling("Think", 10), "where": roots()} {
				if method, _ := r["method"].(string); c.Can(capabilityFor(method)) {
					wanted[key] = r
				}
			}
			in, wait, err := c.Need("", wanted)
			if in == nil {
				return wait, err
			}
			return Text("%s", encode(in)), nil
		},
	}
	out := map[string]Handler{}
	for name, handle := range tools {
		out["test_input_required_result_"+name] = handle
	}
	return out
}

// sampled is what a model said.
func sampled(in Object) string {
	content, _ := in["content"].(map[string]any)
	text, _ := content["text"].(string)
	return text
}
